import hashlib
import subprocess
import sys
import zipfile

import pytest

from noiseproof.cli.main import run as command
from noiseproof.errors import RunError
from noiseproof.procedures import Predict
from noiseproof.reports.bundle import bundle
from tests.store.test_whole import chained_anew, entries_of

# what checks a bundle has neither noiseproof nor torch
ALONE = """
import sys
sys.modules |= {"noiseproof": None, "torch": None, "numpy": None}
import runpy
sys.argv = ["verify_run.py", "run"]
runpy.run_path("verify_run.py", run_name="__main__")
"""


def unpacked(file, folder):
    with zipfile.ZipFile(file) as archive:
        archive.extractall(folder)
    return folder


def alone(folder):
    return subprocess.run([sys.executable, "-c", ALONE], cwd=folder, capture_output=True, text=True, check=False)


def test_a_bundle_is_checked_without_noiseproof_and_without_torch(make_run, tmp_path, capsys):
    run = make_run("c", (0.99, 0.9))
    assert command(["bundle", str(run), "--out", str(tmp_path / "c.zip")]) == 0
    assert capsys.readouterr().out == f"written: {tmp_path / 'c.zip'}\n"
    folder = unpacked(tmp_path / "c.zip", tmp_path / "b")
    done = alone(folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("2 inputs hold, 0 are under way")
    sums = dict(reversed(line.split("  ")) for line in (folder / "SHA256SUMS").read_text().splitlines())
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    assert set(sums) == set(files) - {"SHA256SUMS"}
    assert all(hashlib.sha256(files[name].read_bytes()).hexdigest() == said for name, said in sums.items())
    assert {"run/manifest.json", "run/journal.jsonl", "card.md", "environment.json", "VERIFY.md"} <= set(sums)
    assert "python verify_run.py run\n" in files["VERIFY.md"].read_text()
    page = files["report.html"].read_text()
    assert "Verify it: noiseproof verify run" in page
    assert str(tmp_path) not in page  # it hangs on no place, and on no pictures that lie there
    assert "A bundle has no pictures." in page


def test_a_vote_that_is_changed_in_it_is_found(make_run, tmp_path):
    folder = unpacked(bundle(make_run("c", (0.99, 0.9)), out=tmp_path / "c.zip"), tmp_path / "b")
    journal = folder / "run" / "journal.jsonl"
    changed = journal.read_text().replace('"select"', '"Select"', 1)
    assert changed != journal.read_text()
    journal.write_text(changed)
    done = alone(folder)
    assert done.returncode == 1
    assert "does not hold" in done.stderr


def test_the_same_run_gives_the_same_bytes(make_run, tmp_path):
    run = make_run("c", (0.99, 0.9))
    assert bundle(run, out=tmp_path / "1.zip").read_bytes() == bundle(run, out=tmp_path / "2.zip").read_bytes()


def test_a_run_without_an_outcome_makes_none(make_run, tmp_path):
    with pytest.raises(RunError, match=r"has no finished input yet; run its predict line again$"):
        bundle(make_run("c", (), procedure=Predict()), out=tmp_path / "c.zip")
    assert not (tmp_path / "c.zip").exists()


def test_a_run_that_does_not_hold_makes_none(make_run, tmp_path, capsys):
    run = make_run("p", (0.99, 0.9), procedure=Predict(n=100))
    entries = entries_of(run)
    next(entry for entry in entries if entry["is"] == "record")["outcome"]["prediction"] = 1
    chained_anew(run, entries)
    assert command(["bundle", str(run), "--out", str(tmp_path / "p.zip")]) == 1
    assert "key k0-0" in capsys.readouterr().err
    assert not (tmp_path / "p.zip").exists()


def test_a_file_that_cannot_be_written_is_told(make_run, tmp_path):
    with pytest.raises(RunError, match=r"^cannot write .*No such file or directory; choose another --out$"):
        bundle(make_run("c", (0.99,)), out=tmp_path / "gone" / "c.zip")
