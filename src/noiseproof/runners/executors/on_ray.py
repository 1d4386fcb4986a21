"""Draws made by actors of Ray: on this machine, or on a cluster."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
from collections import OrderedDict
from collections.abc import Hashable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from noiseproof.engine import Drawn, Finished, OutOfMemoryError
from noiseproof.engine.backend import available_cores
from noiseproof.errors import ModelError, RunError, one_line
from noiseproof.models.packages import need
from noiseproof.runners.executors.base import CHECKED, Began, Executor
from noiseproof.runners.executors.crew import Crew
from noiseproof.runners.executors.drawer import Drawer, Order, actors_asked, versions
from noiseproof.runners.executors.fleet import ActorLostError, CallFailedError

if TYPE_CHECKING:
    from noiseproof.engine import Segment
    from noiseproof.runners.job import Job
    from noiseproof.store.state import State
    from noiseproof.tallies import Tally

log = logging.getLogger(__name__)

STORE_BYTES = 200_000_000
"""Of the object store of a cluster that is started for a run: it holds pictures under way, nothing else."""

SMALL = 64_000
"""Bytes of an input up to which it goes along with what is asked of it; a larger one goes to the object store once."""


class OnRay(Executor):
    """Plain actors, each with a GPU or with cores of its own; the driver owns tries, and alone writes."""

    name: ClassVar[str] = "ray"
    here: ClassVar[bool] = False

    def __init__(self) -> None:
        """One that is not connected yet."""
        self._crew: Crew | None = None

    @property
    def note(self) -> str:
        """How many actors draw."""
        return f"{self._crew.drawing:,} actors" if self._crew is not None else ""

    def draw(self, job: Job, state: State) -> Iterator[Began | Drawn | Finished]:
        """See ``Executor``; at the end an input that was left out is an error."""
        chosen = job.left(state)[:CHECKED]
        if not chosen and not job.skipped:
            return
        compute = job.asked.compute
        with _Connection(compute.address) as ray:
            device = _device(compute.device, ray)
            cores = 1 if compute.workers is None or device == "cuda" else compute.workers
            workers = cores if device == "cpu" else compute.workers
            batch_size = job.batch_size if device == "cpu" else compute.batch_size  # as in one process
            while True:
                asked = actors_asked(job, chosen or job.indices[:CHECKED], device, batch_size, workers)
                order = Order(versions(), str(Path.cwd()), ray.cloudpickle.dumps(asked), job.model.fingerprint)
                fleet = RayFleet(ray, order, device, cores)
                crew = self._crew = Crew(
                    fleet, job.model.num_classes, at_most=compute.at_most, leave_out=job.asked.budget is None
                )
                size = batch_size
                try:
                    environment = crew.gather(state.sessions)
                    size = environment["batch_size"]
                    yield Began(environment | {"executor": self.name, "actors": crew.drawing})
                    events = job.engine(crew).run(job.asked.procedure, job.tasks(state), job.asked.budget)
                    for event in events:
                        yield crew.with_clean(event) if isinstance(event, Finished) else event
                except OutOfMemoryError:
                    if size is None or size == 1:
                        raise
                    batch_size = size // 2
                else:
                    break
                finally:
                    crew.close()
                log.warning("out of memory: the same draws again in batches of %d", batch_size)
        if crew.left_out:
            key, why = next(iter(crew.left_out.items()))
            raise ModelError(
                f"{len(crew.left_out)} of {len(job.indices)} inputs are left out, all others are finished; the same "
                f"line tries them again: input key {key}: {why}"
            )


class _Connection:
    """Ray, connected: to the cluster at an address, or to one of this machine that ends with the connection."""

    def __init__(self, address: str | None) -> None:
        self._address = address or os.environ.get("RAY_ADDRESS")
        self._ours = False

    def __enter__(self) -> Any:  # noqa: ANN401  # the package
        # what workers say is theirs to log; and a driver that uv started must not have its actors made by uv again
        quiet = {"RAY_DEDUP_LOGS_SKIP_REGEX": ".*", "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0"}
        for name, value in quiet.items():
            os.environ.setdefault(name, value)
        ray = self._ray = need("executor ray", "ray", "ray")
        if ray.is_initialized():  # by the caller, whose it stays
            return ray
        settings: dict[str, Any] = {"address": self._address or "local"}
        if settings["address"] == "local":
            settings |= {"num_cpus": available_cores(), "include_dashboard": False, "object_store_memory": STORE_BYTES}
        elif settings["address"] != "auto":
            _check_answers(settings["address"])
        before = signal.getsignal(signal.SIGTERM)
        try:
            ray.init(**settings, log_to_driver=False, logging_level=logging.ERROR, namespace=None)
        except Exception as error:
            raise RunError(
                f"cannot join the Ray cluster at {settings['address']}: {one_line(error)}; start one with ray start "
                "--head, or leave --address out to use this machine alone"
            ) from error
        self._ours = True
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)  # Ray sets its own
        return ray

    def __exit__(self, *_: object) -> None:
        if self._ours:
            self._ray.shutdown()


def _check_answers(address: str) -> None:
    """Refuse an address at which nobody answers: Ray itself would try for a minute, and then end this process."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if address.startswith("ray://"):
        raise ValueError(f"address must be that of the cluster itself (HOST:6379), not of Ray Client, got {address!r}")
    if not host or not port.isdigit():
        raise ValueError(f"address must be HOST:PORT, auto or local, got {address!r}")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()
    except (OSError, OverflowError) as error:
        raise RunError(
            f"no Ray cluster answers at {address}: {one_line(error)}; start one with ray start --head, or leave "
            "--address out to use this machine alone"
        ) from None


