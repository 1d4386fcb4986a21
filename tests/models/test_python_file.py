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
    with pytest.raises(ModelError, match=r"script.py cannot be run: SystemExit: 0$"):
        load(f"{tmp_path}/script.py:net", num_classes=4)
    (tmp_path / "main.py").write_text("def main():\n    raise SystemExit('usage: main.py FILE')\n")
    with pytest.raises(ModelError, match=r"main.py:main: main\(\) failed: SystemExit: usage: main.py FILE$"):
        load(f"{tmp_path}/main.py:main", num_classes=4)
