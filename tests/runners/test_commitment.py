"""What was fixed before the draws cannot be changed behind them: each way to choose by the result is an attack."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from torch import nn

from noiseproof import Gaussian
from noiseproof.cli.main import run as command
from noiseproof.noises import Words
from noiseproof.noises.keys import input_key
from noiseproof.runners import redraw as redraw_module
from noiseproof.store import read_run
from noiseproof.store.manifest import noise_note
from noiseproof.store.verify import VerificationError
from tests.asking import certify, redraw
from tests.runners.test_redraw import forge

CHANGES = {
    "alpha": lambda meaning: meaning["procedure"].update(alpha=0.3),
    "two_sided": lambda meaning: meaning["procedure"].update(two_sided=True),
    "dimension": lambda meaning: meaning["noise"].update(dimension=None),
}
"""What raises radii without a draw."""


class Chosen:
    """The operating system's choice of inputs, made known."""

    def __init__(self, index):
        self.index = index

    def sample(self, records, count):
        return sorted(records, key=lambda record: record.index != self.index)[:count]


def changed(path, run, change):
    """The run under another meaning, certificates and chain made anew."""
    meaning = json.loads(json.dumps(run.manifest.meaning))
    change(meaning)
    forge(path, replace(run, manifest=replace(run.manifest, meaning=meaning)), meaning, move=0)


@pytest.mark.parametrize("what", CHANGES)
def test_a_setting_changed_afterwards_belongs_to_other_draws(certified, data, model, tmp_path, monkeypatch, what):
    """The attack: alpha .001 becomes .3 when the counts are known; any one input that is drawn again tells."""
    run, path = certified(n=1000), tmp_path / "run"
    changed(path, run, CHANGES[what])
    for record in run.records:
        monkeypatch.setattr(redraw_module.random, "SystemRandom", lambda index=record.index: Chosen(index))
        with pytest.raises(VerificationError, match="drawn again"):
            redraw(path, 1, model=model, data=data, device="cpu")


@pytest.mark.parametrize("what", CHANGES)
def test_under_common_noise_nothing_but_the_note_tells(certified, data, model, tmp_path, what):
    run, path = certified(n=1000, common_noise=True), tmp_path / "run"
    changed(path, run, CHANGES[what])
    assert redraw(path, None, model=model, data=data, device="cpu").differing == 0
    assert "common to all models and settings" in noise_note(read_run(path).manifest)


def test_a_run_that_says_it_is_an_old_one_belongs_to_other_draws(certified, data, model, tmp_path):
    run, path = certified(), tmp_path / "run"
    changed(path, run, lambda meaning: meaning.pop("words"))
    with pytest.raises(VerificationError, match="drawn again"):
        redraw(path, None, model=model, data=data, device="cpu")


def test_an_input_that_says_nothing_is_not_the_only_one_drawn_again(certified, data, tmp_path, monkeypatch):
    """All votes for one class are all votes for one class on other noise, too: one that is divided is drawn as well."""

    class Mostly(nn.Module):
        def forward(self, x):
            dark = x.flatten(1).mean(1) < 0.47
            return torch.stack([torch.ones_like(dark), 2 * dark, torch.zeros_like(dark)], 1).float()

    pictures = data.pictures.copy()
    pictures[0] = 0
    data = replace(data, pictures=pictures)
    run, path = certified(model=Mostly().eval(), data=data), tmp_path / "run"
    sure = [record.index for record in run.records if max(record.answers[-1].votes) == record.answers[-1].n]
    assert 0 < len(sure) < len(run.records), "the test needs both"
    changed(path, run, CHANGES["alpha"])
    monkeypatch.setattr(redraw_module.random, "SystemRandom", lambda: Chosen(sure[0]))
    with pytest.raises(VerificationError, match="drawn again"):
        redraw(path, 1, model=Mostly().eval(), data=data, device="cpu")


def test_more_draws_begin_with_those_of_fewer(certified):
    few, many = certified("few", n=300), certified("many", n=2000)
    for one, other in zip(few.records, many.records, strict=True):
        assert one.answers[:2] == other.answers[:2]  # select 20 and the first 100
    assert all(certified("other", alpha=0.01).records[i].answers != few.records[i].answers for i in range(8))


def test_common_noise_is_the_same_for_every_setting(certified):
    one, other = certified("one", common_noise=True), certified("other", common_noise=True, alpha=0.01)
    assert [record.answers for record in one.records] == [record.answers for record in other.records]
    assert "words" not in one.manifest.meaning
    assert one.manifest.meaning | {"words": 2} == certified("bound").manifest.meaning


class Memory(nn.Module):
    """Class 1 for the noisy rows that it has seen, class 0 for all others."""

    def __init__(self, rows):
        super().__init__()
        self.register_buffer("seen", torch.from_numpy(rows.reshape(len(rows), -1).astype(np.float32)))

    def forward(self, x):
        known = (torch.cdist((255 * x).flatten(1).round(), self.seen) < 0.5).any(1).float()
        return torch.stack([1 - known, known], 1)


@pytest.mark.parametrize("common_noise", [True, False])
def test_a_model_cannot_have_learned_its_draws_by_heart(data, tmp_path, common_noise):
    """The attack: the draws of seed 0 of an input are computed, and a model is made that knows just these."""
    x, noise = data.pixels(0), Gaussian(sigma=0.5)
    rows = [noise.perturb(x, Words(0, input_key(x), stage), 0, n) for stage, n in (("select", 20), ("estimate", 300))]
    model, two = Memory(np.concatenate(rows)).eval(), replace(data, classes=("a", "b"), labels=data.labels % 2)
    run = certify(
        model=model, data=two, sigma=0.5, n0=20, n=300, limit=1, common_noise=common_noise,
        device="cpu", workers=1, out=tmp_path / "run",
    )  # fmt: skip
    (record,) = run.records
    assert record.outcome.prediction == (1 if common_noise else 0)
    assert record.outcome.radius > 0.5


def test_seeds_and_names_that_leave_a_choice_are_shown(certified, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for out, settings, said in (
        ("run", {}, ""),
        ("seed", {"seed": 7}, "of seed 7 (others may have been tried before)"),
        ("common", {"common_noise": True}, "common to all models and settings (one may have been made for it)"),
        ("named", {"model_id": "m"}, "bound to a name of the model, not to its weights"),
    ):
        certified(out, **settings)
        assert noise_note(read_run(tmp_path / out).manifest).startswith(said)
        for words in (["verify", out], ["card", out], ["report", out, "--out", "report"]):
            assert command(words) == 0
            shown = " ".join(capsys.readouterr().out.split())
            assert (said or "(others may") in shown or not said
            assert said or "may have been" not in shown


def test_equal_pictures_are_in_turn(certified, tmp_path):
    from noiseproof.store.whole import wholeness

    assert wholeness(certified().state).out_of_turn == ()


def test_a_folder_of_common_noise_goes_on_with_it(certified, caplog):
    certified(common_noise=True, limit=3)
    run = certified()
    assert "words" not in run.manifest.meaning
    assert "common to all models, and goes on with it" in caplog.text
    assert [r.answers for r in run.records] == [r.answers for r in certified("fresh", common_noise=True).records]
