"""What a service gives a request at most."""

from __future__ import annotations

from dataclasses import dataclass

from noiseproof.arguments import integer, real


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a service gives a request at most.

    Attributes:
        most_draws: Draws of a request.
        most_seconds: Seconds of a request, those in which it waits included.
        at_once: Requests that are drawn for at once, in batches that they share.
        waiting: Requests that may wait besides; others are told to come again (429).

    Raises:
        ValueError: a number is none, or too small.
    """

    most_draws: int = 200_000
    most_seconds: float = 60.0
    at_once: int = 16
    waiting: int = 64

    def __post_init__(self) -> None:
        for name, least in (("most_draws", 1), ("at_once", 1), ("waiting", 0)):
            object.__setattr__(self, name, integer(name, getattr(self, name), least=least))
        if not 0 < real("most_seconds", self.most_seconds) < float("inf"):
            raise ValueError(f"most_seconds must be > 0 and finite, got {self.most_seconds}")
