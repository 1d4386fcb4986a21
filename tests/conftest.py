"""What every test may use: the folder of reference values, one thread."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with reference values that stands beside the repository; absent in a stranger's clone."""
    default = Path(__file__).resolve().parents[2] / "shared"
    folder = Path(os.environ.get("NOISEPROOF_SHARED", default))
    if not (folder / "reference").is_dir():
        reason = f"reference values are not here: no folder {folder / 'reference'}; set NOISEPROOF_SHARED"
        if os.environ.get("NOISEPROOF_REQUIRE_SHARED"):
            pytest.fail(reason)
        pytest.skip(reason)
    return folder


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    """Two threads inside one operation collapse when another process is busy."""
    try:
        import torch
    except ImportError:
        return
    torch.set_num_threads(1)
