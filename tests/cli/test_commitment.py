"""A commitment before the first draw, and a signature behind the last: from the command line, and what breaks them."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

pytest.importorskip("torch")

from noiseproof.cli.main import run
from noiseproof.store.journal import Journal, read_journal
from noiseproof.store.manifest import read_manifest

MODEL = """
import torch


def net():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 10)).eval()
"""
QUICK = ["--data", "fashion-mnist-small:test", "--sigma", "0.5", "--n0", "10", "--device", "cpu", "--workers", "1"]
LINE = ["certify", "--model", "model.py:net", *QUICK, "--n", "50", "--limit", "3"]


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("model.py").write_text(MODEL)
    return tmp_path


def key(name, passphrase="", kind="ed25519"):
    if shutil.which("ssh-keygen") is None:
        pytest.skip("ssh-keygen is not installed")
    subprocess.run(
        ["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", f"{name}@lab", "-f", name], check=True, timeout=60
    )
    return name


def refused(capsys, *words):
    assert run(["verify", "run", *words]) == 1
    return capsys.readouterr().err


def test_a_run_is_what_was_committed_to(capsys):
    assert run([*LINE, "--out", "run", "--commit", "promise.json"]) == 0
    said = capsys.readouterr().out
    assert "promise.json commits to certify of 3 inputs in run; nothing is drawn yet" in said
    assert not Path("run/journal.jsonl").read_bytes()
    assert run([*LINE, "--out", "run"]) == 0
    capsys.readouterr()
    assert run(["verify", "run", "--commitment", "promise.json"]) == 0
    shown = capsys.readouterr().out
    sha = said.rpartition("SHA-256 ")[2].split(",")[0]
    assert f"it is what promise.json (SHA-256 {sha}) committed to, with all its inputs and no others" in shown


@pytest.mark.parametrize(
    "other", [["--seed", "1"], ["--n", "40"], ["--alpha", "0.3"], ["--n0", "20"], ["--common-noise"]], ids=" ".join
)
def test_another_seed_or_n_is_not_what_was_committed_to(capsys, other):
    """The attack: runs are made until one is liked, and that one is shown."""
    assert run([*LINE, "--out", "made", "--commit", "promise.json"]) == 0
    line = list(LINE)
    if other[0] in line:
        line[line.index(other[0]) + 1] = other[1]
    else:
        line += other
    assert run([*line, "--out", "run"]) == 0
    assert "run is not the run that promise.json commits to: it is certify of meaning" in refused(
        capsys, "--commitment", "promise.json"
    )


def test_other_inputs_are_not_what_was_committed_to(capsys):
    assert run([*LINE, "--out", "run", "--commit", "promise.json"]) == 0
    few = [*LINE[:-1], "2"]
    assert run([*few, "--out", "run"]) == 0
    said = "run does not hold just the 3 inputs that promise.json commits to: 1 are missing, 0 are others"
    assert said in refused(capsys, "--commitment", "promise.json")
    assert run([*LINE, "--out", "run"]) == 0
    assert run(["verify", "run", "--commitment", "promise.json"]) == 0
    assert run([*LINE, "--start", "1", "--out", "run"]) == 0
    assert "0 are missing, 1 are others" in refused(capsys, "--commitment", "promise.json")


def test_no_commitment_is_made_behind_a_draw(capsys):
    assert run([*LINE, "--out", "run"]) == 0
    assert run([*LINE, "--out", "run", "--commit", "promise.json"]) == 1
    assert "run was begun already, and a commitment is made before; choose another --out" in capsys.readouterr().err
    assert not Path("promise.json").exists()


def test_a_key_of_the_operating_system_is_fixed_by_the_commitment(capsys):
    pytest.importorskip("cryptography")
    assert run([*LINE, "--rng", "chacha20", "--out", "run", "--commit", "promise.json"]) == 0
    assert run([*LINE, "--rng", "chacha20", "--out", "run"]) == 0
    assert run(["verify", "run", "--commitment", "promise.json"]) == 0
    shutil.rmtree("run")
    assert run([*LINE, "--rng", "chacha20", "--out", "run"]) == 0
    assert "is not the run that promise.json commits to" in refused(capsys, "--commitment", "promise.json")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"form": "noiseproof commitment 1"}', "[" * 100_000])
def test_what_is_no_commitment_is_said_to_be_none(capsys, text):
    assert run([*LINE, "--out", "run"]) == 0
    Path("promise.json").write_text(text)
    said = refused(capsys, "--commitment", "promise.json")
    assert "promise.json is no commitment, as certify --commit writes it" in said


@pytest.fixture
def signed():
    """A run sealed by the key mine; yours is another one."""
    pytest.importorskip("cryptography")
    key("mine"), key("yours")
    assert run([*LINE, "--out", "run", "--sign", "mine"]) == 0


def rechained(change):
    """The lines of the run changed, the unkeyed chain made anew, which anyone can do."""
    start = read_manifest(Path("run")).meaning_hash
    entries = [line.entry for line in read_journal(Path("run/journal.jsonl"), start)]
    Path("run/journal.jsonl").unlink()
    journal = Journal(Path("run/journal.jsonl"), start)
    for entry in change(entries):
        journal.append(entry)
    journal.close()


def test_a_signed_seal_is_trusted_by_its_public_key(signed, capsys):
    capsys.readouterr()
    assert run(["verify", "run", "--trust", "mine.pub"]) == 0
    public = " ".join(Path("mine.pub").read_text().split()[:2])
    assert f"sealed and signed by {public}, and unchanged since" in capsys.readouterr().out
    Path("both").write_text("# people\n\n" + Path("yours.pub").read_text() + Path("mine.pub").read_text())
    assert run(["verify", "run", "--trust", "both"]) == 0
    assert run([*LINE, "--out", "run"]) == 0  # a start that draws nothing leaves the seal what it was
    assert run(["verify", "run", "--trust", "mine.pub"]) == 0


def test_somebody_else_is_not_trusted(signed, capsys):
    assert "which is not in yours.pub" in refused(capsys, "--trust", "yours.pub")
    rechained(
        lambda entries: [
            entry | ({"by": " ".join(Path("yours.pub").read_text().split()[:2])} if "by" in entry else {})
            for entry in entries
        ]
    )
    assert "the signature of its seal is not that of ssh-ed25519" in refused(capsys, "--trust", "yours.pub")


@pytest.mark.parametrize(
    "change",
    [
        lambda entries: [e | ({"seconds": 9.0} if e["is"] == "range" else {}) for e in entries],
        lambda entries: [e | ({"limit": None} if e["is"] == "seal" else {}) for e in entries],
        lambda entries: [e | ({"device": "abacus"} if e["is"] == "session" else {}) for e in entries],
        lambda entries: [e | ({"signature": "AAAA"} if e["is"] == "seal" else {}) for e in entries],
    ],
    ids=["a range", "the selection", "the session", "the signature"],
)
def test_what_was_changed_behind_the_signature_is_found(signed, capsys, change):
    rechained(change)
    assert run(["verify", "run"]) == 0, "the chain alone cannot tell"
    assert "the signature of its seal is not that of" in refused(capsys, "--trust", "mine.pub")


def test_another_meaning_under_the_signature_is_found(signed, capsys):
    start = read_manifest(Path("run")).meaning_hash
    entries = [line.entry for line in read_journal(Path("run/journal.jsonl"), start)]
    stored = json.loads(Path("run/manifest.json").read_text())
    stored["meaning"]["data"]["name"] = "another:test"
    from noiseproof.store import Manifest
    from noiseproof.store.manifest import write_manifest

    write_manifest(Path("run"), Manifest(stored["kind"], stored["meaning"], stored["version"]))
    Path("run/journal.jsonl").unlink()
    journal = Journal(Path("run/journal.jsonl"), read_manifest(Path("run")).meaning_hash)
    for entry in entries:
        journal.append(entry)
    journal.close()
    assert "the signature of its seal is not that of" in refused(capsys, "--trust", "mine.pub")


def test_draws_after_the_signature_are_not_signed(signed, capsys):
    assert run([*LINE[:-1], "4", "--out", "run"]) == 0
    assert "run does not end with a seal that is signed" in refused(capsys, "--trust", "mine.pub")
    assert run([*LINE[:-1], "4", "--out", "run", "--sign", "mine"]) == 0
    assert run(["verify", "run", "--trust", "mine.pub"]) == 0


def test_a_signature_does_not_outlive_merging(signed):
    assert run([*LINE, "--start", "3", "--out", "shard"]) == 0
    assert run(["merge", "run", "shard", "--out", "whole"]) == 0
    assert '"by"' not in Path("whole/journal.jsonl").read_text()
    assert '"by"' in Path("run/journal.jsonl").read_text()


def test_a_passphrase_is_asked_for(monkeypatch, capsys):
    pytest.importorskip("cryptography")
    pytest.importorskip("bcrypt")
    key("locked", "secret")
    asked = []
    monkeypatch.setattr("getpass.getpass", lambda prompt: asked.append(prompt) or "secret")
    assert run([*LINE, "--out", "run", "--sign", "locked"]) == 0
    assert asked == ["passphrase of locked: "]
    assert run(["verify", "run", "--trust", "locked.pub"]) == 0
    monkeypatch.setattr("getpass.getpass", lambda prompt: "wrong")
    assert run([*LINE, "--out", "other", "--sign", "locked"]) == 1
    assert "sign must be a private key of OpenSSH" in capsys.readouterr().err


def test_what_is_no_key_is_refused_before_anything_is_done(capsys):
    pytest.importorskip("cryptography")
    for name, said in (
        (key("other", kind="ecdsa"), "sign must be an Ed25519 key, got another kind in other"),
        ("model.py", "sign must be a private key of OpenSSH, as ssh-keygen -t ed25519 makes it"),
        ("missing", "cannot read the key missing: No such file or directory"),
    ):
        assert run([*LINE, "--out", "run", "--sign", name]) == 1
        assert said in capsys.readouterr().err
        assert not Path("run").exists()
