from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from noiseproof.errors import UnsupportedError
from noiseproof.noises import NOISES, Gaussian, Noise, noise_from


def test_every_family_is_registered_under_its_own_name():
    assert {name: made.family for name, made in NOISES.items()} == {name: name for name in NOISES}


def test_a_table_needs_only_what_has_no_default():
    assert noise_from({"family": "gaussian", "sigma": 0.25}) == Gaussian(sigma=0.25)


def test_a_table_is_not_changed():
    table = {"family": "gaussian", "sigma": 0.25}
    noise_from(table)
    assert table == {"family": "gaussian", "sigma": 0.25}


@pytest.mark.parametrize(
    ("table", "text"),
    [
        ({"family": "gausian", "sigma": 0.5}, "unknown noise 'gausian'; did you mean 'gaussian'?"),
        ({"family": "xyz"}, "unknown noise 'xyz'; known: gaussian"),
        ({"sigma": 0.5}, "unknown noise ''; known: gaussian"),
        (
            {"family": "gaussian", "sgima": 0.5},
            "unknown setting of the noise gaussian 'sgima'; did you mean 'sigma'?",
        ),
        ({"family": "gaussian", "sigma": -1.0}, "sigma must be > 0, got -1.0"),
    ],
)
def test_a_table_that_describes_no_noise_is_refused(table: dict[str, object], text: str):
    with pytest.raises(ValueError, match=re.escape(text)):
        noise_from(table)


@dataclass(frozen=True)
class Bare(Noise):
    """What a family must write, and nothing else."""

    sigma: float = 0.5
    dimension: int | None = None

    family: ClassVar[str] = "bare"
    norm: ClassVar[str] = "l1"
    arithmetic: ClassVar[str] = "none"
    scale: ClassVar[float] = 1.0

    def perturb(self, x, words, first, n):
        return np.stack([x] * n)

    def radius(self, bounds, norm=None):
        return 0.0

    def encode(self, x):
        return x


@pytest.mark.parametrize(
    ("ask", "text"),
    [
        (lambda noise: noise.anywhere(), "attacks on bare noise cannot be judged"),
        (lambda noise: noise.quantised(np.zeros((1, 2))), "bare noise has no grid to quantise to"),
        (lambda noise: noise.sample(np.zeros(2), 1, None), "bare noise has no float draws"),
        (lambda noise: noise.law(), "bare noise states no exact law"),
    ],
)
def test_what_a_family_has_not_is_refused_by_its_name(ask: Callable[[Noise], object], text: str):
    with pytest.raises(UnsupportedError, match=text):
        ask(Bare())
    assert (Bare().grid, Bare().on_grid(np.zeros(2))) == (None, False)


def test_a_family_of_another_package_is_found_by_its_entry_point(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(NOISES, "_known", dict(NOISES))
    entry = importlib.metadata.EntryPoint("bare", f"{__name__}:Bare", "noiseproof.noises")
    monkeypatch.setattr(entry.__class__, "load", lambda self: Bare)
    found = {"noiseproof.noises": [entry]}
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda *, group: found.get(group, []))
    assert noise_from({"family": "bare", "sigma": 2.0}) == Bare(2.0)
    assert noise_from(Bare(3.0).config()) == Bare(3.0)
