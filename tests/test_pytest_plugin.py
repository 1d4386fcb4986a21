"""The fixture, used as a stranger would: in a test of a pytest of its own."""

from importlib.metadata import entry_points

import pytest

pytest.importorskip("torch")

pytest_plugins = ["pytester"]

SOURCE = """
import numpy as np, pytest, torch
from noiseproof import Gaussian, Subject
from noiseproof.data import DataSet

class Brightness(torch.nn.Module):
    def forward(self, x):
        bright = x.flatten(1).mean(dim=1) - 0.5
        return torch.stack((-bright, bright), dim=1)

@pytest.mark.parametrize("at_least", [0.5, 0.9, 0.7])
def test_lights(assert_certified, at_least):
    pictures = np.zeros((40, 1, 4, 4), np.uint8)
    pictures[::2] = 255
    labels = (np.arange(40) % 2 == 0) ^ (np.arange(40) % 10 < 3)
    data = DataSet("lights", ("dark", "bright"), (1, 4, 4), labels.astype(int), pictures)
    subject = Subject(model=Brightness().eval(), data=data, num_classes=2)
    assert_certified(Gaussian(sigma=0.25), subject, radius=0.5, at_least=at_least, n_max=500)
"""


def test_it_passes_fails_and_says_when_it_cannot_tell(pytester):
    pytester.makepyfile(SOURCE)
    installed = any(each.name == "noiseproof" for each in entry_points(group="pytest11"))
    named = () if installed else ("-p", "noiseproof.pytest_plugin")  # of a checkout that is on the path alone
    result = pytester.runpytest_inprocess(*named, "-p", "no:cacheprovider")
    result.assert_outcomes(passed=1, failed=2)
    result.stdout.fnmatch_lines(["*certified accuracy at l2 radius 0.5 is below 90.0%*12 of 20 inputs*"])
    result.stdout.fnmatch_lines(["*is not told from 70.0% by these inputs*"])
