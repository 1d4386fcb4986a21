"""Is the noise that would be drawn the noise that the certificate is about? Drawn, and held against the exact law."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from math import exp, log
from typing import TYPE_CHECKING

import numpy as np

from noiseproof.arguments import integer
from noiseproof.checks.finding import Finding
from noiseproof.errors import unknown
from noiseproof.noises.words import BLOCK, GENERATORS, Words
from noiseproof.stats.tails import log_tail_of_count, log_tail_of_mean, log_tail_of_table

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from noiseproof.noises import Noise
    from noiseproof.noises.law import Law

RATE = 1e-6
"""Rate of false alarms, of all tests together."""

DIMENSION = 3072
"""Numbers of a draw: a picture of 3 x 32 x 32."""

_AT_ONCE = 64
_TAILS = (3.0, 3.5, 4.0, 4.5, 5.0)
_LAGS = (1, 2, 3, 4, 8, 16, 32, 64, 256, 1024)
_DRAW_LAGS = (1, 2, 4, 16)
_PHASES = (0, 1)
_PATTERNS = tuple((even, odd) for even in (0, 2**63, 2**64 - 1) for odd in (0, 2**63, 2**64 - 1))
"""Words that no generator gives in a lifetime: the ends of whatever is made of them."""


@dataclass(frozen=True)
class Tail:
    """One test: log of (an upper bound on) the probability of what was found, or worse, where the noise is right."""

    name: str
    log_p: float


def noise_health(noise: Noise, *, seed: int = 0, rng: str = "philox", draws: int = 2_400) -> list[Finding]:
    """Test the noise a run would draw: moments, shares, tails, cap, dependence, repetition, the words behind it.

    The draws are those of ``noise.perturb``, under six streams (an input's estimation draws from the first and from
    the millionth on, its selection draws, another input, the same picture again, another seed). All are held against
    the exact law that the noise states, by tails that are exact or proven bounds at this number of draws. Healthy
    noise is refused with probability at most 1e-6 in all. What 2,400 draws (7.4 million numbers) find with
    probability above .999: a mean off by .005 sigma, a sigma off by .5%, a tail cut anywhere below 4.5 sigma on
    either side, a correlation of .02 between neighbours (at ten distances), draws or streams, any draw that comes
    twice; a tail cut beyond that is found by the cap, without chance.

    Args:
        noise: what is tested.
        seed: of the draws.
        rng: generator of the random words.
        draws: how many in all, of 3,072 numbers each; >= 60.

    Returns:
        One finding a kind of test: "ok", or "refuse".

    Raises:
        ValueError: an argument is out of range.
    """
    seed, draws = integer("seed", seed), integer("draws", draws, least=60)
    if rng not in GENERATORS:
        raise ValueError(unknown("rng", rng, GENERATORS))
    law, seen = noise.law(), Seen()
    for eta in _drawn(noise, law, _streams(seed, rng), draws):
        seen.take(law, eta)
    tests: dict[str, list[Tail]] = {
        "moments": _moments(law, seen),
        "shares": [_shares(law, seen)],
        "tails": _tails(law, seen),
        "coordinates": _dependence(law, seen, "coordinates"),
        "draws": _dependence(law, seen, "draws"),
        "streams": _dependence(law, seen, "streams"),
        "repeats": [_repeats(law, seen)],
        "words": _words(seed, rng),
    }
    limit = log(RATE) - log(sum(map(len, tests.values())) + 1)  # one part for a number beyond the cap
    measured = _measured(law, seen)
    return [
        *(_judged(name, tails, limit, measured.get(name, {})) for name, tails in tests.items()),
        _cap(noise, law, seen),
        _keyed(noise, seed, rng),
    ]


class Seen:
    """What was counted of the draws so far."""

    def __init__(self) -> None:
        self.histogram: NDArray[np.int64] = np.zeros(0, np.int64)
        self.pairs: dict[str, dict[str, NDArray[np.int64]]] = {"coordinates": {}, "draws": {}, "streams": {}}
        self.blocks: list[NDArray[np.uint64]] = []
        self._hash = np.random.Philox(0).random_raw(2 * DIMENSION).reshape(2, DIMENSION) | np.uint64(1)

    def take(self, law: Law, eta: NDArray[np.int64]) -> None:
        """Count the next draws, as cells of the law: ``[streams, n, numbers]``."""
        found = np.bincount(eta.ravel(), minlength=law.p.size)
        self.histogram = found if not self.histogram.size else self.histogram + found
        quarter = law.quarters[eta]
        for lag in _LAGS:
            for phase in _PHASES:
                self._add("coordinates", f"{lag} apart{_second(phase)}", *_apart(quarter, lag, phase))
        by_draw = np.ascontiguousarray(quarter.transpose(0, 2, 1))
        for lag in _DRAW_LAGS:
            for phase in _PHASES:
                self._add("draws", f"{lag} apart{_second(phase)}", *_apart(by_draw, lag, phase))
        for name, other in zip(list(_streams(0, ""))[1:], quarter[1:], strict=True):
            self._add("streams", name, quarter[0], other)
        size = block_size(law)
        if size:
            blocks = eta.reshape(-1, size).astype(np.uint64)
            self.blocks.append(np.stack([blocks @ multiplier[:size] for multiplier in self._hash], axis=1))

    def _add(self, kind: str, name: str, one: NDArray[np.uint8], other: NDArray[np.uint8]) -> None:
        counts = np.bincount((one * np.uint8(4) + other).ravel(), minlength=16)
        self.pairs[kind][name] = self.pairs[kind].get(name, 0) + counts


def block_size(law: Law) -> int:
    """Numbers in a row that hardly ever come twice; 0 where even a whole draw may."""
    size = next((size for size in (16, 32, 64, 128, 256, 512, 1024) if size * log(law.coincidence) < -70), 0)
    assert DIMENSION % max(size, 1) == 0, "blocks tile a draw"
    return size


def _streams(seed: int, rng: str) -> dict[str, tuple[Words, int]]:
    """What a stream is called, its words, and its first draw; the first is the one others are compared with."""
    one = Words(seed, "noise-health-0", "estimate", rng)
    return {
        "first draws": (one, 0),
        "later draws": (one, 2**20),
        "another stage": (replace(one, stage="select"), 0),
        "another input": (replace(one, key="noise-health-other-0"), 0),
        "the same input again": (replace(one, key="noise-health-1"), 0),
        "another seed": (replace(one, seed=seed + 1), 0),
    }


def _drawn(noise: Noise, law: Law, streams: dict[str, tuple[Words, int]], draws: int) -> Iterator[NDArray[np.int64]]:
    x = noise.encode(np.zeros(DIMENSION))
    each = draws // len(streams)
    for at in range(0, each, _AT_ONCE):
        n = min(_AT_ONCE, each - at)
        yield np.stack([law.integers(noise.perturb(x, words, first + at, n)) for words, first in streams.values()])


def _apart(quarter: NDArray[np.uint8], lag: int, phase: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Pairs of numbers that far apart on the last axis, each number in one pair at most."""
    begin = phase * lag
    whole = (quarter.shape[-1] - begin) // (2 * lag)
    halves = quarter[..., begin : begin + whole * 2 * lag].reshape(*quarter.shape[:-1], whole, 2, lag)
    return halves[..., 0, :], halves[..., 1, :]


