from __future__ import annotations

import json

import pytest

from noiseproof.analysis.training_cost import TrainingCost, passes_per_picture, training_cost
from noiseproof.store import Manifest, read_run
from noiseproof.store.manifest import write_manifest

LOSS = {"name": "consistency", "m": 2, "eta": 0.5}
LABEL = {"data": "grey:train", "sigma": 0.5, "epochs": 3, "loss": LOSS}


@pytest.fixture
def model(tmp_path):
    """The run folder of train that a run's settings may name; three epochs of 2 s."""

    def make(name="m", *, rows=3, kind="train", **meaning):
        folder = tmp_path / name
        folder.mkdir()
        said = {"arch": "linear", "num_classes": 3, "data": "grey:train", "sigma": 0.5, "loss": LOSS} | meaning
        write_manifest(folder, Manifest(kind, said, "0"))
        lines = [json.dumps({"epoch": i + 1, "seconds": 2.0}) + "\n" for i in range(rows)]
        (folder / "metrics.jsonl").write_text("".join(lines))
        return folder

    return make


def cost_of(make_run, *, trained=None, model=None, name="c"):
    settings = {} if model is None else {"model": str(model)}
    return training_cost(read_run(make_run(name, (0.9,), trained=trained, settings=settings)))


def test_label_and_folder_together_say_everything(make_run, model):
    expected = TrainingCost(loss="consistency", sigma=0.5, epochs=3, passes=6, seconds=6.0)
    assert cost_of(make_run, trained=LABEL, model=model()) == expected


def test_the_label_alone_knows_no_seconds(make_run):
    assert cost_of(make_run, trained=LABEL) == TrainingCost("consistency", 0.5, 3, 6, None)


def test_the_folder_alone_says_it_too(make_run, model):
    assert cost_of(make_run, model=model() / "weights.safetensors") == TrainingCost("consistency", 0.5, 3, 6, 6.0)


def test_nothing_is_known_where_nothing_is_said(make_run, tmp_path):
    assert cost_of(make_run) == TrainingCost()
    assert cost_of(make_run, model="file.py:name", name="d") == TrainingCost()
    assert cost_of(make_run, model=tmp_path / "c", name="e") == TrainingCost()  # no folder of train


def test_a_relative_folder_is_found_from_above_the_run(make_run, model, tmp_path, monkeypatch):
    model("m")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert cost_of(make_run, model="m").seconds == 6.0


def test_a_folder_that_contradicts_the_run_does_not_count(make_run, model):
    for number, other in enumerate(
        ({"arch": "lenet"}, {"num_classes": 10}, {"sigma": 1.0}, {"loss": {"name": "gaussian"}})
    ):
        folder = model(f"m{number}", **other)
        assert cost_of(make_run, trained=LABEL, model=folder, name=f"c{number}").seconds is None


def test_an_extended_training_counts_as_far_as_the_model_goes(make_run, model):
    assert cost_of(make_run, trained=LABEL, model=model(rows=5)).seconds == 6.0
    assert cost_of(make_run, trained=LABEL, model=model("short", rows=2), name="d").seconds is None


def test_damaged_metrics_are_no_error(make_run, model):
    torn = model("torn")
    with (torn / "metrics.jsonl").open("a") as file:
        file.write('{"epoch": 4, "sec')
    assert cost_of(make_run, model=torn).seconds == 6.0
    for number, text in enumerate(("[]", '{"epoch": 1}', '{"epoch": 2, "seconds": 1}', '{"epoch": 1, "seconds": "x"}')):
        folder = model(f"m{number}")
        (folder / "metrics.jsonl").write_text(text + "\n")
        assert cost_of(make_run, model=folder, name=f"d{number}") == TrainingCost("consistency", 0.5, None, None, None)
    gone = model("gone")
    (gone / "metrics.jsonl").unlink()
    assert cost_of(make_run, model=gone, name="g").seconds is None


def test_a_label_may_say_anything(make_run):
    strange = {"sigma": "half", "epochs": "many", "loss": "mine"}
    assert cost_of(make_run, trained=strange) == TrainingCost()
    assert cost_of(make_run, trained={"loss": {"name": ["x"], "m": True}}, name="d") == TrainingCost()


@pytest.mark.parametrize(
    ("loss", "passes"),
    [
        ({"name": "gaussian", "m": 4}, 4),
        ({"name": "stability", "m": 1}, 2),
        ({"name": "consistency", "m": 2}, 2),
        ({"name": "macer", "m": 16}, 16),
        ({"name": "smoothadv", "m": 4, "steps": 10}, 44),
        ({"name": "smoothmix", "m": 2, "steps": 4}, 12),
        ({"name": "cat-rs", "m": 4, "steps": 4}, 24),
        ({"name": "smoothadv", "m": 4, "steps": 2, "attack": "ddn"}, 12),
        ({"name": "smoothadv", "m": 4, "steps": 10, "eps": 0.0}, 4),
        ({"name": "smoothmix", "m": 2, "steps": 4, "eta": 0.0}, 2),
        ({"name": "smoothmix", "m": 2, "steps": 4, "eta": 0.0, "one_step": True}, 10),
        ({"name": "cat-rs", "m": 4, "steps": 4, "lambda": 0.0}, 4),
        ({"name": "smoothadv", "m": 4}, None),
        ({"name": "gaussian"}, None),
        ({"name": "mine", "m": 2}, None),
        ({}, None),
    ],
)
def test_passes_are_those_of_the_table_of_losses(loss, passes):
    assert passes_per_picture(loss) == passes
