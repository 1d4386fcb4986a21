"""What a procedure is: a generator that asks for draws and receives what they voted."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator, Sequence
from dataclasses import fields
from functools import lru_cache, partial
from math import isfinite
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from noiseproof.arguments import integer, real
from noiseproof.stats.bounds import check_level
from noiseproof.tallies import CLASS_VOTES
from noiseproof.types import ABSTAIN, Certificate, Decision, Draw, Prediction

if TYPE_CHECKING:
    from noiseproof.noises.base import Noise
    from noiseproof.stats.bounds import Bounds
    from noiseproof.tallies import Tally, Votes
    from noiseproof.types import Counts, Outcome

    Requests = Generator[Draw, Counts, Outcome]


MOST = 10**12
"""Draws of an input: at a million a second they take eleven days, and counts stay far from the end of int64."""

at_most = partial(integer, most=MOST)
"""The check of a field that says how many draws, where something else says the least."""
draws = partial(at_most, least=1)
"""The check of one where nothing else does."""


class Procedure(ABC):
    """A statistical procedure. A subclass is a frozen dataclass whose fields are its configuration."""

    name: ClassVar[str]
    verb: ClassVar[str] = "certify"
    """What a run of it is called: certify, predict or decide."""
    alpha: float
    label_aware: bool = False
    """Whether it wants to know the true class."""

    @property
    def tally(self) -> Tally:
        """What a draw adds to the counts that ``run`` receives; a procedure may have another than class votes."""
        return CLASS_VOTES

    @abstractmethod
    def run(self, noise: Noise, label: int | None = None) -> Requests:
        """Ask for draws (``yield Draw(stage, n)``), receive class votes, return what can be said.

        The votes sent are those of the *new* draws only: an int64 vector, one entry a slot of the tally (a class),
        whose sum is at most ``n``. What is missing are void draws.

        Args:
            noise: gives the radius.
            label: the true class; only a label-aware procedure looks at it.

        Raises:
            ValueError: the procedure cannot succeed with this noise, or needs a label and has none.

        >>> import numpy as np
        >>> from noiseproof.noises import Gaussian
        >>> from noiseproof.procedures import Predict
        >>> asking = Predict(n=100, alpha=0.001).run(Gaussian(sigma=0.5))
        >>> next(asking)
        Draw(stage='predict', n=100)
        >>> try:
        ...     asking.send(np.array([5, 95]))
        ... except StopIteration as said:
        ...     said.value.prediction
        1
        """

    def recount(
        self, requests: Sequence[tuple[str, int]], votes: Sequence[Votes], noise: Noise, label: int | None = None
    ) -> Outcome | None:
        """What ``run`` comes to with these votes, where that can be told without asking it look by look; else None.

        For ``verify``, which then asks ``run``. It need not be there; where it is, it says what ``run`` says.

        Args:
            requests: (stage, draws) in order.
            votes: of each request, such as its draws can have given; of the same slots.
            noise: gives the radius.
            label: the true class.
        """
        del requests, votes, noise, label
        return None

    @property
    def most_draws(self) -> int:
        """The most draws one input can cost: its fields ``n0``, ``n`` and ``n_max`` together, where they are there."""
        return sum(getattr(self, name, 0) for name in ("n0", "n", "n_max"))

    def nothing_known(self, noise: Noise) -> Outcome:
        """What is said of an input that could not be read: an abstention."""
        if self.verb == "predict":
            return Prediction(ABSTAIN, 1.0)
        if self.verb == "decide":
            return Decision("undecided", ABSTAIN, getattr(self, "radius", 0.0), noise.norm)
        return Certificate(ABSTAIN, 0.0, 0.0, 1.0, noise.norm)

    def design(self, noise: Noise) -> list[dict[str, Any]]:
        """The boundaries that ``run`` uses with this noise, as plain tables to be stored with a run; often none.

        Raises:
            ValueError: the procedure cannot succeed with this noise.
        """
        del noise
        return []

    def config(self) -> dict[str, Any]:
        """The procedure as a plain table: ``{"name": "certify", "n0": 100, ...}``."""
        settings = {f.name: getattr(self, f.name) for f in fields(self)}  # type: ignore[arg-type]
        return {"name": self.name} | {name: list(v) if isinstance(v, tuple) else v for name, v in settings.items()}


def prefixes(n: int) -> Iterator[int]:
    """The parts in which n draws are asked for, so that what 100, 1k, 10k would have said is known exactly.

    >>> list(prefixes(100_000)), list(prefixes(2_000)), list(prefixes(50))
    ([100, 900, 9000, 90000], [100, 900, 1000], [50])
    """
    asked, edge = 0, 100
    while asked < n:
        part = min(edge, n) - asked
        yield part
        asked, edge = asked + part, edge * 10


def ask(stage: str, n: int, so_far: Outcome | None = None) -> Generator[Draw, Counts, Counts]:
    """Ask for n draws in prefixes; returns all their votes. Refuses an answer no n draws can give."""
    total: Counts | int = 0
    for part in prefixes(n):
        total = total + CLASS_VOTES.check((yield Draw(stage, part, so_far)), part)
    assert not isinstance(total, int), "a procedure asks for one draw at least"
    return total


@lru_cache(maxsize=64)
def asked(*stages: tuple[str, int]) -> tuple[tuple[str, int], ...]:
    """The requests of a procedure that does nothing but ``ask`` for each of these stages.

    >>> asked(("select", 100), ("estimate", 1000))
    (('select', 100), ('estimate', 100), ('estimate', 900))
    """
    return tuple((stage, part) for stage, n in stages for part in prefixes(n))


def level(name: str, value: object) -> float:
    """The check of a field that is a failure probability: see ``check_level``."""
    check_level(name, found := real(name, value))
    return found


def non_negative(name: str, value: object) -> float:
    """The check of a field that is a radius: finite, >= 0."""
    if not (isfinite(found := real(name, value)) and found >= 0):
        raise ValueError(f"{name} must be >= 0, got {found}")
    return found


def check_enough(name: str, n: int, needed: int, alpha: float, *, to: str = "certify") -> None:
    """Refuse so few draws that every input would abstain.

    Raises:
        ValueError: n, the field of this name, is below what is needed.
    """
    if n < needed:
        raise ValueError(
            f"{name} must be >= {needed} to {to} anything at alpha={alpha:g}, got {n}; raise {name} (or alpha)"
        )


def largest_rival(votes: Counts, top: int, n: int) -> int:
    """The largest count of another class; void draws are counted as its."""
    rivals = np.delete(votes, top)
    return int(rivals.max()) + n - int(votes.sum())


def check_label(label: int | None, classes: int) -> int:
    """The true class, for a label-aware procedure.

    Raises:
        ValueError: there is none, or it is no class.
    """
    if label is None or not 0 <= label < classes:
        raise ValueError(f"a label-aware procedure needs a label in 0..{classes - 1}, got {label}")
    return label


def certificate(top: int, bounds: Bounds, noise: Noise) -> Certificate:
    """The class with its radius, or an abstention where the radius is not positive."""
    radius = noise.radius(bounds)
    return Certificate(
        prediction=top if radius > 0 else ABSTAIN,
        radius=radius,
        p_lower=bounds.p_lower,
        p_upper=bounds.rival,
        norm=noise.norm,
    )
