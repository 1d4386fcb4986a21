"""The facade: a module and a batch in, arrays out."""

from __future__ import annotations

import copy
import io
import pickle
import re
from concurrent.futures import ThreadPoolExecutor
from math import sqrt
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from scipy.special import ndtr
from torch import nn

from noiseproof import ABSTAIN, Gaussian, SmoothedClassifier, UnsupportedError
from noiseproof.engine import OutOfMemoryError
from noiseproof.engine.choose import backend_for
from noiseproof.engine.pooled import PooledBackend
from noiseproof.errors import ModelError
from noiseproof.models import from_object
from noiseproof.noises.gaussian import RoundedFloatGaussian
from noiseproof.noises.keys import input_key
from noiseproof.types import Certificate

SHAPE = (1, 2, 2)


def linear(classes: int = 3, seed: int = 0) -> nn.Sequential:
    base = nn.Sequential(nn.Flatten(), nn.Linear(4, classes))
    generator = torch.Generator().manual_seed(seed)
    for parameter in base.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator)
    return base.eval().requires_grad_(False)


def smoothed(base=None, **options) -> SmoothedClassifier:
    settings = {"num_classes": 3, "noise": Gaussian(sigma=0.5), "workers": 1} | options
    return SmoothedClassifier(linear() if base is None else base, **settings)


def batch(count: int = 5, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, *SHAPE), dtype=np.uint8)


def same(a, b) -> bool:
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in vars(a))


def test_certificates_are_arrays_of_the_batch():
    said = smoothed().certify(batch(), n=200)
    assert {name: (array.dtype, array.shape) for name, array in vars(said).items() if name != "norm"} == {
        "prediction": (np.int64, (5,)),
        "radius": (np.float64, (5,)),
        "p_lower": (np.float64, (5,)),
        "p_upper": (np.float64, (5,)),
        "abstained": (np.bool_, (5,)),
        "certified": (np.bool_, (5,)),
        "draws": (np.int64, (5,)),
    }
    assert (said.norm, len(said), set(said.draws)) == ("l2", 5, {300})
    assert np.array_equal(said.certified, said.radius > 0)
    with pytest.raises(AttributeError, match="these outcomes have no 'p_value'; they have abstained, certified,"):
        print(said.p_value)
    assert np.array_equal(said.abstained, said.prediction == ABSTAIN)
    assert np.array_equal(said.abstained, said.radius == 0)


def test_predictions_are_arrays_of_the_batch():
    said = smoothed().predict(batch(), n=100)
    assert {name: (array.dtype, array.shape) for name, array in vars(said).items()} == {
        "prediction": (np.int64, (5,)),
        "p_value": (np.float64, (5,)),
        "abstained": (np.bool_, (5,)),
        "draws": (np.int64, (5,)),
    }
    assert not hasattr(said, "radius")
    assert np.array_equal(said.abstained, said.prediction == ABSTAIN)
    assert np.array_equal(said.abstained, said.p_value > 0.001)


def test_a_batch_of_none_gives_arrays_of_none():
    assert smoothed().certify(batch(0), n=100).radius.shape == (0,)
    assert smoothed().predict(torch.zeros(0, *SHAPE), n=100).p_value.shape == (0,)
    assert smoothed().decide(batch(0), radius=0.1).answer.dtype.kind == "U"


def test_the_order_is_that_of_the_batch_and_company_does_not_matter():
    x = batch(6)
    together = smoothed(batch_size=16).certify(x, n=300)
    for i in (5, 0, 3):
        alone = smoothed(batch_size=16).certify(x[i : i + 1], n=300)
        assert alone.p_lower[0] == together.p_lower[i]
    turned = smoothed(batch_size=16).certify(x[::-1], n=300)
    assert np.array_equal(turned.p_lower[::-1], together.p_lower)
    assert len(set(together.p_lower)) > 3


def test_a_linear_base_classifier_is_certified_within_its_exact_radius():
    """Two classes: the exact robust radius is margin / ||w||, and p_A = Phi(radius / sigma)."""
    base = linear(classes=2, seed=1)
    w = (base[1].weight[0] - base[1].weight[1]).double().numpy()
    b = float(base[1].bias[0] - base[1].bias[1])
    x = batch(12, seed=4)
    margin = x.reshape(12, 4) / 255 @ w + b
    exact = np.abs(margin) / sqrt(w @ w)
    said = smoothed(base, num_classes=2, seed=3).certify(x, n=3000)
    sure = ~said.abstained
    assert sure.sum() > 6
    assert np.array_equal(said.prediction[sure], np.where(margin < 0, 1, 0)[sure])
    assert (said.radius <= exact)[sure].all()  # each false with probability at most alpha = .001
    assert (said.p_lower <= ndtr(exact / 0.5)).all()
    assert (said.radius[sure] > 0.4 * exact[sure] - 0.1).all()


