"""How the pages become a site: `make docs`.

The pages in this folder are read as they are. What can be drawn or listed from the program is made anew at each
build, in ``_made``: the figures of the theory, the command line from its own help, Python from its docstrings, and the
pages that stand above this folder. No copy of these is kept, so none can be out of date.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import scipy.stats  # noqa: F401  # before torch is mocked, at which it looks

import noiseproof
from noiseproof.asked.look import SCREEN
from noiseproof.cli.main import VERBS, run
from noiseproof.reports.experiments import EXPERIMENTS
from noiseproof.reports.figures import save_figure
from noiseproof.reports.units import INPUT_UNITS
from noiseproof.version import __version__

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project, author, copyright = "noiseproof", "The noiseproof authors", "The noiseproof authors, Apache-2.0"
version = release = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
# every page of this folder is part of the site; device holds measurements that performance.md speaks of
exclude_patterns = ["_build", "device"]
html_theme, html_title, html_show_sphinx = "furo", f"noiseproof {__version__}", False

myst_heading_anchors = 4  # as code hosts make them
autodoc_mock_imports = ["torch", "safetensors"]  # the docstrings are read without what the calls need
autodoc_typehints = "none"  # the signature has them; those of other packages are no pages here
autodoc_member_order, autodoc_preserve_defaults = "bysource", True
nitpick_ignore_regex = [("py:.*", ".*")]  # what docstrings name beyond the public interface has no page

HERE = Path(__file__).parent
MADE = HERE / "_made"
ABOVE = {"CHANGELOG.md": "Changes", "CONTRIBUTING.md": "Contributing", "SECURITY.md": "Security"}
"""Pages that stand above this folder."""
FIGURES = ("tightness", "bounds", "ceiling")
"""Experiments that need no run."""


def commands() -> str:
    """Every verb with its help, as the program prints it."""
    parts = ["# The command line\n\nWhat `noiseproof VERB --help` prints, of every verb."]
    for title, words in [("noiseproof", []), *((verb, verb.split()) for verb in VERBS)]:
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            status = run([*words, "--help"])
        assert status == 0, title
        parts.append(f"## {title}\n\n```text\n{said.getvalue().strip()}\n```")
    return "\n\n".join(parts) + "\n"


def python() -> str:
    """Every public name, from its docstring; records and procedures first, then what is called."""
    types = [name for name in noiseproof.__all__ if name[0].isupper() and not name.isupper()]
    calls = [name for name in noiseproof.__all__ if name[0].islower()]
    errors = [name for name in types if name.endswith("Error")]
    parts = ["# Python\n\nWhat `import noiseproof` offers; [what is promised of it](../api.md)."]
    for title, names, directive in (
        ("Calls", calls, "autofunction"),
        ("Records, noises, procedures, results", [name for name in types if name not in errors], "autoclass"),
        ("Errors", errors, "autoexception"),
    ):
        parts.append(f"## {title}")
        for name in names:
            members = "\n   :members:" if directive == "autoclass" else ""
            parts.append(f"### {name}\n\n```{{eval-rst}}\n.. {directive}:: noiseproof.{name}{members}\n```")
    return "\n\n".join(parts) + "\n"


def make(_: Sphinx) -> None:
    """Write what is made from the program."""
    MADE.mkdir(exist_ok=True)
    os.environ["COLUMNS"] = "100"
    pages = {"commands": commands(), "python": python()}
    for name, title in ABOVE.items():
        text = (HERE.parent / name).read_text(encoding="utf-8")
        # its links are seen from above this folder
        pages[title.lower()] = re.sub(
            r"\]\((?!http|#)(?:docs/)?", lambda link: f"](../{'../' * ('docs/' not in link[0])}", text
        )
    for name, text in pages.items():
        page = MADE / f"{name}.md"
        if not page.exists() or page.read_text(encoding="utf-8") != text:  # else it would be read anew each time
            page.write_text(text, encoding="utf-8")
    for name in FIGURES:
        save_figure(EXPERIMENTS[name].find((), (), INPUT_UNITS, SCREEN).figure, MADE / f"{name}.png")


def linked(_: Sphinx, __: str, source: list[str]) -> None:
    """Links to pages above this folder lead to those made of them."""
    for name, title in ABOVE.items():
        source[0] = re.sub(rf"\]\((?:\.\./)+{re.escape(name)}", f"](/_made/{title.lower()}.md", source[0])


def setup(app: Sphinx) -> None:
    """Called by sphinx."""
    app.connect("builder-inited", make)
    app.connect("source-read", linked)
