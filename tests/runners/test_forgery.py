"""The forgeries of ``benchmarks/forgery.py``, a few of each kind: each is found by whom docs/soundness.md says."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("mpmath")
pytest.importorskip("cryptography")

FORGERIES = Path(__file__).resolve().parents[2] / "benchmarks" / "forgery.py"


@pytest.fixture(scope="module")
def forgery():
    if not FORGERIES.exists():
        pytest.skip("a source archive has no benchmarks")
    spec = importlib.util.spec_from_file_location("forgery", FORGERIES)
    module = sys.modules["forgery"] = importlib.util.module_from_spec(spec)  # dataclasses look there
    spec.loader.exec_module(module)
    yield module
    del sys.modules["forgery"]


def test_what_is_claimed_is_found_and_honest_runs_raise_no_alarm(forgery):
    found, alarms, missed = forgery.campaign(forgeries=2 * len(forgery.CLAIMED), honest=3, seed=7, pool=1)
    assert (missed, alarms.total()) == (0, 0)
    assert {counts["forged"] for counts in found.values()} == {2}
    assert {guard for counts in found.values() for guard in counts} >= set(forgery.GUARDS)


def test_a_guard_that_sleeps_is_told(forgery, monkeypatch):
    """Or the test above would show nothing."""
    monkeypatch.setattr(forgery, "redraw", lambda *_: None)
    _, _, missed = forgery.campaign(forgeries=len(forgery.CLAIMED), honest=0, seed=7, pool=1)
    assert missed == 2 * 6 + 1  # both replays of the settings, the seed and the label; that of all, of votes
