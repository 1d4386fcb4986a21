"""Attack a run's certified inputs, and judge what comes out: the falsifier."""

from __future__ import annotations

import hashlib
import operator
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from noiseproof.attacks import PGD, Verdict, judge, judging_noise
from noiseproof.engine import TorchBackend
from noiseproof.engine.backend import GPU_BATCH, cpu_batch
from noiseproof.errors import RunError
from noiseproof.procedures import Predict
from noiseproof.reports.attack import attack_table, contradiction_text, draw_attack
from noiseproof.runners.certified import certificate_of, certified_input, certified_job, certified_run
from noiseproof.store import Manifest
from noiseproof.store.attacks import KIND, Attacked, AttackFolder, read_attack
from noiseproof.store.manifest import write_text
from noiseproof.types import Certificate, Record
from noiseproof.version import __version__

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from noiseproof.data import DataSet
    from noiseproof.models import BaseModel
    from noiseproof.runners.job import Job

DEFAULT_AT = (1.0, 1.5, 2.0)


@dataclass(frozen=True)
class AttackProgress:
    """How far an attack is.

    Attributes:
        points: judged points, those of earlier sessions included.
        points_total: points wanted.
        broken: how many of them are broken.
        seconds_left: at the mean rate of this session.
    """

    points: int
    points_total: int
    broken: int
    seconds_left: float


@dataclass(frozen=True)
class AttackReport:
    """What an attack found.

    Attributes:
        points: every judged point of the folder.
        text: the table, for a terminal.
        contradiction: what to say of certificates that were broken within their radius; empty where none was.
        files: what was written.
    """

    points: tuple[Attacked, ...]
    text: str
    contradiction: str
    files: tuple[Path, ...]


@dataclass(frozen=True)
class _Point:
    """One input to be attacked at one distance."""

    record: Record
    certificate: Certificate
    multiple: float

    @property
    def distance(self) -> float:
        return self.multiple * self.certificate.radius


def attack(
    run: str | Path,
    *,
    out: str | Path,
    at: Sequence[float] = DEFAULT_AT,
    limit: int | None = None,
    method: PGD | None = None,
    n: int = 1000,
    alpha: float = 0.001,
    seed: int = 0,
    model: str | Path | nn.Module | BaseModel | None = None,
    data: str | DataSet | None = None,
    root: str | Path | None = None,
    device: str = "auto",
    batch_size: int | None = None,
    workers: int | None = None,
    progress: Callable[[AttackProgress], None] | None = None,
) -> AttackReport:
    """Attack a run's certified inputs at multiples of their certified radii R; judge on fresh noise.

    An input is broken where PREDICT, on noise whose seed comes from the operating system after the attack, returns
    another class than the certified one; abstaining is not a break. Within R that contradicts the certificate.
    The same call again resumes; more multiples or inputs extend.

    Args:
        run: a run folder of certify, with Gaussian noise.
        out: folder for the journal, ``table.txt``, ``table.md``, ``attack.png`` and the broken points.
        at: distances, in units of each input's R; > 0.
        limit: how many certified inputs at most, the first ones.
        method: the attack; ``PGD()`` by default.
        n: draws of a judgement.
        alpha: its failure probability.
        seed: of the attack's own noise.
        model: the certified model, where the run's settings do not lead to it.
        data: the data set, likewise.
        root: where data sets lie; by default as in the run.
        device: "auto", "cpu", "cuda", ...
        batch_size: rows a forward pass.
        workers: batches judged at once; the attack itself runs on one core of a CPU.
        progress: called now and then.

    Raises:
        ValueError: an argument is out of range.
        RunError: not a run of certify, nothing in it is certified, or ``out`` cannot be used.
        ModelError: the model is not the certified one.
        UnsupportedError: the run's noise is not Gaussian.
    """
    method, judged_by, seed = method or PGD(), Predict(n=n, alpha=alpha), operator.index(seed)
    multiples = _checked(at, limit)
    certified = certified_run(Path(run))
    wanted = [record for record in certified.records if certificate_of(record) is not None][:limit]
    if not wanted:
        raise RunError(f"{run} has no certified input to attack; certify more of them")
    asked = certified_job(certified, judged_by, model, data, root, device, batch_size, workers)
    manifest = Manifest(
        KIND,
        {
            "run": certified.manifest.meaning_hash,
            "model": certified.manifest.meaning["model"],
            "attack": method.config() | {"seed": seed},
            "judge": judged_by.config(),
        },
        __version__,
    )
    settings = {
        "run": str(run),
        "at": ",".join(map(repr, multiples)),
        "limit": limit,
        **{name: value for name, value in method.config().items() if name != "name"},
        "n": n,
        "alpha": alpha,
        "seed": seed,
        "model": asked.model.source,
        "root": None if root is None else str(root),
        "device": device,
        "batch_size": batch_size,
        "workers": workers,
    }
    points = [
        _Point(record, certificate, multiple)
        for record in wanted
        if (certificate := certificate_of(record)) is not None
        for multiple in multiples
    ]
    with AttackFolder(Path(out), manifest) as folder:
        _serve(
            asked,
            points,
            method,
            seed,
            folder,
            {name: value for name, value in settings.items() if value is not None},
            progress,
        )
    return _report(Path(out), certified.procedure.alpha, judged_by)


def _checked(at: Sequence[float], limit: int | None) -> tuple[float, ...]:
    multiples = tuple(sorted({float(multiple) for multiple in at}))
    if not multiples or not all(0 < multiple < float("inf") for multiple in multiples):
        raise ValueError(f"at must be multiples of the radius, > 0 and finite, got {list(at)}")
    if limit is not None and limit < 1:
        raise ValueError(f"limit must be >= 1, got {limit}")
    return multiples


