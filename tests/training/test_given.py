"""What a training is given beside its recipe: weights to begin with, extra pictures, soft targets, a compiler."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from noiseproof.data import DataSet
from noiseproof.errors import DataError, ModelError, RunError
from noiseproof.models import Normalize, build, load, load_weights
from noiseproof.models.load import load as load_model
from noiseproof.store import read_run
from noiseproof.training.begin import begin_with
from noiseproof.training.extra import pseudo_labels, with_extra
from noiseproof.training.losses import CATRSLoss, GaussianLoss, LossOut
from noiseproof.training.targets import soft_targets
from tests.asking import predict, train

SMALL = {"arch": "lenet", "sigma": 0.25, "epochs": 1, "batch_size": 16, "lr": 0.05}


def weights(out: Path) -> dict[str, torch.Tensor]:
    return load_weights(out / "weights.safetensors")[0]


def same(one, other) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def meaning(out: Path) -> dict:
    return json.loads((out / "manifest.json").read_text())["meaning"]


def test_it_does_not_begin_with_a_python_file(stripes, tmp_path):
    with pytest.raises(ModelError, match=r"^init must be a run folder of train, .*, got mine.py:net$"):
        train(data=stripes, out=tmp_path / "run", init="mine.py:net", **SMALL)


@pytest.fixture
def earlier(stripes, tmp_path) -> Path:
    train(data=stripes, out=tmp_path / "earlier", **SMALL | {"epochs": 3})
    return tmp_path / "earlier"


# --- weights to begin with


class Untouched(GaussianLoss):
    """Learns nothing: what a training begins with is what it ends with."""

    def __call__(self, model, x, y, **options) -> LossOut:
        out = super().__call__(model, x, y, **options)
        return LossOut(0 * out.loss, out.accuracy)


def test_it_begins_with_the_weights_it_is_given(stripes, earlier, tmp_path):
    out = tmp_path / "m"
    train(data=stripes, out=out, init=earlier, loss=Untouched(), **SMALL | {"weight_decay": 0.0})
    assert same(weights(out), weights(earlier))
    assert meaning(out)["init"] == load(earlier).fingerprint
    train(data=stripes, out=tmp_path / "new", loss=Untouched(), **SMALL | {"weight_decay": 0.0})
    assert not same(weights(tmp_path / "new"), weights(earlier))


def test_a_resumed_training_does_not_begin_again_and_other_weights_are_another_training(stripes, earlier, tmp_path):
    settings = {"data": stripes, "out": tmp_path / "m", "init": earlier}
    train(**settings, **SMALL | {"epochs": 1})
    train(**settings, **SMALL | {"epochs": 2})
    train(**settings | {"out": tmp_path / "whole"}, **SMALL | {"epochs": 2})
    assert same(weights(tmp_path / "m"), weights(tmp_path / "whole"))
    with pytest.raises(RunError, match="belongs to another training: init"):
        train(**settings | {"init": tmp_path / "m"}, **SMALL | {"epochs": 2})
    with pytest.raises(RunError, match="belongs to another training: init"):
        train(**settings | {"init": None}, **SMALL | {"epochs": 2})


def test_a_last_layer_for_other_classes_stays_new_and_the_normalisation_comes_along():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        old = build("resnet20", num_classes=7, shape=(3, 32, 32))
        new = build("resnet20", num_classes=10, shape=(3, 32, 32))
    old.normalize = Normalize([0.1, 0.2, 0.3], [1.0, 2.0, 3.0])
    before = {name: tensor.clone() for name, tensor in new.state_dict().items()}
    model = replace(_model(old), num_classes=7)
    assert begin_with(new, model) == ["fc.weight", "fc.bias"]
    for name, tensor in new.state_dict().items():
        assert torch.equal(tensor, before[name] if name.startswith("fc.") else old.state_dict()[name])
    assert new.normalize.std.flatten().tolist() == [1.0, 2.0, 3.0]


def test_weights_of_another_input_size_do_not_fit(stripes, earlier):
    other = build("lenet", num_classes=3, shape=(1, 28, 28))
    with pytest.raises(ModelError, match=r"does not fit: fc1.weight has shape \(500, 50\), expected \(500, 800\)"):
        begin_with(other, load(earlier))


def test_weights_of_another_architecture_are_refused_before_a_folder_is_made(stripes, earlier, tmp_path):
    with pytest.raises(ModelError, match="holds a model of arch 'lenet', asked was 'resnet20'"):
        train(data=stripes, out=tmp_path / "m", init=earlier, **SMALL | {"arch": "resnet20"})
    assert not (tmp_path / "m").exists()


def _model(module: torch.nn.Module):
    from noiseproof.models import BaseModel

    return BaseModel(module, "resnet20", 10, (3, 32, 32), "f", "old weights")


# --- extra pictures


def test_extra_pictures_are_learned_from_like_the_others(stripes, tmp_path):
    """Half of the pictures given as extra ones: the same pictures in the same order, so the same weights."""
    half = len(stripes) // 2
    first, second = (_part(stripes, rows) for rows in (slice(0, half), slice(half, None)))
    train(data=stripes, out=tmp_path / "whole", **SMALL)
    train(data=first, extra=second, out=tmp_path / "both", **SMALL)
    assert same(weights(tmp_path / "both"), weights(tmp_path / "whole"))
    assert meaning(tmp_path / "both")["data"] == "stripes:train + stripes:train"
    train(data=first, out=tmp_path / "half", **SMALL)
    assert not same(weights(tmp_path / "half"), weights(tmp_path / "whole"))


def test_an_earlier_model_labels_them(stripes, earlier, tmp_path):
    model = load(earlier)
    pictures = torch.from_numpy(stripes.images()).float() / 255
    expected = model.module(pictures).argmax(dim=1).numpy()
    found = pseudo_labels(model, stripes, device=torch.device("cpu"))
    assert found.tolist() == expected.tolist()
    assert 0 < (found != stripes.labels).mean() < 0.9  # the labels are the model's, not the data's
    both = with_extra(stripes, stripes, labels=found)
    assert both.labels.tolist() == [*stripes.labels.tolist(), *expected.tolist()]
    train(data=stripes, extra=stripes, extra_labels=earlier, out=tmp_path / "m", **SMALL)
    assert meaning(tmp_path / "m")["data_sha256"] != _trained_on(stripes, stripes, tmp_path)


def _trained_on(data, extra, tmp_path) -> str:
    train(data=data, extra=extra, out=tmp_path / "own-labels", **SMALL)
    return meaning(tmp_path / "own-labels")["data_sha256"]


def test_extra_pictures_of_another_kind(stripes):
    other = DataSet("wide:train", stripes.classes, (1, 16, 17), np.array([0]), np.zeros((1, 1, 16, 17), np.uint8))
    with pytest.raises(DataError, match=r"wide:train has pictures of shape \(1, 16, 17\) in 3 classes, stripes"):
        with_extra(stripes, other)
    more = DataSet("four:train", tuple("abcd"), (1, 16, 16), np.array([3]), np.zeros((1, 1, 16, 16), np.uint8))
    with pytest.raises(DataError, match=r"in 4 classes, stripes:train .* in 3; give extra pictures of the same kind"):
        with_extra(stripes, more)


def _part(data: DataSet, rows: slice) -> DataSet:
    return DataSet(data.name, data.classes, data.shape, data.labels[rows], data.images()[rows])


# --- soft targets


@pytest.fixture
def drawn(stripes, earlier, tmp_path) -> Path:
    predict(model=earlier, data=stripes, sigma=0.25, n=20, out=tmp_path / "drawn", workers=1)
    return tmp_path / "drawn"


def test_soft_targets_are_the_shares_of_the_votes(stripes, drawn):
    found = soft_targets(drawn, stripes)
    assert found.shape == (len(stripes), 3)
    for record in read_run(drawn).records:
        votes = np.sum([answer.votes for answer in record.answers], axis=0)
        assert votes.sum() == 20
        assert found[record.index] == pytest.approx(votes / 20)
    assert (found.max(axis=1) < 1).any()


def test_the_loss_gets_the_targets_of_its_pictures(stripes, drawn, tmp_path, monkeypatch):
    wanted = {stripes.images()[i].tobytes(): row for i, row in enumerate(soft_targets(drawn, stripes))}
    met = []

    def check(self, model, x, y, *, targets, **options):
        for picture, target in zip((255 * x).round().byte().numpy(), targets.numpy(), strict=True):
            assert target.tolist() == wanted[picture.tobytes()].tolist()
            met.append(picture.tobytes())
        return GaussianLoss()(model, x, y, **options)

    monkeypatch.setattr(CATRSLoss, "__call__", check)
    train(data=stripes, out=tmp_path / "m", loss="cat-rs", targets=drawn, **SMALL)
    assert sorted(met) == sorted(wanted)
    assert len(meaning(tmp_path / "m")["targets_sha256"]) == 64


def test_cat_rs_trains_with_targets_and_resumes(stripes, drawn, tmp_path):
    settings = {"data": stripes, "loss": "cat-rs", "loss_setting": {"m": 2, "steps": 1}, "targets": drawn}
    train(**settings, out=tmp_path / "m", **SMALL | {"epochs": 1})
    train(**settings, out=tmp_path / "m", **SMALL | {"epochs": 2})
    train(**settings, out=tmp_path / "whole", **SMALL | {"epochs": 2})
    assert same(weights(tmp_path / "m"), weights(tmp_path / "whole"))


def test_targets_that_are_none(stripes, earlier, drawn, tmp_path):
    predict(model=earlier, data=stripes, sigma=0.25, n=20, limit=30, out=tmp_path / "part", workers=1)
    with pytest.raises(RunError, match=r"lacks 10 of the 40 pictures of stripes:train; .* predict --data stripes:tr"):
        soft_targets(tmp_path / "part", stripes)
    with pytest.raises(RunError, match="is the run folder of noiseproof train"):
        soft_targets(earlier, stripes)
    four = DataSet("four:train", tuple("abcd"), (1, 16, 16), stripes.labels, stripes.images())
    with pytest.raises(RunError, match="has 3 classes, four:train has 4; give other targets"):
        soft_targets(drawn, four)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"loss": "cat-rs"}, "the loss cat-rs needs targets; give the run folder of `noiseproof predict --n 100`"),
        ({"targets": "x"}, "targets go with the loss cat-rs, got them with gaussian"),
        ({"extra_labels": "x"}, "extra_labels goes with extra, whose pictures that model labels"),
    ],
)
def test_what_does_not_go_together(stripes, tmp_path, settings, text):
    with pytest.raises(ValueError, match=text):
        train(data=stripes, out=tmp_path / "m", **SMALL | settings)
    assert not (tmp_path / "m").exists()


# --- a compiler


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
@pytest.mark.filterwarnings("ignore")
def test_compiled_training_learns_the_same_up_to_rounding(stripes, tmp_path):
    loss = {"loss": "smoothadv", "loss_setting": {"m": 2, "steps": 1}}  # an attack in eval mode on frozen weights
    train(data=stripes, out=tmp_path / "plain", **SMALL | loss)
    train(data=stripes, out=tmp_path / "m", compile=True, **SMALL | loss)
    plain, compiled = weights(tmp_path / "plain"), weights(tmp_path / "m")
    assert plain.keys() == compiled.keys()
    assert all(torch.allclose(plain[name], compiled[name], atol=1e-5) for name in plain)
    assert meaning(tmp_path / "m")["compiled"] is True
    assert "compiled" not in meaning(tmp_path / "plain")
    assert load_model(tmp_path / "m").num_classes == 3
