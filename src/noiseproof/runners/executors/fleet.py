"""Where actors come from, and what they say: what a crew asks of a cluster."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from noiseproof.store.run import DRAWN_BY

if TYPE_CHECKING:
    from noiseproof.engine import Segment
    from noiseproof.tallies import Tally


class ActorLostError(Exception):
    """The actor is gone, and with it what it had not answered."""


class CallFailedError(Exception):
    """The actor is there and says that it could not do it."""


@dataclass(frozen=True)
class Hello:
    """What an actor says of itself once it is ready.

    Attributes:
        environment: as of its backend, with the version of noiseproof.
        digest: SHA-256 (hex) of its scores on some noisy inputs.
        tolerance: that its own check asks for; see ``PooledBackend.tolerance``.
        row_by_row: why no tolerance can be kept, where none can.
        rate: rows a second.
        node: the machine, for a message.
    """

    environment: dict[str, Any]
    digest: str
    tolerance: float
    row_by_row: str
    rate: float
    node: str

    @property
    def kind(self) -> dict[str, Any]:
        """What must be the same of all that draw one input."""
        drawn_by = {name: self.environment.get(name) for name in DRAWN_BY if name != "tolerance"}
        return drawn_by | {"scores": self.digest[:12]}


class Fleet(Protocol):
    """Where actors come from, and how to speak to them. An actor and a call are whatever it likes."""

    needs: str
    """What an actor takes, in words."""

    def capacity(self) -> int:
        """How many actors there is room for, those that are there included."""

    def hire(self) -> tuple[Hashable, Hashable]:
        """A new actor, and the call that is answered with its ``Hello``."""

    def draw(
        self, actor: Hashable, segments: Sequence[Segment], tally: Tally, tolerance: float, clean: Sequence[int]
    ) -> Hashable:
        """A call that is answered with counts ``[segments, slots]``, the seconds they took, and some classes.

        Those are of the inputs of the segments at the places ``clean``, without noise.
        """

    def wait(self, calls: Sequence[Hashable], seconds: float) -> list[Hashable]:
        """Those that are answered, after so many seconds at the latest or when one is."""

    def answer(self, call: Hashable) -> Any:  # noqa: ANN401  # Hello, or what ``draw`` says
        """What came of it.

        Raises:
            ActorLostError: the actor is gone.
            CallFailedError: it says that it could not.
            OutOfMemoryError: a batch did not fit.
        """

    def dismiss(self, actor: Hashable) -> None:
        """End an actor."""
