"""What the device path is worth on the GPU at hand: is it right, how fast, within how little memory. One JSON.

On a machine with a GPU:  PYTHONPATH=src python3 benchmarks/device_check.py --out device.json [--budget 300]
Without one, with next to nothing of everything:  python3 benchmarks/device_check.py --dry --out /tmp/dry.json

Stages come in the order of their importance; each keeps its error to itself, and the file is written after each.
"""

from __future__ import annotations

import argparse
import copy
import gc
import json
import logging
import os
import platform
import signal
import threading
import time
import traceback
from math import prod
from pathlib import Path
from types import FrameType

import numpy as np
import torch
from torch import nn

from noiseproof.checks import brief_check
from noiseproof.engine import Drawn, Engine, Segment, Task
from noiseproof.engine.arithmetic import arithmetic
from noiseproof.engine.choose import backend_for
from noiseproof.engine.fuse import fuse
from noiseproof.engine.graph import GraphBackend, _kernels
from noiseproof.engine.halving import free_memory, in_batches_that_fit
from noiseproof.engine.noise_tables import NoiseTables
from noiseproof.engine.prepare import fold, prepared
from noiseproof.models import build
from noiseproof.noises import Gaussian, Words
from noiseproof.noises.keys import input_key
from noiseproof.procedures import Certify
from noiseproof.runners.rates import certify_rate, forward_rate
from noiseproof.runners.textbook import textbook

MODELS = {  # shape, classes, GFLOP a draw, batches of the table that the default follows
    "lenet": ((1, 28, 28), 10, 0.0046, (2048, 8192, 32768)),
    "resnet20": ((3, 32, 32), 10, 0.0816, (1024, 2048, 4096, 8192, 16384)),
    "resnet110": ((3, 32, 32), 10, 0.5063, (1024, 2048, 4096, 8192, 16384)),
    "resnet50": ((3, 224, 224), 1000, 8.1784, (128, 256, 512, 1024)),
}
PRECISIONS = ("bf16", "fp32", "tf32")
SIGMA = 0.5


class Waiting(nn.Module):
    """A base classifier no graph can hold: Python waits for the device."""

    def __init__(self, base: nn.Module) -> None:
        super().__init__()
        self.base = base

    def forward(self, x):
        scores = self.base(x)
        return scores if float(scores.sum()) != 1e30 else -scores


class Greedy(nn.Module):
    """A base classifier that fits two rows."""

    def __init__(self, base: nn.Module) -> None:
        super().__init__()
        self.base = base

    def forward(self, x):
        if len(x) > 2:
            raise torch.OutOfMemoryError("out of memory (pretended)")
        return self.base(x)


