"""What an executor is: it takes a job and its open inputs, and gives back ranges of draws. It never writes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from noiseproof.engine import Drawn, Finished

if TYPE_CHECKING:
    from noiseproof.runners.job import Job
    from noiseproof.store.state import State


@dataclass(frozen=True)
class Began:
    """Draws begin: what makes them, for the session line of the journal."""

    environment: dict[str, Any]


class Executor(ABC):
    """Between a job and its draws: in this process, or on other machines."""

    name: ClassVar[str]

    @abstractmethod
    def draw(self, job: Job, state: State) -> Iterator[Began | Drawn | Finished]:
        """Make the draws that a job still needs; the driver writes each event down before it asks for the next.

        ``Began`` comes before the first draw, and again whenever something else draws from then on. The ranges of an
        input come in order, and its end after its last range. Draws are those of ``job.engine(backend)``, which knows
        what they are bound to.

        Args:
            job: resolved and checked.
            state: of the run folder, which the driver keeps up to date meanwhile; only to be read.

        Raises:
            ModelError: the base classifier breaks its contract.
        """