def test_two_sided_gains_where_there_are_many_classes():
    def thirds(x):
        """Class 0 with p = .6, the others share the rest."""
        u = x.flatten(1)[:, 0]
        scores = torch.zeros(x.shape[0], 3)
        scores[:, 0] = u > -0.1266
        scores[:, 1] = (u <= -0.1266) & (x.flatten(1)[:, 1] > 0)
        scores[:, 2] = (u <= -0.1266) & (x.flatten(1)[:, 1] <= 0)
        return scores

    x = torch.zeros(1, *SHAPE)
    one, two = (smoothed(thirds).certify(x, n=5000, two_sided=flag) for flag in (False, True))
    assert two.radius[0] > 1.5 * one.radius[0] > 0


def test_equal_inputs_of_a_batch_get_different_noise_and_the_first_is_as_alone():
    x = np.repeat(batch(1), 3, axis=0)
    said = smoothed().certify(x, n=1000)
    assert len(set(said.p_lower)) == 3
    assert said.p_lower[0] == smoothed().certify(x[:1], n=1000).p_lower[0]


def test_many_equal_inputs_do_not_cost_squared(monkeypatch):
    looked_up = []

    def counting(x, taken=()):
        looked_up.append(type(taken))
        return input_key(x, taken)

    monkeypatch.setattr("noiseproof.classifier.input_key", counting)
    smoothed().predict(batch(3), n=20)
    assert looked_up
    assert not {list, tuple} & set(looked_up)


def test_uint8_and_float_of_numpy_and_torch_agree():
    x = batch()
    said = [
        smoothed().certify(form, n=500)
        for form in (
            x,
            torch.from_numpy(x),
            x / 255,
            (x / 255).astype(np.float32),
            torch.from_numpy(x).float() / 255,
            torch.from_numpy(x).float().mul(1 / 255),
            (torch.from_numpy(x).double() / 255).requires_grad_(),
        )
    ]
    assert all(same(said[0], other) for other in said[1:])


def test_the_layout_of_the_batch_does_not_matter():
    x = np.random.default_rng(0).integers(0, 256, (3, 2, 3, 2), dtype=np.uint8)
    base = nn.Sequential(nn.Flatten(), nn.Linear(12, 3)).eval()
    last = torch.from_numpy(x).to(memory_format=torch.channels_last)
    assert same(smoothed(base).certify(x, n=200), smoothed(base).certify(last, n=200))


@pytest.mark.parametrize(
    ("x", "text"),
    [
        (np.full((1, *SHAPE), 1.1), r"inputs must lie in \[0, 1\], got values from 1.1 to 1.1; normalisation belongs"),
        (np.full((1, *SHAPE), -0.01), r"inputs must lie in \[0, 1\]"),
        (np.full((1, *SHAPE), 200, dtype=np.int64), r"in \[0, 1\], got values from 200 to 200; divide pixels by 255$"),
        (np.full((1, *SHAPE), np.nan), "inputs must be finite, got NaN or infinity"),
        (np.full((1, *SHAPE), np.inf), "inputs must be finite, got NaN or infinity"),
        (
            np.full((1, *SHAPE), 0.3),
            r"inputs must lie on the grid k/255 \(one is 0.5 of a step away\); round them to 8",
        ),
        (torch.full((1, *SHAPE), 0.5), "inputs must lie on the grid k/255"),
        (np.zeros(4), r"x must be a batch \[batch, \*shape\], got shape \(4,\)"),
        (torch.tensor(0.0), r"x must be a batch"),
    ],
)
def test_inputs_that_are_refused(x, text):
    for verb in ("certify", "predict"):
        with pytest.raises(ValueError, match=text):
            getattr(smoothed(), verb)(x)


