"""The memory of a batch of the graph backend: on the device, where graphs know it by its address, and on the host."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from noiseproof.engine.graph import GraphBackend
    from noiseproof.engine.noise_tables import NoiseTables
    from noiseproof.tallies import Tally


@dataclass(frozen=True)
class Buffers:
    """The memory of a batch on the device, the same for every batch: graphs know it by its address.

    ``table`` is what comes from the host in one copy: ``seg``, ``draw``, ``keys`` and ``x`` are its parts.
    """

    table: torch.Tensor
    cuts: tuple[int, ...]
    shapes: tuple[tuple[torch.dtype, tuple[int, ...]], ...]
    seg: torch.Tensor
    draw: torch.Tensor
    keys: torch.Tensor
    x: torch.Tensor
    scratch: torch.Tensor
    overflow: torch.Tensor
    steps: torch.Tensor
    noisy: torch.Tensor
    counts: torch.Tensor

    @classmethod
    def of(cls, backend: GraphBackend, tables: NoiseTables, tally: Tally) -> Buffers:
        """Those of a backend."""
        rows, most, dimension = backend.batch_size, backend.most_segments, prod(backend.shape)
        device = backend.device
        slots = 1 + tally.slots(backend.num_classes)
        shapes = (
            (torch.int32, (rows,)),
            (torch.int64, (rows,)),
            (torch.int64, (most, tables.pages, 2)),
            (torch.int16, (most, dimension)),  # the last: only as much of it is copied as there are segments
        )
        cuts = [0]
        for dtype, shape in shapes:
            cuts.append(-(-(cuts[-1] + prod(shape) * dtype.itemsize) // 16) * 16)
        table = torch.zeros(cuts[-1], dtype=torch.uint8, device=device)
        seg, draw, keys, x = _parts(table, tuple(cuts), shapes)
        return cls(
            table=table,
            cuts=tuple(cuts),
            shapes=shapes,
            seg=seg,
            draw=draw,
            keys=keys,
            x=x,
            scratch=torch.empty((rows, tables.room), dtype=torch.int64, device=device),
            overflow=torch.zeros(1, dtype=torch.int32, device=device),
            steps=torch.zeros((rows, dimension), dtype=torch.int16, device=device),
            noisy=torch.empty((rows, *backend.shape), device=device, memory_format=backend.layout).zero_(),
            counts=torch.zeros((most + 1) * slots + 1, dtype=torch.int64, device=device),
        )

    def used(self, segments: int) -> int:
        """Bytes of the table that a batch of so many segments needs."""
        return self.cuts[3] + segments * self.x.shape[1] * self.x.element_size()


@dataclass(frozen=True)
class Slot:
    """The host's side of one batch under way."""

    table: torch.Tensor
    parts: tuple[torch.Tensor, ...]
    counts: torch.Tensor
    done: torch.cuda.Event | None

    @classmethod
    def of(cls, buffers: Buffers, *, pinned: bool) -> Slot:
        """One that goes with these buffers."""
        table = torch.zeros(buffers.table.shape, dtype=torch.uint8, pin_memory=pinned)
        return cls(
            table=table,
            parts=_parts(table, buffers.cuts, buffers.shapes),
            counts=torch.zeros(buffers.counts.shape, dtype=torch.int64, pin_memory=pinned),
            done=torch.cuda.Event(blocking=True) if pinned else None,  # type: ignore[no-untyped-call]  # torch's stub
        )


def _parts(
    table: torch.Tensor, cuts: tuple[int, ...], shapes: tuple[tuple[torch.dtype, tuple[int, ...]], ...]
) -> tuple[torch.Tensor, ...]:
    return tuple(
        table[at : at + prod(shape) * dtype.itemsize].view(dtype).view(shape)
        for at, (dtype, shape) in zip(cuts, shapes, strict=False)
    )
