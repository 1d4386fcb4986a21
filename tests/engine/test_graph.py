"""The graph backend's body, eagerly on a CPU: the counts of the torch backend, and every way a batch can go."""

from __future__ import annotations

import gc
import weakref
from contextlib import contextmanager, nullcontext

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from torch import nn

from noiseproof.engine import Drawn, Engine, OutOfMemoryError, Segment, Task, TorchBackend
from noiseproof.engine import graph as graph_module
from noiseproof.engine.fuse import fuse
from noiseproof.engine.graph import GraphBackend
from noiseproof.engine.halving import in_batches_that_fit
from noiseproof.engine.pooled import is_out_of_memory
from noiseproof.engine.prepare import fold
from noiseproof.errors import ModelError
from noiseproof.models import build
from noiseproof.noises import Gaussian, Words
from noiseproof.procedures import Certify, Decide

SHAPE = (3, 8, 8)
CLASSES = 4


class Sharp(nn.Module):
    """Scores of small integers: votes are spread, never tied, and do not hang on rounding."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        steps = (x * 255).round().flatten(1)
        scores = torch.stack([steps[:, k::CLASSES].sum(dim=1) for k in range(CLASSES)], dim=1)
        return scores + torch.arange(CLASSES) / 8


def picture(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, SHAPE, dtype=np.uint8)


def made(base=None, kind=GraphBackend, **options):
    settings = {"num_classes": CLASSES, "noise": Gaussian(0.5).on(SHAPE), "shape": SHAPE, "batch_size": 32}
    return kind(base or Sharp(), **settings | {"device": "cpu"} | options)


def segments_of(*parts: tuple[int, int], rng: str = "philox") -> list[Segment]:
    return [Segment(picture(k), Words(7, f"k-{k}", "estimate", rng), first, n) for k, (first, n) in enumerate(parts)]


def votes(backend, segments) -> list[list[int]]:
    try:
        return backend.submit(segments).result().tolist()
    finally:
        backend.close()


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("parts", [[(0, 32)], [(0, 3), (2**33 + 1, 5), (99_990, 7)], [(5, 1)]])
def test_counts_are_those_of_noise_from_the_host(parts, channels_last):
    segments = segments_of(*parts)
    wanted = votes(made(kind=TorchBackend), segments)
    assert votes(made(channels_last=channels_last), segments) == wanted
    assert sum(map(sum, wanted)) == sum(n for _, n in parts)


@pytest.mark.parametrize("procedure", [Certify(n0=20, n=300), Decide(radius=0.1, n_max=500)])
@pytest.mark.parametrize("batch_size", [7, 64])
def test_the_engine_drives_it_as_any_other(procedure, batch_size):
    def counts(kind):
        backend, found = made(kind=kind, batch_size=batch_size), {}
        for event in Engine(backend, backend.noise, 5).run(procedure, (Task(f"k{k}", picture(k)) for k in range(5))):
            if isinstance(event, Drawn):
                place = event.task.key, event.stage
                found[place] = found.get(place, 0) + np.array(event.votes)
        backend.close()
        return {place: votes.tolist() for place, votes in found.items()}

    assert counts(GraphBackend) == counts(TorchBackend)


def test_no_more_segments_a_batch_than_it_has_room_for():
    backend = made(batch_size=256)
    assert backend.most_segments == 128
    assert made(kind=GraphBackend, batch_size=512, shape=(3, 224, 224)).most_segments == 27
    tasks = [Task(f"k{k}", picture(k)) for k in range(200)]
    events = list(Engine(backend, backend.noise).run(Certify(n0=1, n=10), tasks))
    assert sum(event.n for event in events if isinstance(event, Drawn)) == 2200


def test_batches_under_way_do_not_share_memory():
    backend = made()
    segments = [segments_of((k * 32, 32)) for k in range(6)]
    pending = [backend.submit(each) for each in segments]
    several = [each.result().tolist() for each in pending]
    assert several == [votes(made(), each) for each in segments]
    assert len(backend._free) == 6
    backend.submit(segments[0]).result()
    assert len(backend._free) == 6


@pytest.mark.parametrize("channels_last", [False, True])
def test_rows_that_overflow_their_scratch_are_drawn_on_the_host(channels_last, monkeypatch):
    segments = segments_of((0, 10), (3, 9))
    wanted = votes(made(kind=TorchBackend), segments)
    backend = made(channels_last=channels_last)
    object.__setattr__(backend._tables, "room", 1)
    on_host = []
    perturb = Gaussian.perturb
    monkeypatch.setattr(Gaussian, "perturb", lambda self, *rest: on_host.append(rest) or perturb(self, *rest))
    assert votes(backend, segments) == wanted
    assert len(on_host) == 2


def test_words_of_the_operating_system_are_drawn_on_the_host():
    pytest.importorskip("cryptography")
    segments = segments_of((0, 10), (3, 9), rng="chacha20")
    assert votes(made(), segments) == votes(made(kind=TorchBackend), segments)


def test_void_rows_and_near_ties_count_for_no_class():
    class Void(nn.Module):
        def forward(self, x):
            scores = Sharp()(x)
            scores[x[:, 0, 0, 0] > 0.5, 1] = float("nan")
            return scores

    segments = segments_of((0, 32))
    assert votes(made(Void()), segments) == votes(made(Void(), kind=TorchBackend), segments)
    careful, plain = made(), made(kind=TorchBackend)
    before = careful.submit(segments).result().sum()
    careful.tolerance = plain.tolerance = 0.5  # after the first batch: what is made of it is made anew
    found = votes(careful, segments)
    assert found == votes(plain, segments)
    assert np.sum(found) < before


def test_answers_of_less_than_a_batch_are_those_of_the_module():
    torch.manual_seed(0)
    base = build("resnet20", num_classes=CLASSES, shape=(3, 32, 32)).eval()
    backend = made(base, shape=(3, 32, 32), noise=Gaussian(0.5), batch_size=8, channels_last=True)
    x = torch.rand(3, 3, 32, 32)
    with torch.inference_mode():
        torch.testing.assert_close(backend.answers(x), base(x))
    backend.close()


def test_what_is_wrong_is_told_as_elsewhere():
    class Greedy(nn.Module):
        def forward(self, x):
            raise torch.OutOfMemoryError("CUDA out of memory (pretended)")

    for act in (lambda b: b.submit(segments_of((0, 3))), lambda b: b.answers(torch.zeros(32, *SHAPE))):
        with pytest.raises(OutOfMemoryError, match="a batch of 32 does not fit"):
            act(made(Greedy()))
        with pytest.raises(ModelError, match=r"scores of shape \(32, 4\) for 32 inputs"):
            act(made(nn.Flatten()))


def test_the_record_says_how_it_draws():
    said = made(folded=True, fused=True, channels_last=True).environment()
    assert said["backend"] == f"torch {torch.__version__} folded fused eager noise by torch"
    assert (said["channels_last"], said["fused"], said["graphs"], said["workers"]) == (True, True, [32], 1)
    assert "cudnn" not in said


class Pretended:
    """Enough of torch.cuda that capture runs on a CPU: a graph replays by calling what was captured."""

    def __init__(self, monkeypatch, backend, fails=None) -> None:
        self.captured, self.replayed, self.fails, self.began = [], [], fails, []
        pretended, backend = self, weakref.proxy(backend)

        class Quiet:
            def __init__(self, *rest, **named) -> None:
                pass

            def wait_stream(self, other) -> None:
                pass

            def synchronize(self) -> None:
                pass

            def record(self, stream) -> None:
                pass

        class Graph:
            def replay(self) -> None:
                size, drawn = next(place for place, graph in backend._graphs.items() if graph is self)
                pretended.replayed.append((size, drawn))
                scores = GraphBackend._body(backend, backend._buffers, size, drawn=drawn)
                if not drawn:
                    backend._scores = scores

        @contextmanager
        def capturing(graph, pool, stream, capture_error_mode):
            pretended.began.append(weakref.ref(graph))
            if pretended.fails:
                raise type(pretended.fails)(*pretended.fails.args)  # one that nobody else holds
            yield
            pretended.captured.append(pretended.began[-1])

        for name, value in {
            "CUDAGraph": Graph,
            "graph": capturing,
            "Event": Quiet,
            "graph_pool_handle": lambda: 0,
            "current_stream": lambda device=None: Quiet(),
            "stream": lambda stream: nullcontext(),
            "get_sync_debug_mode": lambda: "default",
            "set_sync_debug_mode": lambda mode: None,
        }.items():
            monkeypatch.setattr(torch.cuda, name, value)
        backend._stream, backend._on_cpu = Quiet(), False
        slot = graph_module._Slot.of
        monkeypatch.setattr(graph_module._Slot, "of", lambda buffers, pinned: slot(buffers, pinned=False))


def test_each_batch_is_served_by_the_smallest_graph_that_holds_it(monkeypatch):
    segments = [segments_of((0, n)) for n in (2, 3, 8, 9, 32)]
    wanted = [votes(made(kind=TorchBackend), each) for each in segments]
    backend = made()
    cuda = Pretended(monkeypatch, backend)
    assert backend.environment()["graphs"] == [32, 8, 2]
    assert "graph" in backend.label
    assert len(cuda.captured) == 4
    assert [backend.submit(each).result().tolist() for each in segments] == wanted
    assert cuda.replayed == [(2, True), (8, True), (8, True), (32, True), (32, True)]
    x = torch.rand(3, *SHAPE)
    assert torch.equal(backend.answers(x), Sharp()(x))
    assert cuda.replayed[-1] == (32, False)


def test_a_graph_whose_scores_differ_in_the_last_bit_is_not_used(monkeypatch):
    class OfItsSize(Sharp):
        def forward(self, x):
            return super().forward(x) + (0.001 if len(x) < 8 else 0)

    backend = made(OfItsSize())
    Pretended(monkeypatch, backend)
    assert backend.environment()["graphs"] == [32, 8]


def test_a_changed_tolerance_makes_the_graphs_anew(monkeypatch):
    backend = made()
    cuda, capture, held = Pretended(monkeypatch, backend), backend._capture, []
    monkeypatch.setattr(backend, "_capture", lambda buffers: held.append(backend._scores) or capture(buffers))
    for tolerance, captured in ((0.0, 4), (0.0, 4), (0.5, 8), (0.5, 8)):
        backend.tolerance = tolerance
        backend.submit(segments_of((0, 3))).result()
        assert len(cuda.captured) == captured
    assert held == [None, None], "scores of the old graphs would keep their memory"


@pytest.mark.parametrize("why", ["waits", "capture"])
def test_what_cannot_be_captured_is_called_eagerly_and_says_so(why, monkeypatch, caplog):
    class Waits(Sharp):
        calls = 0

        def forward(self, x):
            self.calls += 1
            if why == "waits" and self.calls == 2:
                raise RuntimeError("called a synchronizing CUDA operation")
            return super().forward(x)

    segments = segments_of((0, 3), (5, 9))
    wanted = votes(made(kind=TorchBackend), segments)
    backend = made(Waits())
    Pretended(monkeypatch, backend, RuntimeError("operation not permitted when stream is capturing"))
    assert backend.submit(segments).result().tolist() == wanted
    assert "eager" in backend.label
    assert backend.environment()["graphs"] == [32]
    assert ("synchronizing" if why == "waits" else "not permitted") in caplog.text


def test_memory_that_runs_out_in_capture_leaves_nothing_behind(monkeypatch):
    backend = made()
    cuda = Pretended(monkeypatch, backend, torch.OutOfMemoryError("CUDA out of memory (pretended)"))
    for _ in range(2):
        with pytest.raises(OutOfMemoryError, match="a batch of 32"):
            backend.environment()
        assert not backend._graphs
        assert backend._buffers is None
    cuda.fails = None
    assert backend.environment()["graphs"] == [32, 8, 2]


@pytest.mark.parametrize("where", ["warm-up", "capture", "second"])
def test_nothing_of_a_failed_attempt_lives_while_the_next_is_made(where, monkeypatch):
    shape, alive, sizes = (3, 32, 32), {}, []
    torch.manual_seed(0)
    own = build("resnet20", num_classes=CLASSES, shape=shape).eval()
    buffers_of, said = graph_module._Buffers.of, "CUDA out of memory (pretended)"

    class Greedy(nn.Module):
        __module__ = "torch.nn"  # so that a trace does not look inside

        def forward(self, x):
            if where == "warm-up" and len(x) > 4:
                raise torch.OutOfMemoryError(said)
            return x

    def buffers(backend):
        made = buffers_of(backend)
        parts = (made.table, made.noisy, made.steps, made.scratch)
        alive.update({f"buffers {k} of {backend.batch_size}": weakref.ref(each) for k, each in enumerate(parts)})
        return made

    monkeypatch.setattr(graph_module._Buffers, "of", buffers)

    def make(size):
        left = [name for name, each in alive.items() if each() is not None]
        assert not left
        if sizes:
            graphs = {"warm-up": 0, "capture": 1, "second": 2}[where]
            assert [graph() for graph in sizes[-1][1].began] == [None] * graphs
        base, calls = fuse(nn.Sequential(Greedy(), fold(own)[0]).eval())
        assert calls == 19
        gc.collect()
        backend = made(base, shape=shape, noise=Gaussian(0.5).on(shape), batch_size=size, channels_last=True)
        fails = None if where == "warm-up" or size <= 4 else torch.OutOfMemoryError(said)
        cuda = Pretended(monkeypatch, backend, fails if where == "capture" else None)
        if where == "second" and fails:
            capturing = torch.cuda.graph

            def second(*rest, **named):
                cuda.fails = fails if cuda.began else None
                return capturing(*rest, **named)

            monkeypatch.setattr(torch.cuda, "graph", second)
        alive.update({f"base of {size}": weakref.ref(base), f"backend of {size}": weakref.ref(backend)})
        sizes.append((size, cuda))
        return backend

    x = np.zeros(shape, np.uint8)
    act = lambda backend: backend.submit([Segment(x, Words(7, "k", "s"), 0, 3)]).result().sum()  # noqa: E731
    assert in_batches_that_fit(make, act, 16) == 3
    assert [size for size, _ in sizes] == [16, 8, 4]


def test_streams_of_closed_backends_are_used_again(monkeypatch):
    streams = []
    monkeypatch.setattr(graph_module, "_STREAMS", {})
    monkeypatch.setattr(torch.cuda, "Stream", lambda device: streams.append(object()) or streams[-1])
    device = torch.device("cuda", 0)
    one, other = (graph_module._stream(device) for _ in range(2))
    assert one is not other
    backend = made()
    backend.device, backend._stream = device, one
    monkeypatch.setattr(backend, "_forget", lambda: None)
    backend.close()
    backend.close()
    assert graph_module._stream(device) is one
    assert graph_module._stream(device) not in (one, other)
    assert len(streams) == 3


def test_what_a_broken_capture_complains_of_is_memory_still():
    @contextmanager
    def capturing():
        try:
            yield
        finally:
            raise RuntimeError("operation failed due to a previous error during capture")

    for error, expected in ((torch.OutOfMemoryError("CUDA out of memory"), True), (ValueError("other"), False)):
        with pytest.raises(RuntimeError, match="previous error") as raised, capturing():
            raise error
        assert is_out_of_memory(raised.value) == expected


def test_a_forward_pass_is_measured_as_a_graph_where_there_are_graphs(monkeypatch):
    x = torch.rand(32, *SHAPE)
    backend = made()
    assert torch.equal(backend.forward_pass(x)(), Sharp()(x))
    backend = made()
    cuda = Pretended(monkeypatch, backend)
    once = backend.forward_pass(x)
    assert len(cuda.captured) == 5
    assert once.__self__ is cuda.captured[-1]()
