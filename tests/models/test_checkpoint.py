"""Files as the published training script writes them, made here with random weights."""

import argparse
import json
import os
import pickle

import numpy as np
import pytest
import torch

from noiseproof.errors import ModelError
from noiseproof.models import build, load, load_checkpoint, save_weights
from noiseproof.models.resnet import IMAGENET_MEAN, IMAGENET_STD
from noiseproof.models.resnet_cifar import CIFAR_MEAN, CIFAR_STD

CIFAR = (3, 32, 32)
PREFIXES = ["1.module.", "module.1.", "1.", "module.", ""]


def trained(arch="resnet20", num_classes=10, shape=CIFAR):
    """A network whose batch-norms have seen something, so that their statistics matter."""
    module = build(arch, num_classes=num_classes, shape=shape)
    for part in module.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.running_mean.normal_()
            part.running_var.uniform_(0.5, 2)
    return module.eval()


def written(path, module, *, prefix="1.module.", legacy=False, **entries):
    """A checkpoint as train.py of the paper saves it; ``legacy`` is the format of its time."""
    state = {prefix + key: value for key, value in module.state_dict().items()}
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1, momentum=0.9).state_dict()
    stored = {"epoch": 90, "arch": "cifar_resnet20", "state_dict": state, "optimizer": optimizer} | entries
    torch.save(stored, path, _use_new_zipfile_serialization=not legacy)
    return path


