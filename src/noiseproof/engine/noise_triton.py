"""Exact grid noise on a GPU: the integers of ``noises.rounded_normal`` as two Triton kernels.

The first walks a draw's Philox blocks (a program a row, 16 numbers a block), looks 16 bits up, stores picture plus
noise as 16-bit integers, and notes at its rank what the table leaves undecided; then it takes the further bits of
those few from their pages, searches the thresholds and overwrites. Nothing depends on the batch. The second divides
and lays the numbers out as the base classifier wants them: stores of the first would be scattered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import triton
import triton.language as tl

if TYPE_CHECKING:
    from noiseproof.engine.noise_tables import NoiseTables

M0, M1 = tl.constexpr(0xD2E7470EE14C6C93), tl.constexpr(0xCA5A826395121157)
W0, W1 = tl.constexpr(0x9E3779B97F4A7C15), tl.constexpr(0xBB67AE8584CAA73B)
UNDECIDED = tl.constexpr(-32768)
TILE = 1024
"""Numbers a program of the second kernel lays out."""


@triton.jit
def philox4x64(block, k0, k1):
    """Philox4x64-10 as numpy counts: block 0 has counter 1. All uint64; keys scalars or of block's shape."""
    c0 = block + 1
    c1 = c0 * 0
    c2 = c1
    c3 = c1
    for _ in tl.static_range(10):
        h0 = tl.umulhi(c0, tl.full(c0.shape, M0, tl.uint64))
        l0 = c0 * tl.full(c0.shape, M0, tl.uint64)
        h1 = tl.umulhi(c2, tl.full(c0.shape, M1, tl.uint64))
        l1 = c2 * tl.full(c0.shape, M1, tl.uint64)
        c0 = h1 ^ c1 ^ k0
        c1 = l1
        c2 = h0 ^ c3 ^ k1
        c3 = l0
        k0 = k0 + tl.full(k0.shape, W0, tl.uint64)
        k1 = k1 + tl.full(k1.shape, W1, tl.uint64)
    return c0, c1, c2, c3


