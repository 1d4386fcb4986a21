"""What every test may use: reference values, one thread; what becomes of tests whose package is absent."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from noiseproof.noises import Gaussian
from noiseproof.procedures import Certify, Procedure
from noiseproof.store import Manifest, Range, RunFolder
from noiseproof.store.manifest import with_design
from noiseproof.store.whole import Selection

_KINDS = {"sequential": "certify", "curve": "certify"}
"""The verb that runs a procedure, where it is not its name."""


_import = pytest.importorskip


def pytest_configure() -> None:
    """Where every package is said to be there (NOISEPROOF_REQUIRE_PACKAGES), ``importorskip`` must find its own too."""
    if os.environ.get("NOISEPROOF_REQUIRE_PACKAGES"):
        pytest.importorskip = _required


def _required(package: str, **options: object) -> ModuleType:
    try:
        return _import(package, **options)
    except pytest.skip.Exception as missing:
        pytest.fail(f"{missing}, but NOISEPROOF_REQUIRE_PACKAGES is set")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Tests marked ``needs`` or ``extra`` skip without their packages; none is imported here."""
    for mark in (*item.iter_markers("needs"), *item.iter_markers("extra")):
        for package in mark.args:
            if not _installed(package):
                reason = f"{package} is not installed"
                if os.environ.get("NOISEPROOF_REQUIRE_PACKAGES"):
                    pytest.fail(f"{reason}, but NOISEPROOF_REQUIRE_PACKAGES is set")
                pytest.skip(reason)


def _installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:  # of the package that it is in
        return False


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


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., Path]:
    """Makes a small genuine run folder without a model: input i votes for class 0 with share ``tops[i]``."""

    def make(
        name: str,
        tops: Sequence[float],
        *,
        procedure: Procedure | None = None,
        sigma: float = 0.5,
        grid: int | None = 255,
        data: str = "grey:test",
        labels: Sequence[int | None] | None = None,
        trained: dict[str, object] | None = None,
        settings: dict[str, object] | None = None,
        clean: int | None = None,
        selection: Selection | None = None,
        sealed: bool = False,
    ) -> Path:
        asked = procedure or Certify(n=1000)
        noise = Gaussian(sigma=sigma, grid=grid).on((1, 2, 2))
        meaning = {
            "model": {"fingerprint": "f" * 64, "architecture": "linear", "num_classes": 3},
            "data": {"name": data, "shape": [1, 2, 2], "labels": "0" * 32},
            "noise": noise.config(),
            "procedure": asked.config(),
            "seed": 0,
            "arithmetic": noise.arithmetic,
            "precision": "fp32",
            "backend": "torch",
            "words": 2,
        }
        environment = {"device": "cpu", "backend": "torch 2", "precision": "fp32", "batch_size": 64, "version": "0"}
        manifest = with_design(Manifest(_KINDS.get(asked.name, asked.verb), meaning, "0"), asked.design(noise))
        with RunFolder(tmp_path / name, manifest) as folder:
            session = environment | ({"trained": trained} if trained else {})
            folder.begin(session, {"sigma": sigma} | (settings or {}), selection)
            for i, top in enumerate(tops):
                asking, requests, first = asked.run(noise), [], dict[str, int]()
                request = next(asking)
                while True:
                    requests.append((request.stage, request.n))
                    k = round(request.n * top)
                    votes = (k, request.n - k, 0)
                    begin = first.get(request.stage, 0)
                    first[request.stage] = begin + request.n
                    folder.add_range(f"k{i}-0", request.stage, Range(begin, request.n, votes, 0.25))
                    try:
                        request = asking.send(np.array(votes))
                    except StopIteration as done:
                        label = 0 if labels is None else labels[i]
                        folder.add_record(f"k{i}-0", i, label, requests, done.value, clean=clean)
                        break
            if sealed:
                folder.seal(selection or Selection(1, 0, None, len(tops)))
        return tmp_path / name

    return make


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    from tests.in_browser import chromium as started

    with started() as browser:
        yield browser


@pytest.fixture
def opened(chromium: Any) -> Iterator[Any]:
    """Opens an address; what the browser complains of fails the test."""
    from tests.in_browser import opener_of

    with opener_of(chromium) as opener:
        yield opener
