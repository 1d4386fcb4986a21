"""A fixture of pytest: certified accuracy as an assertion. pytest finds it wherever noiseproof is installed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from noiseproof.asked import Subject
    from noiseproof.noises import Noise


@pytest.fixture
def assert_certified(tmp_path: Path) -> Callable[..., None]:
    """``assert_certified(noise, subject, radius=.5, at_least=.6)`` fails a test unless ``noiseproof.check`` says so.

    A model of which that share would be certified is failed as "below" with probability at most ``error / 2`` (by
    default .005); one that is right and robust on a smaller share passes with probability at most ``error``. What
    cannot be told fails, and says so: give a larger data set, or ask for a share further away.
    """

    def holds(noise: Noise, subject: Subject, **asked: Any) -> None:  # noqa: ANN401  # those of ``check``
        from noiseproof.runners.check import check

        found = check(noise, subject, out=asked.pop("out", tmp_path / "certified"), **asked)
        if found.verdict != "at least":
            pytest.fail(found.text, pytrace=False)

    return holds
