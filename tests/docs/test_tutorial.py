"""docs/tutorial.md is run from top to bottom, unchanged, and says what it says it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest.importorskip("torch")

from tests.docs.pages import DOCS, Step, blocks, check, said_by, steps

PAGE = DOCS / "tutorial.md"
STEPS = steps(PAGE)
pytestmark = pytest.mark.skipif(not PAGE.exists(), reason="the pages are not beside the tests")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("tutorial")


@pytest.fixture(scope="module")
def said(folder) -> dict[str, tuple[int, str, str]]:
    return said_by(PAGE, folder)


@pytest.mark.parametrize("step", STEPS, ids=[step.lines[0][:70] for step in STEPS])
def test_it_says_so(step: Step, said):
    check(step, said)


def test_the_numbers_behind_its_sentences(said):
    def found(line: str, pattern: str) -> list[float]:
        text = next(out for asked, (_, out, _) in said.items() if asked.startswith(line))
        return [float(number.replace(",", "")) for number in re.search(pattern, text, re.M).groups()]

    under_noise, clean = found("noiseproof doctor --model mine.py:plain", r"([\d.]+)% under one .* ([\d.]+)% without")
    assert under_noise < 55 < 85 < clean
    assert found("noiseproof doctor --model mine.py:noisy", r"([\d.]+)% under one") > [80]
    (fixed,) = found("noiseproof plan", r"^certify .*exactly +([\d,]+)")
    (decide,) = found("noiseproof plan", r"^decide +[\d,]+ +[\d,]+ to [\d,]+ +([\d,]+)")
    assert fixed == 160 * 100_100
    assert fixed > 30 * decide  # "a hundred times cheaper", on this machine's model
    certified = found("noiseproof certify --model mine.py:noisy", r"^c +[\d.]+ +[\d.]+ +([\d.]+)")
    assert certified > [50]


def test_a_refusal_stores_nothing(said, folder):
    assert any("--out runs/bad" in line for line in said)
    assert [path.name for path in (folder / "runs").glob("bad/*") if path.name != "lock"] == []


def test_the_page_names_no_block_that_is_not_run():
    assert {language for language, _ in blocks(PAGE)} == {"", "python", "bash", "text"}
    assert [text for language, text in blocks(PAGE) if language == ""] == ["pip install .\n"]
    assert len(STEPS) > 15
