"""A page of docs/ as what it asks a reader to do: blocks of Python are files, those of bash are run, text is output."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import re
import runpy
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from noiseproof.cli.main import run

DOCS = Path(__file__).resolve().parents[2] / "docs"
_ERROR = "noiseproof: "
_NEEDED = {"estimator.py": "sklearn", "tumours.py": "sklearn", "rows.py": "pyarrow"}
"""Scripts of the pages that need a package which need not be there, and by name the lines that need what they make."""


@dataclass(frozen=True)
class Step:
    """A block of commands and what the page quotes of its output."""

    lines: tuple[str, ...]
    quoted: tuple[str, ...]


def blocks(page: Path) -> list[tuple[str, str]]:
    """The fenced blocks of a page: language and text."""
    return re.findall(r"^```(\w*)\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S) if page.exists() else []


def steps(page: Path) -> list[Step]:
    """The bash blocks, each with the text block after it."""
    found, all_of_them = [], blocks(page)
    for (language, text), (following, quoted) in zip(all_of_them, [*all_of_them[1:], ("", "")], strict=True):
        if language == "bash":
            lines = tuple(quoted.splitlines()) if following == "text" else ()
            found.append(Step(tuple(text.splitlines()), lines))
    return found


def do(line: str) -> tuple[int, str, str]:
    """Status, stdout and stderr of a command line of the page, run in this process and the working folder."""
    out, err = io.StringIO(), io.StringIO()
    verb, *words = shlex.split(line)
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        if verb == "noiseproof":
            return run(words), out.getvalue(), err.getvalue()
        assert verb == "python", f"the page runs only python and noiseproof, not {verb}"
        before = set(sys.modules)
        sys.path.insert(0, str(Path.cwd()))
        try:
            runpy.run_path(words[0], run_name="__main__")
        finally:
            sys.path.remove(str(Path.cwd()))
            for name in set(sys.modules) - before:
                if Path(f"{name}.py").exists():  # the page's own
                    del sys.modules[name]
    return 0, out.getvalue(), err.getvalue()


def said_by(page: Path, folder: Path) -> dict[str, tuple[int, str, str]]:
    """What every line of a page gives in a folder, by line; the lines that need an absent package are not there."""
    with contextlib.chdir(folder):
        found = {}
        for language, text in blocks(page):
            if language == "python":
                Path(re.findall(r"\A# (\w+\.py)\n", text)[0]).write_text(text)
            for line in text.splitlines() if language == "bash" else ():
                package = needed(line)
                if package is None or importlib.util.find_spec(package):
                    found[line] = do(line)
    return found


def needed(line: str) -> str | None:
    """The package that a line needs, where that need not be there."""
    return next((package for name, package in _NEEDED.items() if re.search(rf"\b{re.escape(name)}\b", line)), None)


def masked(line: str) -> str:
    """A line without its numbers (several are one), times and widths of columns: those are another machine's."""
    without = re.sub(r"\d[\d,]*(\.\d+)?( (s|min|h)\b)?", "#", " ".join(line.split()))
    return re.sub(r"#(, #)+", "#", re.sub(r"-{3,}", "---", without))


def check(step: Step, said: dict[str, tuple[int, str, str]]) -> None:
    """That the lines of a step said what the page quotes, in its order; numbers may be others."""
    absent = [line for line in step.lines if line not in said]
    if absent:
        pytest.importorskip(needed(absent[0]))
    status, out, err = zip(*(said[line] for line in step.lines), strict=True)
    errors = [line for line in step.quoted if line.startswith(_ERROR)]
    if errors:
        got = [line for text in err for line in text.splitlines()]
        assert len(got) == len(errors) == len(step.lines)
        for line, quoted in zip(got, errors, strict=True):
            assert re.fullmatch(re.escape(quoted).replace(r"\.\.\.", ".*"), line), f"{line!r} is not {quoted!r}"
        assert all(status)
        return
    refused = any(line.startswith("refused") for line in step.quoted)
    assert status == (int(refused),) * len(status)
    given, at = [masked(line) for text in out for line in text.splitlines()], 0
    for line in step.quoted:
        if line not in ("", "..."):
            assert masked(line) in given[at:], f"not there, or not in this order: {line}"
            at = given.index(masked(line), at) + 1
