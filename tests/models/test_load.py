import json

import pytest
import torch

from noiseproof.errors import ModelError
from noiseproof.models import Normalize, build, fingerprint, load, save_weights

SHAPE = (1, 16, 16)
SAID = {"architecture": "lenet", "num_classes": "3", "shape": json.dumps(SHAPE)}


@pytest.fixture
def module():
    return build("lenet", num_classes=3, shape=SHAPE)


@pytest.fixture
def weights(tmp_path, module):
    save_weights(module, tmp_path / "lenet.safetensors", SAID)
    return tmp_path / "lenet.safetensors"


def error(spec, **options):
    with pytest.raises(ModelError) as caught:
        load(spec, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_weights_file(weights, module):
    model = load(weights)
    x = torch.rand(2, *SHAPE)
    assert torch.equal(model.module(x), module(x).detach())
    assert (model.architecture, model.num_classes, model.shape) == ("lenet", 3, SHAPE)
    assert (model.source, model.metadata) == (str(weights), SAID)
    assert model.fingerprint == fingerprint(module, "lenet")


def test_it_is_frozen_and_in_eval_mode(weights):
    module = load(weights).module
    assert not any(part.training for part in module.modules())
    assert not any(parameter.requires_grad for parameter in module.parameters())


def test_the_global_generator_is_left_alone(weights, tmp_path):
    (tmp_path / "net.py").write_text("import torch\ndef make():\n    return torch.nn.Linear(4, 2)\n")
    before = torch.get_rng_state()
    load(weights)
    load(f"{tmp_path}/net.py:make", num_classes=2)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_run_folder(tmp_path, module):
    save_weights(module, tmp_path / "weights.safetensors", SAID)
    assert load(tmp_path).fingerprint == fingerprint(module, "lenet")
    assert load(tmp_path).source == str(tmp_path)


def test_the_normalisation_is_that_of_the_file(tmp_path):
    module = build("resnet20", num_classes=3, shape=(1, 8, 8))
    said = {"architecture": "resnet20", "num_classes": "3", "shape": "[1, 8, 8]", "mean": "[0.25]", "std": "[0.5]"}
    save_weights(module, tmp_path / "w.safetensors", said)
    model = load(tmp_path / "w.safetensors")
    module.normalize = Normalize([0.25], [0.5])
    assert torch.equal(model.module.normalize.mean, module.normalize.mean)
    assert model.fingerprint == fingerprint(module, "resnet20")


def test_a_bare_file_needs_to_be_told(tmp_path, module):
    path = tmp_path / "bare.safetensors"
    save_weights(module, path, {})
    assert load(path, arch="lenet", num_classes=3, shape=SHAPE).fingerprint == fingerprint(module, "lenet")
    assert error(path) == (
        f"{path} does not say its arch; give arch (--arch): lenet, resnet20, resnet110, resnet50, small-cnn, or "
        "FILE.py:NAME for a network of your own"
    )
    assert error(path, arch="lenet") == f"{path} does not say its shape; give shape"
    assert load(path, arch="lenet", shape=SHAPE).num_classes == 3
    assert load(path, arch="lenet", usual=(10, SHAPE)).num_classes == 3


def test_a_missing_path():
    expected = (
        "expected a run folder of `noiseproof train`, a .safetensors file, "
        "a checkpoint (.pth.tar, .pt), or file.py:name (`noiseproof models` lists all kinds)"
    )
    assert error("nowhere/model") == f"no such path: nowhere/model; {expected}"
    assert error("nowhere/model.py:net", num_classes=2) == f"no such path: nowhere/model.py; {expected}"


def test_a_folder_that_is_no_run(tmp_path):
    assert error(tmp_path).startswith(f"{tmp_path} has no weights.safetensors; expected a run folder")


@pytest.mark.parametrize("name", ["manifest.json", "checkpoint.pt"])
def test_a_training_that_is_not_finished(tmp_path, name):
    (tmp_path / name).touch()
    assert error(tmp_path) == (
        f"{tmp_path} has no weights.safetensors: the training is not finished; run the same train line again to finish"
    )


def test_a_python_file_without_a_name(tmp_path):
    (tmp_path / "m.py").touch()
    for spec in (f"{tmp_path}/m.py", f"{tmp_path}/m.py:"):
        assert error(spec) == f"{tmp_path}/m.py is a Python file; say which model in it: {tmp_path}/m.py:name"


def test_a_folder_of_counts_is_no_model(tmp_path):
    for name in ("manifest.json", "journal.jsonl"):
        (tmp_path / name).touch()
    assert error(tmp_path) == (
        f"{tmp_path} is a run folder of counts, not of a model; give the run folder of `noiseproof train` "
        f"(`noiseproof show {tmp_path}` names the model it is about)"
    )


def test_another_kind_of_file(tmp_path):
    path = tmp_path / "model.h5"
    path.write_text("something")
    assert error(path).startswith(f"cannot load a model from {path}; expected a run folder")


def test_a_damaged_file(weights):
    weights.write_bytes(weights.read_bytes()[:-1])
    assert "is not a readable safetensors file" in error(weights)


def test_damaged_metadata(tmp_path, module):
    path = tmp_path / "w.safetensors"
    save_weights(module, path, SAID | {"shape": "(1, 16, 16)"})
    assert error(path) == f"{path}: its metadata shape is no JSON, got '(1, 16, 16)'"


def test_another_model_than_asked(weights):
    assert error(weights, arch="resnet20") == f"{weights} holds a model of arch 'lenet', asked was 'resnet20'"
    assert error(weights, num_classes=10) == f"{weights} holds a model of num_classes 3, asked was 10"
    assert error(weights, shape=(3, 32, 32)).endswith("holds a model of shape (1, 16, 16), asked was (3, 32, 32)")


def test_keys_that_do_not_fit(tmp_path, module):
    path = tmp_path / "bare.safetensors"
    save_weights(module, path, {})
    assert error(path, arch="resnet20", num_classes=3, shape=SHAPE) == (
        f"{path} (architecture stored: not said) does not fit resnet20: "
        "127 keys missing, the first bn1.bias; 7 keys unexpected, the first conv1.bias; give the right arch"
    )


def test_a_file_that_says_another_architecture_than_it_holds(tmp_path, module):
    path = tmp_path / "w.safetensors"
    save_weights(module.conv1, path, SAID)
    assert error(path).startswith(
        f"{path} (architecture stored: lenet) does not fit lenet: 8 keys missing, the first conv1.bias; "
    )


def test_one_key_too_few_or_too_many(tmp_path, module):
    path = tmp_path / "w.safetensors"
    bias = module.conv2.bias
    module.conv2.bias = None
    save_weights(module, path, SAID)
    assert error(path).endswith("does not fit lenet: 1 keys missing, the first conv2.bias; give the right arch")
    module.conv2.bias = bias
    module.register_buffer("extra", torch.zeros(1))
    save_weights(module, path, SAID)
    assert error(path).endswith(
        "does not fit lenet: 1 keys unexpected, the first extra; give the right arch, or leave "
        "out of the file what is no part of the network"
    )


def test_shapes_that_do_not_fit(tmp_path, module):
    path = tmp_path / "bare.safetensors"
    save_weights(module, path, {})
    assert error(path, arch="lenet", num_classes=4, shape=SHAPE) == (
        f"{path} holds a model of num_classes 3, asked was 4"
    )
    assert error(path, arch="lenet", shape=(1, 28, 28)) == (
        f"{path} (architecture stored: not said) does not fit lenet: fc1.weight has shape (500, 50), expected "
        "(500, 800); give the right num_classes and shape"
    )


NET = """
import torch

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = torch.nn.Linear(4, 2)
        self.drop = torch.nn.Dropout()

    def forward(self, x):
        return self.drop(self.fc(x.flatten(1)))

class Sized(Net):
    def __init__(self, width, depth, *more, act=None):
        super().__init__()

net = Net()
number = 3

def broken():
    raise OSError("no weights")

def wrong():
    return 3
"""


@pytest.mark.parametrize("name", ["Net", "net"])
def test_a_python_file(tmp_path, name):
    path = tmp_path / "net.py"
    path.write_text(NET)
    model = load(f"{path}:{name}", num_classes=2)
    assert not model.module.drop.training
    assert not model.module.fc.weight.requires_grad
    assert model.module(torch.rand(3, 1, 2, 2)).shape == (3, 2)
    assert (model.architecture, model.num_classes, model.shape) == (f"net.py:{name}", 2, None)
    assert model.fingerprint == load(f"{path}:{name}", num_classes=2, shape=(1, 2, 2)).fingerprint


def test_the_fingerprint_of_a_python_file_covers_its_text(tmp_path):
    path = tmp_path / "net.py"
    path.write_text(NET)
    before = load(f"{path}:Net", num_classes=2).fingerprint
    path.write_text(NET + "# another comment\n")
    assert load(f"{path}:Net", num_classes=2).fingerprint != before


def test_the_fingerprint_of_a_python_file_covers_its_weights(tmp_path):
    path = tmp_path / "net.py"
    (tmp_path / "w").write_text("1")
    path.write_text(
        "import pathlib, torch\n"
        "net = torch.nn.Linear(1, 1)\n"
        "net.bias.data.fill_(float((pathlib.Path(__file__).parent / 'w').read_text()))\n"
    )
    before = load(f"{path}:net", num_classes=1).fingerprint
    (tmp_path / "w").write_text("2")
    assert load(f"{path}:net", num_classes=1).fingerprint != before


def test_errors_of_a_python_file(tmp_path):
    path = tmp_path / "net.py"
    path.write_text(NET)
    assert error(path) == f"{path} is a Python file; say which model in it: {path}:name"
    assert (
        error(f"{path}:net")
        == f"{path}:net: a Python file does not say its num_classes; give num_classes (--num-classes)"
    )
    assert error(f"{path}:net", num_classes=2, arch="lenet") == (
        f"{path}:net: arch is for weights files, a Python file is its own; leave arch out"
    )
    assert error(f"{path}:nett", num_classes=2) == f"{path}:nett: the file defines no 'nett'; did you mean 'net'?"
    assert error(f"{path}:broken", num_classes=2) == f"{path}:broken: broken() failed: OSError: no weights"
    assert error(f"{path}:Sized", num_classes=2) == (
        f"{path}:Sized is a class that needs width, depth; write `net = Sized(...)` in the file, and give {path}:net"
    )
    text = " must be an nn.Module or a callable without arguments that makes one, got int"
    assert error(f"{path}:number", num_classes=2) == f"{path}:number{text}"
    assert error(f"{path}:wrong", num_classes=2) == f"{path}:wrong{text}"
    path.write_text("import no_such_module_anywhere\n")
    assert error(f"{path}:net", num_classes=2) == (
        f"{path} cannot be run: ModuleNotFoundError: No module named 'no_such_module_anywhere'; "
        "install it, or put its folder on PYTHONPATH"
    )