def _second(phase: int) -> str:
    return " (the other half)" if phase else ""


_POWERS: dict[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
    "mean": lambda z: z,
    "variance": lambda z: z**2,
    "skewness": lambda z: z**3 - 3 * z,  # the part of a power that the lower ones do not explain
    "kurtosis": lambda z: z**4 - 6 * z**2 + 3,
}


def _moments(law: Law, seen: Seen) -> list[Tail]:
    n = int(seen.histogram.sum())
    return [
        Tail(name, log_tail_of_mean(power(law.z), law.p, n, float(power(law.z) @ seen.histogram) / n))
        for name, power in _POWERS.items()
    ]


def _shares(law: Law, seen: Seen) -> Tail:
    counts, p = law.cells(seen.histogram)
    return Tail(f"shares of {counts.size} cells by relative entropy", log_tail_of_table(counts, p))


def _tails(law: Law, seen: Seen) -> list[Tail]:
    n, found = int(seen.histogram.sum()), []
    for cut in _TAILS:
        for side, beyond in (("below -", law.z < -cut), ("above ", law.z > cut)):
            count, p = int(seen.histogram[beyond].sum()), float(law.p[beyond].sum())
            found.append(Tail(f"{count} numbers {side}{cut:g} sigma", log_tail_of_count(count, n, p)))
    return found


def _dependence(law: Law, seen: Seen, kind: str) -> list[Tail]:
    return [Tail(name, log_tail_of_table(counts, law.pairs)) for name, counts in seen.pairs[kind].items()]


def _repeats(law: Law, seen: Seen) -> Tail:
    size = block_size(law)
    if not size:
        return Tail("too little noise to tell", 0.0)
    blocks = np.concatenate(seen.blocks)
    ordered = blocks[np.lexsort(blocks.T)]
    twice = int((ordered[1:] == ordered[:-1]).all(axis=1).sum())
    # 128 bits of a hash add nothing to the probability that two blocks are equal
    by_chance = log(len(blocks)) * 2 - log(2) + size * log(law.coincidence)
    return Tail(f"{twice} blocks of {size} numbers come twice", min(0.0, by_chance) if twice else 0.0)


def _words(seed: int, rng: str) -> list[Tail]:
    """Each of the 64 bits of a word is a fair coin, on the page of the draws and on one of the rare path."""
    n, per_draw = 256, 64 * BLOCK
    words = Words(seed, "noise-health-0", "estimate", rng)
    raw = np.concatenate([words.take(0, n, per_draw, page).ravel() for page in (0, 1)])
    ones = np.unpackbits(raw.astype("<u8").view(np.uint8).reshape(-1, 8), axis=1, bitorder="little").sum(axis=0)
    return [Tail(f"bit {bit}", log_tail_of_count(int(count), raw.size, 0.5)) for bit, count in enumerate(ones)]


