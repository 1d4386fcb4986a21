"""Who is let in: a token where one is asked for, names of this machine where none is; headers that every answer has."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING

from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
COOKIE = "noiseproof"
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
)


_NO_TOKEN = (401, "a token is asked for", "open the address with its token, as noiseproof printed it")
_NO_NAME = (400, "this is another name than this machine has for itself", "open the address that noiseproof printed")

Refusal = tuple[int, str, str]
"""A status, what is wrong, and what to do."""


def guards(token: str, refused: Callable[[Refusal], Response] | None = None) -> list[Middleware]:
    """What stands before an application.

    Args:
        token: without it nothing is answered; empty for none, and then only under names of this machine.
        refused: how somebody is told who is not let in; in plain text by default.
    """
    return [Middleware(Guard, token=token, refused=refused or (lambda told: PlainTextResponse(told[2], told[0])))]


class Guard:
    """Asks for the token, or for a name of this machine, and adds the headers that every answer has."""

    def __init__(self, app: ASGIApp, token: str, refused: Callable[[Refusal], Response]) -> None:
        """Before an application."""
        self._app, self._token, self._refused = app, token, refused

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what may be passed on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *_HEADERS]
            await send(message)

        request = Request(scope)
        answer: Response | None = None
        if not self._token and not _is_here(request):
            answer = self._refused(_NO_NAME)
        bearer = request.headers.get("authorization", "")
        if self._token and not (bearer.startswith("Bearer ") and self._same(bearer.removeprefix("Bearer "))):
            if request.method == "GET" and self._same(request.query_params.get("token", "")):
                answer = RedirectResponse(request.url.path, 303)  # so that it does not stay in the address
                answer.set_cookie(COOKIE, self._token, httponly=True, samesite="strict")
            elif not self._same(request.cookies.get(COOKIE, "")):
                answer = self._refused(_NO_TOKEN)
        await (answer or self._app)(scope, receive, sending)

    def _same(self, given: str) -> bool:
        return secrets.compare_digest(given.encode(), self._token.encode())


def _is_here(request: Request) -> bool:
    """Whether it was asked for by a name of this machine: a page elsewhere must not reach it under one of its own."""
    name, colon, port = request.headers.get("host", "").rpartition(":")
    return (name if colon and port.isdecimal() else f"{name}{colon}{port}") in LOOPBACK
