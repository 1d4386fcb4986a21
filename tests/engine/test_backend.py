"""The torch backend against a plain loop, draw by draw; what a base classifier may do wrong."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from torch import nn

from noiseproof.engine import Engine, Finished, OutOfMemoryError, Segment, Task, TorchBackend
from noiseproof.errors import ModelError
from noiseproof.noises import Gaussian, Noise, Words
from noiseproof.procedures import Certify

SHAPE = (1, 2, 3)
CLASSES = 4


class Exact(nn.Module):
    """Integer scores of integer pixels: exact in float32 whatever the batch, and never tied."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.from_numpy(np.random.default_rng(3).integers(-3, 4, (6, CLASSES))).float()
        self.bias = torch.arange(CLASSES) / 8
        self.seen: list[torch.Tensor] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.seen.append(x)
        return (x * 255).round().flatten(1) @ self.weight + self.bias


class Coordinates(nn.Module):
    """The scores are the first coordinates; a negative last one gives no number at all."""

    def __init__(self, void: float = float("nan")) -> None:
        super().__init__()
        self.void = void

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        flat = x.flatten(1)
        scores = flat[:, :CLASSES].clone()
        scores[flat[:, 5] < 0, 1] = self.void
        return scores


def picture(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, SHAPE, dtype=np.uint8)


def reference(base, noise: Noise, segment: Segment) -> list[int]:
    """Votes draw by draw: the sentence of the paper, slowly."""
    votes = [0] * CLASSES
    for i in range(segment.first, segment.first + segment.n):
        noisy = noise.perturb(segment.x, segment.words, i, 1)
        x = torch.from_numpy(noisy.astype(np.float32) / np.float32(noise.scale))
        scores = [float(score) for score in base(x)[0]]
        if all(np.isfinite(scores)):
            votes[scores.index(max(scores))] += 1
    return votes


def made(base, noise: Noise | None = None, **options) -> TorchBackend:
    settings = {"num_classes": CLASSES, "shape": SHAPE, "batch_size": 32, "workers": 1} | options
    return TorchBackend(base, noise=noise or Gaussian(sigma=0.3), **settings)


def votes_of(backend: TorchBackend, segments: list[Segment]) -> list[list[int]]:
    try:
        return backend.submit(segments).result().tolist()
    finally:
        backend.close()


def segments_of(noise: Noise, parts: list[tuple[int, int]]) -> list[Segment]:
    return [
        Segment(noise.encode(picture(k)), Words(7, f"k-{k}", "estimate"), first, n)
        for k, (first, n) in enumerate(parts)
    ]


@pytest.mark.parametrize("base", [Exact(), Coordinates(), Coordinates(float("inf")), Coordinates(-float("inf"))])
@pytest.mark.parametrize("noise", [Gaussian(sigma=0.3), Gaussian(sigma=2.0), Gaussian(sigma=0.3, grid=None)])
@pytest.mark.parametrize("channels_last", [False, True])
def test_votes_are_those_of_a_plain_loop(base, noise, channels_last):
    segments = segments_of(noise, [(0, 10), (90, 7), (12345, 1), (5, 12)])
    expected = [reference(base, noise, segment) for segment in segments]
    assert votes_of(made(base, noise, channels_last=channels_last), segments) == expected
    if isinstance(base, Coordinates):
        assert sum(map(sum, expected)) < 30, "some draws should be void"
    else:
        assert sum(map(sum, expected)) == 30


def test_void_rows_count_for_no_class():
    def nothing(x):
        return torch.full((x.shape[0], CLASSES), float("nan"))

    segments = segments_of(Gaussian(sigma=0.3), [(0, 20), (0, 3)])
    assert votes_of(made(nothing), segments) == [[0] * CLASSES] * 2


