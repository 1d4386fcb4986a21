"""A run over pictures that ship with the package, with votes that are made up; and a page read back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from noiseproof.data import load
from noiseproof.noises import Gaussian
from noiseproof.noises.keys import input_key
from noiseproof.procedures import Certify
from noiseproof.store import Manifest, Range, RunFolder

DATA = "fashion-mnist-small:test"


@pytest.fixture
def pictured(tmp_path: Path) -> Callable[..., Path]:
    """Makes a run over the first shipped pictures: picture i votes for its class with share ``tops[i]``."""

    def make(name: str, tops: Sequence[float], *, sigma: float = 0.25, wrong: Sequence[int] = ()) -> Path:
        data, procedure = load(DATA), Certify(n=1000)
        noise = Gaussian(sigma=sigma).on(data.shape)
        meaning = {
            "model": {"fingerprint": "f" * 64, "architecture": "lenet", "num_classes": 10},
            "data": {"name": data.name, "shape": list(data.shape), "labels": "0" * 32},
            "noise": noise.config(),
            "procedure": procedure.config(),
            "seed": 0,
            "arithmetic": noise.arithmetic,
            "precision": "fp32",
            "backend": "torch",
            "words": 2,
        }
        environment = {"device": "cpu", "backend": "torch 2", "precision": "fp32", "batch_size": 64, "version": "0"}
        taken: set[str] = set()
        with RunFolder(tmp_path / name, Manifest("certify", meaning, "0")) as folder:
            folder.begin(environment, {"data": DATA})
            for i, top in enumerate(tops):
                taken.add(key := input_key(noise.encode(data.pixels(i)), taken))
                label = int(data.labels[i])
                asking, requests, first = procedure.run(noise), [], dict[str, int]()
                request = next(asking)
                while True:
                    requests.append((request.stage, request.n))
                    votes = np.zeros(10, np.int64)
                    votes[(label + (i in wrong)) % 10] = k = round(request.n * top)
                    votes[(label + 3) % 10] = request.n - k
                    begin = first.get(request.stage, 0)
                    first[request.stage] = begin + request.n
                    folder.add_range(key, request.stage, Range(begin, request.n, tuple(votes.tolist()), 0.25))
                    try:
                        request = asking.send(votes)
                    except StopIteration as done:
                        folder.add_record(key, i, label, requests, done.value)
                        break
        return tmp_path / name

    return make


@dataclass
class Seen(HTMLParser):
    """What stands on a page: text, and tables as rows of cells."""

    tables: list[list[list[str]]] = field(default_factory=list)
    text: str = ""
    tags: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    _silent: int = 0
    _in_cell: bool = False

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._silent += tag in ("script", "style")
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("th", "td"):
            self.tables[-1][-1].append("")
            self._in_cell = True

    def handle_endtag(self, tag: str) -> None:
        self._silent -= tag in ("script", "style")
        self._in_cell = self._in_cell and tag not in ("th", "td")

    def handle_data(self, data: str) -> None:
        if self._silent:
            return
        self.text += data
        if self._in_cell:
            self.tables[-1][-1][-1] += data.strip()


@pytest.fixture
def seen() -> Callable[[Path | str], Seen]:
    """Reads a page, a file or its text."""

    def read(page: Path | str) -> Seen:
        found = Seen()
        found.feed(page.read_text(encoding="utf-8") if isinstance(page, Path) else page)
        return found

    return read
