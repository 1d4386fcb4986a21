"""What an actor does: load the base classifier once, check it, and draw what it is handed. It never writes."""

from __future__ import annotations

import hashlib
import os
import pickle
import platform
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from noiseproof.asked import Elsewhere
from noiseproof.checks.brief import noisy_rows
from noiseproof.engine import Segment
from noiseproof.engine.choose import backend_for
from noiseproof.engine.clean import classes_without_noise
from noiseproof.engine.contract import check_backend, choose_device
from noiseproof.engine.require import check_available
from noiseproof.errors import ModelError, NoiseproofError
from noiseproof.models.ensemble import row_by_row
from noiseproof.noises import Words
from noiseproof.runners.executors.fleet import Hello
from noiseproof.runners.executors.in_process import check, compare
from noiseproof.runners.model import model_of
from noiseproof.tallies import CLASS_VOTES
from noiseproof.version import __version__

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from noiseproof.asked import Asked
    from noiseproof.engine.backend import Pending
    from noiseproof.engine.pooled import PooledBackend
    from noiseproof.runners.job import Job
    from noiseproof.tallies import Tally
    from noiseproof.types import Counts

_RATE_SECONDS = 0.5


@dataclass(frozen=True)
class Order:
    """What an actor is told at its start.

    Attributes:
        versions: of the packages that must be the same.
        folder: where the driver stands: relative paths begin there, if it is there.
        asked: an ``Asked`` of some inputs for the check, pickled: it is opened only where the versions are the same.
        fingerprint: of the driver's base classifier.
    """

    versions: dict[str, str]
    folder: str
    asked: bytes
    fingerprint: str


def versions() -> dict[str, str]:
    """What must be the same where draws are made; of torch, CPU and CUDA builds are one version."""
    return {"noiseproof": __version__, "torch": torch.__version__.partition("+")[0]}


@dataclass(frozen=True)
class _Loaded:
    """A base classifier ready to be asked.

    Attributes:
        backend: that draws.
        inputs: for the check.
        like: another backend for the same, by name, precision and batch size.
        row_by_row: why no tolerance can be kept; empty where one can.
    """

    backend: PooledBackend
    inputs: list[NDArray[Any]]
    like: Callable[[str, str, int | None], PooledBackend]
    row_by_row: str


class Drawer:
    """One actor: a backend of its own, on its own device."""

    def __init__(self, order: Order) -> None:
        """An actor that has loaded nothing yet: what fails, fails when it is asked to say hello."""
        self._order = order
        self._backend: PooledBackend | None = None

    def hello(self) -> Hello:
        """Load, check and measure.

        Raises:
            ModelError: it cannot take part; names the machine.
        """
        node = platform.node()
        try:
            _check_versions(self._order.versions, node)
            with suppress(OSError):  # a machine without that folder may still see the model
                os.chdir(self._order.folder)
            asked: Asked = pickle.loads(self._order.asked)
            loaded = _load(asked, self._order.fingerprint)
        except (NoiseproofError, ValueError) as error:
            raise ModelError(str(error) if node in str(error) else f"on {node}: {error}") from None
        backend = self._backend = loaded.backend
        tolerance = check(backend, loaded.inputs)
        compare(asked.compute, backend, loaded.like, loaded.inputs)
        environment = {"version": __version__, **backend.environment(), "threads": threads()}
        scores = backend.answers(noisy_rows(backend, loaded.inputs)).nan_to_num().float().numpy()
        digest = hashlib.sha256(scores.tobytes()).hexdigest()
        return Hello(environment, digest, tolerance, loaded.row_by_row, self._rate(loaded.inputs[0]), node)

    def draw(
        self, segments: Sequence[Segment], tally: Tally, tolerance: float, clean: Sequence[int] = ()
    ) -> tuple[Counts, float, list[int]]:
        """Counts ``[segments, slots]``, the seconds they took, and the classes without noise of some of the inputs."""
        backend, started = self._backend, time.monotonic()
        assert backend is not None, "hello comes first"
        backend.tolerance = tolerance
        segments = [replace(each, x=_here(each.x)) for each in segments]
        counts = np.zeros((len(segments), tally.slots(backend.num_classes)), dtype=np.int64)
        under_way: deque[tuple[list[int], Pending]] = deque()
        for places, parts in _batches(segments, backend.batch_size, backend.most_segments):
            under_way.append((places, backend.submit(parts, tally)))
            if len(under_way) >= backend.depth:
                _add(counts, *under_way.popleft())
        while under_way:
            _add(counts, *under_way.popleft())
        classes: list[int] = []
        for first in range(0, len(clean), backend.batch_size):
            places = list(clean[first : first + backend.batch_size])
            classes += classes_without_noise([segments[place].x for place in places], backend)
        return counts, time.monotonic() - started, classes

    def _rate(self, x: NDArray[Any]) -> float:
        """Rows a second; a first call warms up."""
        assert self._backend is not None
        words, n = Words(0, "calibration", "calibration"), self._backend.batch_size * self._backend.workers
        self.draw([Segment(x, words, 0, n)], CLASS_VOTES, 0.0)
        while True:
            _, seconds, _ = self.draw([Segment(x, words, 0, n)], CLASS_VOTES, 0.0)
            if seconds > _RATE_SECONDS:
                return n / seconds
            n *= 4


