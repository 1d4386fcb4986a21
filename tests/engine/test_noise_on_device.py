"""Noise drawn on a device: the integers of the host, bit for bit. Triton's kernels run under its interpreter."""

from __future__ import annotations

import os
import subprocess
import sys
from math import prod
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from noiseproof.engine import noise_torch
from noiseproof.engine.noise_tables import NoiseTables, drawn_on_device
from noiseproof.noises import Gaussian, Words

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
CPU = torch.device("cpu")
CASES = [
    *(((3, 32, 32), sigma, 2, 255) for sigma in (0.05, 0.25, 0.5, 1.0)),
    ((1, 28, 28), 0.5, 3, 255),  # 784 = 49 blocks: a ragged tile
    ((3, 5, 7), 0.5, 3, 255),  # 105 numbers: not whole blocks
    ((7,), 0.5, 3, 255),
    ((1, 28, 28), 4.0, 1, 255),  # a quarter of the numbers is undecided
    ((1, 28, 28), 0.1, 1, 4096),
    ((3, 80, 80), 0.25, 1, 255),  # above 2^14 numbers: other tiles
]


def kernels():
    if INTERPRETED:
        from noiseproof.engine import noise_triton

        return noise_triton
    return noise_torch


class Drawn:
    """Several segments in one batch, far draw indices, and padding."""

    def __init__(self, shape, sigma, each, grid=255, *, room=None) -> None:
        self.noise, d = Gaussian(sigma, grid), prod(shape)
        tables = NoiseTables.of(self.noise, d, CPU)
        rng = np.random.default_rng(1)
        starts = [("select", 0), ("estimate", 99_990), ("estimate", 2**33 + 1)]
        self.segments = [
            (rng.integers(0, grid + 1, shape).astype(np.uint16), Words(7, f"k{i}", stage), first)
            for i, (stage, first) in enumerate(starts)
        ]
        self.steps = torch.full((3 * each + 1, d), 77, dtype=torch.int16)  # poisoned
        self.overflow = torch.zeros(1, dtype=torch.int32)
        kernels().fill_steps(
            tables,
            self.steps,
            x=torch.from_numpy(np.stack([x.reshape(-1) for x, _, _ in self.segments]).astype(np.int16)),
            seg=torch.tensor([i for i in range(3) for _ in range(each)] + [-1], dtype=torch.int32),
            draw=torch.tensor([first + k for _, _, first in self.segments for k in range(each)] + [0]),
            keys=torch.from_numpy(np.stack([tables.keys(words) for _, words, _ in self.segments])),
            scratch=torch.zeros((3 * each + 1, room or tables.room), dtype=torch.int64),
            overflow=self.overflow,
        )
        wanted = [self.noise.perturb(x, words, first, each).reshape(each, d) for x, words, first in self.segments]
        self.wanted = torch.from_numpy(np.concatenate([*wanted, np.zeros((1, d), np.int16)]))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_integers_are_those_of_the_host(case):
    drawn = Drawn(*case)
    assert torch.equal(drawn.steps, drawn.wanted)
    assert int(drawn.overflow) == 0


@pytest.mark.parametrize("room", [1, 20])
def test_a_row_that_has_more_undecided_numbers_than_room_says_so(room):
    assert int(Drawn((3, 32, 32), 0.5, 1, room=room).overflow) == 1


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("scale", [255.0, 7.0])
def test_what_the_model_sees_is_the_true_quotient(layout, dtype, scale):
    shape = (3, 37, 20)
    steps = torch.from_numpy(np.random.default_rng(0).integers(-32768, 32768, (9, prod(shape))).astype(np.int16))
    out = torch.full((9, *shape), 77.0, dtype=dtype).contiguous(memory_format=layout)
    kernels().fill_inputs(out, steps, scale)
    wanted = (steps.numpy().astype(np.float32) / np.float32(scale)).reshape(9, *shape)
    if dtype == torch.float32:
        assert np.array_equal(out.numpy(), wanted)
    elif INTERPRETED:  # it cuts where a GPU rounds to the nearest
        bits = out.contiguous().view(torch.int16).numpy()
        assert np.array_equal(bits, (wanted.view(np.int32) >> 16).astype(np.int16))
    else:
        assert torch.equal(out, torch.from_numpy(wanted).to(torch.bfloat16))


def test_which_noise_a_device_draws():
    assert drawn_on_device(Gaussian(0.5).on((3, 4, 4)))
    assert not drawn_on_device(Gaussian(0.5, grid=None))


COMPILE = """
import os, sys
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from noiseproof.engine.noise_triton import layout_kernel, steps_kernel

def built(kernel, pointers, numbers, constants, warps):
    names = {**pointers, **numbers, **dict.fromkeys(constants, "constexpr")}
    aligned = {(i,): [["tt.divisibility", 16]] for i in range(len(pointers))}
    source = ASTSource(kernel, signature=names, constexprs=constants, attrs=aligned)
    return len(triton.compile(source, target=GPUTarget("cuda", 90, 32), options={"num_warps": warps}).asm["cubin"])

for d, blocks, r, warps in ((3072, 64, 64, 2), (150528, 256, 128, 8)):
    pointers = {"out_ptr": "*i16", "x_ptr": "*i16", "seg_ptr": "*i32", "draw_ptr": "*i64", "keys_ptr": "*i64",
        "guide_ptr": "*i16", "threshold_ptr": "*i64", "scratch_ptr": "*i64", "overflow_ptr": "*i32"}
    constants = dict(D=d, n_blocks=d // 16, per_page=d // 64, T=2168, BLOCKS=blocks, R=r, STEPS=12)
    assert built(steps_kernel, pointers, {"ROOM": "i32", "PAGES": "i32"}, constants, warps)
    for out in ("*fp32", "*bf16"):
        pointers = {"out_ptr": out, "steps_ptr": "*i16"}
        for last in (False, True):
            constants = dict(D=d, C=3, LAST=last, TILE=1024)
            assert built(layout_kernel, pointers, {"scale": "fp32"}, constants, 4)
print("compiled")
"""


def run(*command: str, **environment: str) -> str:
    source = str(Path(__file__).parents[2] / "src")
    kept = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    path = os.pathsep.join([source, *filter(None, [kept.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, *command],
        env=kept | {"PYTHONPATH": path} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


@pytest.mark.skipif(INTERPRETED, reason="this is the run under the interpreter")
def test_the_same_of_the_kernels_under_the_interpreter():
    pytest.importorskip("triton")
    said = run("-m", "pytest", "-v", "-p", "no:cacheprovider", str(Path(__file__)), TRITON_INTERPRET="1")
    assert " passed" in said
    assert "failed" not in said


@pytest.mark.skipif(INTERPRETED, reason="nothing is compiled under the interpreter")
def test_the_kernels_compile_for_a_gpu_that_is_not_there(tmp_path):
    pytest.importorskip("triton")
    assert "compiled" in run("-c", COMPILE, TRITON_CACHE_DIR=str(tmp_path))
