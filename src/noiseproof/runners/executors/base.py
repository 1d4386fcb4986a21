"""What an executor is: it takes a job and its open inputs, and gives back ranges of draws. It never writes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from noiseproof.engine import Drawn, Finished
from noiseproof.errors import ModelError
from noiseproof.store.run import DRAWN_BY

if TYPE_CHECKING:
    from pathlib import Path

    from noiseproof.progress import Progress
    from noiseproof.runners.job import Job
    from noiseproof.store.state import State


CHECKED = 16
"""Inputs that are tried before the first draw."""


@dataclass(frozen=True)
class Began:
    """Draws begin: what makes them, for the session line of the journal."""

    environment: dict[str, Any]


class Executor(ABC):
    """Between a job and its draws: in this process, or on other machines."""

    name: ClassVar[str]
    here: ClassVar[bool] = True
    """Whether draws are made by this process, on its devices."""

    @property
    def note(self) -> str:
        """What is to be said beside the progress; empty where nothing is."""
        return ""

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


class Launcher(ABC):
    """Between a job and its run folder: parts of it run elsewhere as runs of their own, and are merged."""

    name: ClassVar[str]
    here: ClassVar[bool]

    @abstractmethod
    def launch(self, job: Job, out: Path, progress: Callable[[Progress], None] | None) -> None:
        """Make the run folder.

        Args:
            job: resolved and checked.
            out: the run folder, which is merged there when all parts are finished.
            progress: called now and then.

        Raises:
            RunError: a part failed, or the parts cannot be merged.
        """


def tolerance_before(sessions: Sequence[dict[str, Any]], environment: dict[str, Any]) -> float:
    """What the last session drew with that had the same device, backend, precision, batch size and version."""
    names = [name for name in DRAWN_BY if name != "tolerance"]
    same = [session for session in sessions if all(session.get(name) == environment.get(name) for name in names)]
    return float(same[-1].get("tolerance", 0.0)) if same else 0.0


def check_tolerance(tolerance: float, row_by_row: str | None) -> None:
    """Refuse scores that vary where it cannot be told what hangs on it.

    Raises:
        ModelError: they vary, and rows are not asked alike.
    """
    if tolerance and row_by_row:
        raise ModelError(
            f"scores of equal inputs vary here by up to {tolerance:.1e} of the largest, and what hangs on it cannot be "
            f"told where {row_by_row}; or compute on another --device"
        )