@pytest.mark.parametrize("rows", [1, 5, 31, 32])
def test_rows_that_pad_a_batch_are_never_counted(rows):
    shapes = []

    def padding_is_class_3(x):
        shapes.append(tuple(x.shape))
        scores = torch.zeros(x.shape[0], CLASSES)
        scores[:, 1] = 1
        scores[(x == 0).flatten(1).all(dim=1), 3] = 2
        return scores

    segments = segments_of(Gaussian(sigma=0.3), [(0, rows)])
    assert votes_of(made(padding_is_class_3), segments) == [[0, rows, 0, 0]]
    assert shapes == [(32, *SHAPE)]


def test_a_batch_shorter_than_the_one_before_has_none_of_its_rows_left():
    base = Exact()
    noise = Gaussian(sigma=0.3)
    backend = made(base)
    long, short = segments_of(noise, [(0, 32), (0, 4)])
    backend.submit([long]).result()
    assert votes_of(backend, [short]) == [reference(Exact(), noise, short)]
    assert torch.count_nonzero(base.seen[1][4:]) == 0


def test_the_base_classifier_sees_unclipped_float32_on_the_grid():
    base = Exact()
    votes_of(made(base, Gaussian(sigma=1.0)), segments_of(Gaussian(sigma=1.0), [(0, 32)]))
    (x,) = base.seen
    assert x.dtype == torch.float32
    assert float(x.min()) < -1
    assert float(x.max()) > 2
    steps = (x.double() * 255).round()
    assert torch.equal(x, (steps.float() / 255))


def test_channels_last_is_a_layout_of_the_same_batch():
    seen = []

    def base(x):
        seen.append(x)
        return x.flatten(1)[:, :CLASSES]

    shape = (3, 2, 3)  # with one channel both layouts are the same
    x = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    segments = [Segment(x, Words(7, "k", "estimate"), 0, 32)]
    votes = [votes_of(made(base, shape=shape, channels_last=flag), segments) for flag in (False, True)]
    assert votes[0] == votes[1]
    assert torch.equal(seen[0], seen[1])
    assert [x.is_contiguous(memory_format=torch.channels_last) for x in seen] == [False, True]


def served(backend: TorchBackend, noise: Noise, n: int = 300) -> dict[str, tuple]:
    inputs = [Task(f"k-{k}", noise.encode(picture(k))) for k in range(4)]
    try:
        events = list(Engine(backend, noise, 5).run(Certify(n0=20, n=n), inputs))
    finally:
        backend.close()
    votes: dict[str, np.ndarray] = {}
    for event in events:
        if not isinstance(event, Finished):
            key = f"{event.task.key} {event.stage}"
            votes[key] = votes.get(key, 0) + np.array(event.votes)
    return {key: tuple(total.tolist()) for key, total in votes.items()} | {
        event.task.key: event.outcome for event in events if isinstance(event, Finished)
    }


@pytest.mark.parametrize("grid", [255, None])
def test_counts_do_not_depend_on_workers_or_batch_size(grid):
    noise = Gaussian(sigma=0.5, grid=grid)
    results = [
        served(made(Coordinates(), noise, batch_size=batch_size, workers=workers), noise)
        for batch_size, workers in ((1, 1), (7, 2), (64, 1), (64, 3), (1000, 2))
    ]
    assert len(results[0]) == 12
    assert all(result == results[0] for result in results)


