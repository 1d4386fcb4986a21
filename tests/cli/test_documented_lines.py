"""Every command line in README and docs is one that the command takes, and every file they name is there."""

from __future__ import annotations

import functools
import re
import shlex
from pathlib import Path

import pytest
from cyclopts import CycloptsError

from noiseproof.cli.main import VERBS, app_for

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
pytestmark = pytest.mark.skipif(not PAGES[0].exists(), reason="the pages are not beside the tests")


def lines_of(page: Path) -> list[str]:
    """The lines of code blocks that begin with noiseproof, and those in the text that have an option."""
    text = page.read_text(encoding="utf-8")
    blocks = [
        line.strip() for block in re.findall(r"^```[^\n]*\n(.*?)^```", text, re.M | re.S) for line in block.split("\n")
    ]
    spans = [span.replace("\n", " ") for span in re.findall(r"`(noiseproof [^`]+)`", text)]
    return [line for line in [*blocks, *spans] if line.startswith("noiseproof ")]


LINES = [(page.name, line) for page in PAGES for line in lines_of(page)]


@pytest.mark.parametrize(("page", "line"), LINES, ids=[f"{page}: {line[11:50]}" for page, line in LINES])
def test_the_command_takes_it(page: str, line: str):
    parse(line)


def parse(line: str) -> None:
    """Parses a line without running it; of one with placeholders or --help, or a verb alone, the names of its flags.

    Raises:
        Exception: it would be refused.
    """
    app, words = app_for(asked := shlex.split(line)[1:])
    verb = next((verb.split() for verb in VERBS if verb.split() == asked[: len(verb.split())]), None)
    assert verb or asked[0].startswith("--"), f"no verb in {line!r}"
    rest = asked[len(verb or ()) :]
    if not rest or "--help" in rest or any(re.fullmatch(r"[A-Z]+(\.\.\.)?|\.\.\.", word) for word in rest):
        command = functools.reduce(lambda app, name: app[name], verb or (), app)
        known = (
            {name for argument in command.assemble_argument_collection() for name in argument.names} if verb else set()
        )
        assert {word.partition("=")[0] for word in rest if word.startswith("--")} <= known | {"--help"}
    else:
        app.parse_args(words, exit_on_error=False, print_error=False)


@pytest.mark.parametrize(
    "line",
    [
        "noiseproof certfy --model m",
        "noiseproof certify --model m --data d --sigma 1",
        "noiseproof certify --model m --data d --sigma x --out o",
        "noiseproof certify --model m --data d --sigma 1 --out o --acr-loss 0.1",
        "noiseproof certify --model MODEL --two-sides",
        "noiseproof decide --test anytime --help",
        "noiseproof data gte mnist",
    ],
)
def test_what_would_be_refused_is_found(line: str):
    with pytest.raises((AssertionError, CycloptsError)):
        parse(line)


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
    text = re.sub(r"(NOISEPROOF|SLURM|SBATCH)_\w+", "", page.read_text(encoding="utf-8"))
    assert re.findall(r"\b[A-Z]{2,}(?:_[A-Z0-9]+)+\b|TODO|XXX", text) == []