def _device(asked: str, ray: Any) -> str:  # noqa: ANN401  # the package
    """Where actors compute: on a GPU each where the cluster has any, unless the CPU is asked for."""
    if asked not in ("auto", "cpu", "cuda"):
        raise ValueError(f"device must be auto, cpu or cuda with executor ray, an actor having one GPU, got {asked!r}")
    gpus = ray.cluster_resources().get("GPU", 0)
    if asked == "cuda" and not gpus:
        raise RunError("device cuda needs a Ray cluster with GPUs, this one has none; give --device cpu")
    return "cuda" if gpus and asked != "cpu" else "cpu"


class RayFleet:
    """Actors of Ray, each with one GPU, or with some cores."""

    def __init__(self, ray: Any, order: Order, device: str, cores: int) -> None:  # noqa: ANN401  # the package
        """Of a Ray that is connected.

        Args:
            ray: the package.
            order: for every actor.
            device: "cuda" or "cpu".
            cores: of an actor.
        """
        self.needs = "a GPU" if device == "cuda" else f"{cores} CPU core{'s' * (cores > 1)}"
        self._ray, self._order = ray, ray.put(order)
        self._takes = {"GPU": 1, "CPU": 1} if device == "cuda" else {"CPU": cores}
        # the driver owns tries: it alone knows which ran, and what was written down
        self._drawer = ray.remote(Drawer).options(
            num_cpus=self._takes["CPU"], num_gpus=self._takes.get("GPU", 0), max_restarts=0, max_task_retries=0
        )
        self._pictures: OrderedDict[str, Any] = OrderedDict()

    def capacity(self) -> int:
        """By what all machines have in all; that others use some of it only makes actors wait."""
        machines = [each["Resources"] for each in self._ray.nodes() if each["Alive"]]
        return sum(min(int(has.get(name, 0) // n) for name, n in self._takes.items()) for has in machines)

    def hire(self) -> tuple[Hashable, Hashable]:
        """See ``Fleet``."""
        actor = self._drawer.remote(self._order)
        return actor, actor.hello.remote()

    def draw(
        self,
        actor: Any,  # noqa: ANN401  # a handle of Ray
        segments: Sequence[Segment],
        tally: Tally,
        tolerance: float,
        clean: Sequence[int],
    ) -> Hashable:
        """See ``Fleet``."""
        call: Hashable = actor.draw.remote([self._packed(each) for each in segments], tally, tolerance, clean)
        return call

    def wait(self, calls: Sequence[Hashable], seconds: float) -> list[Hashable]:
        """See ``Fleet``."""
        ready, _ = self._ray.wait(calls, num_returns=1, timeout=seconds)
        if ready and len(calls) > 1:  # all that are, in one go: to look at a thousand for each would take longer
            ready, _ = self._ray.wait(calls, num_returns=len(calls), timeout=0)
        return list(ready)

    def answer(self, call: Hashable) -> Any:  # noqa: ANN401  # Hello, or what ``draw`` says
        """See ``Fleet``."""
        errors = self._ray.exceptions
        try:
            return self._ray.get(call)
        except errors.RayTaskError as error:
            cause = error.cause if isinstance(error.cause, Exception) else error
            if isinstance(cause, OutOfMemoryError):
                raise cause from None
            said = one_line(cause, 1000)
            raise CallFailedError(
                said if isinstance(cause, ModelError) else f"{type(cause).__name__}: {said}"
            ) from error
        except errors.RayError as error:
            said = (str(error).partition("Worker exit detail:")[2] or str(error)).partition(" Some common causes")[0]
            raise ActorLostError(f"its actor ended ({one_line(Exception(said))})") from error

    def dismiss(self, actor: Any) -> None:  # noqa: ANN401  # a handle
        """See ``Fleet``."""
        with suppress(Exception):  # it may be gone, or the cluster
            self._ray.kill(actor)

    def _packed(self, segment: Segment) -> Segment:
        """With its input as a reference where it is large, so that it travels once to a machine."""
        if segment.x.nbytes <= SMALL:
            return segment
        key = segment.words.key
        if key not in self._pictures:
            self._pictures[key] = self._ray.put(segment.x)
            if len(self._pictures) > 256:  # what is under way holds its own
                self._pictures.popitem(last=False)
        self._pictures.move_to_end(key)
        return replace(segment, x=self._pictures[key])
