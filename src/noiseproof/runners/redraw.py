"""Records drawn again from their keys: are the stored counts those of this model on these inputs?"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from math import log, sqrt
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from noiseproof.asked import Compute, Elsewhere
from noiseproof.data.request import REQUEST
from noiseproof.engine import Engine, Task
from noiseproof.engine.disagreement import disagreement
from noiseproof.errors import RunError
from noiseproof.procedures import replay
from noiseproof.progress import Progress
from noiseproof.runners.certified import certified_input, certified_job
from noiseproof.stats import special
from noiseproof.stats.bounds import clopper_pearson_upper
from noiseproof.store import read_run
from noiseproof.store.verify import VerificationError
from noiseproof.tallies import Tally
from noiseproof.types import Answer, Certificate

if TYPE_CHECKING:
    from noiseproof.engine.pooled import PooledBackend
    from noiseproof.noises import Noise
    from noiseproof.procedures import Procedure
    from noiseproof.runners.job import Job
    from noiseproof.store import Run
    from noiseproof.types import Record

MARGIN = 2.0**-12
"""In fp32 a vote whose margin is at most this share of the row's largest |score| may be another on another machine:
twice 2^-13, six times what a GPU's rounding was seen to move scores by (docs/soundness.md)."""

COMPARED = 4096
"""Rows of an input on which a lower precision is compared with fp32 on this machine, to say how many votes may move."""

DIVIDED = 30
"""Votes that did not fall on the most voted class: of so many, other noise makes another count of nearly surely."""

FALSE_ALARM = 1e-6
"""Of each test over a whole replay: that no more votes moved than may, and that they favour neither side."""


@dataclass(frozen=True)
class Redrawn:
    """What was drawn again: all of it agrees.

    Attributes:
        inputs: indices of the inputs.
        of: inputs of the run that could have been drawn.
        draws: made again.
        differing: votes that differ here; 0 where every count is the same.
        doubtful: of the inputs where any differs, draws whose vote another machine's rounding may move.
        smaller: certificates whose radius, from the counts of this machine, is smaller than the stored one.
    """

    inputs: tuple[int, ...]
    of: int
    draws: int
    differing: int
    doubtful: int
    smaller: int

    @property
    def could_be_forged(self) -> float:
        """The share of the inputs that may still be forged: were there more, so many clean ones had probability < .05.

        >>> round(Redrawn((1, 2, 3), 100, 0, 0, 0, 0).could_be_forged, 3), Redrawn((1,), 1, 0, 0, 0, 0).could_be_forged
        (0.632, 0.0)
        """
        return 0.0 if len(self.inputs) == self.of else 1 - 0.05 ** (1 / len(self.inputs))


