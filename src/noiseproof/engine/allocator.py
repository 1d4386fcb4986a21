"""The C allocator on a CPU: memory of large activations is kept, not given back and mapped anew at each layer."""

from __future__ import annotations

import ctypes
import sys

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
_LARGE = 2**30


def keep_large_blocks() -> bool:
    """Tell glibc's malloc to keep freed memory for the next allocation; returns whether it was told.

    By default a block above 128 KiB (later up to 32 MiB) is a mapping of its own: each layer of a forward pass maps
    its output, takes a page fault for every 4 KiB of it, and unmaps it again. That is a quarter of the processor time
    of a ResNet-50 on pictures of 224 x 224. Arenas of other threads than the first end at 64 MiB, so there is to be
    one for all. It holds for the whole process from then on, whose memory then stays at its peak; counts do not depend
    on it. Elsewhere than on glibc nothing happens.

    Source: mallopt(3).
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:  # musl has none
        return False
    told = [mallopt(_M_MMAP_THRESHOLD, _LARGE), mallopt(_M_TRIM_THRESHOLD, _LARGE), mallopt(_M_ARENA_MAX, 1)]
    return all(told)
