"""Both verifiers say the same of every golden run and of its forgeries; neither knows the other."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import shutil
import sys
from pathlib import Path

import pytest

from noiseproof.errors import RunError
from noiseproof.noises import Gaussian
from noiseproof.procedures import Anytime, Certify, Curve, Decide, Predict, Sequential, SequentialPredict, Simultaneous
from noiseproof.store import verify

pytest.importorskip("mpmath")

ROOT = Path(__file__).parents[2]
FOLDERS = ROOT / "tests" / "golden" / "folders"
NAMES = sorted(path.name for path in FOLDERS.iterdir())


@pytest.fixture(scope="module")
def second():
    spec = importlib.util.spec_from_file_location("verify_run", ROOT / "tools" / "verify_run.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    once, made = module.boundaries, {}  # the same few designs over and over
    module.boundaries = lambda *given: made.get(repr(given)) or made.setdefault(repr(given), once(*given))
    return module


@pytest.fixture
def run(request, tmp_path):
    return shutil.copytree(FOLDERS / request.param, tmp_path / "run")


def forged(run, *, of_line=None, of_meaning=None):
    """The run with its lines or its meaning changed and every hash made anew, as anyone can."""
    manifest = json.loads((run / "manifest.json").read_text())
    if of_meaning:
        of_meaning(manifest["meaning"])
    text = json.dumps([manifest["kind"], manifest["meaning"]], sort_keys=True, separators=(",", ":"))
    previous = manifest["meaning_hash"] = hashlib.sha256(text.encode()).hexdigest()
    (run / "manifest.json").write_text(json.dumps(manifest))
    lines = [json.loads(line) for line in (run / "journal.jsonl").read_bytes().split(b"\n")[:-1]]
    done = []
    for entry in lines:
        del entry["hash"]
        for changed in of_line(entry) if of_line else [entry]:
            body = json.dumps(changed, separators=(",", ":")).encode()[:-1]
            previous = hashlib.sha256(previous.encode() + b"\n" + body).hexdigest()[:32]
            done.append(body + f',"hash":"{previous}"}}\n'.encode())
    (run / "journal.jsonl").write_bytes(b"".join(done))


def both_refuse(second, run):
    for one in (verify, second.verify):
        with pytest.raises((RunError, ValueError)):
            one(run)


def test_it_is_short_and_knows_nothing_of_noiseproof():
    text = (ROOT / "tools" / "verify_run.py").read_text()
    assert len(text.splitlines()) <= 300
    assert "import noiseproof" not in text
    assert "from noiseproof" not in text


@pytest.mark.parametrize("run", NAMES, indirect=True)
def test_both_hold_every_golden_run(run, second):
    said = verify(run)
    assert second.verify(run) == (said.records, said.unfinished)
    forged(run)  # a chain made anew of the same lines is the same, so the forger of this test is one
    assert second.verify(run) == (said.records, said.unfinished)
    assert verify(run) == said


@pytest.mark.parametrize("run", NAMES, indirect=True)
def test_both_refuse_a_changed_byte(run, second):
    raw = (run / "journal.jsonl").read_bytes()
    at = raw.index(b'"votes":[') + len(b'"votes":[')
    (run / "journal.jsonl").write_bytes(raw[:at] + (b"7" if raw[at : at + 1] != b"7" else b"8") + raw[at + 1 :])
    both_refuse(second, run)


def outcome(**changes):
    """Change what is printed of every input, by a function of each name."""

    def change(entry):
        if entry["is"] == "record":
            said = entry["outcome"]
            said |= {name: to(said[name]) for name, to in changes.items() if name in said}
        return [entry]

    return change


def first_vote(entry):
    if entry["is"] == "range":
        entry["votes"][entry["votes"].index(max(entry["votes"]))] -= 40
    return [entry]


FORGERIES = {
    "radius": outcome(radius=lambda r: r + 0.001, p_value=lambda p: 2 * p),
    "p": outcome(p_lower=lambda p: p + 1e-4, p_value=lambda p: p / 2, answer=lambda _: "not certified"),
    "class": outcome(prediction=lambda k: (k + 1) % 4),
    "fewer votes": first_vote,
    "no range": lambda entry: [] if entry["is"] == "range" else [entry],
    "twice": lambda entry: [entry] * (2 if entry["is"] == "range" else 1),
    "votes below zero": lambda e: [
        e | {"votes": [e["votes"][0] + 1, *e["votes"][1:-1], -1]} if e["is"] == "range" else e
    ],
    "one request": lambda e: [e | {"requests": [["estimate", 300]]} if e["is"] == "record" else e],
    "an unknown line": lambda entry: [entry, {"is": "note", "key": "none"}],
}


@pytest.mark.parametrize("run", ["anytime", "certify", "curve", "decide", "predict", "sequential"], indirect=True)
@pytest.mark.parametrize("kind", FORGERIES)
def test_both_refuse_a_forgery_with_a_chain_made_anew(kind, run, second):
    forged(run, of_line=FORGERIES[kind])
    both_refuse(second, run)


@pytest.mark.parametrize("run", ["curve", "decide"], indirect=True)
@pytest.mark.parametrize(("name", "by"), [("accept", -1), ("stop", 1), ("looks", 1), ("p0", -1e-3), ("size", -1e-5)])
def test_both_refuse_changed_boundaries(name, by, run, second):
    def change(meaning):
        test = meaning["design"][-1]
        test[name] = [*test[name][:-1], test[name][-1] + by] if isinstance(test[name], list) else test[name] + by

    forged(run, of_meaning=change)
    both_refuse(second, run)


@pytest.mark.parametrize("run", ["certify", "decide", "curve", "predict"], indirect=True)
def test_both_refuse_a_smaller_alpha(run, second):
    forged(run, of_meaning=lambda meaning: meaning["procedure"].update(alpha=1e-60))
    both_refuse(second, run)


@pytest.mark.parametrize(
    "procedure",
    [
        Certify(n=20_000),
        Certify(n=20_000, two_sided=True),
        Sequential(n_max=5000, two_sided=True),
        Predict(n=2000),
        SequentialPredict(n_max=3000),
        Simultaneous(n=2000),
        Decide(radius=0.3, n_max=4000),
        Decide(radius=0.3, n_max=3000, gamma=0.1, ratio=2.0, first_look=50),
        Curve(radii=(0.0, 0.4), n_max=3000),
        Anytime(radius=0.3, n_max=3000),
    ],
    ids=repr,
)
def test_both_hold_what_is_made_now(procedure, make_run, second):
    path = make_run("run", (1.0, 0.97, 0.9, 0.8, 0.6, 0.51, 0.3), procedure=procedure)
    manifest = json.loads((path / "manifest.json").read_text())
    assert ("levels" in manifest) == bool(procedure.design(Gaussian(0.5).on((1, 2, 2))))
    assert second.verify(path) == (7, 0)
    assert verify(path).records == 7


def test_from_the_command_line(tmp_path, second, monkeypatch, capsys):
    import runpy

    monkeypatch.setattr(sys, "argv", ["verify_run.py", str(FOLDERS / "killed")])
    runpy.run_path(str(ROOT / "tools" / "verify_run.py"), run_name="__main__")
    said = "1 inputs hold, 1 are under way; 0 of 0 asked for, 1 others, 0 out of turn\n"
    assert capsys.readouterr().out == said
    monkeypatch.setattr(sys, "argv", ["verify_run.py", str(tmp_path)])
    with pytest.raises(SystemExit, match="does not hold"):
        runpy.run_path(str(ROOT / "tools" / "verify_run.py"), run_name="__main__")


def test_imported_counts_hold_and_imported_radii_cannot_be_checked(tmp_path, second, monkeypatch):
    from noiseproof.store.exchange import import_run

    (tmp_path / "counts.txt").write_text("990 6 4 0\n500 490 10 1\n4 990 6 1\n")
    import_run(tmp_path / "counts.txt", out=tmp_path / "counts", format="topk", sigma=0.5, n=1000, alpha=0.001)
    assert second.verify(tmp_path / "counts") == (3, 0)
    forged(tmp_path / "counts", of_line=FORGERIES["radius"])
    both_refuse(second, tmp_path / "counts")
    printed = "idx\tlabel\tpredict\tradius\tcorrect\ttime\n0\t3\t3\t0.378\t1\t15.4\n"
    (tmp_path / "sigma_0.25.tsv").write_text(printed)
    import_run(tmp_path / "sigma_0.25.tsv", out=tmp_path / "radii", n=1000, alpha=0.01)
    with pytest.raises(ValueError, match="it has no class votes that could be checked"):
        second.verify(tmp_path / "radii")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda e: [e], "3 of 3 asked for, 0 others, 0 out of turn"),
        (lambda e: [] if e.get("key") == "k1-0" else [e], "2 of 3 asked for, 0 others, 0 out of turn"),
        (lambda e: [e | {"limit": 1} if e["is"] == "seal" else e], "1 of 1 asked for, 2 others, 0 out of turn"),
        (lambda e: [e | {"key": "k1-7"} if e.get("key") == "k1-0" else e], "3 of 3 asked for, 0 others, 1 out of turn"),
    ],
)
def test_it_says_which_inputs_are_there(make_run, second, change, said):
    path = make_run("run", (0.9, 0.9, 0.9), sealed=True)
    forged(path, of_line=change)
    assert second.verify(path)[1] == 0
    assert second.shown(path) == said


@pytest.mark.parametrize("form", [0, 1, 3, "2"])
def test_word_keys_of_another_form_are_refused_by_both(make_run, second, form):
    path = make_run("run", (0.9,))
    forged(path, of_meaning=lambda meaning: meaning.update(words=form))
    both_refuse(second, path)
