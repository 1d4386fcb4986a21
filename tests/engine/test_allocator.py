"""Keeping freed memory: told to glibc, nothing elsewhere."""

from __future__ import annotations

import ctypes
import sys

import pytest

pytest.importorskip("torch")

from noiseproof.engine import allocator


class Libc:
    def __init__(self, says: int = 1) -> None:
        self.told: dict[int, int] = {}
        self.says = says

    def mallopt(self, parameter: int, value: int) -> int:
        self.told[parameter] = value
        return self.says


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's malloc")
def test_glibc_is_told(monkeypatch):
    libc = Libc()
    monkeypatch.setattr(ctypes, "CDLL", lambda name: libc)
    assert allocator.keep_large_blocks()
    assert libc.told == {-3: 2**30, -1: 2**30, -8: 1}  # M_MMAP_THRESHOLD, M_TRIM_THRESHOLD, M_ARENA_MAX of malloc.h
    monkeypatch.setattr(ctypes, "CDLL", lambda name: Libc(0))
    assert not allocator.keep_large_blocks()


def test_elsewhere_nothing_happens(monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    assert not allocator.keep_large_blocks()
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(ctypes, "CDLL", None)
    assert not allocator.keep_large_blocks()
