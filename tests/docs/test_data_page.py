"""docs/data.md lists the forms that ``noiseproof data list`` prints, and what it shows is run."""

from __future__ import annotations

import re

import pytest

pytest.importorskip("torch")

from noiseproof.data import FORMS
from tests.docs.pages import DOCS, Step, blocks, check, said_by, steps

PAGE = DOCS / "data.md"
STEPS = steps(PAGE)
pytestmark = pytest.mark.skipif(not PAGE.exists(), reason="the pages are not beside the tests")


@pytest.fixture(scope="module")
def said(tmp_path_factory) -> dict[str, tuple[int, str, str]]:
    return said_by(PAGE, tmp_path_factory.mktemp("data"))


@pytest.mark.parametrize("step", STEPS, ids=[step.lines[0][:70] for step in STEPS])
def test_it_says_so(step: Step, said):
    check(step, said)


def test_it_lists_every_form():
    rows = re.findall(r"^\| `([^`|]+)` \| ([^|]+) \| (?:`([^`]+)` )?\|$", PAGE.read_text(encoding="utf-8"), re.M)
    assert rows == [(form.written, form.holds, form.extra) for form in FORMS]


def test_the_page_names_no_block_that_is_not_run():
    assert {language for language, _ in blocks(PAGE)} == {"", "python", "bash", "text"}
    assert [text for language, text in blocks(PAGE) if language == ""] == ["python examples/tabular.py out\n"]
    assert len(STEPS) > 5