def _serve(
    asked: Job,
    points: list[_Point],
    method: PGD,
    seed: int,
    folder: AttackFolder,
    settings: dict[str, Any],
    progress: Callable[[AttackProgress], None] | None,
) -> None:
    """Attack and judge the points that are not judged yet."""
    assert isinstance(asked.procedure, Predict)
    noise = judging_noise(asked.noise)
    on_cpu = asked.device.type == "cpu"
    rows = asked.batch_size or (cpu_batch(tuple(asked.data.shape)) if on_cpu else GPU_BATCH)
    backend = TorchBackend(
        asked.model.module.to(asked.device),
        num_classes=asked.model.num_classes,
        noise=noise,
        shape=tuple(asked.data.shape),
        device=asked.device,
        batch_size=rows,
        precision=asked.precision,
        workers=asked.workers,
    )
    left = [point for point in points if (point.record.key, point.multiple) not in folder.points]
    done = before = len(points) - len(left)
    started = time.monotonic()
    try:
        folder.begin({"version": __version__, **backend.environment()}, settings)
        for group in _groups(left, max(1, rows // method.draws)):
            begun = time.monotonic()
            with _one_thread(on_cpu):
                found = _attack(asked, method, seed, group, rows)
            verdicts = judge(backend, noise, asked.procedure, [x for x, _ in found])
            seconds = (time.monotonic() - begun) / len(group)
            for point, (x, distance), verdict in zip(group, found, verdicts, strict=True):
                folder.add(_attacked(point, distance, verdict, asked.procedure.n, seconds), x)
            done += len(group)
            if progress is not None:
                rate = (done - before) / (time.monotonic() - started)
                broken = sum(point.broken for point in folder.points.values())
                progress(AttackProgress(done, len(points), broken, (len(points) - done) / rate))
    finally:
        backend.close()


def _attack(
    asked: Job, method: PGD, seed: int, group: list[_Point], rows: int
) -> list[tuple[NDArray[np.float64], float]]:
    """The adversarial points of a group, float64, and their distances, never above those allowed."""
    clean = [certified_input(asked, point.record) for point in group]
    x = torch.from_numpy(np.stack(clean)).to(asked.device, torch.float32)
    found = method(
        asked.model.module,
        x,
        torch.tensor([point.certificate.prediction for point in group], device=asked.device),
        radius=torch.tensor([point.distance for point in group], dtype=torch.float64),
        sigma=asked.noise.sigma,  # type: ignore[attr-defined]  # Gaussian, as checked
        generator=[_generator(asked.device, seed, point) for point in group],
        rows=rows,
    )
    moved = found.cpu().double().numpy()
    return [
        _within(one, to, point.distance, clip=method.clip) for one, to, point in zip(clean, moved, group, strict=True)
    ]


def _within(
    clean: NDArray[np.float64], to: NDArray[np.float64], distance: float, *, clip: bool
) -> tuple[NDArray[np.float64], float]:
    """The point, pulled into the ball in float64: what float32 steps leave outside it would judge nothing."""
    delta = to - clean
    length = float(np.linalg.norm(delta))
    if length > distance:
        delta *= distance / length * (1 - 2.0**-40)
    x = clean + delta
    if clip:
        x = x.clip(0, 1)
    reached = float(np.linalg.norm(x - clean))
    assert reached <= distance, "an attack stays in its ball"
    return x, reached


def _attacked(point: _Point, distance: float, verdict: Verdict, n: int, seconds: float) -> Attacked:
    return Attacked(
        key=point.record.key,
        index=point.record.index,
        label=point.record.label,
        certified=point.certificate.prediction,
        radius=point.certificate.radius,
        multiple=point.multiple,
        distance=distance,
        seed=verdict.seed,
        n=n,
        votes=verdict.votes,
        prediction=verdict.prediction.prediction,
        p_value=verdict.prediction.p_value,
        seconds=round(seconds, 6),
    )


def _report(out: Path, certificate_alpha: float, judged_by: Predict) -> AttackReport:
    points = read_attack(out).points
    table = attack_table(points, n=judged_by.n, alpha=judged_by.alpha)
    contradiction = contradiction_text(points, certificate_alpha=certificate_alpha, judge_alpha=judged_by.alpha)
    text, markdown, figure = out / "table.txt", out / "table.md", out / "attack.png"
    write_text(text, "\n\n".join(filter(None, [table.text(), contradiction])) + "\n")
    write_text(markdown, "\n\n".join(filter(None, [table.markdown(), contradiction])) + "\n")
    draw_attack(points, figure)
    return AttackReport(points, table.text(), contradiction, (text, markdown, figure))


def _generator(device: torch.device, seed: int, point: _Point) -> torch.Generator:
    """The attack's noise at one point: the same whichever points it is attacked with, and after a restart."""
    text = f"noiseproof attack {seed} {point.record.key} {point.multiple!r}"
    # 31 bits by SHA-256: torch's CPU generator looks at 32 bits only
    return torch.Generator(device).manual_seed(int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> 1)


def _groups(points: list[_Point], size: int) -> Iterator[list[_Point]]:
    for first in range(0, len(points), size):
        yield points[first : first + size]


@contextmanager
def _one_thread(wanted: bool) -> Iterator[None]:
    """Inside, torch uses one intra-op thread: several wait for each other as soon as another process is busy."""
    before = torch.get_num_threads()
    if wanted:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
