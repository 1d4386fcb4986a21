import re
import tomllib
from pathlib import Path

from noiseproof.version import __version__

ROOT = Path(__file__).parents[1]


def test_the_version_is_said_alike_everywhere():
    assert f"version: {__version__}\n" in (ROOT / "CITATION.cff").read_text()
    assert re.search(
        rf"^## (Unreleased|\[?{re.escape(__version__)}\]?)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE
    )


def test_the_source_archive_holds_what_its_tests_need():
    included = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["sdist"][
        "include"
    ]
    assert {"src", "tests", "tools", "benchmarks", "docs", "CITATION.cff", "SECURITY.md"} <= set(included)
    assert all((ROOT / name).exists() for name in included)
