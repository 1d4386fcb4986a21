"""The viewer as a web application: read only, no path that the index does not know."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import anyio
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from noiseproof.errors import NoiseproofError
from noiseproof.viewer.guard import guards
from noiseproof.viewer.live import Live
from noiseproof.viewer.pages import MOST_COMPARED, run_page, table_page
from noiseproof.viewer.rows import stamp_of

if TYPE_CHECKING:
    from starlette.requests import Request

    from noiseproof.viewer.index import Index

_PAGES = 16
_EVERY = 1.0
"""Seconds between two looks for whoever listens."""


def application(index: Index, *, token: str = "") -> Starlette:
    """The application over an index.

    Args:
        index: of the run folders; it is followed elsewhere.
        token: without it nothing is answered; empty for none, and then only to addresses of this machine.
    """
    shown = _Shown(index)
    routes = [
        Route("/", shown.table),
        Route("/changes", shown.changes),
        Route("/compare", shown.compare),
        Route("/run/{name:path}.html", shown.run),
        Route("/live/{name:path}", shown.live),
    ]
    return Starlette(routes=routes, middleware=guards(token))


class _Shown:
    """What is answered."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._pages: OrderedDict[tuple[str, ...], tuple[object, str]] = OrderedDict()
        self._lives: dict[str, Live] = {}
        self._one = threading.Lock()  # pages are made one at a time: each may take a core for seconds

    async def table(self, request: Request) -> Response:
        _, rows, _ = self._index.rows()
        text = await run_in_threadpool(
            table_page, rows, title=self._index.folder.name, radii=self._index.radii, live=True
        )
        return HTMLResponse(text)

    async def run(self, request: Request) -> Response:
        name = request.path_params["name"]
        if self._index.path(name) is None:
            return PlainTextResponse("there is no such run", 404)
        return HTMLResponse(await run_in_threadpool(self._page, (name,), "../" * (name.count("/") + 1)))

    async def compare(self, request: Request) -> Response:
        names = tuple(dict.fromkeys(request.query_params.getlist("run")))
        if not names or any(self._index.path(name) is None for name in names):
            return PlainTextResponse("there is no such run", 404)
        if len(names) > MOST_COMPARED:
            return PlainTextResponse(f"at most {MOST_COMPARED} runs are laid side by side, got {len(names)}", 400)
        return HTMLResponse(await run_in_threadpool(self._page, names, "./"))

    async def changes(self, request: Request) -> Response:
        """Rows that change, as server-sent events, from a version on."""
        try:
            begin = int(request.query_params.get("after", "-1"))
        except ValueError:
            return PlainTextResponse("after must be a whole number", 400)

        async def events() -> AsyncIterator[str]:
            seen, silent = begin, 0
            while True:
                version, rows, gone = self._index.rows(seen)
                if version > seen:
                    changed = {"version": version, "rows": [row.plain() for row in rows], "gone": gone}
                    yield _event(json.dumps(changed))
                    seen, silent = version, 0
                elif (silent := silent + 1) % 15 == 0:
                    yield ": still here\n\n"
                await anyio.sleep(_EVERY)

        return _stream(events())

    async def live(self, request: Request) -> Response:
        """The curve of a run under way, as server-sent events."""
        name = request.path_params["name"]
        path = self._index.path(name)
        if path is None:
            return PlainTextResponse("there is no such run", 404)
        try:
            live = self._lives.get(name) or self._lives.setdefault(name, Live(path, name))
        except NoiseproofError as error:
            return PlainTextResponse(str(error), 404)

        async def events() -> AsyncIterator[str]:
            before, silent = "", 0
            while True:
                said = await run_in_threadpool(live.message, self._index.row(name))
                if said != before:
                    yield _event(said)
                    before, silent = said, 0
                elif (silent := silent + 1) % 15 == 0:
                    yield ": still here\n\n"
                if '"ended"' in said:
                    self._lives.pop(name, None)
                    return
                await anyio.sleep(_EVERY)

        return _stream(events())

    def _page(self, names: tuple[str, ...], back: str) -> str:
        paths = [path for name in names if (path := self._index.path(name)) is not None]
        stamp = ([stamp_of(path) for path in paths], [self._index.row(name) for name in names])
        with self._one:
            kept = self._pages.get(names)
            if kept is not None and kept[0] == stamp:
                return kept[1]
            page = run_page(self._index, names, back, served=True).html
            self._pages[names] = (stamp, page)
            while len(self._pages) > _PAGES:
                self._pages.popitem(last=False)
            return page


def _event(text: str) -> str:
    return f"data: {text}\n\n"


def _stream(events: AsyncIterator[str]) -> Response:
    return StreamingResponse(events, media_type="text/event-stream")
