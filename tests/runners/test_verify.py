"""``verify`` in Python does what its line does; the verbs about a run take it or its folder."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip("torch")

import torch

import noiseproof
from noiseproof import Compute, Elsewhere
from noiseproof.errors import DataError, ModelError
from noiseproof.store.verify import VerificationError
from tests.runners.test_redraw import forge

CPU = Compute(device="cpu", workers=1)


def test_without_a_replay_nothing_is_drawn(certified, tmp_path):
    certified()
    said = noiseproof.verify(tmp_path / "run")
    assert (said.records, said.redrawn, said.committed, said.signed_by) == (8, None, None, "")


@pytest.mark.parametrize(("replay", "inputs"), [(2, 2), ("3", 3), ("all", 8), (99, 8)])
def test_inputs_are_drawn_again(certified, data, model, replay, inputs):
    told = []
    said = noiseproof.verify(certified(), replay, Elsewhere(model=model, data=data), CPU, progress=told.append)
    assert (said.records, len(said.redrawn.inputs), said.redrawn.differing) == (8, inputs, 0)
    assert [each.done for each in told] == list(range(inputs))


def test_counts_that_are_not_those_of_the_model_are_found(certified, data, model, tmp_path):
    run = certified(limit=1)
    forge(tmp_path / "run", run, run.manifest.meaning, move=1)
    assert noiseproof.verify(tmp_path / "run").records == 1
    with pytest.raises(VerificationError, match="drawn again"):
        noiseproof.verify(tmp_path / "run", "all", Elsewhere(model=model, data=data), CPU)


@pytest.mark.parametrize("replay", [-1, 1.5, "some", "-1", True])
def test_how_many_is_a_number_or_all(replay):
    with pytest.raises(ValueError, match=f"replay must be a number >= 0, or all, got {replay!r}"):
        noiseproof.verify("nowhere", replay)


def test_without_a_replay_torch_is_not_imported(certified, tmp_path):
    certified(limit=1)
    code = "import noiseproof, sys; noiseproof.verify(sys.argv[1]); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path / "run")], check=False).returncode == 0


def test_the_verbs_take_a_run_or_its_folder(certified, data, model, tmp_path):
    whole, parts = certified(), [certified(out=f"part{k}", every=2, start=k) for k in (0, 1)]
    assert noiseproof.show(whole) == noiseproof.show(tmp_path / "run") == noiseproof.show(f"mine={tmp_path / 'run'}")
    assert noiseproof.verify(whole) == noiseproof.verify(str(tmp_path / "run"))
    merged = noiseproof.merge(parts, out=tmp_path / "all").run
    noiseproof.merge([part.path for part in parts], out=tmp_path / "same")
    assert merged.path.joinpath("journal.jsonl").read_bytes() == (tmp_path / "same" / "journal.jsonl").read_bytes()
    mine = Elsewhere(model=model, data=data)
    for name, run in {"run": whole, "folder": tmp_path / "run"}.items():
        noiseproof.attack(run, None, noiseproof.Predict(n=20), mine, CPU, out=tmp_path / f"{name}-attack", at=[1])
    noiseproof.falsify(whole, noiseproof.Predict(n=20), mine, CPU, at=[1])
    settings = [(tmp_path / f"{name}-attack" / "settings.toml").read_text() for name in ("run", "folder")]
    assert settings[0] == settings[1]
    assert (tmp_path / "run-falsify").is_dir()


def walk(run, mine, out):
    """Replayed, attacked and falsified with what is in the caller's hands."""
    assert noiseproof.verify(run, "all", mine, CPU).redrawn.differing == 0
    noiseproof.attack(run, None, noiseproof.Predict(n=20), mine, CPU, out=out / "attack", at=[1])
    noiseproof.falsify(run, noiseproof.Predict(n=20), mine, CPU, out=out / "falsify", at=[1])


@pytest.mark.parametrize("stated", [{}, {"mean": 0.5, "std": 0.5}, {"model_id": "mine"}], ids=str)
def test_a_run_on_objects_is_replayed_attacked_and_falsified_with_them(certified, data, model, tmp_path, stated):
    walk(certified(**stated), Elsewhere(model=model, data=data), tmp_path)


def test_weights_whose_architecture_was_stated_may_be_given_as_the_model_itself(certified, data, model, tmp_path):
    code = "from torch import nn\n\n\ndef net():\n    return nn.Sequential(nn.Flatten(), nn.Linear(16, 3)).eval()\n"
    (tmp_path / "arch.py").write_text(code)
    torch.save(model.state_dict(), tmp_path / "w.pt")
    said = {"arch": f"{tmp_path}/arch.py:net"}
    run = certified(model=str(tmp_path / "w.pt"), **said)
    loaded = noiseproof.load_model(str(tmp_path / "w.pt"), **said, num_classes=3, shape=(1, 4, 4))
    walk(run, Elsewhere(model=loaded, data=data), tmp_path)


def test_what_is_in_nobodys_hands_is_asked_for(certified, data):
    run = certified()
    with pytest.raises(DataError, match=r"unknown data set 'tiny'.*give the certified data set with --data"):
        noiseproof.verify(run, 1, None, CPU)
    with pytest.raises(ModelError, match=r"an object in Python; give it there: elsewhere=Elsewhere\(model=...\)"):
        noiseproof.verify(run, 1, Elsewhere(data=data), CPU)
