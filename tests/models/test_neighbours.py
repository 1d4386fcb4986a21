import sys

import pytest
import torch

from noiseproof.models import load

MODEL = "from torch import nn\nimport parts\nnet = nn.Sequential(nn.Flatten(), parts.layer())\n"
PARTS = "from torch import nn\nfrom deeper.sizes import INPUTS\ndef layer():\n    return Sized(INPUTS, 2)\n"
PARTS += "class Sized(nn.Linear):\n    factor = {factor}\n    def forward(self, x):\n        return self.factor * x\n"


def folder(path, factor=1):
    (path / "deeper").mkdir(parents=True, exist_ok=True)
    (path / "net.py").write_text(MODEL)
    (path / "parts.py").write_text(PARTS.format(factor=factor))
    (path / "deeper" / "__init__.py").write_text("")
    (path / "deeper" / "sizes.py").write_text("INPUTS = 2\n")
    return f"{path}/net.py:net"


def fingerprint(spec):
    return load(spec, num_classes=2).fingerprint


def test_a_file_imports_those_beside_it_and_leaves_the_path_alone(tmp_path):
    before = list(sys.path)
    model = load(folder(tmp_path), num_classes=2)
    assert model.module(torch.ones(1, 2)).shape == (1, 2)
    assert sys.path == before


@pytest.mark.parametrize("changed", ["net.py", "parts.py", "deeper/sizes.py", "deeper/__init__.py"])
def test_the_fingerprint_covers_what_is_imported_from_beside(tmp_path, changed):
    spec = folder(tmp_path)
    before = fingerprint(spec)
    assert fingerprint(spec) == before
    with (tmp_path / changed).open("a") as file:
        file.write("# changed\n")
    assert fingerprint(spec) != before


def test_a_file_beside_it_that_is_not_imported_does_not_count(tmp_path):
    spec = folder(tmp_path)
    before = fingerprint(spec)
    (tmp_path / "other.py").write_text("raise SystemExit\n")
    assert fingerprint(spec) == before


def test_a_folder_of_the_same_name_does_not_hide_a_module(tmp_path):
    spec = folder(tmp_path)
    (tmp_path / "parts").mkdir()
    before = fingerprint(spec)
    (tmp_path / "parts" / "unused.py").write_text("")  # Python takes parts.py as long as there is no __init__.py
    assert fingerprint(spec) == before
    (tmp_path / "parts.py").write_text(PARTS.format(factor=2))
    assert fingerprint(spec) != before


def test_a_changed_neighbour_and_one_of_the_same_name_elsewhere_are_read_again(tmp_path):
    x = torch.ones(1, 2)
    first = load(folder(tmp_path / "a", factor=1), num_classes=2).module
    second = load(folder(tmp_path / "b", factor=20), num_classes=2).module
    assert torch.equal(second(x), 20 * x)
    again = load(folder(tmp_path / "a", factor=300), num_classes=2).module
    assert torch.equal(again(x), 300 * x)
    assert torch.equal(first(x), x)


def test_the_same_folder_elsewhere_has_the_same_fingerprint(tmp_path):
    assert fingerprint(folder(tmp_path / "a")) == fingerprint(folder(tmp_path / "b"))


def test_a_neighbour_does_not_stand_in_for_what_is_imported_already(tmp_path):
    spec = folder(tmp_path)
    (tmp_path / "torch.py").write_text("raise SystemExit\n")
    for _ in range(2):
        assert load(spec, num_classes=2).module(torch.ones(1, 2)).shape == (1, 2)
        assert sys.modules["torch"] is torch


def test_a_neighbour_comes_before_a_module_of_the_same_name_elsewhere(tmp_path):
    (tmp_path / "this.py").write_text("from torch import nn\nnet = nn.Identity()\n")  # Python has one too
    (tmp_path / "net.py").write_text("from this import net\n")
    assert isinstance(load(f"{tmp_path}/net.py:net", num_classes=2).module, torch.nn.Identity)
