"""Who is let in: a token where one is asked for, names of this machine where none is; headers that every answer has."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING

from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
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


def guards(token: str, refused: Callable[[str], Response] | None = None) -> list[Middleware]:
    """What stands before an application.

    Args:
        token: without it nothing is answered; empty for none, and then only to addresses of this machine.
        refused: how somebody without it is told; in plain text by default.
    """
    found = [Middleware(Guard, token=token, refused=refused or (lambda said: PlainTextResponse(said, 401)))]
    if not token:  # a page elsewhere must not reach it under a name of its own
        found.insert(0, Middleware(TrustedHostMiddleware, allowed_hosts=list(LOOPBACK), www_redirect=False))
    return found


class Guard:
    """Asks for the token, and adds the headers that every answer has."""

    def __init__(self, app: ASGIApp, token: str, refused: Callable[[str], Response]) -> None:
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
        if self._token and not self._same(request.headers.get("authorization", "").removeprefix("Bearer ")):
            if request.method == "GET" and self._same(request.query_params.get("token", "")):
                answer = RedirectResponse(request.url.path, 303)  # so that it does not stay in the address
                answer.set_cookie(COOKIE, self._token, httponly=True, samesite="strict")
            elif not self._same(request.cookies.get(COOKIE, "")):
                answer = self._refused("open the address with its token, as noiseproof printed it")
        await (answer or self._app)(scope, receive, sending)

    def _same(self, given: str) -> bool:
        return secrets.compare_digest(given.encode(), self._token.encode())
