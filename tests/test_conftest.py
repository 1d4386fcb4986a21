"""Tests whose package is absent: skipped for a stranger, failures where every package is said to be there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = """
import pytest

@pytest.mark.extra("no_such.package")
def test_extra():
    pass

@pytest.mark.needs("json", "no_such_package")
def test_needs():
    pass

def test_import():
    pytest.importorskip("no_such_package", reason="absent")

@pytest.mark.extra("json")
def test_there():
    assert pytest.importorskip("json").loads("1") == 1
"""
CONFIG = """[pytest]
markers =
    extra: x
    needs: x
"""


@pytest.mark.parametrize(
    ("required", "said"),
    [("", "1 passed, 3 skipped in"), ("1", "1 failed, 1 passed, 2 errors in")],
)
def test_a_missing_package(tmp_path, required, said):
    shutil.copy(Path(__file__).parent / "conftest.py", tmp_path)
    (tmp_path / "test_it.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text(CONFIG)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--strict-markers", "-q", str(tmp_path)],
        env=os.environ | {"NOISEPROOF_REQUIRE_PACKAGES": required},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.splitlines()[-1].startswith(said), done.stdout
    reasons = ["absent", *(f"{name} is not installed" for name in ("no_such.package", "no_such_package"))]
    told = [f"{reason}, but NOISEPROOF_REQUIRE_PACKAGES is set" in done.stdout for reason in reasons]
    assert told == [bool(required)] * 3
