"""The service as a web application: questions as JSON or as the bytes of a picture, answers as JSON or lines of it."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from noiseproof.service.explorer import Explorer
from noiseproof.service.messages import ErrorLine, ErrorMessage
from noiseproof.service.openapi import openapi
from noiseproof.service.question import longest_body, read
from noiseproof.service.refused import RefusedError
from noiseproof.viewer.guard import guards

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from noiseproof.service.question import Question
    from noiseproof.service.service import Service

log = logging.getLogger(__name__)

LINES = "application/x-ndjson"
BODY_SECONDS = 10.0
"""For a body to arrive in."""
_LEFT = 499
"""What is counted for a client that went away, as nginx has it."""


def application(service: Service, *, token: str = "") -> Starlette:
    """The application over a service, which is begun.

    Args:
        service: answers.
        token: without it nothing is answered; empty for none, and then only to addresses of this machine.
    """
    told = _Told(service, token=bool(token))
    explorer = Explorer(service)
    routes = [
        Route("/", explorer.page),
        Route("/pictures/{index:int}.{form}", explorer.picture),
        Route("/healthz", told.health),
        Route("/metrics", told.metrics),
        Route("/openapi.json", told.openapi),
        *[
            Route(f"/v1/{asked}", _Asked(service, asked), methods=["POST"])
            for asked in ("predict", "certify", "decide")
        ],
        Route("/v1/attack", _Asked(service, "attack", explorer), methods=["POST"]),
    ]
    return Starlette(
        routes=routes,
        middleware=guards(token, lambda said: refusal(RefusedError(*said))),
        exception_handlers={HTTPException: _http, Exception: _fault},
    )


class _Told:
    """What the service says of itself."""

    def __init__(self, service: Service, *, token: bool) -> None:
        self._service = service
        self._openapi = msgspec.json.encode(openapi(service, token=token))

    async def health(self, request: Request) -> Response:
        """200 while questions are taken in, 503 once the service ends."""
        del request
        job, ending = self._service.job, self._service.ending
        said = {
            "status": "ending" if ending else "ok",
            "model": job.model.fingerprint,
            "noise": job.noise.config(),
            "shape": list(job.data.shape),
            "classes": list(job.data.classes),
        }
        return _json(said, 503 if ending else 200)

    async def metrics(self, request: Request) -> Response:
        """Prometheus's text."""
        del request
        places = self._service.places
        text = self._service.metrics.text(under_way=places.under_way, waiting=places.waiting)
        return PlainTextResponse(text, media_type="text/plain; version=0.0.4")

    async def openapi(self, request: Request) -> Response:
        """What may be sent, and what comes back."""
        del request
        return Response(self._openapi, media_type="application/json")


class _Asked:
    """One kind of question."""

    def __init__(self, service: Service, asked: str, explorer: Explorer | None = None) -> None:
        self._service, self._asked, self._explorer = service, asked, explorer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, and count it."""
        began, sending = time.monotonic(), _Sending(scope, receive, send)
        status = _LEFT
        try:
            question = await self._question(Request(scope, receive))
            service = self._service
            async with _until(receive, service, service.limits.most_seconds), service.places.taken():
                await self._answer(question, sending)
                status = 200
        except RefusedError as refused:
            status = refused.status
            await sending.refuse(refused)
        except ClientDisconnect:
            pass
        except Exception:
            status = 500
            raise
        finally:
            self._service.metrics.ended(self._asked, status, time.monotonic() - began)

    async def _question(self, request: Request) -> Question:
        if self._service.ending:
            raise RefusedError(503, "the service ends", "send it again when it is back", retry_after=10)
        data = self._service.job.data
        body = await _body(request, longest_body(data.shape))
        kind = request.headers.get("content-type", "")
        question = await anyio.to_thread.run_sync(read, self._asked, kind, body, request.query_params, data)
        if self._explorer is None:
            question.procedure(self._service.limits.most_draws)  # refused before it takes a place
        return question

    async def _answer(self, question: Question, sending: _Sending) -> None:
        if self._explorer is not None:
            await sending.whole(await self._explorer.attack(question))
            return
        async with aclosing(self._service.answer(question)) as messages:
            async for message in messages:
                if self._asked == "certify":
                    await sending.line(message)
            if self._asked == "certify":
                await sending.end()
            else:
                await sending.whole(message)


class _Sending:
    """An answer on its way: in lines or as a whole; what is wrong is a status of its own as long as nothing is sent."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope, self._receive, self._send = scope, receive, send
        self._begun = False

    async def line(self, message: msgspec.Struct) -> None:
        """One more line."""
        if not self._begun:
            headers = [(b"content-type", LINES.encode())]
            await self._send({"type": "http.response.start", "status": 200, "headers": headers})
            self._begun = True
        body = msgspec.json.encode(message) + b"\n"
        await self._send({"type": "http.response.body", "body": body, "more_body": True})

    async def end(self) -> None:
        """No more lines."""
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def whole(self, message: msgspec.Struct) -> None:
        """All at once."""
        self._begun = True
        await _json(message)(self._scope, self._receive, self._send)

    async def refuse(self, refused: RefusedError) -> None:
        """A status of its own, or a last line."""
        if self._begun:
            await self.line(ErrorLine(error=refused.error, remedy=refused.remedy))
            await self.end()
        else:
            await refusal(refused)(self._scope, self._receive, self._send)


