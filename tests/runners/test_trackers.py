"""Trackers hear of a run in order, change nothing of it, and cannot stop it; the clients are the real ones, offline."""

import json
import re

import pytest

pytest.importorskip("torch")

from noiseproof import Compute, Gaussian, Predict, Subject
from noiseproof import run as noiseproof_run
from noiseproof.errors import UnsupportedError
from noiseproof.runners.trackers import TRACKERS, Tracker
from noiseproof.store import read_run


@pytest.fixture
def asked(data, model, tmp_path):
    def ask(track, out="run", limit=3, **more):
        subject = Subject(model=model, data=data, num_classes=3, limit=limit)
        compute = Compute(track=track, workers=1, device="cpu", **more)
        return noiseproof_run(Predict(n=200), Gaussian(sigma=0.5), subject, compute, out=tmp_path / out)

    return ask


def events(file):
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_events_come_in_order_and_say_what_the_run_holds(asked, tmp_path):
    run = asked(f"jsonl:{tmp_path}/events.jsonl")
    told = events(tmp_path / "events.jsonl")
    assert [each["event"] for each in told[:2]] == ["started", "drawn"]
    assert told[0]["meaning"] == run.manifest.meaning
    assert (told[0]["run"], told[-1]) == ("run", {"event": "ended", "whole": True})
    finished = [each for each in told if each["event"] == "finished"]
    assert [each["prediction"] for each in finished] == [record.outcome.prediction for record in run.records]
    drawn = [each for each in told if each["event"] == "drawn"]
    assert sum(each["n"] for each in drawn) == sum(record.draws for record in run.records) == 600
    right = [record.outcome.prediction == record.label for record in run.records]
    so_far = finished[-1]["so_far"]
    assert (so_far["inputs"], so_far["draws"]) == (3, 600)
    assert so_far["right"] == pytest.approx(sum(right) / 3)


def test_a_run_that_goes_on_counts_what_was_finished_and_does_not_tell_it_again(asked, tmp_path):
    where = f"jsonl:{tmp_path}/events.jsonl"
    asked(where, limit=2)
    asked(where, limit=4)
    finished = [each for each in events(tmp_path / "events.jsonl") if each["event"] == "finished"]
    assert [each["so_far"]["inputs"] for each in finished] == [1, 2, 3, 4]
    assert [each["index"] for each in finished] == [0, 1, 2, 3]


def test_a_run_that_stops_is_not_whole(asked, tmp_path):
    asked(f"jsonl:{tmp_path}/events.jsonl", stop_after=1e-9)
    assert events(tmp_path / "events.jsonl")[-1] == {"event": "ended", "whole": False}


def test_a_tracker_leaves_no_trace_in_the_run(asked, tmp_path):
    plain, told = asked(None, out="plain"), asked(f"jsonl:{tmp_path}/events.jsonl", out="told")
    assert told.manifest.meaning_hash == plain.manifest.meaning_hash
    assert [record.outcome for record in told.records] == [record.outcome for record in plain.records]


def test_one_that_fails_is_told_no_more_and_the_run_goes_on(asked, tmp_path, caplog, monkeypatch):
    class Down(Tracker):
        name = "down"
        calls = 0

        def __init__(self, where):
            pass

        def started(self, run, about):
            pass

        def finished(self, record, so_far):
            Down.calls += 1
            raise ConnectionError("nobody\nthere")

        def ended(self, whole):
            raise AssertionError("it is told no more")

    monkeypatch.setitem(TRACKERS._known, "down", Down)
    run = asked("down")
    assert (len(run.records), run.state.sealed, Down.calls) == (3, True, 1)
    said = [each for each in caplog.messages if "tracker" in each]
    assert said == ["the tracker down fails (ConnectionError: nobody there); the run goes on without it"]


@pytest.mark.parametrize(
    ("track", "error", "text"),
    [
        ("jsnl:x", ValueError, "unknown tracker 'jsnl'; did you mean 'jsonl'?"),
        ("jsonl", UnsupportedError, "the tracker jsonl needs a file: --track jsonl:FILE"),
        ("jsonl:/proc/no/file", UnsupportedError, "the tracker jsonl cannot write /proc/no/file: No such file"),
    ],
)
def test_what_cannot_be_had_is_told_before_the_folder_is_made(asked, tmp_path, track, error, text):
    with pytest.raises(error, match=re.escape(text)):
        asked(track)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["wandb", "mlflow", "tensorboard"])
def test_a_missing_client_is_told_with_what_to_install(asked, monkeypatch, name):
    import sys

    monkeypatch.setitem(sys.modules, {"tensorboard": "torch.utils.tensorboard"}.get(name, name), None)
    with pytest.raises(UnsupportedError, match=rf"^the tracker {name} needs the package {name}: pip install {name}$"):
        asked(name)


@pytest.mark.needs("tensorboard")
def test_tensorboard_has_a_scalar_at_each_input(asked, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = asked(f"tensorboard:{tmp_path}/tb")
    found = EventAccumulator(str(tmp_path / "tb")).Reload().Scalars("run/draws")
    assert [(each.step, each.value) for each in found] == [(1, 200), (2, 400), (3, 600)]
    assert len(run.records) == 3


@pytest.mark.extra("mlflow")
@pytest.mark.filterwarnings("ignore")  # its own
def test_mlflow_has_a_metric_at_each_input(asked, tmp_path, monkeypatch):
    import mlflow

    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.chdir(tmp_path)
    asked(f"mlflow:file://{tmp_path}/ml")
    client = mlflow.MlflowClient(f"file://{tmp_path}/ml")
    (found,) = client.search_runs(["0"])
    assert (found.info.run_name, found.info.status) == ("run", "FINISHED")
    assert [each.value for each in client.get_metric_history(found.info.run_id, "draws")] == [200, 400, 600]
    assert json.loads(found.data.params["noise"])["sigma"] == 0.5


@pytest.mark.extra("wandb")
@pytest.mark.filterwarnings("ignore")  # its own
def test_weights_and_biases_offline_holds_the_last_values(asked, tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    monkeypatch.setenv("WANDB_SILENT", "true")
    run = asked("wandb:smoothing")
    assert run.state.sealed
    (file,) = (tmp_path / "wandb").glob("offline-run-*/run-*.wandb")
    raw = file.read_bytes()
    assert b"draws" in raw
    assert b"600" in raw
    assert len(read_run(tmp_path / "run").records) == 3