@pytest.mark.parametrize(
    ("base", "got", "instead"),
    [
        (lambda x: x.flatten(1)[:, :3], r"\(32, 3\)", "give the number of"),
        (lambda x: x.flatten(1)[:, :5], r"\(32, 5\)", "give the number of"),
        (lambda x: x.flatten(1)[:4, :4], r"\(4, 4\)", "give the number of"),
        (lambda x: x.flatten(1)[:, 0], r"\(32,\)", "give the number of"),
        (lambda x: x.flatten(1)[:, :4].argmax(1), r"\(32,\)", "these are classes: return the scores"),
        (lambda x: x, r"\(32, 1, 2, 3\)", r"a certificate is about one class a picture: pool .*, scores.mean\("),
        (lambda x: (x.flatten(1)[:, :4], None), "tuple", r"take them out of it: lambda x: base\(x\)\[0\]"),
        (lambda x: [None, x.flatten(1)[:, :4]], "list", r"take them out of it: lambda x: base\(x\)\[1\]"),
        (lambda x: {"aux": x, "out": x}, "dict", r"take them out of it: lambda x: base\(x\)\['out'\]"),
        (lambda x: {"classes": x}, "dict", r"take them out of it: lambda x: base\(x\)\['classes'\]"),
        (lambda x: SimpleNamespace(logits=x), "SimpleNamespace", r"take them out of it: lambda x: base\(x\)\.logits"),
        (lambda x: x.numpy(), "ndarray", r"return a tensor: torch.from_numpy"),
        (lambda x: None, "NoneType", "give the number of"),
    ],
)
def test_scores_of_another_shape_break_the_contract(base, got, instead):
    text = rf"must return scores of shape \(32, 4\) for 32 inputs and num_classes=4, got {got}; {instead}"
    with pytest.raises(ModelError, match=text):
        votes_of(made(base), segments_of(Gaussian(sigma=0.3), [(0, 5)]))


@pytest.mark.parametrize(
    ("base", "kind"), [(lambda x: x.flatten(1)[:, :4] > 0, "bool"), (lambda x: x.flatten(1)[:, :4] + 0j, "complex64")]
)
def test_what_is_no_score_breaks_the_contract(base, kind):
    with pytest.raises(ModelError, match=f"must return real scores, got {kind}: return what they are made of"):
        votes_of(made(base), segments_of(Gaussian(sigma=0.3), [(0, 5)]))


def test_a_base_classifier_that_fails_is_said_in_one_line():
    text = r"^the base classifier failed on inputs of shape \(32, 1, 2, 3\): RuntimeError: .*; "
    text += r"give a model that takes such inputs, or its own data$"
    with pytest.raises(ModelError, match=text) as raised:
        votes_of(made(nn.Conv2d(3, 4, 2)), segments_of(Gaussian(sigma=0.3), [(0, 5)]))
    assert "\n" not in str(raised.value)
    assert isinstance(raised.value.__cause__, RuntimeError)

    text = r"got Float and Half; inputs are float32, its weights float16: call .float\(\) on it$"
    with pytest.raises(ModelError, match=text):
        votes_of(made(nn.Sequential(nn.Flatten(), nn.Linear(6, 4)).half()), segments_of(Gaussian(sigma=0.3), [(0, 5)]))

    def two_lines(x):
        raise KeyError

    with pytest.raises(ModelError, match=r"KeyError: no reason given; give a model .*$"):
        votes_of(made(two_lines), segments_of(Gaussian(sigma=0.3), [(0, 5)]))


@pytest.mark.parametrize("parts", [[], [nn.Conv2d(1, 1, 1)]])
def test_a_base_classifier_that_ends_the_program_has_failed(parts):
    class Ends(nn.Module):
        def __init__(self):
            super().__init__()
            self.parts = nn.Sequential(*parts)

        def forward(self, x):
            raise SystemExit(0)

    with pytest.raises(ModelError, match=r"^the base classifier failed on inputs of .*: SystemExit: 0; give a model"):
        votes_of(made(Ends().eval()), segments_of(Gaussian(sigma=0.3), [(0, 5)]))


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:128] DefaultCPUAllocator: can't allocate memory: you tried"),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("cuBLAS error: CUBLAS_STATUS_ALLOC_FAILED"),
    ],
    ids=repr,
)
@pytest.mark.parametrize("where", ["base", "buffer", "noise"])
def test_memory_that_runs_out_anywhere_asks_for_a_smaller_batch(error, where, monkeypatch):
    def fails(*_, **__):
        raise error

    backend = made(fails if where == "base" else Exact())
    segments = segments_of(Gaussian(sigma=0.3), [(0, 5)])
    with monkeypatch.context() as patch:
        if where == "buffer":
            patch.setattr(torch, "empty", fails)
        if where == "noise":
            patch.setattr(Gaussian, "perturb", fails)
        with pytest.raises(OutOfMemoryError, match="a batch of 32 does not fit into the memory of cpu; give a smaller"):
            backend.submit(segments).result()
    if where != "base":
        assert backend.submit(segments).result().sum() == 5
    backend.close()


