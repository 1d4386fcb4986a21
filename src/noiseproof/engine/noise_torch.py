"""Exact grid noise from torch operations alone, for any device: the integers of ``noises.rounded_normal``.

Static shapes, no synchronisation. It is slower than the Triton kernels and is for where there are none. To be called
as it is: compiled for a CPU by torch.compile it gave wrong integers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from noiseproof.engine.noise_tables import NoiseTables

_LOW = 0xFFFFFFFF
_M = (0xD2E7470EE14C6C93, 0xCA5A826395121157)
_W = (0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B)


def fill_steps(
    tables: NoiseTables,
    out: torch.Tensor,
    *,
    x: torch.Tensor,
    seg: torch.Tensor,
    draw: torch.Tensor,
    keys: torch.Tensor,
    scratch: torch.Tensor,
    overflow: torch.Tensor,
) -> None:
    """Picture plus noise of every row; arguments and outcome are those of ``noise_triton.fill_steps``.

    ``scratch`` only says how many undecided numbers a row may have.
    """
    rows, d = out.shape
    device, capacity = x.device, rows * scratch.shape[1]
    padding = (seg < 0)[:, None]
    seg = seg.clamp(min=0).long()
    block = draw[:, None] * tables.blocks + torch.arange(tables.blocks, device=device)
    key = keys[seg]
    words = _philox4x64(block, key[:, 0, 0, None], key[:, 0, 1, None])
    bits = ((words[..., None] >> torch.arange(0, 64, 16, device=device)) & 0xFFFF).reshape(rows, -1)[:, :d]
    eta = tables.guide[bits]
    undecided = (eta == -32768) & ~padding
    of_draw = undecided.sum(dim=1)
    start = of_draw.cumsum(0) - of_draw
    at = torch.nonzero_static(undecided.reshape(-1), size=capacity, fill_value=0)[:, 0]
    row = at // d
    real = torch.arange(capacity, device=device) < of_draw.sum()
    rank = torch.where(real, torch.arange(capacity, device=device) - start[row], 0)
    page, word = rank // tables.per_page, rank % tables.per_page
    of_page = key[row, (1 + page).clamp(max=keys.shape[1] - 1)]
    further = _philox4x64(draw[row] * (tables.per_page // 4) + word // 4, of_page[:, 0], of_page[:, 1])
    further = further.gather(1, (word % 4)[:, None])[:, 0]
    u = (bits.reshape(-1)[at] << 47) | ((further >> 17) & (2**47 - 1))
    found = (torch.searchsorted(tables.thresholds, u, right=True) - tables.cap).to(torch.int16)
    flat = torch.cat((eta.reshape(-1), eta.new_zeros(1)))  # one more, where what is not real goes
    flat = flat.scatter(0, torch.where(real, at, flat.numel() - 1), found)
    out.copy_(torch.where(padding, 0, flat[:-1].view(rows, d) + x[seg]))
    room = min(scratch.shape[1], (keys.shape[1] - 1) * tables.per_page)
    overflow.copy_(torch.maximum(overflow, (of_draw > room).any().to(overflow.dtype)))


def fill_inputs(out: torch.Tensor, steps: torch.Tensor, scale: float) -> None:
    """What the base classifier sees; arguments are those of ``noise_triton.fill_inputs``."""
    # by a tensor on the device: by a number, or by a tensor on the CPU, CUDA would multiply by the reciprocal
    divisor = torch.full((), scale, dtype=torch.float32, device=steps.device)
    out.copy_((steps.to(torch.float32) / divisor).view(out.shape))


def _philox4x64(block: torch.Tensor, k0: torch.Tensor, k1: torch.Tensor) -> torch.Tensor:
    """Philox4x64-10 as numpy counts, in int64: its bits are those of uint64."""
    c0 = block + 1
    c1 = c2 = c3 = torch.zeros_like(c0)
    for r in range(10):
        h0, l0 = _product(c0, _M[0])
        h1, l1 = _product(c2, _M[1])
        c0, c1, c2, c3 = h1 ^ c1 ^ (k0 + _signed(r * _W[0])), l1, h0 ^ c3 ^ (k1 + _signed(r * _W[1])), l0
    return torch.stack((c0, c1, c2, c3), dim=-1)


def _product(a: torch.Tensor, m: int) -> tuple[torch.Tensor, torch.Tensor]:
    """High and low words of a 128-bit product."""
    m0, m1 = m & _LOW, m >> 32
    a0, a1 = a & _LOW, (a >> 32) & _LOW
    q = a0 * m1
    middle = (((a0 * m0) >> 32) & _LOW) + (q & _LOW) + a1 * m0
    return a1 * m1 + ((q >> 32) & _LOW) + ((middle >> 32) & _LOW), a * _signed(m)


def _signed(v: int) -> int:
    v &= 2**64 - 1
    return v - 2**64 if v >= 2**63 else v
