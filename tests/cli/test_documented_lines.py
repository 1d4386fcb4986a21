"""Every command line in README and docs is one that the command takes, and every file they name is there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from noiseproof.cli.words import expanded
from typer.main import get_command

from noiseproof.cli.main import app

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
pytestmark = pytest.mark.skipif(not PAGES[0].exists(), reason="the pages are not beside the tests")


def lines_of(page: Path) -> list[str]:
    """The lines of code blocks that begin with noiseproof, and those in the text that have an option."""
    text = page.read_text(encoding="utf-8")
    blocks = [
        line.strip() for block in re.findall(r"^```\w*\n(.*?)^```", text, re.M | re.S) for line in block.split("\n")
    ]
    spans = [span.replace("\n", " ") for span in re.findall(r"`(noiseproof [^`]+)`", text)]
    return [line for line in [*blocks, *spans] if line.startswith("noiseproof ")]


LINES = [(page.name, line) for page in PAGES for line in lines_of(page)]


@pytest.mark.parametrize(("page", "line"), LINES, ids=[f"{page}: {line[11:50]}" for page, line in LINES])
def test_the_command_takes_it(page: str, line: str):
    group: Any = get_command(app)
    verb, *words = shlex.split(line)[1:]
    command = group.commands[verb]
    placeholders = [word for word in words if re.fullmatch(r"[A-Z]+(\.\.\.)?", word)]
    if "--help" in words or placeholders or not words:
        named = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= named | {"--help"}
    else:
        command.make_context(verb, expanded([verb, *words])[1:])


def test_the_pages_have_lines():
    assert {page for page, _ in LINES} >= {"README.md", "migrating.md", "paper.md", "results.md"}
    assert len(LINES) > 20


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_every_file_it_names_is_there(page: Path):
    text = page.read_text(encoding="utf-8")
    linked = [target.partition("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in target]
    named = re.findall(r"`(?:python )?((?:tests|benchmarks)/[\w/.]+)`", text)
    ours = [
        f"src/noiseproof/{path}"
        for path in re.findall(r"`((?:stats|noises|procedures|store|training|reports)/[\w/.]+)`", text)
    ]
    missing = [path for path in linked if path and not (page.parent / path).exists()]
    missing += [path for path in named + ours if not (ROOT / path).exists()]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_nothing_is_left_to_be_filled_in(page: Path):
    text = re.sub(r"NOISEPROOF_\w+", "", page.read_text(encoding="utf-8"))
    assert re.findall(r"\b[A-Z]+(?:_[A-Z0-9]+)+\b|TODO|XXX", text) == []