def test_other_errors_are_not_taken_for_memory():
    def fails(x):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(ModelError) as raised:
        votes_of(made(fails), segments_of(Gaussian(sigma=0.3), [(0, 5)]))
    assert not isinstance(raised.value, OutOfMemoryError)


def test_buffers_do_not_grow_with_n(monkeypatch):
    empty, made_now = torch.empty, []

    def counting(*shape, **options):
        made_now.append(shape)
        return empty(*shape, **options)

    monkeypatch.setattr(torch, "empty", counting)
    noise = Gaussian(sigma=0.3)
    backend = made(Coordinates(), noise, batch_size=8, workers=2)
    served(backend, noise, n=3000)
    assert 3 <= len(made_now) <= 3 * backend.workers  # rows, their segments, and what the model sees: a set a worker


def test_the_number_of_threads_is_one_inside_and_as_before_afterwards():
    inside = []

    def base(x):
        inside.append(torch.get_num_threads())
        return torch.zeros(x.shape[0], CLASSES)

    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        backend = made(base, workers=2)
        votes_of(backend, segments_of(Gaussian(sigma=0.3), [(0, 5)]))
        assert inside == [1]
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_scores_need_no_gradient_and_leave_none():
    base = nn.Sequential(nn.Flatten(), nn.Linear(6, CLASSES)).eval()
    seen = []
    base.register_forward_hook(lambda module, inputs, scores: seen.append(scores.requires_grad))
    votes_of(made(base), segments_of(Gaussian(sigma=0.3), [(0, 5)]))
    assert seen == [False]
    assert torch.is_grad_enabled()


def test_bf16_is_autocast_of_the_forward_pass():
    base = nn.Sequential(nn.Flatten(), nn.Linear(6, CLASSES)).eval()
    seen = []
    base.register_forward_hook(lambda module, inputs, scores: seen.append((inputs[0].dtype, scores.dtype)))
    backend = made(base, precision="bf16")
    assert backend.environment()["precision"] == "bf16"
    assert sum(votes_of(backend, segments_of(Gaussian(sigma=0.3), [(0, 9)]))[0]) == 9
    assert seen == [(torch.float32, torch.bfloat16)]


def test_the_environment_is_what_may_not_change_within_an_input():
    backend = made(Exact(), batch_size=12, workers=2)
    backend.close()
    assert backend.environment() == {
        "device": "cpu",
        "backend": f"torch {torch.__version__}",
        "precision": "fp32",
        "batch_size": 12,
        "workers": 2,
    }
    assert backend.depth == 5


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"precision": "fp16"}, "precision must be one of fp32, tf32, bf16, got 'fp16'"),
        ({"batch_size": 0}, "batch_size must be >= 1, got 0"),
        ({"workers": -1}, "workers must be >= 1, got -1"),
        ({"num_classes": 1}, "num_classes must be >= 2, got 1"),
    ],
)
def test_arguments_out_of_range(options, text):
    with pytest.raises(ValueError, match=text):
        made(Exact(), **options)


def test_the_divisor_is_a_tensor_on_the_device(monkeypatch):
    divisors = []
    divide = torch.Tensor.div_
    monkeypatch.setattr(torch.Tensor, "div_", lambda x, by: divisors.append((x.device, by)) or divide(x, by))
    votes_of(made(Exact()), segments_of(Gaussian(0.3), [(0, 5)]))
    # by a number, CUDA multiplies with the reciprocal: two thirds of the quotients are then others than the CPU's
    assert [(by.device, float(by)) for device, by in divisors] == [(device, 255.0) for device, _ in divisors]
    assert divisors


def test_workers_choose_their_device(monkeypatch):
    backend, chosen = made(Exact()), []
    backend._on_cpu, backend.device = False, torch.device("cuda", 1)
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    backend.each_worker(lambda: 0.0)
    assert chosen == [torch.device("cuda", 1)]
