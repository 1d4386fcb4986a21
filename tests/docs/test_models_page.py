"""docs/models.md lists the sources that ``noiseproof models`` prints, in that order, and what they need."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

pytest.importorskip("torch")

from noiseproof.models.catalogue import SOURCES

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "models.md"
pytestmark = pytest.mark.skipif(not PAGE.exists(), reason="the pages are not beside the tests")


def test_it_lists_every_source():
    rows = re.findall(r"^\| `([^`|]+)` \| ([^|]+) \| (?:`([^`]+)` )?\|$", PAGE.read_text(encoding="utf-8"), re.M)
    listed = [(spec, what.replace("`", ""), extra or None) for spec, what, extra in rows]
    assert listed == [(source.spec, source.what, source.extra) for source in SOURCES]


def test_every_extra_it_names_is_one():
    known = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    named = re.findall(r"extra `([^`]+)`", PAGE.read_text(encoding="utf-8"))
    assert named
    assert set(named) <= set(known)
