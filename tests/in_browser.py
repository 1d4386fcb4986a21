"""A browser for tests of pages: how wide it is, whether it is light or dark, what nobody may stumble over.

Chromium is Debian's (apt-get install chromium), or the file that NOISEPROOF_CHROMIUM names; without it they skip.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

SCREENS = [
    pytest.param({"width": width, "height": 900}, scheme, id=f"{name}-{scheme}")
    for name, width in (("desktop", 1280), ("phone", 390))
    for scheme in ("light", "dark")
]
DESKTOP = {"width": 1280, "height": 900}


@contextmanager
def chromium() -> Iterator[Any]:
    found = os.environ.get("NOISEPROOF_CHROMIUM") or shutil.which("chromium")
    if found is None:
        pytest.skip("chromium is not installed: apt-get install chromium, or set NOISEPROOF_CHROMIUM")
    from playwright.sync_api import sync_playwright

    sandbox = [] if os.getuid() else ["--no-sandbox"]  # there is none for root
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=sandbox)
        yield browser
        browser.close()


@contextmanager
def opener_of(browser: Any) -> Iterator[Callable[..., Any]]:
    """Opens an address; what the browser complains of fails the test."""
    contexts, said = [], []

    def opener(
        address: str,
        screen: dict[str, int] = DESKTOP,
        scheme: str = "light",
        scripts: bool = True,
        complains: bool = False,
    ) -> Any:
        context = browser.new_context(viewport=screen, color_scheme=scheme, java_script_enabled=scripts)
        contexts.append(context)
        page = context.new_page()
        heard = [] if complains else said
        page.on("console", lambda message: heard.append(message.text) if message.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(address)
        return page

    yield opener
    for context in contexts:
        context.close()
    assert said == []


def no_fault(page: Any) -> None:
    """Nothing to stumble over for who cannot see or has no pointer, and nothing wider than the screen."""
    from axe_playwright_python.sync_playwright import Axe

    page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true; })")
    found = Axe().run(page).response["violations"]
    assert [(each["id"], [node["html"][:200] for node in each["nodes"]]) for each in found] == []
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
