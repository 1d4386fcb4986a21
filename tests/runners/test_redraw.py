"""Records drawn again: what was changed after the drawing is found, also where the chain was made anew."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest

pytest.importorskip("torch")

import torch

from noiseproof import verify
from noiseproof.errors import ModelError, RunError
from noiseproof.noises import noise_from
from noiseproof.procedures import replay
from noiseproof.runners.redraw import Redrawn
from noiseproof.store import Range, RunFolder, read_run
from noiseproof.store.manifest import write_manifest
from noiseproof.store.verify import VerificationError
from tests.asking import certify, decide, redraw


def forge(path, run, meaning, *, move, device=None):
    """The run once more, other meaning, votes moved in the last request of each input, chain and certificates whole."""
    records = [replace(record, answers=tuple(record.answers)) for record in run.records]  # while they are there
    shutil.rmtree(path)
    noise = noise_from(meaning["noise"])
    environment = {name: value for name, value in run.state.sessions[0].items() if name != "settings"}
    with RunFolder(path, replace(run.manifest, meaning=meaning)) as folder:
        folder.begin(environment | ({"device": device} if device else {}), run.state.sessions[0]["settings"])
        for record in records:
            begins = {}
            votes = list(record.answers[-1].votes)
            much, other = votes.index(max(votes)), (votes.index(max(votes)) + 1) % len(votes)
            votes[much], votes[other] = votes[much] - move, votes[other] + move
            answers = [*record.answers[:-1], replace(record.answers[-1], votes=tuple(votes))]
            for answer in answers:
                first = begins.get(answer.stage, 0)
                begins[answer.stage] = first + answer.n
                folder.add_range(record.key, answer.stage, Range(first, answer.n, answer.votes, 0.1))
            outcome = replay(run.procedure, noise, answers)
            requests = [(answer.stage, answer.n) for answer in answers]
            folder.add_record(record.key, record.index, record.label, requests, outcome)
    assert verify(path).records == len(records)


def test_every_count_is_the_same(certified, data, model, tmp_path):
    certified()
    said = redraw(tmp_path / "run", 99, model=model, data=data, device="cpu", workers=2)
    assert said == Redrawn(inputs=tuple(range(8)), of=8, draws=8 * 320, differing=0, doubtful=0, smaller=0)
    assert said.could_be_forged == 0


def test_it_chooses_as_many_as_asked_for(certified, data, model, tmp_path):
    certified()
    chosen = {redraw(tmp_path / "run", 2, model=model, data=data, device="cpu").inputs for _ in range(20)}
    assert {len(inputs) for inputs in chosen} == {2}
    assert len(chosen) > 1, "20 times the same two of eight have probability 1e-28"


def test_a_sequential_run_under_a_budget(data, model, tmp_path):
    settings = {"model": model, "data": data, "sigma": 0.5, "radius": 0.3, "out": tmp_path / "run", "num_classes": 3}
    decide(**settings, budget=2500, n_max=3000, workers=1, device="cpu", label_aware=True)
    said = redraw(tmp_path / "run", 8, model=model, data=data, device="cpu")
    assert (said.draws, said.differing) == (sum(record.draws for record in read_run(tmp_path / "run").records), 0)


@pytest.mark.parametrize("fault", ["a count", "the seed", "the noise"])
def test_what_was_changed_and_chained_anew_is_found(certified, data, model, tmp_path, fault):
    """The chain is whole again and the certificates follow from the counts: only drawing again can tell."""
    certified(seed=1 if fault == "the seed" else 0, sigma=0.51 if fault == "the noise" else 0.5)
    path = tmp_path / "run"
    run = read_run(path)
    meaning = json.loads(json.dumps(run.manifest.meaning))
    meaning["seed"], meaning["noise"]["sigma"] = 0, 0.5
    forge(path, run, meaning, move=1 if fault == "a count" else 0)
    with pytest.raises(
        VerificationError, match=r"^input \d \(key .*\): the \d+ draws of its request \d .* drawn again"
    ):
        redraw(path, 8, model=model, data=data, device="cpu")


def test_a_single_moved_vote_of_a_single_input_is_found(certified, data, model, tmp_path):
    run = certified(limit=1)
    forge(tmp_path / "run", run, run.manifest.meaning, move=1)
    with pytest.raises(VerificationError, match="request 2"):
        redraw(tmp_path / "run", 1, model=model, data=data, device="cpu")


def test_a_stored_device_loosens_nothing(certified, data, model, tmp_path):
    """The attack: one edited word, and votes shifted by what other hardware used to be allowed."""
    run = certified(limit=1, n=3000, batch_size=64)
    path = tmp_path / "run"
    forge(path, run, run.manifest.meaning, move=3, device="abacus")
    with pytest.raises(VerificationError, match="drawn again"):
        redraw(path, 1, model=model, data=data, device="cpu")


class Near(torch.nn.Module):
    """Two classes a hair apart on every second row, on half of those the other way: another machine may differ."""

    def forward(self, x):
        place = (x.flatten(1).sum(dim=1) * 255).round() % 4
        hair = torch.where(place < 1, 1 + 2.0**-14, torch.where(place < 2, 1 - 2.0**-14, 0.5))
        return torch.stack([torch.ones_like(hair), hair, torch.zeros_like(hair)], dim=1)


def test_votes_that_hang_on_rounding_may_differ_and_are_counted(data, tmp_path):
    path = tmp_path / "run"
    settings = {"model": Near().eval(), "data": data, "num_classes": 3, "device": "cpu", "workers": 1}
    run = certify(**settings, model_id="near", sigma=0.5, n0=20, n=3000, limit=1, out=path)
    moved = {"model": settings["model"], "data": data, "device": "cpu"}
    forge(path, run, run.manifest.meaning, move=40)
    said = redraw(path, 1, **moved)
    assert said.differing == 40
    assert 1200 < said.doubtful < 1800  # of 3020 draws every second one


def test_votes_that_hang_on_rounding_may_not_favour_one_side(data, tmp_path):
    """Each request stays within its doubtful votes, but all moved in one direction: 300 of some 1500, 203 may be."""
    path = tmp_path / "run"
    settings = {"model": Near().eval(), "data": data, "num_classes": 3, "device": "cpu", "workers": 1}
    run = certify(**settings, model_id="near", sigma=0.5, n0=20, n=3000, limit=1, out=path)
    moved = {"model": settings["model"], "data": data, "device": "cpu"}
    forge(path, run, run.manifest.meaning, move=-150)
    assert redraw(path, 1, **moved).differing == 150
    forge(path, run, run.manifest.meaning, move=-300)
    with pytest.raises(VerificationError, match="300 more votes for the certified classes than this machine draws"):
        redraw(path, 1, **moved)


@pytest.mark.parametrize("which", ["one", "all"])
def test_a_forged_label_is_found_though_the_input_is_not_drawn_again(certified, data, model, tmp_path, which):
    """The attack: each label set to the prediction, chain made anew."""
    run = certified()
    path = tmp_path / "run"
    records = [
        replace(record, label=(record.label + 1) % 3 if which == "one" and record.index == 7 else record.label)
        for record in run.records
    ]
    if which == "all":
        records = [replace(record, label=max(0, record.outcome.prediction)) for record in run.records]
    assert [record.label for record in records] != [record.label for record in run.records]
    forge(path, replace(run, state=replace(run.state, records={record.key: record for record in records})),
          run.manifest.meaning, move=0)  # fmt: skip
    with pytest.raises(VerificationError, match=r"is stored with the label \d, in tiny:test it has \d"):
        redraw(path, 1, model=model, data=data, device="cpu")


def test_how_many_may_be_forged_after_a_sample(certified, data, model, tmp_path):
    certified()
    said = redraw(tmp_path / "run", 3, model=model, data=data, device="cpu")
    assert said.could_be_forged == pytest.approx(1 - 0.05 ** (1 / 3))
    assert redraw(tmp_path / "run", None, model=model, data=data, device="cpu").inputs == tuple(range(8))


def test_another_model_or_picture_is_named(certified, data, model, make_model, tmp_path):
    certified()
    with pytest.raises(ModelError, match=r"has the fingerprint .*, but .*run was certified with"):
        redraw(tmp_path / "run", 1, model=make_model(seed=1), data=data, device="cpu")
    other = replace(data, pictures=255 - data.pictures)
    with pytest.raises(RunError, match="is another picture than the certified one"):
        redraw(tmp_path / "run", 1, model=model, data=other, device="cpu")
    other = replace(data, labels=(data.labels + 1) % 3)
    with pytest.raises(RunError, match=r"the data set is not the one of .*labels"):
        redraw(tmp_path / "run", 1, model=model, data=other, device="cpu")


def test_a_run_without_inputs(certified, data, model, tmp_path):
    run = certified(limit=1)
    (tmp_path / "run" / "journal.jsonl").unlink()
    write_manifest(tmp_path / "run", run.manifest)
    with pytest.raises(RunError, match="has no input that could be drawn again"):
        redraw(tmp_path / "run", 1, model=model, data=data, device="cpu")