def test_off_the_grid_with_float_noise():
    x = torch.full((2, *SHAPE), 0.3)
    said = smoothed(noise=Gaussian(sigma=0.5, grid=None)).certify(x, n=500)
    assert len(set(said.p_lower)) == 2
    uint8 = smoothed(noise=Gaussian(sigma=0.5, grid=None)).certify(batch(), n=500)
    assert same(uint8, smoothed(noise=Gaussian(sigma=0.5, grid=None)).certify(batch() / 255, n=500))


def test_a_base_classifier_in_training_mode_is_refused_naming_the_part():
    base = nn.Sequential(nn.Flatten(), nn.Dropout(), nn.Linear(4, 3)).eval()
    base[1].train()
    g = smoothed(base)
    for verb in (g.certify, g.predict):
        with pytest.raises(
            ModelError, match=r"its part '1' \(Dropout\) is in training mode; call base\.eval\(\) first"
        ):
            verb(batch())
    with pytest.raises(ModelError, match="in training mode"):
        g.train().certify(batch())
    assert len(g.eval().certify(batch(), n=100).radius) == 5


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"noise": 0.25}, "noise must be a noise such as Gaussian(sigma=0.25), got 0.25"),
        ({"noise": "gaussian"}, "noise must be a noise such as Gaussian(sigma=0.25), got 'gaussian'"),
        ({"noise": Gaussian}, "noise must be a noise such as Gaussian(sigma=0.25), got Gaussian"),
        ({"base": "runs/m"}, "got str; give noiseproof.models.load('runs/m').module"),
        ({"base": Path("runs/m")}, "give noiseproof.models.load('runs/m').module"),
        ({"base": nn.Linear}, "got Linear; that is a class; give one of its objects, Linear(...).eval()"),
        ({"base": None}, "got NoneType; give a module in eval mode, or a function"),
        ({"base": from_object(linear(), num_classes=3)}, "got BaseModel; give its module: base.module"),
        ({"device": "vulkan"}, "device must be auto, cpu, or one that torch can use, got 'vulkan'"),
    ],
)
def test_what_is_made_of_something_else_is_refused_at_once_with_what_to_give(changed, text):
    given = {"base": linear(), "num_classes": 3, "noise": Gaussian(sigma=0.25)} | changed
    with pytest.raises(ValueError, match=re.escape(text)):
        SmoothedClassifier(**given)


@pytest.mark.parametrize(
    ("x", "text"),
    [
        (torch.zeros(4), "x must be a batch [batch, *shape], got shape (4,); of one picture give x[None]"),
        ([(torch.zeros(1, 2, 2), 1)], "x must be a tensor or an array [batch, *shape], got list"),
        ("cat.png", "x must be a tensor or an array [batch, *shape] of numbers, got str"),
        (None, "x must be a tensor or an array [batch, *shape] of numbers, got NoneType"),
    ],
)
def test_an_input_that_is_no_batch_is_refused(x, text):
    with pytest.raises(ValueError, match=re.escape(text)):
        smoothed().certify(x, n=100)


def test_a_single_picture_is_told_from_a_batch():
    base = nn.Sequential(nn.Conv2d(3, 4, 2), nn.Flatten()).eval()
    g, x = smoothed(base, num_classes=4), torch.zeros(3, 2, 2)
    assert len(g.certify(x[None], n=100)) == 1
    with pytest.raises(ModelError, match=r"failed on .*; x was taken for 3 inputs: of one picture give x\[None\]$"):
        g.certify(x, n=100)


def test_the_soft_vote_says_what_it_cannot_take():
    for x, got in ((batch(), "ndarray"), (torch.from_numpy(batch()), "torch.uint8")):
        with pytest.raises(ValueError, match=f"x must be a tensor of floats in .*, got {got}"):
            smoothed()(x)
    with pytest.raises(ModelError, match=r"got tuple; take them out of it: lambda x: base\(x\)\[0\]"):
        smoothed(lambda x: (x.flatten(1),))(torch.zeros(2, *SHAPE))


