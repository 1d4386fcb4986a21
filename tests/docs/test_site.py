"""The pages as a site: each has its place, its links lead somewhere, what it shows of the program is what comes out.

That sphinx builds it without a warning is `make docs`.
"""

from __future__ import annotations

import doctest
import re
import runpy
import shlex
from pathlib import Path
from typing import Any

import pytest

import noiseproof
from noiseproof.cli.main import VERBS, run

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.glob("*.md")])
THEORY = sorted(DOCS.glob("theory-*.md"))
pytestmark = pytest.mark.skipif(not (DOCS / "index.md").exists(), reason="the pages are not beside the tests")


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of a page that are of this language, or of none."""
    found = re.findall(r"^```(\S*)[^\n]*\n(.*?)^```", text_of(page), re.M | re.S)
    return [text for of, text in found if of == language]


@pytest.fixture(scope="module")
def conf() -> dict[str, Any]:
    """What docs/conf.py defines."""
    return runpy.run_path(str(DOCS / "conf.py"))


def test_every_page_has_one_place(conf):
    listed = [line for block in blocks(DOCS / "index.md", "{toctree}") for line in block.splitlines()]
    placed = [line for line in listed if line and line[0] != ":"]
    made = ["commands", "python", *map(str.lower, conf["ABOVE"].values())]
    here = [page.stem for page in DOCS.glob("*.md") if page.stem != "index"]
    assert sorted(placed) == sorted([*here, *(f"_made/{name}" for name in made)])


def test_the_reference_has_every_verb_and_every_name(conf):
    commands, python = conf["commands"](), conf["python"]()
    for verb in VERBS:
        assert f"\n## {verb}\n\n```text\nUsage: noiseproof {verb}" in commands
    names = [name for name in noiseproof.__all__ if not name.isupper()]  # but for constants
    assert sorted(re.findall(r"^\.\. auto\w+:: noiseproof\.(\w+)$", python, re.M)) == sorted(names)


def anchors(page: Path) -> set[str]:
    """Of its headings, as code hosts name them."""
    text = re.sub(r"^```.*?^```", "", text_of(page), flags=re.M | re.S)
    heads = re.findall(r"^#+ (.+)$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", head.lower()).strip().replace(" ", "-") for head in heads}


def test_every_link_to_a_heading_finds_it():
    links = [
        (page, *link.partition("#")[::2])
        for page in PAGES
        for link in re.findall(r"\]\(([^)\s]*#[^)\s]+)\)", text_of(page))
        if "://" not in link
    ]
    assert len(links) > 10
    for page, name, anchor in links:
        target = page.parent / name if name else page
        assert anchor in anchors(target), f"{page.name} links to {name}#{anchor}, which is no heading"


@pytest.mark.parametrize("page", [page for page in PAGES if ">>>" in text_of(page)], ids=lambda page: page.name)
def test_the_examples_of_a_page_are_right(page: Path):
    examples = "\n".join(block for block in blocks(page, "python") if ">>>" in block)
    test = doctest.DocTestParser().get_doctest(examples, {}, page.name, str(page), 0)
    assert test.examples
    said: list[str] = []
    assert doctest.DocTestRunner(verbose=False).run(test, out=said.append).failed == 0, "".join(said)


@pytest.mark.parametrize("page", THEORY, ids=lambda page: page.name)
def test_the_lines_of_the_theory_draw_its_figures(page: Path, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    lines = [line for block in blocks(page, "") for line in block.splitlines()]
    assert lines
    for line in lines:
        assert run(shlex.split(line)[1:]) == 0, capsys.readouterr().err
    shown = re.findall(r"^```\{figure\} _made/(.+\.png)$", text_of(page), re.M)
    assert sorted(shown) == sorted(path.name for path in tmp_path.rglob("*.png"))


def test_the_ends_of_the_radius_are_those_of_the_table(tmp_path):
    assert run(["experiment", "ceiling", "--out", str(tmp_path)]) == 0
    rows = [line.split() for line in (tmp_path / "ceiling.txt").read_text().splitlines() if line]
    ends = {row[0]: row[1][:4] for row in rows if row[0].replace(",", "").isdecimal()}
    sentence = f"{ends['1,000']} sigma at n = 1,000, {ends['10,000']} at 10,000, {ends['100,000']} at 100,000."
    assert sentence in " ".join(text_of(DOCS / "theory-counts.md").split())