@triton.jit
def steps_kernel(
    out_ptr,  # [rows, D] int16: picture plus noise
    x_ptr,  # [segments, D] int16: clean pictures
    seg_ptr,  # [rows] int32: segment of a row, < 0: padding
    draw_ptr,  # [rows] int64: draw index of a row
    keys_ptr,  # [segments, PAGES, 2] int64: Philox keys, page 0 is the main stream
    guide_ptr,  # [65536] int16
    threshold_ptr,  # [T] int64 (all below 2^63)
    scratch_ptr,  # [rows, ROOM] int64
    overflow_ptr,  # [1] int32: set where a row had more undecided numbers than its scratch or its pages hold
    ROOM,
    PAGES,
    D: tl.constexpr,
    n_blocks: tl.constexpr,  # Philox blocks a draw owns on page 0
    per_page: tl.constexpr,  # words a draw owns on each further page
    T: tl.constexpr,
    BLOCKS: tl.constexpr,
    R: tl.constexpr,
    STEPS: tl.constexpr,
):
    row = tl.program_id(0)
    seg = tl.load(seg_ptr + row)
    out = out_ptr + row.to(tl.int64) * D
    if seg < 0:
        for at in range(0, D, BLOCKS * 16):
            j = at + tl.arange(0, BLOCKS * 16)
            tl.store(out + j, tl.zeros([BLOCKS * 16], tl.int16), mask=j < D)
    else:
        draw = tl.load(draw_ptr + row).to(tl.uint64, bitcast=True)
        picture = x_ptr + seg.to(tl.int64) * D
        scratch = scratch_ptr + row.to(tl.int64) * ROOM
        k0 = tl.load(keys_ptr + seg * PAGES * 2).to(tl.uint64, bitcast=True)
        k1 = tl.load(keys_ptr + seg * PAGES * 2 + 1).to(tl.uint64, bitcast=True)
        count = 0
        for at in range(0, n_blocks, BLOCKS):
            block = (at + tl.arange(0, BLOCKS)).to(tl.uint64) + draw * n_blocks
            c0, c1, c2, c3 = philox4x64(block, k0, k1)
            words = tl.reshape(tl.join(tl.join(c0, c2), tl.join(c1, c3)), [BLOCKS, 4, 1])
            shift = (tl.arange(0, 4) * 16).to(tl.uint64)
            bits = tl.reshape(((words >> shift[None, None, :]) & 0xFFFF).to(tl.int32), [BLOCKS, 16])
            j = (at + tl.arange(0, BLOCKS))[:, None] * 16 + tl.arange(0, 16)[None, :]
            inside = j < D
            eta = tl.load(guide_ptr + bits).to(tl.int32)
            x = tl.load(picture + j, mask=inside, other=0).to(tl.int32)
            # what is undecided gets rubbish here, and its number below, after the barrier
            tl.store(out + j, (eta + x).to(tl.int16), mask=inside)
            one = ((eta == UNDECIDED) & inside).to(tl.int32)
            of_block = tl.sum(one, 1)  # the 16 numbers of a Philox block lie in one thread
            before = count + tl.cumsum(of_block, 0) - of_block
            rank = before[:, None] + tl.cumsum(one, 1) - one
            note = (j.to(tl.int64) << 16) | bits.to(tl.int64)
            tl.store(scratch + rank, note, mask=(one != 0) & (rank < ROOM))
            count += tl.sum(of_block, 0)
        tl.debug_barrier()  # of the program: what its threads noted is seen by all of them
        if (count > ROOM) | (count > (PAGES - 1) * per_page):
            tl.store(overflow_ptr, 1)
        count = tl.minimum(count, ROOM)
        done = 0
        while done < count:  # no range(): the interpreter of Triton 3.6 cannot, with numpy 2.4
            rank = done + tl.arange(0, R)
            here = rank < count
            note = tl.load(scratch + rank, mask=here, other=0)
            j = (note >> 16).to(tl.int32)
            bits = (note & 0xFFFF).to(tl.uint64)
            page = rank // per_page
            word = rank - page * per_page
            key = keys_ptr + (seg * PAGES + tl.minimum(1 + page, PAGES - 1)) * 2
            k0s = tl.load(key, mask=here, other=0).to(tl.uint64, bitcast=True)
            k1s = tl.load(key + 1, mask=here, other=0).to(tl.uint64, bitcast=True)
            block = draw * (per_page // 4) + (word // 4).to(tl.uint64)
            c0, c1, c2, c3 = philox4x64(block, k0s, k1s)
            q = word % 4
            rest = tl.where(q == 0, c0, tl.where(q == 1, c1, tl.where(q == 2, c2, c3)))
            u = ((bits << 47) | (rest >> 17)).to(tl.int64, bitcast=True)  # below 2^63: signed will do
            low = tl.zeros([R], tl.int32)
            high = low + T
            for _ in range(STEPS):
                going = here & (low < high)
                middle = (low + high) // 2
                threshold = tl.load(threshold_ptr + middle, mask=going, other=0)
                beyond = going & (threshold <= u)
                high = tl.where(going & (threshold > u), middle, high)
                low = tl.where(beyond, middle + 1, low)
            x = tl.load(picture + j, mask=here, other=0).to(tl.int32)
            tl.store(out + j, (low - T // 2 + x).to(tl.int16), mask=here)
            done += R


@triton.jit
def layout_kernel(
    out_ptr,  # [rows, D] float32 or bfloat16, in the layout
    steps_ptr,  # [rows, D] int16, in the order C, H, W
    scale,
    D: tl.constexpr,
    C: tl.constexpr,
    LAST: tl.constexpr,
    TILE: tl.constexpr,
):
    row = tl.program_id(0).to(tl.int64) * D
    at = tl.program_id(1) * TILE + tl.arange(0, TILE)
    inside = at < D
    # neighbours are stored side by side; what is scattered is loaded, and comes from the cache
    source = (at % C) * (D // C) + at // C if LAST else at
    n = tl.load(steps_ptr + row + source, mask=inside, other=0).to(tl.float32)
    value = tl.div_rn(n, tl.zeros_like(n) + scale)  # the true quotient, as on a CPU
    tl.store(out_ptr + row + at, value.to(out_ptr.dtype.element_ty), mask=inside)


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
    """Picture plus noise of every row, int16 ``[rows, d]``; rows of no segment become 0. See the kernel."""
    rows, d = out.shape
    blocks, r, warps = (256, 128, 8) if d > 2**14 else (64, 64, 2)
    steps_kernel[(rows,)](
        out,
        x,
        seg,
        draw,
        keys,
        tables.guide,
        tables.thresholds,
        scratch,
        overflow,
        scratch.shape[1],
        keys.shape[1],
        D=d,
        n_blocks=tables.blocks,
        per_page=tables.per_page,
        T=2 * tables.cap,
        BLOCKS=blocks,
        R=r,
        STEPS=(2 * tables.cap).bit_length(),
        num_warps=warps,
    )


def fill_inputs(out: torch.Tensor, steps: torch.Tensor, scale: float) -> None:
    """What the base classifier sees, ``[rows, *shape]`` in its layout and dtype, of steps ``[rows, d]``."""
    rows, d = steps.shape
    last = out.dim() == 4 and out.is_contiguous(memory_format=torch.channels_last)
    layout_kernel[(rows, triton.cdiv(d, TILE))](
        out, steps, float(scale), D=d, C=out.shape[1] if last else 1, LAST=last, TILE=TILE, num_warps=4
    )
