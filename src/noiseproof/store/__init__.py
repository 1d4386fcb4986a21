"""The run folder and its journal."""

from noiseproof.store.manifest import Manifest, check_meaning, read_manifest
from noiseproof.store.run import Run, RunFolder, read_run
from noiseproof.store.state import Range
from noiseproof.store.verify import Verification, VerificationError, verify

__all__ = [
    "Manifest",
    "Range",
    "Run",
    "RunFolder",
    "Verification",
    "VerificationError",
    "check_meaning",
    "read_manifest",
    "read_run",
    "verify",
]
