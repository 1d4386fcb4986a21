"""The service: each request a run folder of its own, drawn on fresh noise in batches that all share."""

from __future__ import annotations

import asyncio
import base64
import io
import secrets
from collections.abc import AsyncGenerator, Callable
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
import numpy as np
from anyio import to_thread

from noiseproof.data.request import keep, request_data
from noiseproof.engine import Drawn, Finished, Task
from noiseproof.engine.clean import classes_without_noise
from noiseproof.engine.shared import SharedDraws
from noiseproof.errors import ModelError, NoiseproofError, RunError
from noiseproof.noises import Words
from noiseproof.noises.keys import input_key
from noiseproof.procedures import Certify
from noiseproof.service.messages import (
    Begun,
    CertifyAnswer,
    CertifyMessage,
    Counted,
    DecideAnswer,
    PredictAnswer,
)
from noiseproof.service.metrics import Metrics
from noiseproof.service.places import Places
from noiseproof.service.refused import RefusedError
from noiseproof.stats.bounds import one_sided
from noiseproof.store import Range, RunFolder
from noiseproof.types import ABSTAIN, Certificate, Decision, Prediction

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from noiseproof.asked.limits import Limits
    from noiseproof.engine.pooled import PooledBackend
    from noiseproof.noises import Noise
    from noiseproof.runners.job import Job
    from noiseproof.service.question import Question
    from noiseproof.types import Counts, Outcome

T = TypeVar("T")

_STATUS: dict[type[Exception], int] = {RunError: 503, ModelError: 500}
Message = Begun | Counted | CertifyAnswer | PredictAnswer | DecideAnswer


class Service:
    """Answers requests about one model under one noise. ``with`` starts what draws.

    Attributes:
        job: the model, the data that are shown, the noise; a request has it with its own procedure, input and seed.
        limits: of a request.
        out: where run folders are made.
        places: who is drawn for.
        metrics: what is counted.
        ending: whether nothing new is taken in.
        over: set when what is under way is cancelled.
    """

    def __init__(
        self, job: Job, backend: PooledBackend, environment: dict[str, Any], limits: Limits, out: Path
    ) -> None:
        """A service of a job.

        Args:
            job: with its backend chosen.
            backend: of the job, checked; closed elsewhere.
            environment: what a session line says of it.
            limits: of a request.
            out: where run folders are made.
        """
        self.job, self.limits, self.out = job, limits, out
        self.places, self.metrics = Places(limits.at_once, limits.waiting), Metrics()
        self.ending, self.over = False, anyio.Event()
        self._backend, self._environment = backend, environment
        self._shared = SharedDraws(backend)

    def __enter__(self) -> Service:
        """Begin to draw."""
        self._shared.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        """Draw no more."""
        self._shared.__exit__()

    async def end(self, seconds: float, said: Callable[[str], None], hurry: Callable[[], bool]) -> None:
        """Take nothing in any more, give what is under way so many seconds, cancel the rest, and say so.

        Args:
            seconds: for what is under way.
            said: told what happens.
            hurry: asked whether to wait no longer.
        """
        self.ending = True
        begun = self.places.under_way + self.places.waiting
        said(f"ending; requests under way: {begun}" + (f", which have {seconds:g} s" if begun else ""))
        with anyio.move_on_after(seconds):
            while (self.places.under_way or self.places.waiting) and not hurry():
                await anyio.sleep(0.05)
        cancelled = self.places.under_way + self.places.waiting
        self.over.set()
        said(f"ended; requests finished: {begun - cancelled}, cancelled: {cancelled}")

    async def answer(self, question: Question) -> AsyncGenerator[Message]:
        """What comes of a request, as it comes; the last is the answer. To be closed when nobody waits for it.

        Counts are written down before they are told.

        Raises:
            RefusedError: it cannot be answered.
        """
        events: asyncio.Queue[Drawn | Finished | Exception] = asyncio.Queue()
        told = _to(asyncio.get_running_loop(), events)
        request = wanted = None
        try:
            request = await to_thread.run_sync(_Request, self, question)
            begun = await to_thread.run_sync(request.begin, self._environment, self._backend)
            wanted = await to_thread.run_sync(self._shared.add, request.engine, request.procedure, request.task, told)
            yield begun
            while True:
                event = await events.get()
                if isinstance(event, Exception):
                    raise RefusedError(500, str(event)) from event
                if isinstance(event, Drawn):
                    self.metrics.draws += event.n
                    yield await to_thread.run_sync(request.counted, event)
                else:
                    answer = await to_thread.run_sync(request.finished, event)
                    request.close()  # before it is told: who reads it may verify it at once
                    yield answer
                    return
        except (NoiseproofError, ValueError) as error:  # a full disk; a model that breaks its contract; what cannot be
            raise RefusedError(_STATUS.get(type(error), 422), str(error)) from None
        finally:
            if wanted is not None:
                wanted.leave()
            if request is not None:
                request.close()