def refused(path, **options):
    with pytest.raises(ModelError) as caught:
        load(path, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("legacy", [True, False])
@pytest.mark.parametrize("prefix", PREFIXES)
def test_the_scores_are_those_of_the_network_that_was_saved(tmp_path, prefix, legacy):
    module = trained()
    model = load(written(tmp_path / "checkpoint.pth.tar", module, prefix=prefix, legacy=legacy))
    x = torch.rand(3, *CIFAR)
    assert torch.equal(model.module(x), module(x).detach())
    assert (model.architecture, model.num_classes, model.shape) == ("resnet20", 10, CIFAR)


@pytest.mark.parametrize(
    ("said", "ours", "shape", "mean", "std", "classes"),
    [
        ("cifar_resnet110", "resnet110", CIFAR, CIFAR_MEAN, CIFAR_STD, 10),
        ("resnet50", "resnet50", (3, 224, 224), IMAGENET_MEAN, IMAGENET_STD, 1000),
    ],
)
def test_the_architecture_fixes_classes_shape_and_normalisation(tmp_path, said, ours, shape, mean, std, classes):
    module = trained(ours, classes, shape)
    model = load(written(tmp_path / "checkpoint.pth.tar", module, arch=said))
    assert (model.architecture, model.num_classes, model.shape) == (ours, classes, shape)
    assert torch.equal(model.module.normalize.mean.flatten(), torch.tensor(mean))
    assert torch.equal(model.module.normalize.std.flatten(), torch.tensor(std))
    saved = module.state_dict()
    assert all(torch.equal(value, saved[key]) for key, value in model.module.state_dict().items())


def published_names(depth):
    """The parameters that archs/cifar_resnet.py of github.com/locuslab/smoothing declares."""

    def norm(name):
        return [f"{name}.{part}" for part in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")]

    names = ["conv1.weight", *norm("bn1"), "fc.weight", "fc.bias"]
    for stage in (1, 2, 3):
        for block in range((depth - 2) // 6):
            at = f"layer{stage}.{block}"
            names += [f"{at}.conv1.weight", *norm(f"{at}.bn1"), f"{at}.conv2.weight", *norm(f"{at}.bn2")]
            if stage > 1 and block == 0:
                names += [f"{at}.downsample.0.weight", *norm(f"{at}.downsample.1")]
    return set(names)


@pytest.mark.parametrize("depth", [20, 110])
def test_our_key_names_are_the_published_ones(depth):
    assert build(f"resnet{depth}", num_classes=10, shape=CIFAR).state_dict().keys() == published_names(depth)


@pytest.mark.parametrize("name", ["a.pth.tar", "a.pth", "a.pt", "a.tar"])
def test_the_suffix_says_that_it_is_a_checkpoint(tmp_path, name):
    assert load(written(tmp_path / name, trained())).architecture == "resnet20"


@pytest.mark.parametrize("arch", ["resnet20", "cifar_resnet20"])
def test_a_bare_state_dict_needs_its_architecture_only(tmp_path, arch):
    path = tmp_path / "w.pth"
    module = trained(num_classes=7)
    torch.save(module.state_dict(), path)
    assert load(path, arch=arch).num_classes == 7
    assert refused(path).startswith(f"{path} does not say its arch; give arch (--arch): lenet, ")


def test_the_counters_that_old_releases_did_not_have(tmp_path):
    module = trained()
    path = tmp_path / "w.pth"
    torch.save({key: value for key, value in module.state_dict().items() if "num_batches" not in key}, path)
    x = torch.rand(1, *CIFAR)
    assert torch.equal(load(path, arch="resnet20").module(x), module(x).detach())


def test_the_shape_is_the_usual_one_unless_told(tmp_path):
    path = written(tmp_path / "c.pth.tar", trained())
    assert load(path, shape=(3, 64, 64)).shape == (3, 64, 64)


def test_another_model_than_asked(tmp_path):
    path = written(tmp_path / "c.pth.tar", trained())
    assert refused(path, arch="resnet110") == f"{path} holds a model of arch 'resnet20', asked was 'resnet110'"
    assert refused(path, num_classes=5) == f"{path} holds a model of num_classes 10, asked was 5"


def test_a_key_of_no_layer_is_named(tmp_path):
    state = {f"1.{key}": value for key, value in trained().state_dict().items()} | {"0.means": torch.zeros(3)}
    path = written(tmp_path / "c.pth.tar", trained(), state_dict=state)
    assert "1 keys unexpected, the first 0.means;" in refused(path)


def test_keys_that_would_become_one(tmp_path):
    state = {f"{prefix}{key}": value for prefix in ("1.", "") for key, value in trained().state_dict().items()}
    path = written(tmp_path / "c.pth.tar", trained(), state_dict=state)
    assert "keys unexpected, the first 1.bn1.bias;" in refused(path)


class Evil:
    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return os.system, (f"touch {self.target}",)


@pytest.mark.parametrize("legacy", [True, False, None])
def test_a_pickle_that_would_run_something_is_refused_and_nothing_runs(tmp_path, legacy):
    path, target = tmp_path / "checkpoint.pth.tar", tmp_path / "executed"
    if legacy is None:
        path.write_bytes(pickle.dumps({"arch": "cifar_resnet20", "state_dict": Evil(target)}))
    else:
        written(path, trained(), legacy=legacy, best=Evil(target))
    text = refused(path)
    assert not target.exists()
    if legacy is not None:
        assert text == (
            f"{path} is refused: its pickle asks for {os.system.__module__}.system, and nothing in it was run; "
            "expected tensors and plain values only; save module.state_dict() with torch.save"
        )


def test_a_whole_module_is_refused(tmp_path):
    path = tmp_path / "module.pt"
    torch.save(torch.nn.Linear(1, 1), path)
    assert f"{path} is refused: its pickle asks for torch.nn.modules.linear.Linear, " in refused(path)


@pytest.mark.parametrize("stored", [[torch.zeros(1)], {}, {"epoch": 3}, {"arch": "resnet50", "state_dict": {"a": 1}}])
def test_a_file_without_weights(tmp_path, stored):
    path = tmp_path / "x.pt"
    torch.save(stored, path)
    said = refused(path)
    assert said.startswith(f"{path} holds no weights")
    assert said.endswith("; save module.state_dict() with torch.save")


@pytest.mark.parametrize(
    ("stored", "found"),
    [
        ([torch.zeros(1)], "holds no weights, but a list;"),
        (None, "holds no weights, but None;"),
        (3, "holds no weights, but an int;"),
        ({}, "found nothing;"),
        ({"shadow_params": [torch.zeros(1)], "decay": 0.9}, "found shadow_params (a list), decay (a float);"),
        ({"state_dict": {"w": torch.zeros(1), "step": 3}}, "found state_dict (a dict with step, int);"),
        (torch.optim.Adam(torch.nn.Linear(1, 1).parameters()).state_dict(), "but the state of an optimizer;"),
    ],
)
def test_what_stands_there_instead_is_named(tmp_path, stored, found):
    torch.save(stored, tmp_path / "x.pt")
    assert found in refused(tmp_path / "x.pt", arch="lenet")


def test_the_state_of_an_optimizer_is_no_set_of_weights(tmp_path):
    layer = torch.nn.Linear(2, 2)
    adam = torch.optim.Adam(layer.parameters())
    layer(torch.zeros(1, 2)).sum().backward()
    adam.step()
    torch.save(adam.state_dict(), tmp_path / "x.pt")
    assert "but the state of an optimizer;" in refused(tmp_path / "x.pt", arch="lenet")


def test_numpy_arrays_are_to_be_tensors(tmp_path):
    torch.save({"state_dict": {"w": np.zeros(3)}}, tmp_path / "x.pt")
    assert refused(tmp_path / "x.pt").endswith("tensors and plain values only; save arrays as torch.from_numpy(array)")


def test_weights_of_a_part_of_another_module(tmp_path):
    """As Lightning saves them: ``self.classifier = network``."""
    module, x = trained(), torch.rand(2, *CIFAR)
    state = {f"classifier.body.{name}": value for name, value in module.state_dict().items()}
    torch.save({"epoch": 1, "state_dict": state, "callbacks": {}}, tmp_path / "a.ckpt")
    assert torch.equal(load(tmp_path / "a.ckpt", arch="resnet20").module(x), module(x).detach())
    torch.save({"state_dict": state | {"criterion.weight": torch.ones(3)}}, tmp_path / "b.ckpt")
    said = refused(tmp_path / "b.ckpt", arch="resnet20", num_classes=10)
    assert said.endswith("keys unexpected, the first classifier.body.bn1.bias; give the right arch")
    torch.save(module.state_dict() | {"criterion.weight": torch.ones(3)}, tmp_path / "c.ckpt")
    assert refused(tmp_path / "c.ckpt", arch="resnet20").endswith(
        "1 keys unexpected, the first criterion.weight; give the right arch, or leave out of the file "
        "what is no part of the network"
    )


def test_wrappers_inside_names(tmp_path):
    """Of layers that were compiled, or made parallel, each for itself."""
    module, x = trained(), torch.rand(2, *CIFAR)
    state = module.state_dict()
    for old, new in (("layer1.", "layer1._orig_mod."), ("fc.", "fc.module."), ("bn1.", "_orig_mod.bn1.")):
        state = {name.replace(old, new, 1) if name.startswith(old) else name: each for name, each in state.items()}
    torch.save(state, tmp_path / "w.pth")
    assert torch.equal(load(tmp_path / "w.pth", arch="resnet20").module(x), module(x).detach())


def test_a_folder_is_no_file(tmp_path):
    torch.save(trained().state_dict(), tmp_path / "epoch3.pth")
    assert refused(tmp_path) == (
        f"{tmp_path} has no weights.safetensors; give the file itself, such as {tmp_path}/epoch3.pth"
    )
    (tmp_path / "config.json").write_text("{}")
    assert refused(tmp_path).endswith(f"a folder of save_pretrained is given as hf:{tmp_path}")


def test_one_of_several_files_of_weights(tmp_path):
    path = tmp_path / "model-00001-of-00002.safetensors"
    save_weights(torch.nn.Linear(2, 2), path, {})
    assert refused(path, arch="lenet") == (
        f"{path} is one of 2 files of weights; give hf: and their folder, or put them together in one file"
    )


@pytest.mark.parametrize("legacy", [True, False])
@pytest.mark.parametrize("length", [40, 5000, -1])
def test_a_damaged_file(tmp_path, length, legacy):
    path = written(tmp_path / "c.pth.tar", trained(), legacy=legacy)
    path.write_bytes(path.read_bytes()[:length])
    assert refused(path).startswith(f"{path} is not a readable checkpoint (")


def test_a_missing_file(tmp_path):
    with pytest.raises(ModelError, match=r"^no such file: .*/x\.pt; expected a checkpoint of torch\.save$"):
        load_checkpoint(tmp_path / "x.pt")


# --- where the weights lie in a file


def dressed(prefix="", **entries):
    return {f"{prefix}{name}": value for name, value in trained().state_dict().items()} | entries


@pytest.mark.parametrize(
    "name",
    ["state_dict", "model_state_dict", "model", "net", "weights", "params", "generator_of_scores", "state_dict_ema"],
)
def test_the_weights_are_found_under_the_usual_names_or_alone(tmp_path, name):
    path = tmp_path / "c.pth"
    torch.save({"epoch": 3, name: dressed("module."), "optimizer": {"state": dressed()}}, path)
    assert load(path, arch="resnet20").num_classes == 10


def test_they_are_found_one_level_deeper(tmp_path):
    path = tmp_path / "c.pth"
    torch.save({"run": {"weights": dressed(), "epoch": 3}}, path)
    assert load(path, arch="resnet20").num_classes == 10


def test_averaged_weights_are_taken_by_name(tmp_path, caplog):
    path = tmp_path / "c.pth"
    plain, average = dressed("module."), dressed("module.")
    torch.save({"model": plain, "model_ema": average, "step": 3}, path)
    assert torch.equal(load(path, arch="resnet20").module.fc.bias, plain["module.fc.bias"])
    assert f"{path}: taken are the weights under model; give {path}@model_ema for the average" in caplog.messages
    found = load(f"{path}@model_ema", arch="resnet20")
    assert torch.equal(found.module.fc.bias, average["module.fc.bias"])
    assert found.source == f"{path}@model_ema"
    assert (
        refused(f"{path}@model_em", arch="resnet20") == f"unknown entry of {path} 'model_em'; did you mean 'model_ema'?"
    )


@pytest.mark.parametrize("name", ["ema", "state_dict_ema", "swa_model", "avg", "shadow"])
def test_averages_by_their_other_names_are_never_taken_in_silence(tmp_path, caplog, name):
    torch.save({"model": dressed(), name: dressed()}, tmp_path / "c.pth")
    load(tmp_path / "c.pth", arch="resnet20")
    assert any(text.endswith(f"c.pth@{name} for the average") for text in caplog.messages)


def test_bare_weights_have_no_entries(tmp_path):
    torch.save(dressed(), tmp_path / "c.pth")
    assert refused(f"{tmp_path}/c.pth@ema", arch="resnet20") == (
        f"{tmp_path}/c.pth holds one set of weights, under no name; leave @ema out"
    )


def test_of_several_none_is_guessed(tmp_path):
    path = tmp_path / "c.pth"
    torch.save({"student": dressed(), "teacher": dressed()}, path)
    assert refused(path, arch="resnet20") == (
        f"{path} holds several sets of weights; give one of {path}@student, {path}@teacher"
    )
    assert load(f"{path}@teacher", arch="resnet20").num_classes == 10


def test_what_trainings_keep_beside_the_weights_is_read(tmp_path):
    path = tmp_path / "c.pth"
    beside = {"args": argparse.Namespace(lr=0.1), "best": np.float64(0.9), "epoch": np.int64(3)}
    torch.save({"state_dict": dressed(), "arch": "cifar_resnet20"} | beside, path)
    assert load(path).num_classes == 10


@pytest.mark.parametrize(
    "entries", [{"classes": ["b", "a"]}, {"class_names": ("b", "a")}, {"class_to_idx": {"a": 1, "b": 0}}]
)
def test_the_names_of_the_classes_travel_with_the_weights(tmp_path, entries):
    path = tmp_path / "c.pth"
    torch.save({"state_dict": dressed(), "arch": "cifar_resnet20"} | entries, path)
    assert json.loads(load_checkpoint(path)[1]["classes"]) == ["b", "a"]
