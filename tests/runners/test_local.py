"""Certify and predict as Python calls: run, resume, extend, refuse."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from torch import nn

import noiseproof.engine.lane
from noiseproof import SmoothedClassifier, show, verify
from noiseproof.data import DataSet
from noiseproof.errors import ModelError, RunError
from noiseproof.models import BaseModel
from noiseproof.noises import Gaussian
from noiseproof.procedures import Certify
from noiseproof.store import read_run
from noiseproof.store.manifest import write_manifest
from noiseproof.store.verify import VerificationError
from noiseproof.store.whole import wholeness
from noiseproof.types import Decision, Prediction
from tests.asking import certify, decide, job, predict, redraw


class Stop(Exception):
    """A soft interrupt."""


def drawn_last(folder):
    """The draws that the last session of a run wrote down."""
    lines = [json.loads(line) for line in (folder / "journal.jsonl").read_text().splitlines()]
    begun = max(number for number, line in enumerate(lines) if line["is"] == "session")
    return sum(line["n"] for line in lines[begun:] if line["is"] == "range")


def test_every_input_is_certified_and_verified(certified, data, tmp_path):
    run = certified()
    assert [record.index for record in run.records] == list(range(8))
    assert [record.label for record in run.records] == data.labels.tolist()
    assert {record.draws for record in run.records} == {320}
    assert all(sum(answer.votes) == answer.n for record in run.records for answer in record.answers)
    assert verify(tmp_path / "run").records == 8
    assert read_run(tmp_path / "run") == run


@pytest.mark.parametrize("batch_size", [3, 32])
def test_the_class_without_noise_stands_beside_each_record(certified, data, make_model, batch_size, monkeypatch):
    monkeypatch.setattr("noiseproof.engine.clean.TOGETHER", 5)
    model = make_model(seed=2)
    run = certified(model=model, batch_size=batch_size)
    with torch.no_grad():
        expected = model(torch.from_numpy(data.images()).float() / 255).argmax(1).tolist()
    assert [record.clean for record in run.records] == expected
    assert len(set(expected)) > 1


def test_scores_that_are_no_numbers_without_noise_are_no_class(certified, tmp_path):
    class NoNumbersOnTheGrid(nn.Module):
        def forward(self, x):
            clean = (x >= 0).flatten(1).all(1) & (x <= 1).flatten(1).all(1)
            return torch.where(clean[:, None], torch.nan, x.flatten(1)[:, :3])

    run = certified(model=NoNumbersOnTheGrid().eval(), model_id="none", num_classes=3)
    assert {record.clean for record in run.records} == {-1}


def test_which_inputs_were_asked_for_stands_at_the_start(certified, tmp_path):
    class Enough(Exception):
        pass

    def stop(progress):
        if progress.done == 2:
            raise Enough

    with pytest.raises(Enough):
        certified(progress=stop, every=2)
    assert wholeness(read_run(tmp_path / "run").state).unfinished == "2 of 4 inputs"
    assert wholeness(certified(every=2).state).text == ""


def test_a_run_says_what_the_facade_says(certified, data, model):
    """Two ways to the same certificates, duplicates included."""
    run = certified()
    g = SmoothedClassifier(model, 3, Gaussian(sigma=0.5), batch_size=8, workers=1)
    said = g.certify(data.images(), n0=20, n=300)
    assert [record.outcome.prediction for record in run.records] == said.prediction.tolist()
    assert [record.outcome.radius for record in run.records] == said.radius.tolist()


def test_equal_pictures_get_different_noise(certified):
    run = certified()
    one, two, five = (run.records[i] for i in (1, 2, 5))
    assert one.key[:-2] == two.key[:-2] == five.key[:-2]
    assert len({one.key, two.key, five.key}) == 3
    assert len({one.answers, two.answers, five.answers}) == 3


@pytest.mark.parametrize("changes", [{"batch_size": 7}, {"batch_size": 500}, {"workers": 3}, {"batch_size": 1}])
def test_packing_and_workers_change_no_count(certified, as_set, changes):
    assert as_set(certified("other", **changes)) == as_set(certified())


@pytest.mark.parametrize(("inputs", "rows"), [(31, 128), (32, 512)])
def test_many_small_inputs_come_in_larger_batches(model, tmp_path, inputs, rows):
    pictures = np.random.default_rng(0).integers(0, 256, (inputs, 1, 4, 4), dtype=np.uint8)
    many = DataSet("many", ("a", "b", "c"), (1, 4, 4), np.zeros(inputs, np.int64), pictures)
    settings = {"model": model, "data": many, "sigma": 0.5, "n": 30, "num_classes": 3, "workers": 1, "device": "cpu"}
    run = predict(out=tmp_path, **settings)
    assert [session["batch_size"] for session in run.state.sessions] == [rows]


def test_predict(data, model, tmp_path):
    run = predict(
        model=model, data=data, sigma=0.5, out=tmp_path, n=100, num_classes=3, workers=1, device="cpu", limit=3
    )
    assert [type(record.outcome) for record in run.records] == [Prediction] * 3
    assert [record.answers[0].stage for record in run.records] == ["predict"] * 3
    assert run.manifest.kind == "predict"
    assert verify(tmp_path).draws == 300


def test_the_same_call_again_draws_nothing(certified, tmp_path):
    first = certified()
    lines = (tmp_path / "run" / "journal.jsonl").read_text().count("\n")
    assert certified().records == first.records
    assert (tmp_path / "run" / "journal.jsonl").read_text().count("\n") == lines + 1  # one more session


def test_more_inputs_extend_a_finished_run_and_fewer_change_nothing(certified, as_set, tmp_path):
    certified(limit=2)
    assert len(certified(limit=5).records) == 5
    assert len(certified(limit=1).records) == 5
    assert [record.index for record in certified(every=3, limit=3).records] == [0, 1, 2, 3, 4, 6]
    assert as_set(certified()) == as_set(certified("other"))
    assert verify(tmp_path / "run").records == 8


def test_a_stretch_of_the_data(certified):
    assert [record.index for record in certified(every=3, start=1, limit=2).records] == [1, 4]


@pytest.mark.parametrize("kept", ["at the end of a request", "after every batch"])
def test_an_interrupt_anywhere_leads_to_the_counts_of_the_uninterrupted_run(
    certified, as_set, tmp_path, monkeypatch, kept
):
    monkeypatch.setattr(noiseproof.engine.lane, "KEEP_EVERY", -1.0 if "every" in kept else 60.0)
    calls = []
    whole = as_set(certified("whole", progress=calls.append, limit=4))
    in_the_middle = 0
    for stop_at in range(1, len(calls), 1 if len(calls) < 30 else 5):
        out = f"run-{stop_at}"
        seen = []

        def stop(progress, seen=seen, stop_at=stop_at):
            seen.append(progress)
            if len(seen) == stop_at:
                raise Stop

        with pytest.raises(Stop):
            certified(out, progress=stop, limit=4)
        in_the_middle += bool(read_run(tmp_path / out).state.open)
        known = sum(d.n for s in read_run(tmp_path / out).state.open.values() for each in s.values() for d in each)
        finished = len(read_run(tmp_path / out).records)
        again = []
        assert as_set(certified(out, progress=again.append, limit=4)) == whole
        if again:
            assert drawn_last(tmp_path / out) == (4 - finished) * 320 - known  # none was drawn twice
        assert verify(tmp_path / out).unfinished == 0
    assert in_the_middle > 3


def test_an_interrupt_after_every_single_event(certified, as_set):
    """The worst case: a process that is killed after each line it writes."""
    whole = as_set(certified("whole", limit=3))

    def stop(progress):
        raise Stop

    for _ in range(3 * 4):  # ranges and ends: select, two of estimate, end
        with pytest.raises(Stop):
            certified(progress=stop, limit=3)
    assert as_set(certified(progress=stop, limit=3)) == whole


@pytest.mark.parametrize("name", ["batch_size", "version", "device"])
def test_a_partial_input_starts_over_when_something_else_draws(certified, as_set, tmp_path, monkeypatch, name):
    whole = as_set(certified("whole"))
    seen = []

    def stop(progress):
        seen.append(progress)
        if len(seen) == 6:
            raise Stop

    with pytest.raises(Stop):
        certified(progress=stop)
    assert read_run(tmp_path / "run").state.open
    changes = {"batch_size": 16} if name == "batch_size" else {}
    if name == "version":
        monkeypatch.setattr(sys.modules["noiseproof.runners.executors.in_process"], "__version__", "99")
    if name == "device":
        environment = noiseproof.engine.TorchBackend.environment
        monkeypatch.setattr(
            noiseproof.engine.TorchBackend, "environment", lambda self: environment(self) | {"device": "abacus"}
        )
    run = certified(**changes)
    assert as_set(run) == whole
    assert '{"is":"restart"' in (tmp_path / "run" / "journal.jsonl").read_text()
    assert run.state.sessions[1][name] != run.state.sessions[0][name]
    assert verify(tmp_path / "run").records == 8


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"sigma": 0.25}, "noise.sigma is 0.5, not 0.25"),
        ({"seed": 1}, "seed is 0, not 1"),
        ({"n": 400}, "procedure.n is 300, not 400"),
        ({"n0": 21}, "procedure.n0 is 20, not 21"),
        ({"alpha": 0.01}, "procedure.alpha is 0.001, not 0.01"),
        ({"two_sided": True}, "procedure.two_sided is False, not True"),
        ({"grid": None}, "noise.grid is 255, not None.*arithmetic is 'exact integers, grid 255', not 'float64 noise'"),
        ({"precision": "bf16"}, "precision is 'fp32', not 'bf16'"),
        ({"model_id": "mine"}, "model.fingerprint is '[0-9a-f]{64}', not 'named mine'"),
    ],
)
def test_another_meaning_is_refused_naming_the_field(certified, tmp_path, changes, text):
    certified(limit=1)
    before = (tmp_path / "run" / "journal.jsonl").read_bytes()
    with pytest.raises(RunError, match=f"has another meaning: {text}.*; give the old value, or choose another --out"):
        certified(limit=1, **changes)
    assert (tmp_path / "run" / "journal.jsonl").read_bytes() == before


def test_another_model_is_refused(certified, make_model):
    certified(limit=1)
    with pytest.raises(RunError, match=r"another meaning: model\.fingerprint is '[0-9a-f]{64}', not '[0-9a-f]{64}'"):
        certified(limit=1, model=make_model(seed=1))
    assert len(certified(limit=2, model=make_model(seed=0)).records) == 2  # equal weights are the same model


def test_other_data_are_refused(certified, data):
    certified(limit=1)
    with pytest.raises(RunError, match=r"another meaning: data\.name is 'tiny:test', not 'tiny:train'"):
        certified(limit=1, data=replace(data, name="tiny:train"))
    with pytest.raises(RunError, match=r"another meaning: data\.labels is '[0-9a-f]{32}', not '[0-9a-f]{32}'"):
        certified(limit=1, data=replace(data, labels=(data.labels + 1) % 3))


def test_other_pictures_under_the_same_name_and_labels_are_refused(certified, data):
    certified(limit=3)
    pictures = data.images()
    pictures[2, 0, 0, 0] ^= 1
    other = replace(data, pictures=pictures)
    with pytest.raises(RunError, match="input 2 of tiny:test is another picture than the one that is finished"):
        certified(limit=4, data=other)
    assert len(certified(limit=2, data=other).records) == 3


def test_certify_and_predict_do_not_share_a_folder(certified, data, model, tmp_path):
    certified(limit=1)
    with pytest.raises(RunError, match="is the run folder of noiseproof certify, not of predict; choose another --out"):
        predict(model=model, data=data, sigma=0.5, out=tmp_path / "run", num_classes=3)


def test_sigma_and_seed_may_be_any_number_of_that_value(certified, as_set):
    first = certified(sigma=1.0, seed=5)
    again = certified(sigma=1, seed=np.int64(5))
    assert as_set(again) == as_set(first)
    with pytest.raises(ValueError, match=r"^seed must be an integer, got 5\.0$"):
        certified("other", seed=5.0)


def test_a_named_model_may_change_its_weights(certified, make_model):
    certified(limit=1, model_id="mine")
    assert len(certified(limit=2, model_id="mine", model=make_model(seed=1)).records) == 2
    with pytest.raises(RunError, match=r"model\.fingerprint is 'named mine', not 'named yours'"):
        certified(limit=1, model_id="yours")


def test_a_model_for_other_data_is_refused(certified, make_model, tmp_path):
    with pytest.raises(ModelError, match=r"Sequential has 4 classes, but tiny:test has 3; give the data set it was"):
        certified(model=make_model(classes=4), num_classes=4)
    base = BaseModel(make_model(), "lenet", 3, (1, 28, 28), "f", "weights.safetensors")
    text = r"weights.safetensors takes inputs of shape \(1, 28, 28\), but tiny:test has \(1, 4, 4\); give the data set"
    with pytest.raises(ModelError, match=text):
        certified(model=base)
    assert not (tmp_path / "run").exists()


def test_a_model_that_fails_is_one_line(certified):
    with pytest.raises(ModelError, match=r"the base classifier failed on inputs of shape \(32, 1, 4, 4\)") as raised:
        certified(model=nn.Linear(3, 3).eval())
    assert "\n" not in str(raised.value)
    assert len(certified(limit=1).records) == 1  # the folder is not claimed by the model that failed


def test_a_model_that_does_not_say_has_the_classes_of_the_data(certified, tmp_path):
    assert certified("silent", num_classes=None).manifest.meaning["model"] == certified().manifest.meaning["model"]
    (tmp_path / "m.py").write_text("from torch import nn\nnet = nn.Sequential(nn.Flatten(), nn.Linear(16, 2))\n")
    with pytest.raises(ModelError, match=r"must return scores of shape .* num_classes=3, got \(32, 2\)"):
        certified("file", model=f"{tmp_path}/m.py:net", num_classes=None)


def test_another_sigma_than_trained_is_said_once(certified, model, caplog):
    base = BaseModel(model, "m", 3, None, "f" * 64, "runs/m", {"sigma": "0.25"})
    certified("other", model=base, limit=1)
    assert [record.getMessage() for record in caplog.records if "trained with" in record.getMessage()] == [
        "runs/m was trained with sigma 0.25, not 0.5: what it certifies holds, but it will not be much"
    ]
    caplog.clear()
    certified("same", model=replace(base, metadata={"sigma": "0.5"}), limit=1)
    assert "trained with" not in caplog.text


def test_a_model_in_training_mode_is_refused(certified, model, tmp_path):
    with pytest.raises(ModelError, match="must be in eval mode"):
        certified(model=model.train())
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"sigma": 0.0}, "sigma must be > 0, got 0"),
        ({"precision": "fp64"}, "unknown precision 'fp64'; known: bf16, fp32, tf32"),
        ({"batch_size": 0}, "batch_size must be >= 1, got 0"),
        ({"workers": 0}, "workers must be >= 1, got 0"),
        ({"grid": 100}, "8-bit pictures lie on the grid of 255 steps, got grid=100"),
        ({"limit": 0}, "limit must be >= 1, got 0"),
        ({"n": 3}, "n must be >= 10 to certify anything"),
        ({"n": 10**12 + 1}, "n must be <= 1,000,000,000,000, got 1000000000001"),
        ({"num_classes": 1}, "num_classes must be >= 2, got 1"),
        ({"device": "abacus"}, "device must be auto, cpu, or one that torch can use, got 'abacus'"),
    ],
)
def test_a_bad_setting_does_not_claim_the_folder(certified, tmp_path, changes, text):
    with pytest.raises(ValueError, match=text):
        certified(**changes)
    assert not (tmp_path / "run").exists()


def test_a_folder_under_a_file(certified, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"cannot make the folder .*file/run: Not a directory; choose another --out"):
        certified(out=tmp_path / "file" / "run")


def test_a_second_process_is_refused_while_the_first_runs(certified):
    def again(progress):
        certified()

    with pytest.raises(RunError, match="is in use by another process"):
        certified(progress=again)


def test_a_full_disk_is_one_line_and_the_same_call_goes_on(certified, as_set, monkeypatch):
    import os

    whole = as_set(certified("whole"))
    pwrite, left = os.pwrite, [4000]

    def full(file, raw, offset):
        left[0] -= len(raw)
        if left[0] < 0:
            pwrite(file, raw[: len(raw) // 2], offset)
            raise OSError(28, "No space left on device")
        return pwrite(file, raw, offset)

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        with pytest.raises(RunError, match="No space left on device; everything up to here is kept") as raised:
            certified()
        assert "\n" not in str(raised.value)
        with pytest.raises(RunError, match="No space left on device"):
            certified()
    assert as_set(certified()) == whole


def test_memory_that_runs_out_halves_the_batch_of_a_run(certified, as_set, model, caplog):
    class Small(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = model

        def forward(self, x):
            if x.shape[0] > 10:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return self.inner(x)

    run = certified(model=Small().eval(), model_id="m", limit=3)
    assert as_set(run) == as_set(certified("small", model_id="m", batch_size=8, limit=3))
    assert [session["batch_size"] for session in run.state.sessions] == [8]  # nothing was drawn in larger ones
    assert "out of memory: the same draws again in batches of 8" in caplog.text


def test_memory_that_runs_out_late_starts_partial_inputs_over(certified, as_set, model, tmp_path):
    class Tired(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner, self.rows = model, 0

        def forward(self, x):
            self.rows += x.shape[0]
            if x.shape[0] > 10 and self.rows > 500:
                raise MemoryError
            return self.inner(x)

    run = certified(model=Tired().eval(), model_id="m", limit=3, batch_size=20)
    assert as_set(run) == as_set(certified("small", model_id="m", batch_size=10, limit=3))
    assert '"is":"restart"' in (tmp_path / "run" / "journal.jsonl").read_text()
    assert verify(tmp_path / "run").records == 3


def test_void_draws_are_in_the_record_and_count_against_the_top(certified, tmp_path):
    class Void(nn.Module):
        def forward(self, x):
            scores = x.flatten(1)[:, :3].clone()
            scores[:, 0] = 9.0
            scores[x.flatten(1)[:, 3] < 0.2] = float("nan")
            return scores

    run = certified(model=Void().eval(), limit=2)
    assert all(record.void > 0 for record in run.records)
    assert all(set(answer.votes[1:]) == {0} for record in run.records for answer in record.answers)
    assert all(record.outcome.p_lower < 1 - record.void / record.draws / 2 for record in run.records)
    assert verify(tmp_path / "run").void == sum(record.void for record in run.records)


def test_progress_counts_inputs_and_says_how_fast_they_are_drawn(certified, tmp_path):
    seen = []
    certified(progress=seen.append, limit=3)
    assert (seen[-1].done, seen[-1].total, seen[-1].unit, seen[-1].seconds_left) == (3, 3, "inputs", 0.0)
    assert all(a.done <= b.done for a, b in pairwise(seen))
    assert re.fullmatch(r"[1-9][\d,]* draws/s", seen[0].note)
    records = read_run(tmp_path / "run").records
    assert seen[-1].note.endswith(
        f", {sum(r.outcome.prediction == r.label for r in records) / 3:.1%} certified and right"
    )
    seen.clear()
    certified(progress=seen.append, limit=4)
    assert "certified and right" in seen[0].note  # those of before count
    assert (seen[0].done, seen[-1].done, drawn_last(tmp_path / "run")) == (3, 4, 320)


def test_the_time_left_is_never_negative(certified):
    """Inputs under way that are not wanted this time do not count as done."""
    seen = []

    def stop(progress):
        seen.append(progress)
        if len(seen) == 8:
            raise Stop

    with pytest.raises(Stop):
        certified(start=2, batch_size=2000, progress=stop)
    again = []
    certified(limit=1, batch_size=2000, progress=again.append)
    assert again
    assert all(progress.seconds_left >= 0 for progress in again)


def test_cost_says_what_is_left(certified, data, model, tmp_path):
    def asked(**changes):
        settings = {"model": model, "data": data, "sigma": 0.5, "num_classes": 3, "device": "cpu", "batch_size": 32}
        return job(Certify(n0=20, n=300), **(settings | {"workers": 1} | changes))

    cost = asked().cost(tmp_path / "run", seconds=0.0)
    assert (cost.inputs, cost.inputs_total, cost.draws) == (8, 8, 8 * 320)
    assert cost.draws_per_second > 0
    assert cost.seconds == cost.draws / cost.draws_per_second
    assert not (tmp_path / "run").exists()
    certified(limit=3)
    before = (tmp_path / "run" / "journal.jsonl").read_bytes()
    cost = asked(limit=5).cost(tmp_path / "run", seconds=0.0)
    assert (cost.inputs, cost.inputs_total, cost.draws) == (2, 5, 640)
    assert asked(limit=2).cost(tmp_path / "run", seconds=0.0).seconds == 0
    assert (tmp_path / "run" / "journal.jsonl").read_bytes() == before
    assert asked().cost(seconds=0.0).inputs == 8
    with pytest.raises(RunError, match="another meaning: seed is 0, not 1"):
        asked(seed=1).cost(tmp_path / "run", seconds=0.0)


def test_environment_and_settings_stand_beside_the_counts(certified, tmp_path):
    run = certified(limit=1, seed=3)
    (session,) = run.state.sessions
    assert session["device"] == "cpu"
    assert session["backend"] == f"torch {torch.__version__}"
    assert session["batch_size"] == 32
    assert session["settings"]["limit"] == 1
    meaning = json.loads((tmp_path / "run" / "manifest.json").read_text())["meaning"]
    assert meaning["seed"] == 3
    assert meaning["noise"] == {"family": "gaussian", "sigma": 0.5, "grid": 255, "dimension": 16}
    assert "limit" not in json.dumps(meaning)


def test_how_the_model_was_trained_is_a_label(certified, make_model, as_set, tmp_path):
    metadata = {"sigma": "0.25", "data": "tiny:train", "epochs": "3", "loss": "not JSON", "other": "1"}
    base = BaseModel(make_model(), "linear", 3, (1, 4, 4), "f", "weights.safetensors", metadata)
    run = certified(model=base)
    assert run.state.sessions[0]["trained"] == {"data": "tiny:train", "sigma": 0.25, "epochs": 3}
    assert "trained.sigma 0.25" in show(tmp_path / "run")
    silent = certified(model=replace(base, metadata={}))  # the same meaning: it resumes
    assert as_set(silent) == as_set(run)
    assert "trained" not in silent.state.sessions[1]


def test_every_20th_of_a_test_set_of_1000_limited_to_50_is_50(tmp_path):
    """The published protocol: a limit is a number of inputs, not an index."""

    class Brightness(nn.Module):
        def forward(self, x):
            return torch.nn.functional.one_hot((x.mean(dim=(1, 2, 3)) * 10).long().clamp(0, 9), 10).float()

    settings = {"model": Brightness().eval(), "num_classes": 10, "sigma": 0.25, "n0": 10, "n": 20, "workers": 1}

    run = certify(data="fashion-mnist-small:test", out=tmp_path, every=20, limit=50, device="cpu", **settings)
    assert [record.index for record in run.records] == list(range(0, 1000, 20))
    assert run.manifest.meaning["data"]["name"] == "fashion-mnist-small:test"
    assert run.noise.dimension == 784
    assert sum(not record.outcome.abstained for record in run.records) > 20
    assert verify(tmp_path).records == 50


def test_a_single_input(tmp_path, make_model):
    data = DataSet("one", ("a", "b", "c"), (1, 4, 4), np.array([0]), np.zeros((1, 1, 4, 4), np.uint8))

    run = certify(
        model=make_model(), data=data, sigma=0.5, out=tmp_path, n0=1, n=10, num_classes=3, workers=1, device="cpu"
    )
    assert run.records[0].draws == 11


@pytest.mark.parametrize("name", ["n0", "n", "seed", "every", "start", "limit", "num_classes", "batch_size", "workers"])
def test_a_setting_of_another_kind_is_one_line_and_does_not_claim_the_folder(certified, tmp_path, name):
    with pytest.raises(ValueError, match=f"^{name} must be an integer, got 30.0$"):
        certified(**{name: 30.0})
    assert not (tmp_path / "run").exists()


def test_numpy_settings_are_plain_ones_in_the_folder(certified, as_set, tmp_path):
    given = {"n0": 20, "n": 300, "seed": 0, "every": 2, "start": 1, "limit": 2, "num_classes": 3, "grid": 255}
    plain = certified("plain", batch_size=32, workers=1, sigma=0.5, **given)
    run = certified(
        batch_size=np.int64(32),
        workers=np.int64(1),
        sigma=np.float32(0.5),
        **{k: np.int64(v) for k, v in given.items()},
    )
    assert as_set(run) == as_set(plain)
    for name in ("manifest.json", "settings.toml"):
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "plain" / name).read_bytes()


@pytest.fixture
def decided(data, model, tmp_path):
    def run(out="run", **changes):
        settings = {"model": model, "data": data, "sigma": 0.5, "radius": 0.05, "out": tmp_path / out, "n_max": 3000}
        return decide(**(settings | {"num_classes": 3, "workers": 1, "device": "cpu"} | changes))

    return run


def test_decide(decided, data, tmp_path):
    run = decided()
    assert run.manifest.kind == "decide"
    assert {type(record.outcome) for record in run.records} == {Decision}
    assert run.manifest.design == run.procedure.design(run.noise)
    assert verify(tmp_path / "run").records == 8
    aware = decided("aware", label_aware=True)
    for record in aware.records:
        assert record.outcome.prediction in (-1, record.label)
    assert verify(tmp_path / "aware").records == 8


@pytest.mark.parametrize("kind", ["decide", "label-aware", "curve", "sequential", "sequential-predict"])
def test_whatever_stops_early_is_resumed_and_verified(decided, certified, data, model, as_set, tmp_path, kind):
    def run(out, **changes):
        match kind:
            case "decide" | "label-aware":
                return decided(out, label_aware=kind == "label-aware", **changes)
            case "curve":
                return certified(
                    out, procedure="sequential", n0=None, n=None, n_max=3000, radii=[0, 0.1, 0.2], **changes
                )
            case "sequential":
                return certified(out, procedure="sequential", n=None, n_max=3000, acr_loss=0.1, **changes)
        settings = {"model": model, "data": data, "sigma": 0.5, "out": tmp_path / out, "num_classes": 3, "workers": 1}
        return predict(**(settings | {"procedure": "sequential", "n_max": 3000} | changes))

    whole, calls = run("whole"), []
    with pytest.raises(Stop):
        run("stopped", progress=lambda progress: calls.append(progress) or (len(calls) == 4 and stop()))
    verify(tmp_path / "stopped")
    assert as_set(run("stopped")) == as_set(whole)
    assert as_set(run("packed", batch_size=7, workers=3)) == as_set(whole)
    assert verify(tmp_path / "stopped").records == 8


def stop():
    raise Stop


@pytest.mark.parametrize("stop_at", [1, 7, 12, 17])
def test_a_budget_is_kept_whatever_happens(decided, as_set, tmp_path, stop_at):
    calls = []

    def stop_there(progress):
        calls.append(progress)
        if len(calls) == stop_at:
            raise Stop

    whole = decided("whole", budget=2500, radius=0.3)
    assert sum(record.draws for record in whole.records) <= 2500
    assert {record.outcome.answer for record in whole.records} >= {"undecided", "certified"}
    with pytest.raises(Stop):
        decided("stopped", budget=2500, radius=0.3, progress=stop_there)
    assert as_set(decided("stopped", budget=2500, radius=0.3)) == as_set(whole)
    assert as_set(decided("packed", budget=2500, radius=0.3, batch_size=7, workers=3)) == as_set(whole)
    assert verify(tmp_path / "stopped").draws == sum(record.draws for record in whole.records)
    with pytest.raises(RunError, match=r"another meaning: budget\.draws is 2500, not 2600"):
        decided("whole", budget=2600, radius=0.3)
    with pytest.raises(RunError, match=r"another meaning: budget\.inputs"):
        decided("whole", budget=2500, radius=0.3, limit=3)


def test_boundaries_that_were_changed_do_not_verify(decided, tmp_path):
    """Changed in the manifest and chained anew: the recursion and the procedure both say no."""
    run = decided(limit=1)
    changed = json.loads(json.dumps(run.manifest.meaning))
    changed["design"][0]["accept"][3] -= 5
    (tmp_path / "run" / "journal.jsonl").unlink()
    write_manifest(tmp_path / "run", replace(run.manifest, meaning=changed))
    with pytest.raises(VerificationError, match="the boundaries stored in its manifest are not those of its procedure"):
        verify(tmp_path / "run")


def test_a_key_of_the_operating_system_is_kept_and_goes_on(certified, as_set, data, model, tmp_path):
    pytest.importorskip("cryptography")
    calls = []

    def stop_soon(progress):
        calls.append(progress)
        if len(calls) == 6:
            raise Stop

    with pytest.raises(Stop):
        certified(rng="chacha20", progress=stop_soon)
    seed = read_run(tmp_path / "run").manifest.meaning["seed"]
    assert seed.bit_length() > 200, "2^-56 is the chance of a smaller one"
    run = certified(rng="chacha20")
    assert (run.manifest.meaning["seed"], run.manifest.meaning["rng"]) == (seed, "chacha20")
    assert verify(tmp_path / "run").records == 8
    assert redraw(tmp_path / "run", 8, model=model, data=data, device="cpu").differing == 0
    other = certified("other", rng="chacha20")
    assert other.manifest.meaning["seed"] != seed
    assert as_set(other) != as_set(run)
    with pytest.raises(RunError, match="another meaning"):
        certified()
    with pytest.raises(ValueError, match="seed must be left out with rng chacha20"):
        certified("third", rng="chacha20", seed=3)
    with pytest.raises(ValueError, match="unknown rng 'chacha'; did you mean 'chacha20'"):
        certified("third", rng="chacha")


def test_a_run_that_stops_after_some_seconds_goes_on_with_the_same_line(certified, as_set, tmp_path, monkeypatch):
    whole = as_set(certified("whole"))
    monkeypatch.setattr("noiseproof.runners.watch.Watch.seconds", property(lambda self: float(self.done)))
    stopped = certified(stop_after=2)
    assert (len(stopped.records), stopped.state.sealed) == (3, False)
    assert as_set(certified(stop_after=100)) == whole
    assert read_run(tmp_path / "run").state.sealed