def redraw(
    run: str | Path,
    count: int | None,
    elsewhere: Elsewhere | None = None,
    compute: Compute | None = None,
    *,
    progress: Callable[[Progress], None] | None = None,
) -> Redrawn:
    """Compare all labels and pictures of a run with the data, draw some inputs again, and compare the counts.

    Which inputs are drawn, the operating system's random numbers say, so that nobody can know beforehand. Where nearly
    all votes of each fell on one class, as on any noise, one whose votes are divided is drawn as well. A stored count
    may differ from that of this machine by no more than the draws whose vote hangs on rounding, which is measured on
    this machine now; and over the run those may not favour the certified classes. What is stored loosens neither.

    Args:
        run: a run folder of certify, predict or decide.
        count: how many inputs; all, where there are fewer, or with None.
        elsewhere: where model and data lie now, where the run's settings do not lead to them.
        compute: device and workers; precision, backend and batch size are those of the run.
        progress: called now and then.

    Raises:
        VerificationError: counts or a label that differ; names the input and the request.
        ModelError: the model is not that of the run.
        RunError: the run has no finished input, or the data are not those of the run.
    """
    found = read_run(Path(run))
    if not found.records or not found.manifest.has_counts or "seed" not in found.manifest.meaning:
        raise RunError(f"{run} has no input that could be drawn again")
    drawn = [record for record in found.records if record.skipped is None]
    chosen = _chosen(drawn, len(drawn) if count is None else min(count, len(drawn)))
    chosen.sort(key=lambda record: record.index)
    sizes = {session.get("batch_size") for session in found.state.sessions}
    compute = replace(compute or Compute(), batch_size=sizes.pop())
    job = certified_job(found, found.procedure, elsewhere or Elsewhere(), compute)
    _check_data(job, found.records)

    requests = sum(len(record.answers) for record in chosen)

    def compared(backend: PooledBackend) -> list[_Compared]:
        with ExitStack() as stack:
            replayed = _Replay(found, job, backend, requests, stack)
            said = []
            for done, record in enumerate(chosen):
                if progress is not None:
                    progress(Progress(done, len(chosen), "inputs"))
                said.append(replayed.compared(record))
            return said

    said = job.drawing(compared)
    favour, doubtful = sum(each.favour for each in said), sum(each.doubtful for each in said)
    if favour > sqrt(2 * doubtful * log(1 / FALSE_ALARM)):
        raise VerificationError(
            f"{run}: {favour} more votes for the certified classes than this machine draws, of {doubtful} that hang on "
            f"rounding: they would favour one side so much with probability {FALSE_ALARM:g} at most"
        )
    return Redrawn(
        tuple(record.index for record in chosen),
        of=len(drawn),
        draws=sum(record.draws for record in chosen),
        differing=sum(each.differing for each in said),
        doubtful=doubtful,
        smaller=sum(each.smaller for each in said),
    )


def _chosen(drawn: list[Record], count: int) -> list[Record]:
    """So many at random, and one whose votes are divided if none of these is; without one, some less divided."""
    chance = random.SystemRandom()
    chosen, order = chance.sample(drawn, count), chance.sample(drawn, len(drawn))
    if any(_divided(record) >= DIVIDED for record in chosen):
        return chosen
    if (other := next((record for record in order if _divided(record) >= DIVIDED), None)) is not None:
        return [*chosen, other]
    return [*chosen, *[record for record in order if _divided(record) and record not in chosen][:3]]


def _divided(record: Record) -> int:
    return sum(answer.n - max(answer.votes) for answer in record.answers)


def _check_data(job: Job, records: Sequence[Record]) -> None:
    """Refuse a record whose label or picture is not that of the data, drawn again or not."""
    for record in records:
        label = int(job.data.labels[record.index]) if record.index < len(job.data) else None
        if job.data.name == REQUEST:
            label = None  # nobody said it
        if record.label != label:
            raise VerificationError(
                f"input {record.index} is stored with the label {record.label}, in {job.data.name} it has {label}"
            )
        if record.skipped is None:
            certified_input(job, record)  # refuses another picture


@dataclass(frozen=True)
class _Compared:
    """One input: votes that differ, those in doubt, by how many the stored ones favour the class of the outcome."""

    differing: int
    doubtful: int
    favour: int
    smaller: bool