def _check_versions(its: dict[str, str], node: str) -> None:
    mine = versions()
    for name in its:
        if mine[name] != its[name]:
            raise ModelError(f"{node} has {name} {mine[name]}, the driver {its[name]}; install the same")


def _load(asked: Asked, fingerprint: str) -> _Loaded:
    """What is asked, made ready here.

    Raises:
        NoiseproofError: the model is not here, or another one, or not for this device.
        ValueError: likewise.
    """
    compute, data = asked.compute, asked.subject.data
    device = choose_device(compute.device)
    check_backend(compute.backend, precision=compute.precision, device=device)
    check_available(compute.backend, compute.precision)
    model, noise = model_of(asked.subject, data, sigma=asked.noise.sigma), asked.noise.on(tuple(data.shape))
    if model.fingerprint != fingerprint:
        raise ModelError(f"{model.source} is another model than the driver's; copy it there")

    def like(name: str, precision: str, batch_size: int | None) -> PooledBackend:
        return backend_for(
            name, model.module, num_classes=model.num_classes, noise=noise, shape=tuple(data.shape), device=device,
            batch_size=batch_size, precision=precision, workers=compute.workers,
        )  # fmt: skip

    inputs = [data.encoded(index, noise) for index in range(len(data))]
    backend = like(compute.backend, compute.precision, compute.batch_size)
    return _Loaded(backend, inputs, like, row_by_row(model.module))


def threads() -> dict[str, Any]:
    """What is said of threads here: backends use one in each operation, whatever these say."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
    return {name: os.environ[name] for name in names if name in os.environ}


def actors_asked(job: Job, inputs: Sequence[int], device: str, batch_size: int | None, workers: int | None) -> Asked:
    """What an actor resolves: the same question, of some inputs for the check, on its own device."""
    data = job.data
    pictures = np.stack([data.pixels(index) for index in inputs])
    few = replace(data, labels=data.labels[[*inputs]], pictures=pictures)
    subject = job.asked.subject.moved(Elsewhere(data=few))
    compute = replace(
        job.asked.compute, device=device, batch_size=batch_size, workers=workers, executor="in-process",
        address=None, at_most=None, stop_after=None,
    )  # fmt: skip
    return replace(job.asked, subject=subject, compute=compute, budget=None)


def _batches(segments: Sequence[Segment], rows: int, most_segments: int) -> Iterator[tuple[list[int], list[Segment]]]:
    """The segments cut into batches, each with the places of its parts."""
    places: list[int] = []
    parts: list[Segment] = []
    free = rows
    for place, segment in enumerate(segments):
        first, left = segment.first, segment.n
        while left:
            n = min(left, free)
            places.append(place)
            parts.append(replace(segment, first=first, n=n))
            first, left, free = first + n, left - n, free - n
            if not free or len(parts) == most_segments:
                yield places, parts
                places, parts, free = [], [], rows
    if parts:
        yield places, parts


def _here(x: Any) -> Any:  # noqa: ANN401  # an array, or a reference to one
    """An input; a large one comes from the object store of this machine."""
    if isinstance(x, np.ndarray):
        return x
    import ray

    return ray.get(x)


def _add(counts: Counts, places: list[int], pending: Pending) -> None:
    np.add.at(counts, places, pending.result())
