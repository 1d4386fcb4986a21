"""A run as one file for whoever must rely on it, with what checks it."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from importlib import resources
from pathlib import Path

from noiseproof.reports.card import card
from noiseproof.reports.page.page import page_of
from noiseproof.store.folder import JOURNAL, SETTINGS
from noiseproof.store.given import RunLike, path_of
from noiseproof.store.manifest import MANIFEST, write_bytes
from noiseproof.store.run import read_run
from noiseproof.store.verify import verify
from noiseproof.types import Certificate

VERIFIER = "verify_run.py"
_AT = (1980, 1, 1, 0, 0, 0)  # the earliest date a zip file can say: the same run gives the same bytes


def bundle(run: RunLike, *, out: str | Path) -> Path:
    """A run as one zip file that can be checked without noiseproof and without torch; the run is verified first.

    In it: the run folder's manifest, journal and settings; its certificate card where it promises radii; its report
    page, without pictures; on what it was computed; a verifier in plain Python; the SHA-256 sum of each; and VERIFY.md,
    which says how to check all that and what it shows. The same run folder gives the same bytes.

    Args:
        run: a run of certify, predict or decide, or its folder.
        out: the file; replaced whole.

    Raises:
        VerificationError: an outcome does not follow from its counts.
        RunError: not such a run, no input is finished, or the file cannot be written.
    """
    path, out = path_of(run), Path(out)
    found = read_run(path)
    kept = (name for name in (MANIFEST, JOURNAL, SETTINGS) if (path / name).exists())
    files = {f"run/{name}": (path / name).read_bytes() for name in kept}
    files["environment.json"] = json.dumps(found.state.sessions, indent=2, sort_keys=True).encode() + b"\n"
    files[VERIFIER] = _verifier()
    # of no record at all, too: the card says what to do; it verifies the run before it promises anything
    if all(isinstance(record.outcome, Certificate) for record in found.records):
        files["card.md"] = card(path).encode()
    else:
        verify(path)
    files["report.html"] = page_of({path.resolve().name: path}, packed=True).html.encode()
    files["VERIFY.md"] = _page(path, len(found.records), found.manifest.meaning_hash, files).encode()
    sums = "".join(f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in sorted(files.items()))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in sorted((files | {"SHA256SUMS": sums.encode()}).items()):
            archive.writestr(zipfile.ZipInfo(name, _AT), content, zipfile.ZIP_DEFLATED)
    write_bytes(out, packed.getvalue())
    return out


def _verifier() -> bytes:
    """The second verifier: a wheel has it beside this file, a checkout among its tools."""
    packed = resources.files("noiseproof.reports") / VERIFIER
    source = packed if packed.is_file() else Path(__file__).parents[3] / "tools" / VERIFIER
    return source.read_bytes()


def _page(run: Path, records: int, meaning: str, files: dict[str, bytes]) -> str:
    named = ", ".join(f"`{name}`" for name in sorted(files))
    return f"""# How to check this

{records} outcomes of the run `{run.resolve().name}`, whose meaning has the hash `{meaning}`. Beside this page: {named}.

    sha256sum -c SHA256SUMS
    pip install mpmath
    python {VERIFIER} run

The last line needs Python 3.11 or later and nothing of noiseproof or torch. It computes every bound, boundary and
outcome again from the votes, with 40 digits, by code that shares no line with what made them, and ends with status 0
if all hold. With noiseproof installed, `noiseproof verify run` does the same by its own code; with the model and the
data at hand `noiseproof verify run --replay 5 --model MODEL --data DATA` draws inputs again and compares every vote.

## What this shows, and what it does not

- That each outcome follows from the votes in `run/{JOURNAL}`, at the failure probability in `run/{MANIFEST}`.
- That the votes were drawn from the model with that fingerprint only as far as somebody replays them.
- Not what kind of inputs will come later, nor that any other change of an input than one within its radius, in the
  norm of the run, leaves the answer as it is.
- It is technical evidence of robustness, of the kind that article 15 of Regulation (EU) 2024/1689 asks for where a
  system is high-risk. It has no legal effect by itself.
"""
