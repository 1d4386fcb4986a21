"""A network of one's own: built, filled with weights out of a file, and what is said where it does not fit."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import save_file

from noiseproof.errors import ModelError
from noiseproof.models import build, load

SHAPE = (1, 8, 8)
NET = """
import torch
from layers import block

class Net(torch.nn.Module):
    def __init__(self, num_classes=10):
        super().__init__()
        self.model = torch.nn.Sequential(*block(), torch.nn.LazyLinear(num_classes))

    def forward(self, x):
        return self.model(x)

def shaped(shape, num_classes):
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(shape[0] * shape[1] * shape[2], num_classes))

def three():
    return Net(3)

net = Net(4)
number = 3

def wide(width, num_classes, depth=2):
    return Net(num_classes)

class Pair(Net):
    def forward(self, x):
        return self.model(x), x

def flat():
    return torch.nn.Linear(5, 3)

def nothing(num_classes):
    return None
"""
LAYERS = """
import torch

def block():
    return torch.nn.Conv2d(1, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.ReLU(inplace=True), torch.nn.Flatten()
"""


@pytest.fixture
def net(tmp_path):
    (tmp_path / "net.py").write_text(NET)
    (tmp_path / "layers.py").write_text(LAYERS)
    return f"{tmp_path}/net.py"


def refused(call):
    with pytest.raises(ModelError) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", ["Net", "shaped", "three", "wide_enough"])
def test_it_is_built_for_the_classes_and_the_shape(net, name, tmp_path):
    (tmp_path / "net.py").write_text(NET + "\n\nwide_enough = lambda num_classes, width=3: wide(width, num_classes)\n")
    module = build(f"{net}:{name}", num_classes=3, shape=SHAPE)
    assert module(torch.rand(2, *SHAPE)).shape == (2, 3)
    assert module.training


def test_its_weights_are_drawn_from_the_global_generator(net):
    torch.manual_seed(1)
    one, other = (build(f"{net}:Net", num_classes=3, shape=SHAPE).model[0].weight for _ in range(2))
    assert not torch.equal(one, other)
    torch.manual_seed(1)
    assert torch.equal(build(f"{net}:Net", num_classes=3, shape=SHAPE).model[0].weight, one)


@pytest.mark.parametrize("suffix", ["safetensors", "pth", "ckpt", "bin"])
@pytest.mark.parametrize(
    "prefix",
    [
        "",
        "module.",
        "_orig_mod.",
        "model.",
        "module._orig_mod.",
        "_orig_mod.module.",
        "model.module._orig_mod.",
        "net.",
    ],
)
def test_weights_of_a_file_under_any_prefixes(net, tmp_path, prefix, suffix):
    module = build(f"{net}:Net", num_classes=3, shape=SHAPE).eval()
    state = {f"{prefix}{name}": tensor for name, tensor in module.state_dict().items()}
    path = tmp_path / f"w.{suffix}"
    (save_file if suffix == "safetensors" else torch.save)(state, path)
    model = load(path, arch=f"{net}:Net", usual=(10, SHAPE))
    x = torch.rand(2, *SHAPE)
    assert torch.equal(model.module(x), module(x).detach())
    assert (model.architecture, model.num_classes, model.shape) == ("net.py:Net", 3, SHAPE)
    assert load(path, arch=f"{net}:Net", shape=SHAPE).fingerprint == model.fingerprint


def test_the_counter_of_an_average_is_no_weight(net, tmp_path):
    module = build(f"{net}:Net", num_classes=3, shape=SHAPE)
    torch.save(torch.optim.swa_utils.AveragedModel(module).state_dict(), tmp_path / "w.pt")
    assert load(tmp_path / "w.pt", arch=f"{net}:Net", shape=SHAPE).num_classes == 3


def test_the_fingerprint_is_of_the_weights_and_all_the_text(net, tmp_path):
    torch.save(build(f"{net}:Net", num_classes=3, shape=SHAPE).state_dict(), tmp_path / "w.pt")
    before = load(tmp_path / "w.pt", arch=f"{net}:Net", shape=SHAPE).fingerprint
    (tmp_path / "layers.py").write_text(LAYERS.replace("ReLU", "SiLU"))
    assert load(tmp_path / "w.pt", arch=f"{net}:Net", shape=SHAPE).fingerprint != before


@pytest.mark.parametrize(("old", "new"), [("model.", "model._orig_mod."), ("model.", ""), ("model.", "module.")])
def test_weights_of_a_part_that_was_compiled_or_saved_alone(net, tmp_path, old, new):
    module = build(f"{net}:Net", num_classes=3, shape=SHAPE).eval()
    torch.save({name.replace(old, new, 1): tensor for name, tensor in module.state_dict().items()}, tmp_path / "w.pt")
    x = torch.rand(2, *SHAPE)
    assert torch.equal(load(tmp_path / "w.pt", arch=f"{net}:Net", usual=(10, SHAPE)).module(x), module(x).detach())


def test_weights_that_do_not_fit_are_told_by_the_names_in_the_file(net, tmp_path):
    torch.save({"module.first.weight": torch.zeros(1)}, tmp_path / "w.pt")
    said = refused(lambda: load(tmp_path / "w.pt", arch=f"{net}:Net", shape=SHAPE, num_classes=3))
    assert "9 keys missing, the first model.0.bias; 1 keys unexpected, the first module.first.weight" in said


def test_errors(net, tmp_path):
    def error(name, classes=3):
        return refused(lambda: build(f"{net}:{name}", num_classes=classes, shape=SHAPE))

    assert error("Nett") == f"{net}:Nett: the file defines no 'Nett'; did you mean 'Net'?"
    assert error("number") == f"{net}:number must be or make an nn.Module, got int"
    assert error("nothing") == f"{net}:nothing must be or make an nn.Module, got NoneType"
    assert error("net") == (
        f"{net}:net must give scores of shape (2, 3) for 2 inputs of shape (1, 8, 8), got (2, 4); "
        "let it take num_classes, which is 3 here"
    )
    assert error("wide").endswith(
        "needs width; it is given num_classes and shape, as far as it takes them: name a function of these that calls "
        "wide"
    )
    assert "got tuple; let it take num_classes" in error("Pair")
    assert error("flat").startswith(f"{net}:flat fails on inputs of shape (1, 8, 8) (RuntimeError: mat1 and mat2 ")
    assert error("flat").endswith("; give data of its shape, or let it take shape")
    assert refused(lambda: build(net, num_classes=3, shape=SHAPE)) == (
        f"arch {net} is a Python file; say which network in it: {net}:NAME"
    )
    assert refused(lambda: build("nowhere.py:Net", num_classes=3, shape=SHAPE)) == (
        "no such file: nowhere.py; give arch as FILE.py:NAME, a module class in a Python file"
    )