def _measured(law: Law, seen: Seen) -> dict[str, dict[str, float]]:
    share = seen.histogram / seen.histogram.sum()
    mean = float(share @ law.z)
    centred = law.z - mean
    variance = float(share @ centred**2)
    deviation = variance**0.5 or 1.0
    rank = np.array([-3.0, -1.0, 1.0, 3.0])

    def correlation(counts: NDArray[np.int64]) -> float:
        """Of the quarters: about .9 of that of normal numbers."""
        table = counts.reshape(4, 4) / max(int(counts.sum()), 1)
        one, other = table.sum(axis=1), table.sum(axis=0)
        spreads = (one @ rank**2 - (one @ rank) ** 2) * (other @ rank**2 - (other @ rank) ** 2)
        return float((rank @ table @ rank - (one @ rank) * (other @ rank)) / spreads**0.5) if spreads > 0 else 0.0

    return {
        "moments": {
            "numbers": float(seen.histogram.sum()),
            "mean": mean,
            "variance": variance,
            "skewness": float(share @ centred**3) / deviation**3,
            "kurtosis": float(share @ centred**4) / deviation**4,
        },
        **{
            kind: {"correlation": max((correlation(counts) for counts in tables.values()), key=abs)}
            for kind, tables in seen.pairs.items()
        },
    }


def _judged(name: str, tails: list[Tail], limit: float, measured: dict[str, float]) -> Finding:
    worst = min(tails, key=lambda tail: tail.log_p)
    found = "; ".join(f"{what} {value:.4g}" for what, value in measured.items())
    measured = measured | {"log10_p": worst.log_p / log(10), "log10_limit": limit / log(10)}
    if worst.log_p < limit:
        wrong = [tail.name for tail in tails if tail.log_p < limit]
        says = f"{', '.join(wrong[:4])}{', ...' if len(wrong) > 4 else ''}: not of the noise that is certified, which "
        says += f"would show that with probability below {_power_of_ten(worst.log_p)}{f' ({found})' if found else ''}"
        return Finding(name, "refuse", f"{says}; do not certify with this generator", measured)
    by_chance = f"{worst.name}, p <= {exp(worst.log_p):.2g}"
    says = by_chance if len(tails) == 1 else f"least likely of {len(tails)}: {by_chance}"
    return Finding(name, "ok", f"{found}; {says}" if found else says, measured)


def _power_of_ten(log_p: float) -> str:
    return "1e-300" if log_p < -690 else f"1e{int(log_p / log(10))}"


class _Ends(Words):
    """Words of a pattern, instead of random ones."""

    def take(self, first: int, n: int, per_draw: int, page: int = 0) -> NDArray[np.uint64]:
        del first, page
        even, odd = _PATTERNS[self.seed]
        return np.tile(np.array([even, odd], np.uint64), (n, per_draw // 2))


def _cap(noise: Noise, law: Law, seen: Seen) -> Finding:
    """The largest number the generator can make, by words at their ends; the radius allows for what lies beyond."""
    x = noise.encode(np.zeros(DIMENSION))
    ends = np.stack([noise.perturb(x, _Ends(i, "", ""), 0, 1) for i in range(len(_PATTERNS))]) / law.unit / law.scale
    lowest, highest = float(np.nan_to_num(ends).min()), float(np.nan_to_num(ends).max())
    beyond = int(seen.histogram[0] + seen.histogram[-1])
    measured = {"lowest": lowest, "highest": highest, "needed": law.reach, "beyond": float(beyond)}
    if beyond:
        says = f"{beyond} numbers lie beyond {law.cap / law.scale:.2f} sigma, where there are none"
        return Finding("cap", "refuse", f"{says}; do not certify with this generator", measured)
    short = law.reach * (1 - 2.0**-40)
    if not (lowest <= -short and highest >= short):
        says = f"no words give more than {lowest:.2f} to {highest:.2f} sigma, but the radius allows only for what is "
        says += f"missing beyond {law.reach:.2f}; do not certify with this generator"
        return Finding("cap", "refuse", says, measured)
    return Finding(
        "cap", "ok", f"numbers reach from {lowest:.2f} to {highest:.2f} sigma, as the radius assumes", measured
    )


def _keyed(noise: Noise, seed: int, rng: str) -> Finding:
    """A draw is a function of its key and index, and is added exactly (a float one, as exactly as floats add)."""
    words = _streams(seed, rng)["first draws"][0]
    x = np.random.default_rng(0).integers(0, 2, DIMENSION).astype(np.float64)
    zero, one = noise.encode(np.zeros(DIMENSION)), noise.encode(x)
    eta = noise.perturb(zero, words, 0, 8)
    again = np.concatenate([noise.perturb(zero, words, first, n) for first, n in ((0, 3), (3, 1), (4, 4))])
    if not np.array_equal(again, eta):
        says = "the same draws, made again in other groups, are others: no run could be resumed or verified"
        return Finding("keyed", "refuse", says)
    if not np.array_equal(noise.perturb(one, words, 0, 8), eta + one.astype(eta.dtype)):
        return Finding("keyed", "refuse", "what is added depends on what it is added to: that is no noise")
    return Finding("keyed", "ok", "the same draws again in other groups; what is added does not depend on the input")