@asynccontextmanager
async def _until(receive: Receive, service: Service, seconds: float) -> AsyncIterator[None]:
    """Inside, work goes on until the client leaves, its time is over, or the service ends.

    Raises:
        ClientDisconnect: it left.
        RefusedError: one of the others.
    """
    why: list[Exception] = []

    async def client() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        why.append(ClientDisconnect())
        group.cancel_scope.cancel()

    async def end() -> None:
        await service.over.wait()
        why.append(RefusedError(503, "the service ends", "send it again when it is back", retry_after=10))
        group.cancel_scope.cancel()

    async def clock() -> None:
        await anyio.sleep(seconds)
        why.append(RefusedError(503, f"a request may take {seconds:g} s", "ask for fewer draws, or later"))
        group.cancel_scope.cancel()

    try:
        async with anyio.create_task_group() as group:
            for watch in (client, end, clock):
                group.start_soon(watch)
            yield
            group.cancel_scope.cancel()
    except BaseExceptionGroup as several:
        first: BaseException = several
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        raise first from first.__cause__
    if why:
        raise why[0]


async def _body(request: Request, most: int) -> bytes:
    """The body of a request.

    Raises:
        RefusedError: it is longer than it may be, or does not come.
    """
    told = request.headers.get("content-length", "0")
    too_long = RefusedError(413, f"a request may have {most:,} bytes", "send the pixels of one picture, no more")
    if told.isdecimal() and int(told) > most:
        raise too_long
    body = bytearray()
    try:
        with anyio.fail_after(BODY_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > most:
                    raise too_long
    except TimeoutError:
        raise RefusedError(
            408, f"{len(body)} of {told} bytes came in {BODY_SECONDS:g} s", "send as many as content-length says"
        ) from None
    return bytes(body)


def refusal(refused: RefusedError) -> Response:
    """What a refused request gets."""
    response = _json(ErrorMessage(error=refused.error, remedy=refused.remedy), refused.status)
    if refused.retry_after:
        response.headers["retry-after"] = str(refused.retry_after)
    if refused.status in (408, 413):  # what is left of the body is not read
        response.headers["connection"] = "close"
    return response


def _json(said: Any, status: int = 200) -> Response:  # noqa: ANN401  # what msgspec encodes
    return Response(msgspec.json.encode(said), status, media_type="application/json")


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    remedy = f"{request.method} is not for {request.url.path}" if error.status_code == 405 else "see /openapi.json"
    response = refusal(RefusedError(error.status_code, error.detail, remedy))
    response.headers.update(error.headers or {})
    return response


async def _fault(request: Request, error: Exception) -> Response:
    log.error("%s %s: %r", request.method, request.url.path, error)
    return refusal(RefusedError(500, "the service failed at this", "its log says why"))
