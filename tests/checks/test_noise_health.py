"""The noise is tested: healthy noise never refused, each planted fault found, by the test that is there for it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")

from noiseproof.checks import noise_health as module
from noiseproof.checks.noise_health import noise_health
from noiseproof.cli.main import run
from noiseproof.noises import Gaussian, Words
from noiseproof.noises.rounded_normal import rounded_normal

FEW = 300  # draws: .9 million numbers
HONEST = {
    "sigma .12": Gaussian(sigma=0.12),
    "sigma .25": Gaussian(sigma=0.25),
    "sigma 1": Gaussian(sigma=1.0),
    "coarse grid": Gaussian(sigma=0.5, grid=7),
    "float": Gaussian(sigma=0.5, grid=None),
}


class Planted(Gaussian):
    """Exact noise with a fault: a subclass changes what is added."""

    def perturb(self, x, words, first, n):
        return x.reshape(1, *x.shape) + self.faulty(x, words, first, n)

    def eta(self, x, words, first, n):
        return super().perturb(np.zeros_like(x), words, first, n)

    def faulty(self, x, words, first, n):
        raise NotImplementedError

    def each(self, x, words, first, n, index):
        """Draw ``index(i)`` where draw i is asked for."""
        return np.concatenate([self.eta(x, words, index(i), 1) for i in range(first, first + n)])


class Clipped(Planted):
    def faulty(self, x, words, first, n):
        most = int(3.5 * self.sigma * self.scale)
        return np.clip(self.eta(x, words, first, n), -most, most)


class Redrawn(Planted):
    def faulty(self, x, words, first, n):
        eta = self.eta(x, words, first, n)
        far = np.abs(eta) > 3.5 * self.sigma * self.scale
        return np.where(far, eta // 4, eta)


class Shifted(Planted):
    """By a third of a step: .005 sigma."""

    def faulty(self, x, words, first, n):
        return self.eta(x, words, first, n) + (np.arange(x.size) % 3 == 0).astype(np.int16)


class OnePercent(Planted):
    def faulty(self, x, words, first, n):
        return Gaussian(sigma=self.sigma * 1.01).perturb(np.zeros_like(x), words, first, n)


class Uniform(Planted):
    def faulty(self, x, words, first, n):
        most = 3**0.5 * self.sigma * self.scale
        u = words.take(first, n, x.size) / 2.0**64
        return np.rint((2 * u - 1) * most).astype(np.int16)


class InPairs(Planted):
    """Draw 1 is draw 0, draw 3 is draw 2."""

    def faulty(self, x, words, first, n):
        return self.each(x, words, first, n, lambda i: i - i % 2)


class InOddPairs(Planted):
    """Draw 2 is draw 1, draw 4 is draw 3."""

    def faulty(self, x, words, first, n):
        return self.each(x, words, first, n, lambda i: i + i % 2)


class ShortPeriod(Planted):
    def faulty(self, x, words, first, n):
        return self.each(x, words, first, n, lambda i: i % 23)


class Overlapping(Planted):
    """A draw begins where the one before has come to its middle."""

    def faulty(self, x, words, first, n):
        half = self.eta(x[: x.size // 2], words, first, n + 1)
        return np.concatenate([half[:-1], half[1:]], axis=1)


class OneStage(Planted):
    def faulty(self, x, words, first, n):
        return self.eta(x, replace(words, stage="estimate"), first, n)


class OneSeed(Planted):
    def faulty(self, x, words, first, n):
        return self.eta(x, replace(words, seed=0), first, n)


class Mirrored(Planted):
    """Antithetic: every second draw is the one before with the other sign."""

    def faulty(self, x, words, first, n):
        signs = np.array([1 - 2 * (i % 2) for i in range(first, first + n)], dtype=np.int16)
        return signs[:, None] * self.each(x, words, first, n, lambda i: i - i % 2)


class Smeared(Planted):
    """Neighbours have a correlation of .05."""

    def faulty(self, x, words, first, n):
        z = Gaussian(sigma=1.0, grid=None).perturb(np.zeros(x.size), words, first, n)
        return np.rint((z + 0.05 * np.roll(z, 1, axis=1)) / 1.0025**0.5 * self.sigma * self.scale).astype(np.int16)


class BoxMuller(Planted):
    """As torch makes normals on a CPU: float32, from 24-bit uniforms; nothing beyond 5.77 sigma."""

    def faulty(self, x, words, first, n):
        bits = words.take(first, n, 2 * x.size) >> np.uint64(40)
        u = bits.astype(np.float32) * np.float32(2.0**-24)
        z = np.sqrt(-2 * np.log(1 - u[:, ::2])) * np.cos(2 * np.pi * u[:, 1::2])
        return np.rint(z * self.sigma * self.scale).astype(np.int16)


class Unkeyed(Planted):
    def __init__(self, **settings):
        super().__init__(**settings)
        object.__setattr__(self, "generator", np.random.default_rng(0))

    def faulty(self, x, words, first, n):
        return np.rint(self.generator.normal(0, self.sigma * self.scale, (n, x.size))).astype(np.int16)


class Leaning(Planted):
    """No noise is added to white pixels where it would be negative."""

    def faulty(self, x, words, first, n):
        eta = self.eta(x, words, first, n)
        return np.where(x > 0, np.abs(eta), eta)


FAULTS = {
    "tail cut at 3.5 sigma": (Clipped, {"tails"}),
    "beyond 3.5 sigma made again": (Redrawn, {"tails"}),
    "sigma 1% off": (OnePercent, {"moments"}),
    "uniform": (Uniform, {"moments", "shares", "tails", "cap"}),
    "draws in pairs": (InPairs, {"draws", "repeats"}),
    "draws in odd pairs": (InOddPairs, {"draws", "repeats"}),
    "draws with a short period": (ShortPeriod, {"repeats"}),
    "overlapping draws": (Overlapping, {"repeats"}),
    "stages share draws": (OneStage, {"streams", "repeats"}),
    "seeds share draws": (OneSeed, {"streams", "repeats"}),
    "mirrored draws": (Mirrored, {"draws"}),
    "neighbours": (Smeared, {"coordinates"}),
    "24-bit Box-Muller": (BoxMuller, {"cap"}),
    "a generator without a key": (Unkeyed, {"keyed", "cap"}),
    "noise that depends on the input": (Leaning, {"keyed"}),
}


def refused(found):
    return {finding.name for finding in found if finding.verdict != "ok"}


@pytest.mark.parametrize("seed", range(20))
def test_healthy_noise_is_never_refused(seed: int):
    """20 seeds; by the bounds, one of them fails with probability 2e-5 at most."""
    noise = list(HONEST.values())[seed % len(HONEST)]
    assert refused(noise_health(noise, seed=seed, rng="chacha20" if seed % 4 == 3 else "philox", draws=FEW)) == set()


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_planted_fault_is_found(fault):
    make, by = fault
    found = noise_health(make(sigma=0.25), draws=FEW)
    assert by <= refused(found)
    for finding in found:
        if finding.verdict != "ok":
            assert finding.says


def test_what_only_the_cap_can_tell():
    """Within a thousandth of all numbers torch's normals are right: no count of them tells, and no count is needed."""
    found = {finding.name: finding for finding in noise_health(BoxMuller(sigma=0.25), draws=FEW)}
    assert refused(found.values()) == {"cap"}
    assert found["cap"].measured["highest"] == pytest.approx(5.768, abs=0.01)
    assert "the radius allows only for what is missing beyond 8.50" in found["cap"].says


