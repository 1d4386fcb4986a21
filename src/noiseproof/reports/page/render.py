"""Templates of a page filled in: one file with its style and its script inside."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from pathlib import Path

from noiseproof.version import __version__

STATIC = Path(__file__).parent / "static"


@dataclass(frozen=True)
class Served:
    """What a page has beside itself where a server hands it out.

    Attributes:
        back: the address of the table of all runs.
        live: the address of what comes in while the run goes on; empty where nothing does.
    """

    back: str
    live: str = ""


def render(
    template: str,
    *,
    folder: Path = STATIC,
    script: str = "page.js",
    connects: bool = False,
    loads: bool = False,
    **values: object,
) -> str:
    """A template with style and script inside; everything that is put in is escaped.

    Args:
        template: its file name.
        folder: where it lies; what it includes may lie beside this module.
        script: the file name of the script, which alone may run.
        connects: whether the script may ask the server that the page came from.
        loads: whether pictures may come from there, too.
        values: of the template.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader([folder, STATIC]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    code = (folder / script).read_text(encoding="utf-8")
    allowed = f"'sha256-{base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()}'"
    policy = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src {allowed}; base-uri 'none'"
    if loads:
        policy = policy.replace("img-src", "img-src 'self'")
    if connects:
        policy += "; connect-src 'self'; form-action 'self'"
    style = (STATIC / "page.css").read_text(encoding="utf-8")
    return environment.get_template(template).render(
        style=style, script=code, policy=policy, version=__version__, **values
    )
