"""What a base classifier must be for its certificates to mean what they say, measured: one kind of check a file."""

from noiseproof.checks.brief import Checked, brief_check
from noiseproof.checks.diagnose import diagnose
from noiseproof.checks.finding import Diagnosis, Finding
from noiseproof.checks.probe import Probe

__all__ = ["Checked", "Diagnosis", "Finding", "Probe", "brief_check", "diagnose"]
