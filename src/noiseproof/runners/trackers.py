"""Who is told how a run goes: experiment trackers. A new one is a class, and a line in ``TRACKERS``."""

from __future__ import annotations

import json
import logging
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, TextIO

from noiseproof.errors import UnsupportedError, one_line
from noiseproof.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Iterable

    from noiseproof.engine import Drawn
    from noiseproof.types import Record

log = logging.getLogger(__name__)


class Tracker(ABC):
    """Told of a run in order: started, then draws and finished inputs, then ended. It changes nothing of the run."""

    name: ClassVar[str]

    @abstractmethod
    def __init__(self, where: str) -> None:
        """Made before the first draw.

        Args:
            where: what stands behind the colon of ``--track NAME:WHERE``; may be empty.

        Raises:
            UnsupportedError: its package is missing, or it needs a place.
        """

    @abstractmethod
    def started(self, run: str, about: dict[str, Any]) -> None:
        """A session begins: the run folder's name, and its meaning."""

    def drawn(self, event: Drawn) -> None:  # noqa: B027  # few want it
        """A range of draws of an input is written down; most trackers want no more than finished inputs."""

    @abstractmethod
    def finished(self, record: Record, so_far: dict[str, float]) -> None:
        """An input is finished.

        Args:
            record: of it.
            so_far: of all that are: ``inputs``, ``draws``, the shares ``right`` and ``abstained``, the mean ``radius``
                (0 where wrong).
        """

    @abstractmethod
    def ended(self, whole: bool) -> None:
        """The session ends, with all inputs or before."""


class JSONLines(Tracker):
    """A file of one JSON object an event, for whatever reads along; appended to."""

    name = "jsonl"

    def __init__(self, where: str) -> None:
        if not where:
            raise UnsupportedError("the tracker jsonl needs a file: --track jsonl:FILE")
        try:
            self._file: TextIO = open(where, "a", encoding="utf-8")  # noqa: SIM115, PTH123  # closed at the end
        except OSError as error:
            raise _unwritable(self.name, where, error) from None

    def started(self, run: str, about: dict[str, Any]) -> None:
        """See ``Tracker``."""
        self._say("started", run=run, meaning=about)

    def drawn(self, event: Drawn) -> None:
        """See ``Tracker``."""
        self._say("drawn", index=event.task.index, stage=event.stage, first=event.first, n=event.n)

    def finished(self, record: Record, so_far: dict[str, float]) -> None:
        """See ``Tracker``."""
        self._say(
            "finished", index=record.index, label=record.label, prediction=record.outcome.prediction, so_far=so_far
        )

    def ended(self, whole: bool) -> None:
        """See ``Tracker``."""
        self._say("ended", whole=whole)
        self._file.close()

    def _say(self, event: str, **what: Any) -> None:  # noqa: ANN401  # what JSON takes
        self._file.write(json.dumps({"event": event} | what) + "\n")
        self._file.flush()


class TensorBoard(Tracker):
    """Scalars ``run/...`` at each finished input, in a folder of event files."""

    name = "tensorboard"

    def __init__(self, where: str) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise _missing(self.name, "tensorboard") from None
        try:
            self._writer = SummaryWriter(where or "tensorboard")
        except OSError as error:
            raise _unwritable(self.name, where, error) from None

    def started(self, run: str, about: dict[str, Any]) -> None:
        """See ``Tracker``."""
        self._writer.add_text("meaning", f"    {json.dumps(about)}")

    def finished(self, record: Record, so_far: dict[str, float]) -> None:
        """See ``Tracker``."""
        for name, value in so_far.items():
            self._writer.add_scalar(f"run/{name}", value, int(so_far["inputs"]))

    def ended(self, whole: bool) -> None:
        """See ``Tracker``."""
        self._writer.close()


class WandB(Tracker):
    """A run of Weights & Biases, in the project named; WANDB_MODE and its like are read by its client."""

    name = "wandb"

    def __init__(self, where: str) -> None:
        try:
            import wandb
        except ImportError:
            raise _missing(self.name, "wandb") from None
        self._client, self._project = wandb, where or "noiseproof"

    def started(self, run: str, about: dict[str, Any]) -> None:
        """See ``Tracker``."""
        self._run = self._client.init(project=self._project, name=run, config=about)

    def finished(self, record: Record, so_far: dict[str, float]) -> None:
        """See ``Tracker``."""
        self._run.log(so_far, step=int(so_far["inputs"]))

    def ended(self, whole: bool) -> None:
        """See ``Tracker``."""
        self._run.finish(exit_code=0 if whole else 1)