class _Request:
    """One request: its job, its run folder, its counts so far."""

    def __init__(self, service: Service, question: Question) -> None:
        procedure = question.procedure(service.limits.most_draws)
        base, index = service.job, question.index or 0
        data = base.data if question.pixels is None else request_data(question.pixels, base.model.num_classes)
        subject = replace(base.asked.subject, every=1, start=index, limit=1)
        seed = secrets.randbits(63)  # when the input is fixed: nobody can have chosen it for its noise
        asked = replace(base.asked, procedure=procedure, subject=subject, seed=seed)
        job = replace(base, asked=asked, data=data, indices=[index], seed=seed, ready=[])
        self.job = replace(job, binding=job.manifest.binding)
        self.procedure, self._question = procedure, question
        self._names = base.data.classes
        self._label = None if question.pixels is not None else int(data.labels[index])
        self._votes: dict[str, Counts] = {}
        self._drawn: dict[str, int] = {}
        self._open = ExitStack()
        now = datetime.now(UTC)
        self._run = f"{now:%Y%m%d}/{now:%H%M%S}-{secrets.token_hex(6)}"
        self._folder = RunFolder(service.out / self._run, self.job.manifest)

    def begin(self, environment: dict[str, Any], backend: PooledBackend) -> Begun:
        """Make the run folder."""
        x = self.job.input(self.job.indices[0])
        self._open.enter_context(self._folder)
        self._folder.begin(environment | self.job.about, self.job.settings, self.job.selection)
        if self._question.pixels is not None:
            keep(self._folder.path, self._question.pixels)
        clean = classes_without_noise([x], backend)[0]
        self.task = Task(input_key(x), x, label=self._label, index=self.job.indices[0], clean=clean)
        self.engine = self.job.engine(backend)
        said = self._question.message
        wanted = said.copies if isinstance(said, CertifyMessage) else 0
        return Begun(run=self._run, clean=clean, copies=[_png(copy) for copy in self._copies(wanted)])

    def counted(self, event: Drawn) -> Counted:
        """Keep a range of draws."""
        stage = event.stage
        self._folder.add_range(event.task.key, stage, Range(event.first, event.n, event.votes, event.seconds))
        self._votes[stage] = self._votes.get(stage, 0) + np.asarray(event.votes, dtype=np.int64)
        self._drawn[stage] = drawn = self._drawn.get(stage, 0) + event.n
        p_lower, of = None, self.procedure.most_draws
        if isinstance(self.procedure, Certify):
            of = self.procedure.n0 if stage == "select" else self.procedure.n
            if stage == "estimate":
                top = int(self._votes["select"].argmax())
                p_lower = one_sided(int(self._votes[stage][top]), drawn, self.procedure.alpha).p_lower
        return Counted(stage=stage, drawn=drawn, of=of, votes=self._votes[stage].tolist(), p_lower=p_lower)

    def finished(self, event: Finished) -> CertifyAnswer | PredictAnswer | DecideAnswer:
        """Close the input, and the run."""
        key, index, clean = event.task.key, self.job.indices[0], self.task.clean
        assert clean is not None, "see begin"
        self._folder.add_record(key, index, self._label, event.requests, event.outcome, clean=clean)
        self._folder.seal(self.job.selection)
        outcome = event.outcome
        stage = next(reversed(self._votes))
        common: dict[str, Any] = {
            "prediction": outcome.prediction,
            "name": None if outcome.prediction == ABSTAIN else self._names[outcome.prediction],
            "votes": self._votes[stage].tolist(),
            "draws": sum(self._drawn.values()),
            "clean": clean,
            "alpha": self.procedure.alpha,
            "run": self._run,
        }
        return _answer(outcome, common)

    def close(self) -> None:
        """Give the folder back; what is in it stays, finished or not."""
        self._open.close()

    def _copies(self, wanted: int) -> NDArray[np.uint8]:
        """The first noisy copies that the class is selected on, in 8 bits for display."""
        noise, nothing = self.job.noise, np.empty((0, *self.job.data.shape), dtype=np.uint8)
        if not wanted:
            return nothing
        engine = self.engine
        words = Words(engine.seed, self.task.key, "select", engine.rng, engine.binding)
        noisy = noise.perturb(self.task.x, words, 0, wanted)
        return shown(noisy, noise) if noisy.shape[1:] == self.task.x.shape else nothing  # some noises ask more of it


def _answer(outcome: Outcome, common: dict[str, Any]) -> CertifyAnswer | PredictAnswer | DecideAnswer:
    if isinstance(outcome, Certificate):
        return CertifyAnswer(
            radius=outcome.radius, p_lower=outcome.p_lower, p_upper=outcome.p_upper, norm=outcome.norm, **common
        )
    if isinstance(outcome, Decision):
        return DecideAnswer(answer=outcome.answer, radius=outcome.radius, norm=outcome.norm, **common)
    assert isinstance(outcome, Prediction)
    return PredictAnswer(p_value=outcome.p_value, **common)


def shown(noisy: NDArray[Any], noise: Noise) -> NDArray[np.uint8]:
    """Noisy inputs, as the noise makes them, clipped to 8 bits for display."""
    found: NDArray[np.uint8] = np.rint(255 * (noisy / noise.scale)).clip(0, 255).astype(np.uint8)
    return found


def png(pixels: NDArray[np.uint8]) -> bytes:
    """A picture as a file: uint8 [C, H, W]; of more channels than three the first ones."""
    from PIL import Image

    grey = len(pixels) < 3
    picture = Image.fromarray(pixels[0] if grey else np.ascontiguousarray(pixels[:3].transpose(1, 2, 0)))
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def _png(pixels: NDArray[np.uint8]) -> str:
    return f"data:image/png;base64,{base64.b64encode(png(pixels)).decode()}"


def _to(loop: asyncio.AbstractEventLoop, queue: asyncio.Queue[T]) -> Callable[[T], None]:
    """What puts something into a queue of the loop, from another thread; nothing where the loop has ended."""

    def put(item: T) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(queue.put_nowait, item)

    return put
