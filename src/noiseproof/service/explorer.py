"""The page: pictures, noisy copies, votes as they come in, and what a perturbation does to both classifiers."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from anyio import to_thread
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response

from noiseproof.attacks import PGD, Example
from noiseproof.attacks.base import TargetModel, has_gradient
from noiseproof.errors import NoiseproofError
from noiseproof.models.copies import copied
from noiseproof.reports.page.render import render
from noiseproof.service.messages import AttackAnswer, AttackMessage
from noiseproof.service.refused import RefusedError
from noiseproof.service.service import png

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from starlette.requests import Request

    from noiseproof.service.question import Question
    from noiseproof.service.service import Service

STATIC = Path(__file__).parent / "static"
SHOWN = 24
"""Pictures of the data that can be chosen."""


class Explorer:
    """The page over a service, and what it asks besides the questions that everybody may ask."""

    def __init__(self, service: Service) -> None:
        """A page whose pictures are the first of the data."""
        self._service, job = service, service.job
        labels = [int(label) for label in job.data.labels[:SHOWN]]
        facts = {
            "shape": list(job.data.shape),
            "classes": list(job.data.classes),
            "labels": labels,
            "sigma": job.noise.sigma,
            "most": service.limits.most_draws,
        }
        self._page = render(
            "explorer.html",
            folder=STATIC,
            script="explorer.js",
            connects=True,
            loads=True,
            model=job.model.source,
            noise=f"sigma {job.noise.sigma:g}",
            facts=json.dumps(facts).replace("<", "\\u003c"),
            shape=" x ".join(map(str, job.data.shape)),
        )
        self._target: TargetModel | None = None

    async def page(self, request: Request) -> Response:
        """The page."""
        del request
        return HTMLResponse(self._page)

    async def picture(self, request: Request) -> Response:
        """A picture of the data, as a file or as its pixels: a browser may blur what a page reads from a file."""
        index, form = request.path_params["index"], request.path_params["form"]
        if index >= len(self._service.job.data) or form not in ("png", "json"):
            raise HTTPException(404)
        pixels = await to_thread.run_sync(self._service.job.data.pixels, index)
        if form == "json":
            return Response(json.dumps(pixels.tolist()), media_type="application/json")
        return Response(png(pixels), media_type="image/png")

    async def attack(self, question: Question) -> AttackAnswer:
        """A perturbation that lowers the soft vote for a class: the falsifier's PGD, one example.

        Raises:
            RefusedError: nothing can be followed down, or there is no such class.
        """
        try:
            return await to_thread.run_sync(self._attacked, question)
        except (NoiseproofError, NotImplementedError) as error:
            raise RefusedError(422, str(error) or "this noise has no float draws", "take a random direction") from None

    def _attacked(self, question: Question) -> AttackAnswer:
        said, job = question.message, self._service.job
        assert isinstance(said, AttackMessage)
        if said.away_from >= len(job.data.classes):
            raise RefusedError(
                422, f"away_from must be in [0, {len(job.data.classes)}), got {said.away_from}", "mend it"
            )
        pixels = question.pixels if question.pixels is not None else job.data.pixels(question.index or 0)
        x: NDArray[np.float64] = pixels / np.float64(255)
        target, attack = self._target_model(), PGD()
        clean = torch.from_numpy(x)[None].to(target.device, torch.float32)
        noisy = clean + job.noise.sample(clean[0], 4, torch.Generator(target.device).manual_seed(0))
        if not has_gradient(target.base, noisy):
            raise RefusedError(422, "the scores of this model have no gradient to follow", "take a random direction")
        ((point,),) = attack.search(target, [Example(x, said.away_from, said.distance, secrets.token_hex(8))])
        delta = point - x
        return AttackAnswer(delta=delta.tolist(), distance=float(np.linalg.norm(delta)))

    def _target_model(self) -> TargetModel:
        if self._target is None:
            job = self._service.job
            module = copied(job.model.module).to(job.device)
            self._target = TargetModel(module, job.noise, job.device, 64, _none)
        return self._target


def _none(points: object, n: int, seed: int) -> NDArray[np.int64]:
    raise NotImplementedError("PGD asks for no votes")