def test_the_wrong_number_of_classes_is_refused():
    with pytest.raises(ModelError, match=r"must return scores of shape \(128, 4\) .* num_classes=4, got \(128, 3\)"):
        smoothed(num_classes=4).certify(batch(), n=100)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"num_classes": 1}, "num_classes must be >= 2, got 1"),
        ({"soft_draws": 0}, "soft_draws must be >= 1, got 0"),
        ({"batch_size": 0}, "batch_size must be >= 1, got 0"),
        ({"precision": "fp8"}, "precision must be one of fp32, tf32, bf16, got 'fp8'"),
        ({"backend": "onnxruntme"}, "unknown backend 'onnxruntme'; did you mean 'onnxruntime'"),
        ({"backend": "auto"}, "backend must be one of torch, onnxruntime, openvino here, got 'auto', which is chosen"),
        ({"backend": "openvino", "device": "cuda"}, "device must be cpu with backend openvino, got cuda"),
    ],
)
def test_arguments_out_of_range(options, text):
    with pytest.raises(ValueError, match=text):
        smoothed(**options)


def test_a_seed_is_an_integer():
    with pytest.raises(ValueError, match=r"^seed must be an integer, got 5\.0$"):
        smoothed(seed=5.0)
    x = batch(2)
    assert same(smoothed(seed=np.int64(5)).certify(x, n=500), smoothed(seed=5).certify(x, n=500))
    assert not same(smoothed(seed=5).certify(x, n=500), smoothed(seed=6).certify(x, n=500))
    assert not same(smoothed(seed=5).certify(x, n=500), smoothed(seed=5 + 2**32).certify(x, n=500))


def scarce():
    """A base classifier with memory for 20 rows, and the sizes that it was asked for."""
    inner, sizes = linear(), []

    def base(x):
        sizes.append(x.shape[0])
        if x.shape[0] > 20:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return inner(x)

    return base, sizes


def test_memory_that_runs_out_halves_the_batch_and_gives_the_same_counts():
    base, sizes = scarce()
    x, plain = batch(), linear()
    ample = smoothed(lambda x: plain(x), batch_size=12)
    assert same(smoothed(base, batch_size=100).certify(x, n=300), ample.certify(x, n=300))
    assert list(dict.fromkeys(sizes)) == [100, 50, 25, 12]


def test_memory_that_runs_out_late_does_not_lose_what_is_finished():
    inner, rows = linear(), []

    def base(x):
        rows.append(x.shape[0])
        if x.shape[0] == 64 and len(rows) > 17:  # the brief check's five included
            raise MemoryError
        return inner(x)

    x, plain = batch(), linear()
    ample = smoothed(lambda x: plain(x), batch_size=64)
    assert same(smoothed(base, batch_size=64).certify(x, n=200), ample.certify(x, n=200))
    assert sum(rows[17:]) < 5 * 300


def test_memory_for_not_even_one_row_is_an_error():
    def base(x):
        raise MemoryError

    with pytest.raises(OutOfMemoryError, match="a batch of 1 does not fit"):
        smoothed(base, batch_size=4).certify(batch(), n=100)


def test_forward_is_the_mean_softmax_over_noisy_copies():
    x = torch.rand(4, *SHAPE)
    base = linear()
    soft = smoothed(base, soft_draws=5)(x, torch.Generator().manual_seed(9))
    generator = torch.Generator().manual_seed(9)
    expected = sum(base(x + 0.5 * torch.randn(x.shape, generator=generator)).softmax(1) for _ in range(5)) / 5
    assert torch.allclose(soft, expected)
    assert soft.shape == (4, 3)
    assert torch.allclose(soft.sum(1), torch.ones(4))


def test_forward_is_determined_by_the_seed_and_leaves_the_global_generator_alone():
    x = torch.rand(4, *SHAPE)
    first, again, other, negative = (smoothed(seed=seed) for seed in (1, 1, 2, -1))
    before = torch.get_rng_state()
    assert torch.equal(first(x), again(x))
    assert torch.equal(first(x), first(x))
    assert not torch.equal(first(x), other(x))
    assert negative(x).shape == (4, 3)
    assert torch.equal(torch.get_rng_state(), before)


def test_forward_has_the_gradient_of_finite_differences():
    x = torch.rand(2, *SHAPE, dtype=torch.float64, requires_grad=True)
    g = smoothed(linear().double(), soft_draws=3)
    assert torch.autograd.gradcheck(lambda inputs: g(inputs), (x,))


def test_forward_has_gradients_for_the_weights():
    base = linear().requires_grad_()
    smoothed(base)(torch.rand(4, *SHAPE))[:, 0].sum().backward()
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in base.parameters())


def test_forward_needs_noise_with_float_draws():
    with pytest.raises(UnsupportedError, match="rounded-float-gaussian noise has no float draws: no soft vote"):
        smoothed(noise=RoundedFloatGaussian(sigma=0.5))(torch.rand(1, *SHAPE))