class Check:
    def __init__(self, options: argparse.Namespace) -> None:
        self.dry, self.began, self.budget = options.dry, time.monotonic(), options.budget
        self.device = torch.device("cpu") if self.dry else torch.device("cuda", 0)
        self.cuda = not self.dry
        self.only = set(options.only.split(",")) if options.only else None
        self.span = 0.02 if self.dry else 1.0
        self.side = torch.cuda.Stream() if self.cuda else None
        self.out, self.found, self.models, self.peaks = Path(options.out), {}, {}, {}

    def stage(self, name, act, needs=5.0):
        """Run a stage if there is time; its result or its error goes into the JSON, which is written after each."""
        if self.only and name.split()[0] not in self.only:
            return
        left = self.budget - (time.monotonic() - self.began)
        began = time.monotonic()
        if left < needs:
            said = "no time left"
        else:
            try:
                signal.setitimer(signal.ITIMER_REAL, left)  # nothing outlives the budget
                said = act()
            except Exception as error:  # noqa: BLE001
                where = traceback.format_exc().splitlines()[-7:-1]
                said = {"error": f"{type(error).__name__}: {str(error)[:400]}", "where": where}
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
        self.found[name] = said
        now = time.monotonic()
        print(f"[{now - self.began:6.1f} s] {name} ({now - began:.1f} s): {json.dumps(said)[:700]}", flush=True)
        gc.collect()
        if self.cuda:
            torch.cuda.empty_cache()
        self.out.write_text(json.dumps(self.found, indent=1) + "\n")

    # -- what is measured

    def environment(self):
        said = {"torch": torch.__version__, "numpy": np.__version__, "python": platform.python_version()}
        said |= {"cores": len(os.sched_getaffinity(0)), "noise by": _kernels(self.device).__name__.rpartition("_")[2]}
        if self.cuda:
            import triton

            it = torch.cuda.get_device_properties(0)
            said |= {"device": it.name, "sms": it.multi_processor_count, "GiB": round(it.total_memory / 2**30, 1)}
            said |= {"triton": triton.__version__, "cuda": torch.version.cuda, "cudnn": torch.backends.cudnn.version()}
        return said

    def peak(self):
        """TFLOP/s of square matrix products in each precision, and GB/s of a copy."""
        side = 256 if self.dry else 8192
        for precision in PRECISIONS:
            dtype = torch.bfloat16 if precision == "bf16" else torch.float32
            a = torch.rand(side, side, device=self.device).to(dtype)
            with arithmetic(precision, self.device):
                ms = timed(lambda a=a: torch.mm(a, a), self.device, 0.1 * self.span)
            self.peaks[precision] = 2 * side**3 / ms / 1e9
        block = torch.empty((1 if self.dry else 256) * 2**20, device=self.device)
        ms = timed(lambda: block.clone(), self.device, 0.1 * self.span)
        return {name: round(peak, 1) for name, peak in self.peaks.items()} | {
            "copy GB/s": round(2 * block.nbytes / ms / 1e6)
        }

    def noises(self):
        """Integers and quotients against the host's; far draws, padding, several segments; overflow is noticed."""
        cases = [((3, 32, 32), sigma, 32) for sigma in (0.05, 0.5, 10.0)]
        cases += [((1, 28, 28), 0.5, 32), ((3, 5, 7), 0.5, 32), ((3, 224, 224), 0.25, 4)]
        cases = [((3, 8, 8), 0.5, 1)] if self.dry else cases
        said = {f"{shape} sigma {sigma:g}": self.noise(shape, sigma, each) for shape, sigma, each in cases}
        n = torch.arange(-32768, 32768, dtype=torch.int16, device=self.device).view(-1, 16)
        for dtype in (torch.float32, torch.bfloat16):
            for layout in (torch.contiguous_format, torch.channels_last):
                out = torch.empty((len(n), 4, 2, 2), dtype=dtype, device=self.device).contiguous(memory_format=layout)
                _kernels(self.device).fill_inputs(out, n, 255.0)
                true = torch.from_numpy(n.cpu().numpy().astype(np.float32) / np.float32(255)).view(out.shape).to(dtype)
                said[f"quotients {dtype} {layout}"] = int((out.cpu() != true).sum())
        x = torch.arange(-32768, 32768, device=self.device).float()
        true = x.cpu().numpy() / np.float32(255)
        said["div_(255.0) differs"] = int((x.clone().div_(255.0).cpu().numpy() != true).sum())
        return said

    def noise(self, shape, sigma, each, room=None):
        noise, d, rng = Gaussian(sigma), prod(shape), np.random.default_rng(1)
        tables = NoiseTables.of(noise, d, self.device)
        starts = [("select", 0), ("estimate", 99_990), ("estimate", 2**33 + 1)]
        parts = [
            (rng.integers(0, 256, shape, dtype=np.uint8), Words(7, f"k{i}", stage), first)
            for i, (stage, first) in enumerate(starts)
        ]
        rows = 3 * each + 1
        send = lambda array: torch.from_numpy(array).to(self.device)  # noqa: E731
        steps = torch.full((rows, d), 77, dtype=torch.int16, device=self.device)
        table = {
            "x": send(np.stack([x.reshape(-1) for x, _, _ in parts]).astype(np.int16)),
            "seg": send(np.array([i for i in range(3) for _ in range(each)] + [-1], np.int32)),
            "draw": send(np.array([first + k for _, _, first in parts for k in range(each)] + [0])),
            "keys": send(np.stack([tables.keys(words) for _, words, _ in parts])),
        }
        flags = []
        for room in (tables.room, 1):
            overflow = torch.zeros(1, dtype=torch.int32, device=self.device)
            scratch = torch.zeros((rows, room), dtype=torch.int64, device=self.device)
            _kernels(self.device).fill_steps(tables, steps, **table, scratch=scratch, overflow=overflow)
            flags.append(int(overflow))
            if room == tables.room:
                got = steps.cpu().numpy().copy()
        wanted = np.concatenate([noise.perturb(x, w, first, each).reshape(each, d) for x, w, first in parts])
        different = int((got[:-1] != wanted).sum() + np.count_nonzero(got[-1]))
        return {"numbers": rows * d, "different": different, "overflow, and with room for one": flags}

    def model(self, name):
        """Random weights, but batch-norm statistics of noisy pictures and scores centred, so that votes are spread."""
        if name not in self.models:
            shape, classes, *_ = MODELS[name]
            torch.manual_seed(0)
            made = build(name, num_classes=classes, shape=shape).to(self.device)

            def rows():
                size = (8 if self.dry else 64, *shape)
                return torch.rand(size, device=self.device) + SIGMA * torch.randn(size, device=self.device)

            with torch.no_grad(), arithmetic("fp32", self.device):
                made.train()
                for _ in range(2 if self.dry else 20):
                    made(rows())
                made.eval()
                (made.fc if hasattr(made, "fc") else made.fc2).bias.sub_(made(rows()).mean(0))
            self.models[name] = made
        return self.models[name]

    def inputs(self, name):
        return [np.random.default_rng(k).integers(0, 256, MODELS[name][0], dtype=np.uint8) for k in range(4)]

    def product(self, name, precision, batch=None, base=None):
        """What ``--device cuda`` draws with; on a CPU the same class, which would not be chosen there."""
        shape, classes, *_ = MODELS[name]
        base = base or self.model(name)
        options = {"num_classes": classes, "noise": Gaussian(SIGMA).on(shape), "shape": shape, "device": self.device}
        options |= {"batch_size": batch or (4 if self.dry else None), "precision": precision}
        if self.cuda:
            return backend_for("torch", base, **options)
        ready = prepared(base, shape=shape, device=self.device)
        return GraphBackend(ready.base, channels_last=ready.channels_last, **options)

    def votes(self, backend, name, n):
        """Of n draws of two inputs, through the engine."""
        votes = {}
        tasks = [Task(input_key(x), x) for x in self.inputs(name)[:2]]
        for event in Engine(backend, backend.noise, 5).run(Certify(n0=10, n=n), tasks):
            if isinstance(event, Drawn) and event.stage == "estimate":
                votes[event.task.key] = votes.get(event.task.key, 0) + np.array(event.votes)
        return np.stack(list(votes.values()))

    def small_looks(self, backend, name, n, look):
        """The same draws, but a few at a time: other graphs serve them."""
        totals = []
        for x in self.inputs(name)[:2]:
            words, total = Words(5, input_key(x), "estimate"), 0
            for first in range(0, n, look):
                total = total + backend.submit([Segment(x, words, first, min(look, n - first))]).result()[0]
            totals.append(total)
        return np.stack(totals)

    def counts(self, name, precision, n):
        """Votes that move between batch sizes, graphs, repeats, streams and ways a row is drawn: none should."""
        began = time.monotonic()
        default = self.product(name, precision)
        said = {"label": default.environment()["backend"], "graphs": default.environment()["graphs"]}
        said["backend and graphs s"] = round(time.monotonic() - began, 2)
        first = self.votes(default, name, n)
        found = {"again": self.votes(default, name, n)}
        for size in default.environment()["graphs"][1:]:
            look = max(1, size - 3)
            # as few as that, for the first draws alone
            short = min(n, 8 * look)
            found[f"looks of {look}"] = self.small_looks(default, name, short, look)
            found[f"looks of {look}"] -= self.small_looks(default, name, short, default.batch_size)
        smaller = self.product(name, precision, 2 if self.dry else default.batch_size // 4)
        found[f"batches of {smaller.batch_size}"] = self.votes(smaller, name, n)
        smaller._forget()
        object.__setattr__(smaller._tables, "room", 1)  # its next batch makes buffers and graphs anew
        few = min(64, smaller.batch_size)
        found["drawn on the host"] = self.small_looks(smaller, name, few, few)
        found["drawn on the host"] -= self.small_looks(default, name, few, few)
        both = {}
        pair = [default, self.product(name, precision)]
        pair[1].environment()  # its graphs: they are made by one at a time
        threads = [
            threading.Thread(target=lambda k=k: both.update({k: self.votes(pair[k], name, n)})) for k in range(2)
        ]
        alone = not self.cuda and os.environ.get("TRITON_INTERPRET") == "1"  # its interpreter knows one thread
        for thread in threads:
            thread.start()
            if alone:
                thread.join()
        for thread in threads:
            thread.join()
        found |= {f"two at once, {k}": both.get(k, first * 0) for k in range(2)}
        for backend in (*pair, smaller):
            backend.close()
        for what, votes in found.items():
            base = 0 if what.startswith(("looks", "drawn")) else first
            said[what] = int(np.maximum(votes - base, 0).sum())
        return said | {"votes": sorted(first[0].tolist(), reverse=True)[:4]}

    def speed(self, name, precision):
        """Draws a second: through the engine, forward passes alone, and noise alone."""
        shape, _, gflop, _ = MODELS[name]
        began = time.monotonic()
        backend = self.product(name, precision)
        label = backend.environment()["backend"]
        start = round(time.monotonic() - began, 2)
        began = time.monotonic()
        checked = brief_check(backend, self.inputs(name))
        check = round(time.monotonic() - began, 2)
        certify_rate(backend, backend.noise, self.inputs(name), 0.3 * self.span)
        rate = certify_rate(backend, backend.noise, self.inputs(name), 1.5 * self.span)
        x = torch.rand((backend.batch_size, *shape), device=self.device).contiguous(memory_format=backend.layout)
        forward = self.forward(lambda: backend.scores(x), backend.batch_size)
        bench = forward_rate(backend, 0.5 * self.span)
        with torch.inference_mode():
            noise = 1e6 / self.forward(lambda: backend._draw(backend._buffers, backend.batch_size), backend.batch_size)
        backend.close()
        share = forward * gflop / 1e3
        return {
            "label": label,
            "batch": backend.batch_size,
            "certify": round(rate),
            "s for 100,000": round(1e5 / rate, 3),
            "forward": round(forward),
            "forward as noiseproof bench has it": round(bench),
            "certify / forward": round(rate / forward, 3),
            "noise, us a draw": round(noise, 4),
            "noise, share of the forward": round(noise / 1e6 * forward, 4),
            "TFLOP/s": round(share, 1),
            "share of matrix products": round(share / self.peaks[precision], 3) if self.peaks else None,
            "backend and graphs s": start,
            "brief check s": check,
            "variation": checked.variation,
        }

    def forward(self, once, batch):
        """Rows a second of something done to a batch, alone and as a graph."""
        with torch.inference_mode():
            once()
            if not self.cuda:
                return batch / timed(once, self.device, self.span) * 1e3
            torch.cuda.synchronize()
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.stream(self.side):
                once()
            self.side.synchronize()
            with torch.cuda.graph(graph, stream=self.side):
                once()
            return batch / timed(graph.replay, self.device, 0.3, inner=4) * 1e3

    def loop(self, name, precision):
        """The textbook loop on the same device, arithmetic as torch has it by default (TF32 convolutions)."""
        _, classes, *_ = MODELS[name]
        model, x = self.model(name), torch.from_numpy(self.inputs(name)[0]).to(self.device) / 255
        batch = 4 if self.dry else 1000

        def once():
            textbook(model, x, sigma=SIGMA, n=batch, batch=batch, num_classes=classes)

        with torch.autocast(self.device.type, torch.bfloat16, enabled=precision == "bf16"):
            once()
            return round(batch / timed(once, self.device, self.span) * 1e3)

    def layouts(self, name):
        """Fused forward passes by layout and batch: draws a second. The rule in the code follows it."""
        shape, _, _, batches = MODELS[name]
        with arithmetic("fp32", self.device):
            folded, _ = fold(copy.deepcopy(self.model(name)).requires_grad_(False))
        said = {}
        for layout, called in ((torch.contiguous_format, "NCHW"), (torch.channels_last, "NHWC")):
            base = fuse(copy.deepcopy(folded).to(memory_format=layout))[0]
            for precision in ("fp32", "tf32"):
                for batch in (2,) if self.dry else sorted(batches)[0:3:2]:
                    rate = self.passes(base, precision, (batch, *shape), layout)
                    said[f"{precision} x{batch} {called}"] = rate
        return said

    def batches(self, name):
        """Forward passes in bf16 as the product makes them, by batch: draws a second. The default follows it."""
        shape, _, _, batches = MODELS[name]
        ready = prepared(self.model(name), shape=shape, device=self.device, precision="bf16")
        layout = torch.channels_last if ready.channels_last else torch.contiguous_format
        sizes = (2, 4) if self.dry else batches
        return {f"x{size}": self.passes(ready.base, "bf16", (size, *shape), layout) for size in sizes}

    def passes(self, base, precision, shape, layout):
        """Rows a second of forward passes in a precision, on a batch of this shape and layout."""
        x = torch.rand(shape, device=self.device).contiguous(memory_format=layout)

        def once():
            autocast = torch.autocast(self.device.type, torch.bfloat16, enabled=precision == "bf16")
            with arithmetic(precision, self.device), autocast:
                return base(x)

        return round(self.forward(once, shape[0]))

    def noise_speed(self):
        """Of each kernel alone: microseconds a draw, nanoseconds a number."""
        said = {}
        cases = (((3, 32, 32), 4096), ((3, 32, 32), 256), ((3, 224, 224), 512), ((3, 224, 224), 128))
        for shape, rows in (((3, 8, 8), 4),) if self.dry else cases:
            d = prod(shape)
            tables = NoiseTables.of(Gaussian(SIGMA), d, self.device)
            steps = torch.empty((rows, d), dtype=torch.int16, device=self.device)
            table = {
                "x": torch.zeros((1, d), dtype=torch.int16, device=self.device),
                "seg": torch.zeros(rows, dtype=torch.int32, device=self.device),
                "draw": torch.arange(rows, device=self.device),
                "keys": torch.from_numpy(tables.keys(Words(0, "k", "estimate"))[None]).to(self.device),
                "scratch": torch.zeros((rows, tables.room), dtype=torch.int64, device=self.device),
                "overflow": torch.zeros(1, dtype=torch.int32, device=self.device),
            }
            acts = {
                "integers": lambda steps=steps, table=table, tables=tables: _kernels(self.device).fill_steps(
                    tables, steps, **table
                )
            }
            for layout, called in ((torch.contiguous_format, "NCHW"), (torch.channels_last, "NHWC")):
                for dtype in (torch.float32, torch.bfloat16):
                    out = torch.empty((rows, *shape), dtype=dtype, device=self.device).contiguous(memory_format=layout)
                    acts[f"{called} {str(dtype)[6:]}"] = lambda out=out, steps=steps: _kernels(self.device).fill_inputs(
                        out, steps, 255.0
                    )
            for what, act in acts.items():
                us = 1e6 / self.forward(act, rows)
                said[f"{shape} x{rows} {what}"] = [round(us, 4), round(us * 1e3 / d, 5)]
        return said

    def memory(self, gib=3.0):
        """Little memory: is the batch halved until it fits, and no further; are the counts those of much memory?"""
        name, n = ("lenet", 20) if self.dry else ("resnet50", 1000)
        self.model(name)
        tried, limited = {}, []

        def make(size):
            free_memory()
            held = [torch.cuda.memory_allocated(), torch.cuda.memory_reserved()] if self.cuda else [0, 0]
            base = Greedy(self.model(name)) if self.dry and limited else None
            backend = self.product(name, "fp32", size, base)
            tried[backend.batch_size] = [each // 2**20 for each in held]
            return backend

        def act(backend):
            brief_check(backend, self.inputs(name))
            return self.votes(backend, name, n)

        wanted = in_batches_that_fit(make, act)
        tried.clear()
        limited.append(gib)
        if self.cuda:
            total = torch.cuda.get_device_properties(0).total_memory
            torch.cuda.set_per_process_memory_fraction(gib * 2**30 / total)  # of this process's allocator only
        try:
            votes = in_batches_that_fit(make, act)
        finally:
            if self.cuda:
                torch.cuda.set_per_process_memory_fraction(1.0)
        said = {"GiB": gib, "moved": int(np.maximum(votes - wanted, 0).sum())}
        said["batches tried, and MiB allocated and reserved before"] = tried
        if self.cuda:  # what the smallest that was tried takes where there is plenty
            for size in (min(tried), 2 * min(tried)):
                free_memory()
                torch.cuda.reset_peak_memory_stats()
                backend = self.product(name, "fp32", size)
                act(backend)
                backend.close()
                peaks = torch.cuda.max_memory_allocated(), torch.cuda.max_memory_reserved()
                said[f"x{size} with plenty takes MiB"] = [each // 2**20 for each in peaks]
        return said

    def against_cpu(self, name, rows):
        """Rows whose class in each precision is not that of the CPU in fp32, on the same noise."""
        words = Words(0, "a", "estimate")
        steps = Gaussian(SIGMA).perturb(self.inputs(name)[0], words, 0, rows)
        noisy = torch.from_numpy(steps).float() / torch.tensor(255.0)
        with torch.inference_mode():
            cpu = copy.deepcopy(self.model(name)).cpu()(noisy)
        top = cpu.topk(2, dim=1).values
        margin = (top[:, 0] - top[:, 1]) / cpu.abs().amax(dim=1)
        said = {"rows": rows, "smallest margin": float(margin.min())}
        for precision in PRECISIONS:
            backend = self.product(name, precision)
            got = torch.cat([backend.answers(part) for part in noisy.split(backend.batch_size)]).float()
            backend.close()
            moved = got.argmax(1) != cpu.argmax(1)
            said[precision] = {
                "other class": int(moved.sum()),
                "largest margin that moved": float(margin[moved].max()) if bool(moved.any()) else 0.0,
                "scores differ by": float((got - cpu).abs().max() / cpu.abs().max()),
            }
        return said

    def eager(self):
        """What no graph can hold is called eagerly, says so, votes the same, and spoils nothing."""
        name, n = "resnet20", 10 if self.dry else 2000
        said = {}
        found = []
        for base in (self.model(name), Waiting(self.model(name)).eval()):
            backend = self.product(name, "fp32", base=base)
            said[type(base).__name__] = backend.environment()["backend"]
            found.append(self.votes(backend, name, n))
            backend.close()
        torch.randn(4, device=self.device)
        return said | {"moved": int(np.maximum(found[0] - found[1], 0).sum())}


def alarm(_: int, __: FrameType | None) -> None:
    raise TimeoutError("the budget is spent")


def timed(act, device, seconds, inner=1):
    """Median milliseconds of three to fifty calls that take some seconds together; by events on a GPU."""
    cuda = device.type == "cuda"
    act()
    if cuda:
        torch.cuda.synchronize(device)
    times, end = [], time.perf_counter() + seconds
    while len(times) < 3 or (len(times) < 50 and time.perf_counter() < end):
        if cuda:
            first, last = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            first.record()
            for _ in range(inner):
                act()
            last.record()
            last.synchronize()
            times.append(first.elapsed_time(last) / inner)
        else:
            began = time.perf_counter()
            act()
            times.append((time.perf_counter() - began) * 1e3)
    return sorted(times)[len(times) // 2]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dry", action="store_true", help="on a CPU, with next to nothing of everything")
    parser.add_argument("--budget", type=float, default=300.0, help="seconds")
    parser.add_argument("--out", default="device_check.json")
    parser.add_argument("--only", help="first words of stages, comma separated")
    check = Check(parser.parse_args())
    logging.basicConfig(level=logging.WARNING)
    signal.signal(signal.SIGALRM, alarm)
    if check.dry:
        torch.set_num_threads(1)
    names = ("lenet", "resnet20") if check.dry else tuple(MODELS)
    precisions = PRECISIONS[: 2 if check.dry else 3]
    draws = {"lenet": 20_000, "resnet20": 10_000, "resnet110": 4_000, "resnet50": 1_500}
    check.stage("environment", check.environment)
    check.stage("memory", check.memory, 10)
    for name in [name for name in names if name != "resnet110"]:
        check.stage(f"layouts {name}", lambda: check.layouts(name), 10)  # noqa: B023
    for name in names:
        check.stage(f"batches {name}", lambda: check.batches(name), 10)  # noqa: B023
    check.stage("peak", check.peak)
    for name in names:
        for precision in precisions:
            check.stage(f"speed {name} {precision}", lambda: check.speed(name, precision))  # noqa: B023
    check.stage("noise", check.noises)
    for name in names:
        for precision in precisions[: 1 if name == "resnet50" else 3]:
            n = 20 if check.dry else draws[name]
            check.stage(f"counts {name} {precision}", lambda: check.counts(name, precision, n))  # noqa: B023
    for name in names:
        for precision in ("fp32", "bf16"):
            check.stage(f"textbook {name} {precision}", lambda: check.loop(name, precision))  # noqa: B023
    check.stage("eager", check.eager)
    check.stage("noise_speed", check.noise_speed)
    for name in names[1:3]:
        check.stage(f"against_cpu {name}", lambda: check.against_cpu(name, 8 if check.dry else 2000), 10)  # noqa: B023


if __name__ == "__main__":
    main()