def test_the_default_finds_what_it_says():
    """2,400 draws: a mean off by .005 sigma, a third of a pixel step at sigma .25."""
    assert "moments" in refused(noise_health(Shifted(sigma=0.25)))


def test_words_with_a_dead_bit_are_found(monkeypatch):
    """The low bits decide once in 2^50 numbers: only the words themselves show them."""
    take = Words.take

    def dead(self, *asked, **more):
        return take(self, *asked, **more) & ~np.uint64(1)

    monkeypatch.setattr(module.Words, "take", dead)
    found = noise_health(HONEST["sigma .25"], draws=FEW)
    assert refused(found) == {"words"}
    assert next(finding for finding in found if finding.name == "words").says.startswith("bit 0:")


@pytest.mark.parametrize("noise", HONEST.values(), ids=HONEST)
def test_the_law_is_that_of_the_thresholds(noise):
    """Two roads to the same probabilities: double precision here, 60 digits and 63 bits in the sampler."""
    law = noise.law()
    assert law.p.sum() == pytest.approx(1, abs=1e-14)
    assert law.p[0] == law.p[-1] == 0
    if noise.grid is None:
        return
    edges = np.concatenate([[0], rounded_normal(noise.sigma, noise.grid).thresholds, [2**63]]).astype(object)
    exact = np.array(np.diff(edges) / 2**63, dtype=float)
    assert np.abs(law.p[1:-1] - exact).max() < 1e-15
    assert law.reach == law.cap / law.scale


def test_where_noise_hardly_leaves_a_pixel():
    """At the smallest sigma all numbers are 0, by the law as well: nothing to refuse."""
    noise = Gaussian(sigma=0.05 / 255)
    assert refused(noise_health(noise, draws=60)) == set()
    assert noise.law().reach == 0.0


def test_the_verb(capsys):
    assert run(["doctor", "--test-noise", "--sigma", "0.5", "--draws", "120", "--seed", "3"]) == 0
    *lines, _, last = capsys.readouterr().out.splitlines()
    assert [line[:2] for line in lines] == ["ok"] * 10
    assert last == (
        "noise of philox (exact integers, grid 255, seed 3) on 120 draws at sigma 0.5: nothing found by 10 checks"
    )
    assert run(["doctor", "--test-noise", "--rng", "chacha20", "--sigma", "0.25", "--grid", "0", "--draws", "60"]) == 0
    assert "noise of chacha20 (float64 noise, seed " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ([], "--model and --data must be given, or --test-noise to test the noise alone"),
        (
            ["--test-noise", "--model", "m", "--data", "mnist"],
            "--test-noise tests the noise alone; leave --model and --data out, or",
        ),
        (["--test-noise", "--rng", "chacha2"], "unknown rng 'chacha2'; did you mean 'chacha20'?"),
        (["--test-noise", "--rng", "chacha20", "--seed", "4"], "seed must be left out with rng chacha20"),
        (["--test-noise", "--draws", "9"], "draws must be >= 60, got 9"),
        (["--test-noise", "--sigma", "0"], "sigma must be > 0, got 0.0"),
    ],
)
def test_what_is_asked_wrongly_is_one_line(line, says, capsys):
    assert run(["doctor", *line]) == 2
    assert capsys.readouterr().err.startswith(f"noiseproof: {says}")