def test_it_is_a_module_with_the_weights_of_its_base_classifier():
    g = smoothed()
    assert set(g.state_dict()) == {"base.1.weight", "base.1.bias"}
    other = smoothed(linear(seed=8))
    x = batch()
    assert not same(g.certify(x, n=300), other.certify(x, n=300))
    other.load_state_dict(g.state_dict())
    assert same(g.certify(x, n=300), other.certify(x, n=300))
    assert SmoothedClassifier(lambda x: x, 2, Gaussian(sigma=0.5)).state_dict() == {}


def test_it_computes_where_the_base_classifier_is_now():
    g = smoothed()
    assert g.device == torch.device("cpu")
    g.to("meta")
    assert g.device == torch.device("meta")
    assert smoothed(device="cpu").to("meta").device == torch.device("cpu")
    assert smoothed(lambda x: x).device == torch.device("cpu")


def test_a_certificate_is_the_one_of_the_procedure():
    """What the arrays hold is what CERTIFY says of the counts, for the noise that knows its dimension."""
    from noiseproof.engine import Engine, Finished, Task, TorchBackend
    from noiseproof.models.base import fingerprint
    from noiseproof.noises.keys import binding
    from noiseproof.procedures import Certify

    x, asked = batch(1), Certify(n=500)
    noise = Gaussian(sigma=0.5).on(SHAPE)
    backend = TorchBackend(linear(), num_classes=3, noise=noise, shape=SHAPE, workers=1)
    model = {"fingerprint": fingerprint(linear(), "torch.nn.modules.container.Sequential")}
    bound_to = binding({"model": model, "noise": noise.config(), "procedure": asked.config()})
    try:
        events = list(Engine(backend, noise, 0, binding=bound_to).run(asked, [Task(input_key(x[0]), x[0])]))
    finally:
        backend.close()
    (said,) = [event.outcome for event in events if isinstance(event, Finished)]
    assert isinstance(said, Certificate)
    arrays = smoothed().certify(x, n=500)
    assert (said.prediction, said.radius, said.p_lower) == (arrays.prediction[0], arrays.radius[0], arrays.p_lower[0])


def test_decisions_are_arrays_of_the_batch():
    g = smoothed()
    said = g.decide(batch(), radius=0.1, n_max=2000)
    assert {name: (array.dtype.kind, array.shape) for name, array in vars(said).items() if hasattr(array, "dtype")} == {
        "answer": ("U", (5,)),
        "prediction": ("i", (5,)),
        "certified": ("b", (5,)),
        "abstained": ("b", (5,)),
        "radius": ("f", (5,)),
        "draws": ("i", (5,)),
    }
    assert (set(said.radius), said.norm) == ({0.1}, "l2")
    assert np.array_equal(said.certified, said.prediction != ABSTAIN)
    assert np.array_equal(said.certified, said.answer == "certified")
    assert ((said.draws >= 100) & (said.draws <= 2000)).all()
    fixed = g.certify(batch(), n=20_000)
    clear = np.abs(fixed.radius - 0.1) > 0.05
    assert clear.any()
    assert np.array_equal(said.certified[clear], (fixed.radius > 0.1)[clear])
    assert np.array_equal(said.prediction[said.certified], fixed.prediction[said.certified])


def test_inputs_on_no_grid_are_quantised_and_pay_for_it():
    x = np.random.default_rng(0).random((4, *SHAPE))
    g = smoothed(noise=Gaussian(sigma=0.5, grid=4096))
    with pytest.raises(ValueError, match=r"inputs must lie on the grid k/4096 .* quantise them to a finer grid"):
        g.certify(x, n=200)
    said = g.certify(torch.from_numpy(x), n=2000, quantise=True)
    on_grid = np.rint(x * 4096) / 4096
    there = g.certify(on_grid, n=2000)
    paid = np.linalg.norm((x - on_grid).reshape(4, -1), axis=1) + sqrt(4) / 8192
    certain = there.radius > paid
    assert certain.any()
    assert said.radius[certain] == pytest.approx((there.radius - paid)[certain], abs=1e-9)
    assert (said.radius[certain] <= (there.radius - paid)[certain]).all()
    assert np.array_equal(said.abstained, said.radius == 0)
    assert np.array_equal(said.prediction == ABSTAIN, said.abstained)
    with pytest.raises(UnsupportedError, match="float noise has no grid to quantise to"):
        smoothed(noise=Gaussian(sigma=0.5, grid=None)).certify(x, n=200, quantise=True)