@dataclass
class _Replay:
    """A run, and what draws it again."""

    run: Run
    job: Job
    backend: PooledBackend
    requests: int
    stack: ExitStack
    reference: PooledBackend | None = None

    def compared(self, record: Record) -> _Compared:
        """Draw an input again.

        Raises:
            VerificationError: a count differs by more than rounding can have moved.
        """
        manifest, tally = self.run.manifest, record.tally
        seed, rng = int(manifest.meaning["seed"]), manifest.meaning.get("rng", "philox")
        engine = Engine(self.backend, self.job.noise, seed, rng, manifest.binding)
        x = self.job.input(record.index)
        wanted = [(Task(record.key, x), list(record.requests))]
        pairs = []
        for answer, (_, got) in zip(record.answers, engine.draw(wanted, _InDoubt(tally, MARGIN)), strict=True):
            if 2 * len(answer.votes) != len(got.votes):
                raise VerificationError(
                    f"input {record.index} has {len(answer.votes)} counts, drawn again {len(got.votes) // 2}"
                )
            clear, doubtful = np.array(got.votes).reshape(2, -1)
            pairs.append((answer, np.array(answer.votes), clear + doubtful, int(doubtful.sum())))
        if all((stored == own).all() for _, stored, own, _ in pairs):
            return _Compared(0, 0, 0, smaller=False)
        exact = self.job.asked.compute.precision == "fp32"
        measured = (0, 1) if exact else disagreement(self.backend, self._fp32(), [x], COMPARED)
        differing, free, favour, top = 0, 0, 0, record.outcome.prediction
        for number, (answer, stored, own, unsure) in enumerate(pairs):
            # void draws count for nobody, here or there, so they may have been anything
            may = tally.void(own.tolist(), answer.n)
            may += unsure if exact else _most_moved(*measured, answer.n, FALSE_ALARM / self.requests)
            missing = tally.void(answer.votes, answer.n)
            if (stored > own + may).any() or (stored + missing + may < own).any():
                raise VerificationError(
                    f"input {record.index} (key {record.key}): the {answer.n} draws of its request {number} "
                    f"({answer.stage!r}) voted {stored.tolist()}, drawn again {own.tolist()}, of which {may} may hang "
                    "on rounding: its counts, seed, noise or weights are not those of the run"
                )
            # a vote that moves is one more here and one less there; void ones have no entry
            differing += int(max(np.maximum(stored - own, 0).sum(), np.maximum(own - stored, 0).sum()))
            free += may
            favour += int(stored[top] - own[top]) if top >= 0 else 0
        again = [Answer(answer.stage, answer.n, tuple(own.tolist())) for answer, _, own, _ in pairs]
        return _Compared(differing, free, favour, _shrinks(self.run.procedure, self.job.noise, record, again))

    def _fp32(self) -> PooledBackend:
        if self.reference is None:
            self.reference = self.job.backend(self.backend.batch_size, name="torch", precision="fp32")
            self.stack.callback(self.reference.close)
        return self.reference


def _most_moved(k: int, m: int, n: int, alpha: float) -> int:
    """How many of n votes two machines may differ by, where k of m moved between precisions on one.

    Each machine may move away from fp32, hence twice the upper bound of the share.
    """
    share = min(1.0, 2 * clopper_pearson_upper(k, m, alpha / 2))
    low, high = -1, n
    while high - low > 1:
        middle = (low + high) // 2
        if special.bdtrc(middle, n, share) <= alpha / 2:
            high = middle
        else:
            low = middle
    return high


def _shrinks(procedure: Procedure, noise: Noise, record: Record, again: list[Answer]) -> bool:
    """Whether the counts of this machine certify less."""
    if not isinstance(record.outcome, Certificate):
        return False
    try:
        outcome = replay(procedure, noise, again, record.label)
    except ValueError:  # with these counts it would have gone on, or stopped before
        return False
    return isinstance(outcome, Certificate) and outcome.radius < record.outcome.radius


@dataclass(frozen=True)
class _InDoubt(Tally):
    """Another tally, its draws counted apart where their margin is at most this share of the largest |score|."""

    counted_by: Tally
    margin_share: float

    name: ClassVar[str] = "in doubt"

    def slots(self, classes: int) -> int:
        return 2 * self.counted_by.slots(classes)

    def places(self, scores: Any) -> Any:  # noqa: ANN401  # torch tensors
        doubtful = self.margin(scores) <= self.margin_share * scores.abs().amax(dim=1).float()
        return self.counted_by.places(scores) + (doubtful * self.counted_by.slots(scores.shape[1])).unsqueeze(1)

    def margin(self, scores: Any) -> Any:  # noqa: ANN401  # torch tensors
        return self.counted_by.margin(scores)

    def holds(self, counts: Sequence[int], n: int) -> bool:
        return self.counted_by.holds(np.array(counts).reshape(2, -1).sum(axis=0).tolist(), n)

    def rule(self, n: int) -> str:
        return self.counted_by.rule(n)

    def void(self, counts: Sequence[int], n: int) -> int:
        return self.counted_by.void(np.array(counts).reshape(2, -1).sum(axis=0).tolist(), n)
