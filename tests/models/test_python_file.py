import random
import sys

import numpy as np
import pytest
import torch

from noiseproof.errors import ModelError
from noiseproof.models import load

NET = """
import numpy as np

weight = np.load(__file__.replace("net.py", "weight.npy"))

def scores(x):
    return x.reshape(len(x), -1) @ weight

def labels(x, quickly=True):
    return scores(x).argmax(axis=1)

def make():
    return scores

def make_labels():
    return lambda x: scores(x).argmax(axis=1)

def two(x, y):
    return x

class Wrapped:
    def __call__(self, x):
        return scores(x)

wrapped = Wrapped()

def nothing():
    return None
"""


@pytest.fixture
def layer(tmp_path):
    made = torch.nn.Linear(192, 4, bias=False)
    np.save(tmp_path / "weight.npy", made.weight.detach().numpy().T)
    (tmp_path / "net.py").write_text(NET)
    return made


@pytest.mark.parametrize("name", ["scores", "labels", "make", "make_labels", "Wrapped", "wrapped"])
def test_a_function_votes_as_in_torch(tmp_path, layer, votes, name):
    model = load(f"{tmp_path}/net.py:{name}", num_classes=4)
    assert (model.architecture, model.num_classes, model.shape) == (f"net.py:{name}", 4, None)
    assert votes(model.module) == votes(torch.nn.Sequential(torch.nn.Flatten(), layer).eval())


def test_the_fingerprint_is_that_of_the_text(tmp_path, layer):
    before = load(f"{tmp_path}/net.py:scores", num_classes=4).fingerprint
    assert load(f"{tmp_path}/net.py:scores", num_classes=4).fingerprint == before
    (tmp_path / "net.py").write_text(NET + "# more\n")
    assert load(f"{tmp_path}/net.py:scores", num_classes=4).fingerprint != before


def test_errors(tmp_path, layer):
    spec = f"{tmp_path}/net.py:two"
    with pytest.raises(ModelError) as caught:
        load(spec, num_classes=4)
    assert str(caught.value) == (
        f"{spec} must take one argument, a numpy batch, or none and make a model, but it needs 2; "
        "wrap it in a function of one"
    )
    with pytest.raises(ModelError, match=r"callable without arguments that makes one, got NoneType$"):
        load(f"{tmp_path}/net.py:nothing", num_classes=4)


def test_a_file_that_ends_the_program_cannot_be_loaded(tmp_path):
    (tmp_path / "script.py").write_text("import sys\nsys.exit(0)\n")
    remedy = r"; let it end the program, or read the command line, under `if __name__ == '__main__':` only$"
    with pytest.raises(ModelError, match=rf"script.py cannot be run: SystemExit: 0{remedy}"):
        load(f"{tmp_path}/script.py:net", num_classes=4)
    (tmp_path / "main.py").write_text("def main():\n    raise SystemExit('usage: main.py FILE')\n")
    with pytest.raises(ModelError, match=rf"main.py:main: main\(\) failed: SystemExit: usage: main.py FILE{remedy}"):
        load(f"{tmp_path}/main.py:main", num_classes=4)


PARSES = """
import argparse
import torch

parser = argparse.ArgumentParser()
parser.add_argument("--width", type=int, default=3)
ARGUMENTS = parser.parse_args()
net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, ARGUMENTS.width))
"""


def test_a_file_that_reads_the_command_line_finds_that_of_a_script(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.argv", ours := ["noiseproof", "certify", "--width", "7"])
    (tmp_path / "net.py").write_text(PARSES)
    assert load(f"{tmp_path}/net.py:net", num_classes=3).module[1].out_features == 3
    assert sys.argv is ours


def test_a_file_that_needs_arguments_shows_its_own_usage(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["noiseproof", "certify"])
    (tmp_path / "net.py").write_text(PARSES.replace("default=3", "required=True"))
    with pytest.raises(ModelError, match=r"cannot be run: SystemExit: 2; let it .* under `if __name__ == '__main__':`"):
        load(f"{tmp_path}/net.py:net", num_classes=3)
    assert capsys.readouterr().err.startswith("usage: net.py ")


DRAWS = """
import random
import numpy as np
import torch

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        drawn = [random.random(), np.random.rand(), torch.rand(()).item()]
        self.register_buffer("drawn", torch.tensor(drawn))

    def forward(self, x):
        return x.flatten(1)[:, :3] + self.drawn
"""


def states():
    name, keys, *rest = np.random.get_state()  # noqa: NPY002  # the global one
    return random.getstate(), (name, keys.tolist(), *rest), torch.get_rng_state().tolist()


def test_unseeded_weights_are_the_same_at_each_load_and_no_generator_moves(tmp_path):
    (tmp_path / "net.py").write_text(DRAWS)
    before = states()
    model = load(f"{tmp_path}/net.py:Net", num_classes=3)
    assert states() == before
    random.seed(5), torch.manual_seed(5), np.random.seed(5)  # noqa: NPY002  # the global one
    assert load(f"{tmp_path}/net.py:Net", num_classes=3).fingerprint == model.fingerprint
