import json
import sys

import pytest

from noiseproof.errors import RunError, pip_install
from tests.asking import train

SMALL = {"arch": "lenet", "sigma": 0.25, "batch_size": 16, "step_size": 1, "tensorboard": True}


def scalars(out):
    accumulators = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="tensorboard is not installed"
    )
    events = accumulators.EventAccumulator(str(out / "tensorboard"))
    events.Reload()
    return {name: [(event.step, event.value) for event in events.Scalars(name)] for name in events.Tags()["scalars"]}


def test_the_scalars_are_the_metrics(stripes, tmp_path):
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    train(data=stripes, out=tmp_path, epochs=2, **SMALL)
    train(data=stripes, out=tmp_path, epochs=3, **SMALL)
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    found = scalars(tmp_path)
    assert found.keys() == {"loss", "accuracy", "lr"}
    for name, values in found.items():
        assert [step for step, _ in values] == [1, 2, 3]
        assert [value for _, value in values] == pytest.approx([row[name] for row in rows])


def test_without_the_package_it_is_one_line_and_no_folder(stripes, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(RunError) as caught:
        train(data=stripes, out=tmp_path / "m", epochs=1, **SMALL)
    assert str(caught.value) == f"tensorboard is not installed; {pip_install('tensorboard')}"
    assert not (tmp_path / "m").exists()


def test_nothing_is_written_unasked(stripes, tmp_path):
    train(data=stripes, out=tmp_path, epochs=1, **SMALL | {"tensorboard": False})
    assert not (tmp_path / "tensorboard").exists()