class MLflow(Tracker):
    """A run of MLflow, at the tracking address named, or where MLFLOW_TRACKING_URI says."""

    name = "mlflow"

    def __init__(self, where: str) -> None:
        try:
            import mlflow
        except ImportError:
            raise _missing(self.name, "mlflow") from None
        self._client = mlflow
        if where:
            mlflow.set_tracking_uri(where)

    def started(self, run: str, about: dict[str, Any]) -> None:
        """See ``Tracker``."""
        self._client.start_run(run_name=run)
        self._client.log_params({name: json.dumps(value)[:500] for name, value in about.items() if name != "design"})

    def finished(self, record: Record, so_far: dict[str, float]) -> None:
        """See ``Tracker``."""
        self._client.log_metrics(so_far, step=int(so_far["inputs"]))

    def ended(self, whole: bool) -> None:
        """See ``Tracker``."""
        self._client.end_run("FINISHED" if whole else "KILLED")


TRACKERS: Registry[type[Tracker]] = Registry(
    "tracker", lambda made: made.name, [JSONLines, TensorBoard, WandB, MLflow], group="noiseproof.trackers"
)


class Telling:
    """Tells the tracker that is asked for, if any; one that fails is told no more, and the run goes on."""

    def __init__(self, asked: str | None) -> None:
        """Made before the run folder is touched.

        Args:
            asked: ``NAME`` or ``NAME:WHERE``, or None.

        Raises:
            ValueError: no such tracker.
            UnsupportedError: it cannot be had here.
        """
        name, _, where = (asked or "").partition(":")
        self._tracker = TRACKERS.find(name)(where) if asked else None
        self._begun, self._inputs, self._draws = False, 0, 0
        self._sums = {"right": 0.0, "abstained": 0.0, "radius": 0.0}

    def started(self, run: str, about: dict[str, Any], records: Iterable[Record]) -> None:
        """Tell it of the session, once; inputs that were finished before count, and it is not told of them again."""
        if not self._begun:
            self._begun = True
            self._tell("started", run, about)
            for record in records:
                self._add(record)

    def drawn(self, event: Drawn) -> None:
        """Tell it of a range."""
        self._tell("drawn", event)

    def finished(self, record: Record) -> None:
        """Tell it of a finished input, and of all so far."""
        self._add(record)
        means = {name: value / self._inputs for name, value in self._sums.items()}
        self._tell("finished", record, {"inputs": self._inputs, "draws": self._draws} | means)

    def ended(self, whole: bool) -> None:
        """Tell it that the session is over."""
        if self._begun:
            self._tell("ended", whole)

    def _add(self, record: Record) -> None:
        outcome = record.outcome
        right = not outcome.abstained and outcome.prediction == record.label
        self._inputs, self._draws = self._inputs + 1, self._draws + record.draws
        for name, value in (
            ("right", right),
            ("abstained", outcome.abstained),
            ("radius", getattr(outcome, "radius", 0.0) if right else 0.0),
        ):
            self._sums[name] += float(value)

    def _tell(self, what: str, *about: Any) -> None:  # noqa: ANN401  # of each method its own
        if self._tracker is None:
            return
        try:
            getattr(self._tracker, what)(*about)
        except Exception as error:  # noqa: BLE001  # of any client; none may stop a run
            said = f"{type(error).__name__}: {one_line(error)}"
            log.warning("the tracker %s fails (%s); the run goes on without it", self._tracker.name, said)
            self._tracker = None


def _unwritable(name: str, where: str, error: OSError) -> UnsupportedError:
    return UnsupportedError(f"the tracker {name} cannot write {where}: {error.strerror}; give another path")


def _missing(name: str, package: str) -> UnsupportedError:
    return UnsupportedError(f"the tracker {name} needs the package {package}: pip install {package}")