def test_a_quantised_certificate_that_is_smaller_than_its_price_is_an_abstention():
    """On a coarse grid of 4 steps the price is .25 and more."""
    x = np.random.default_rng(0).random((8, *SHAPE))
    g = smoothed(noise=Gaussian(sigma=0.25, grid=4))
    shrink = g.noise.quantised(x)[1]
    assert (shrink > sqrt(4) / 8).all()
    said = g.certify(x, n=100, quantise=True)
    assert said.abstained.any()
    assert (said.prediction[said.abstained] == ABSTAIN).all()


class Convolved(nn.Module):
    """Something that is copied and folded for speed, so that a backend could go stale."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(1)
        self.body = nn.Sequential(nn.Conv2d(1, 4, 2), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4, 3))
        for parameter in self.parameters():
            parameter.data = torch.randn(parameter.shape, generator=generator)
        self.factor, self.shift, self.last = 1.0, torch.zeros(3), [0.0]
        self.eval()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.factor * self.body(x) + self.shift + torch.tensor([self.last[0], 0.0, 0.0])


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[PooledBackend]:
    """The backends that facades made."""
    found: list[PooledBackend] = []

    def noted(*args, **options):
        found.append(backend_for(*args, **options))
        return found[-1]

    monkeypatch.setattr("noiseproof.classifier.backend_for", noted)
    return found


def closed(backend: PooledBackend) -> bool:
    return backend._pool._shutdown


def test_a_backend_is_kept_between_calls_and_given_back(made):
    with smoothed(Convolved()) as g:
        first = g.certify(batch(), n=200)
        g.predict(batch(), n=100)
        g.decide(batch(), radius=0.1, n_max=1000)
        assert same(g.certify(batch(), n=200), first)
        assert (len(made), closed(made[0])) == (1, False)
    assert closed(made[0])
    assert same(g.certify(batch(), n=200), first)
    assert len(made) == 2
    g.close()
    g.close()
    assert closed(made[1])


def add_in_place(base):
    base.body[0].weight.data.add_(0.5)  # moves neither version counter nor address


def through_numpy(base):
    base.body[4].weight.detach().numpy()[0] += 1.0


CHANGES = {
    "in place": lambda base: base.body[4].bias.requires_grad_(False).add_(torch.tensor([3.0, 0.0, -3.0])),
    "in place, behind autograd": add_in_place,
    "through numpy": through_numpy,
    "a state dict": lambda base: base.load_state_dict({k: v * 1.5 for k, v in base.state_dict().items()}),
    "statistics of the batch-norm": lambda base: base.body[1].running_mean.add_(0.3),
    "a setting": lambda base: setattr(base, "factor", -1.0),
    "a tensor that is no buffer": lambda base: base.shift.add_(torch.tensor([0.0, 4.0, 0.0])),
    "a list": lambda base: base.last.__setitem__(0, 5.0),
    "a part": lambda base: base.body.__setitem__(2, nn.Tanh().eval()),
    "a hook": lambda base: base.register_forward_hook(turned),
    "a hook that cannot be pickled": lambda base: base.register_forward_hook(lambda *_: -_[2]),
}


def turned(base, inputs, scores):
    return scores.roll(1, dims=1)


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_whatever_changes_a_base_classifier_is_in_the_next_answer(made, change):
    base, x = Convolved(), batch(8)
    g = smoothed(base)
    before = g.certify(x, n=300)
    change(base)
    found = g.certify(x, n=300)
    assert same(found, smoothed(copy.deepcopy(base)).certify(x, n=300))
    assert not same(found, before)
    assert closed(made[0])
    g.close()


def test_what_cannot_be_told_is_prepared_again_each_time(made):
    base, x = Convolved(), batch(2)
    hidden = [1.0]
    base.register_forward_hook(lambda *_: _[2] * hidden[0])
    g = smoothed(base)
    before = g.certify(x, n=300)
    hidden[0] = -1.0
    assert not same(g.certify(x, n=300), before)
    assert [closed(each) for each in made] == [True, False]
    g.close()


@pytest.mark.parametrize(
    ("name", "value"),
    [("batch_size", 7), ("workers", 2), ("precision", "bf16"), ("noise", Gaussian(sigma=0.25))],
)
def test_another_setting_makes_another_backend(made, name, value):
    g = smoothed(Convolved())
    g.certify(batch(), n=200)
    setattr(g, name, value)
    said = g.certify(batch(), n=200)
    assert (len(made), closed(made[0])) == (2, True)
    assert same(said, smoothed(Convolved(), **{name: value}).certify(batch(), n=200))
    g.close()


def test_inputs_of_another_shape_make_another_backend(made):
    class Mean(nn.Module):
        def forward(self, x):
            return x.flatten(1)[:, :3]

    g = smoothed(Mean().eval())
    for shape in ((2, 1, 2, 2), (2, 3, 4), (2, 3, 4), (2, 12)):  # the last has as many numbers as the one before
        assert len(g.predict(np.zeros(shape, np.uint8), n=100)) == 2
    assert [closed(each) for each in made] == [True, True, False]
    g.close()


def test_a_batch_that_fitted_is_asked_for_first_the_next_time():
    base, sizes = scarce()
    g = smoothed(base, batch_size=100)
    first = g.certify(batch(), n=300)
    del sizes[:]
    assert same(g.certify(batch(), n=300), first)
    assert set(sizes) == {12}


def test_an_error_leaves_nothing_behind(made):
    g = smoothed(Convolved(), num_classes=4)
    with pytest.raises(ModelError, match="must return scores of shape"):
        g.certify(batch(), n=100)
    assert closed(made[0])
    g.num_classes = 3
    assert len(g.certify(batch(), n=100)) == 5


@pytest.mark.parametrize("again", [copy.deepcopy, copy.copy, lambda g: pickle.loads(pickle.dumps(g))])
def test_a_copy_has_a_backend_of_its_own(made, again):
    g = smoothed(Convolved())
    said = g.certify(batch(), n=200)
    other = again(g)
    assert same(other.certify(batch(), n=200), said)
    assert len(made) == 2
    other.close()
    assert [closed(each) for each in made] == [False, True]
    assert same(pickle.loads(pickle.dumps(said)), said)
    g.close()


def test_calls_of_two_threads_wait_for_each_other(made):
    g = smoothed(Convolved())
    alone = g.certify(batch(), n=2000)
    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(g.certify, batch(), n=2000) for _ in range(2)]
        assert all(same(each.result(), alone) for each in both)
    g.close()
    assert [closed(each) for each in made] == [True]


def test_threads_of_torch_are_left_as_they_were(made):
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        g = smoothed(Convolved())
        g.certify(batch(), n=200)
        with ThreadPoolExecutor(1) as other:  # a thread that is started between two calls
            assert other.submit(torch.get_num_threads).result() == 2
        g.close()
    finally:
        torch.set_num_threads(before)


def test_precision_and_backend_are_asked_for(made):
    smoothed(Convolved(), precision="bf16").certify(batch(), n=100)
    assert made[0].precision == "bf16"
    pytest.importorskip("openvino")
    smoothed(Convolved(), backend="openvino").certify(batch(), n=100)
    assert "openvino" in made[1].label.lower()


def test_a_loader_in_one_call():
    base = nn.Sequential(nn.Flatten(), nn.Linear(4, 2)).eval().requires_grad_(False)
    g = SmoothedClassifier(base, 2, Gaussian(sigma=0.5), workers=1)
    x = torch.arange(16).reshape(4, 1, 2, 2) * 16 / 255
    said = g.certify(x, n0=20, n=200)
    labels = torch.tensor([int(said.prediction[0]), 1, 0, int(said.prediction[3])])
    for radius in (0.0, float(said.radius[0]), 9.0):
        right = (said.prediction == labels.numpy()) & (said.radius >= radius) & said.certified
        batches = [(x[:3], labels[:3]), (x[3:], labels[3:])]
        assert g.certified_accuracy(batches, radius=radius, n0=20, n=200) == right.mean()
    with pytest.raises(ValueError, match=r"^loader must yield inputs, got none"):
        g.certified_accuracy([], radius=0.1)
    with pytest.raises(ValueError, match=r"^radius must be >= 0, got -1"):
        g.certified_accuracy([], radius=-1)


@pytest.mark.parametrize(
    ("batch", "says"),
    [
        (torch.zeros(2, 1, 2, 2), "loader must yield pairs (x, labels), got a Tensor; write such as"),
        ({"image": torch.zeros(2, 4), "label": [0, 1]}, "loader must yield pairs (x, labels), got a dict; write such"),
        ((torch.zeros(2, 4), torch.tensor([0, 1, 0])), "labels must be the true classes, integers [2], got int64 [3]"),
        ((torch.zeros(2, 4), torch.eye(2)), "labels must be the true classes, integers [2], got float32 [2, 2]; not "),
        ((torch.zeros(2, 4), ["a", "b"]), "labels must be the true classes, integers [2], got <U1 [2]; not scores, na"),
        ((torch.zeros(2, 4), [0.0, 1.0]), "labels must be the true classes, integers [2], got float64 [2]; not scores"),
    ],
)
def test_a_loader_of_something_else_is_never_counted_as_wrong(batch, says):
    with pytest.raises(ValueError, match=f"^{re.escape(says)}"):
        SmoothedClassifier(nn.Linear(4, 2).eval(), 2, Gaussian(sigma=0.5)).certified_accuracy([batch], radius=0.1)


def test_what_is_given_by_place_is_answered_with_the_call_that_does_it():
    g, x = smoothed(), batch(1)
    for call, says in (
        (lambda: g.certify(x, 100, 1000, 0.001, 400), "certify(x, n0=100, n=1000, alpha=0.001)"),
        (lambda: g.predict(x, 1000, 0.001, 400), "predict(x, n=1000, alpha=0.001)"),
        (lambda: g.decide(x, 0.5), "decide(x, radius=0.5)"),
    ):
        with pytest.raises(TypeError, match=re.escape(f"takes what follows x by name: {says}") + "$"):
            call()
    with pytest.raises(TypeError, match=r"the object is made: SmoothedClassifier\(\.\.\., batch_size=8\)$"):
        g.certify(x, n=100, batch_size=8)
    with pytest.raises(TypeError, match="unexpected keyword argument 'm'"):
        g.certify(x, m=100)


def test_a_line_in_a_shell_and_a_table_in_a_notebook():
    g = smoothed(seed=3)
    assert repr(g) == f"SmoothedClassifier(Sequential, 3 classes, {g.noise}, seed=3)"
    assert g._repr_html_().startswith(f"<pre>{g!r}</pre><table><tr><th></th><th>value</th></tr>")
    assert "<tr><td>precision</td><td>fp32</td></tr>" in g._repr_html_()
    said = g.certify(batch(12), n0=10, n=200)
    abstained = int(said.abstained.sum())
    assert repr(said) == f"<Outcomes: 12 inputs, {abstained} abstained, 2,520 draws>"
    shown = said._repr_html_()
    assert shown.startswith("<pre>&lt;Outcomes: 12 inputs, ")
    assert (shown.count("<tr>"), shown.endswith("<pre>... and 2 more</pre>")) == (11, True)
    assert f"<tr><td>{said.prediction[0]}</td><td>{said.radius[0]:.4g}</td>" in shown


def test_while_a_batch_is_drawn_it_tells_how_far_it_is():
    told = []
    g = smoothed(progress=told.append)
    g.certify(batch(4), n0=10, n=200)
    assert {(each.total, each.unit) for each in told} == {(4, "inputs")}
    assert [each.done for each in told] == sorted(each.done for each in told)
    assert len(told) > 4, "between two inputs too"
    assert (told[0].done, told[-1].done, told[-1].note) == (0, 4, "840 draws")
    assert copy.deepcopy(g).progress is None


def test_an_owner_of_base_and_smoothed_stores_the_weights_once_and_loads_strictly():
    """The names stand twice, as torch has it for shared modules; leaving some out would let a lost weight pass."""

    def owner(seed):
        base = nn.Sequential(nn.Flatten(), nn.Linear(10_000, 3))
        torch.nn.init.normal_(base[1].weight, generator=torch.Generator().manual_seed(seed))
        return nn.ModuleDict({"net": base, "g": SmoothedClassifier(base.eval(), 3, Gaussian(sigma=0.5))})

    one, other = owner(0), owner(1)
    file = io.BytesIO()
    torch.save(one.state_dict(), file)
    assert len(file.getvalue()) < 1.5 * one["net"][1].weight.nbytes
    file.seek(0)
    other.load_state_dict(torch.load(file, weights_only=True))
    assert torch.equal(other["g"].base[1].weight, one["net"][1].weight)
    assert other["g"].base is other["net"]
