import re
import tomllib
from pathlib import Path

import pytest

from noiseproof.version import __version__
from tools.list_api import PAGE, listed

ROOT = Path(__file__).parents[1]


@pytest.mark.filterwarnings("ignore")
def test_the_public_interface_is_the_one_that_is_listed():
    pytest.importorskip("torch")
    said = PAGE.read_text(encoding="utf-8").partition("```python\n")[2].partition("```")[0]
    assert said == listed(), "announce it in CHANGELOG.md, then: python tools/list_api.py --write"


def test_the_version_is_said_alike_everywhere():
    assert f"version: {__version__}\n" in (ROOT / "CITATION.cff").read_text()
    told = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(rf"^## \[{re.escape(__version__)}\] - \d{{4}}-\d\d-\d\d$", told, re.MULTILINE)


def test_the_changelog_keeps_its_form():
    told = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    releases = re.findall(r"^## (.*)$", told, re.MULTILINE)
    assert releases[0] == "[Unreleased]"
    assert [name for name in releases[1:] if not re.fullmatch(r"\[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d", name)] == []
    kinds = re.findall(r"^### (.*)$", told, re.MULTILINE)
    assert set(kinds) <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security", "Soundness"}
    for release in told.split("\n## ")[1:]:
        of_it = re.findall(r"^### (.*)$", release, re.MULTILINE)
        assert len(of_it) == len(set(of_it)), f"a heading stands twice in {release.splitlines()[0]}"


def test_the_source_archive_holds_what_its_tests_need():
    included = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["sdist"][
        "include"
    ]
    assert {"src", "tests", "tools", "benchmarks", "docs", "CITATION.cff", "SECURITY.md"} <= set(included)
    assert all((ROOT / name).exists() for name in included)
