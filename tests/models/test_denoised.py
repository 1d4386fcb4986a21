import json

import numpy as np
import pytest
import torch
from scipy.stats import binom, norm
from torch import nn

from noiseproof.data import DataSet
from noiseproof.engine.contract import check_eval_mode
from noiseproof.engine.prepare import prepared
from noiseproof.errors import ModelError
from noiseproof.models import BaseModel, build, ensemble, fingerprint, load, save_weights
from noiseproof.models.denoised import Denoised, build_denoiser, denoised, denoised_parts, denoised_spec, load_denoiser
from tests.asking import certify

SHAPE = (1, 16, 16)


def random_statistics(module: nn.Module) -> nn.Module:
    """Batch-norm and a last layer that do something."""
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.uniform_(part.weight, 0.5, 1.5)
            nn.init.normal_(part.bias, std=0.2)
            part.running_mean.normal_(std=0.2)
            part.running_var.uniform_(0.5, 1.5)
    if hasattr(module, "dncnn"):
        nn.init.normal_(module.dncnn[-1].weight, std=0.02)
    return module.eval()


@pytest.fixture
def folders(tmp_path):
    """A run folder of a denoiser and one of a classifier."""
    denoiser = random_statistics(build_denoiser("dncnn-4x6", shape=SHAPE))
    classifier = random_statistics(build("resnet20", num_classes=3, shape=SHAPE))
    said = {"shape": json.dumps(SHAPE)}
    for name, module, more in (
        ("dn", denoiser, {"task": "denoiser", "architecture": "dncnn-4x6", "sigma": "0.25"}),
        ("cl", classifier, {"architecture": "resnet20", "num_classes": "3", "data": "stripes:train", "sigma": "0.0"}),
    ):
        (tmp_path / name).mkdir()
        save_weights(module, tmp_path / name / "weights.safetensors", said | more)
    return tmp_path / "dn", tmp_path / "cl"


def error(spec, **options):
    with pytest.raises(ModelError) as caught:
        load(spec, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_classifier_sees_what_the_denoiser_gives(folders):
    spec = denoised_spec(str(folders[1]), str(folders[0]), sigma=0.25)
    assert spec == f"denoised:{folders[0]}::{folders[1]}"
    found, x = load(spec), torch.rand(4, *SHAPE)
    wanted = load(folders[1]).module(load_denoiser(folders[0]).module(x))
    assert torch.equal(found.module(x), wanted)
    assert not torch.equal(load(folders[1]).module(x), wanted)


def test_what_is_known_of_it(folders):
    found = load(denoised_spec(str(folders[1]), str(folders[0])))
    assert (found.architecture, found.num_classes, found.shape) == ("resnet20 after dncnn-4x6", 3, SHAPE)
    assert found.source == f"denoised:{folders[0]}::{folders[1]}"
    assert found.trained == {"data": "stripes:train"}  # the sigma of the classifier alone would mislead
    check_eval_mode(found.module)
    assert not any(parameter.requires_grad for parameter in found.module.parameters())


def test_the_fingerprint_is_made_of_both(folders):
    classifier, denoiser = load(folders[1]), load_denoiser(folders[0])
    one = denoised(denoiser, classifier).fingerprint
    assert one == load(denoised_spec(str(folders[1]), str(folders[0]))).fingerprint
    other = random_statistics(build_denoiser("dncnn-4x6", shape=SHAPE))
    save_weights(other, folders[0] / "weights.safetensors", {"task": "denoiser", "architecture": "dncnn-4x6"})
    assert denoised(load_denoiser(folders[0]), classifier).fingerprint != one
    with torch.no_grad():
        classifier.module.fc.bias += 1
    sha = fingerprint(classifier.module, "resnet20")
    changed = BaseModel(classifier.module, "resnet20", 3, SHAPE, sha, "")
    assert denoised(denoiser, changed).fingerprint not in (one, sha, classifier.fingerprint, denoiser.fingerprint)


def test_batch_norm_of_both_is_folded_rightly(folders):
    module = load(denoised_spec(str(folders[1]), str(folders[0]))).module
    ready = prepared(module, shape=SHAPE, device=torch.device("cpu"))
    assert ready.folded == 2 + 21  # ResNet-20 has 19 and two in its shortcuts
    x = torch.rand(3, *SHAPE) + 0.3 * torch.randn(3, *SHAPE)
    with torch.inference_mode():
        wanted, found = module(x), ready.base(x)
    assert torch.allclose(found, wanted, atol=1e-4 * float(wanted.abs().max()))
    assert not torch.equal(found, wanted)


def test_it_is_certified_by_the_ordinary_verb(folders, tmp_path):
    """The engine's checks of a base classifier pass, and the run leads back to the model."""
    random = np.random.Generator(np.random.Philox(key=3))
    pictures = random.integers(0, 256, (2, *SHAPE)).astype(np.uint8)
    data = DataSet("random:test", ("a", "b", "c"), SHAPE, np.array([0, 1]), pictures)
    spec = denoised_spec(str(folders[1]), str(folders[0]))
    run = certify(model=spec, data=data, sigma=0.25, out=tmp_path / "run", n0=20, n=60)
    assert len(run.records) == 2
    assert run.manifest.meaning["model"]["fingerprint"] == load(spec).fingerprint
    assert run.state.sessions[-1]["settings"]["model"] == spec


class Shrinks(nn.Module):
    """The Wiener estimate of independent pixels N(mean, spread^2) under noise sigma."""

    def __init__(self, mean: float, spread: float, sigma: float) -> None:
        super().__init__()
        self.mean, self.gain = mean, spread**2 / (spread**2 + sigma**2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.mean + self.gain * (x - self.mean)


class Above(nn.Module):
    """Class 1 where the sum of the pixels is above a threshold."""

    def __init__(self, threshold: float) -> None:
        super().__init__()
        self.threshold = threshold

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        score = x.flatten(1).double().sum(dim=1) - self.threshold
        return torch.stack([-score, score], dim=1)


def test_a_linear_classifier_after_a_wiener_estimate_votes_as_the_truth_says(tmp_path):
    """The noise enters before the denoiser: p = Phi((mean + gain (x - mean) - threshold) / (gain sigma)), summed."""
    sigma, n, d = 0.25, 20_000, 16
    data = DataSet("flat:test", ("a", "b"), (1, 4, 4), np.array([1]), np.full((1, 1, 4, 4), 153, dtype=np.uint8))
    shrinks, threshold = Shrinks(0.5, 0.25, sigma), d * 0.5 + 0.5
    run = certify(
        model=Denoised(shrinks, Above(threshold)).eval(),
        num_classes=2,
        data=data,
        sigma=sigma,
        out=tmp_path / "run",
        n0=100,
        n=n,
    )
    answers = [answer for answer in run.records[0].answers if answer.stage == "estimate"]
    count = sum(answer.votes[1] for answer in answers)
    assert sum(answer.n for answer in answers) == n
    margin = d * (0.5 + 0.5 * 0.1) - threshold
    p = norm.cdf(margin / (0.5 * sigma * d**0.5))
    assert 0.6 < p < 0.95
    assert norm.cdf((d * 0.55 - threshold) / (sigma * d**0.5)) < p - 0.05  # had it entered behind it
    low, high = binom.ppf([5e-7, 1 - 5e-7], n, p)
    assert low <= count <= high


def test_a_denoiser_out_of_a_python_file(tmp_path, folders):
    (tmp_path / "own.py").write_text(
        "import torch\nclass Half(torch.nn.Module):\n    def forward(self, x):\n        return x / 2\n"
    )
    spec, x = f"denoised:{tmp_path}/own.py:Half::{folders[1]}", torch.rand(2, *SHAPE)
    assert torch.equal(load(spec).module(x), load(folders[1]).module(x / 2))
    assert load_denoiser(f"{tmp_path}/own.py:Half").channels is None


def test_a_classifier_out_of_a_python_file(tmp_path, folders):
    (tmp_path / "own.py").write_text(
        "import torch\nclass Sums(torch.nn.Module):\n    def forward(self, x):\n        return x.sum(dim=(1, 2))\n"
    )
    found = load(f"denoised:{folders[0]}::{tmp_path}/own.py:Sums", num_classes=16)
    assert (found.num_classes, found.shape) == (16, None)


def test_published_checkpoints_of_denoisers(tmp_path):
    module = random_statistics(build_denoiser("dncnn", shape=(3, 32, 32)))
    state = {f"module.{name}": tensor for name, tensor in module.state_dict().items()}
    torch.save({"arch": "imagenet_dncnn", "state_dict": state, "epoch": 3}, tmp_path / "best.pth.tar")
    found, x = load_denoiser(tmp_path / "best.pth.tar"), torch.rand(1, 3, 8, 8)
    assert (found.architecture, found.channels) == ("dncnn", 3)
    assert found.fingerprint == fingerprint(module, "dncnn")
    assert torch.equal(found.module(x), module(x))


def test_the_global_generator_is_left_alone(folders):
    before = torch.get_rng_state()
    load_denoiser(folders[0])
    assert torch.equal(torch.get_rng_state(), before)


def test_the_level_is_that_of_the_verb_unless_the_spec_says_one():
    assert denoised_spec("m", "ffdnet@0.1", sigma=0.25) == "denoised:ffdnet@0.1::m"
    assert denoised_spec("m", "diffusers:a@b", sigma=0.25) == "denoised:diffusers:a@b@0.25::m"
    assert denoised_spec("m", "runs/at@0.5", sigma=0.25) == "denoised:runs/at@0.5::m"


def test_a_denoiser_that_is_a_classifier():
    both = Denoised(nn.Sequential(nn.Flatten(), nn.Linear(4, 3)), nn.Flatten())
    with pytest.raises(ModelError, match=r"pictures of the shape it gets, \(1, 2, 2\), got \(3,\); is it a classifier"):
        both(torch.zeros(5, 1, 2, 2))


def test_a_file_of_a_denoisers_name_that_is_none(tmp_path):
    module = build_denoiser("dncnn-3x4", shape=(1, 8, 8))
    save_weights(module, tmp_path / "weights.safetensors", {"architecture": "dncnn-3x4"})
    with pytest.raises(ModelError, match="holds no denoiser but a model dncnn-3x4"):
        load_denoiser(str(tmp_path))


def test_one_is_taken_for_the_other(folders):
    assert error(folders[0]) == (
        f"{folders[0]} holds a denoiser, no classifier; give it as --denoiser, the classifier as --model"
    )
    assert error(f"denoised:{folders[1]}::{folders[1]}").startswith(
        f"{folders[1]} holds no denoiser but a model resnet20; expected a run folder of `noiseproof train --task "
    )


@pytest.mark.parametrize("spec", ["denoised:", "denoised:a", "denoised:::b", "denoised:a::", "a::b"])
def test_specs_that_are_none(spec):
    with pytest.raises(ModelError) as caught:
        denoised_parts(spec)
    assert str(caught.value) == f"a denoised classifier is denoised:DENOISER::CLASSIFIER, got {spec}"


def test_a_level_that_is_missing_or_none(folders):
    assert error(f"denoised:ffdnet::{folders[1]}") == (
        "ffdnet must be told the noise level; give ffdnet@LEVEL, LEVEL in [0, 1] units"
    )
    assert error(f"denoised:ffdnet@-1::{folders[1]}") == "the noise level of ffdnet must be > 0, got -1.0"
    assert error(f"denoised:ffdnet@nan::{folders[1]}") == "the noise level of ffdnet must be > 0, got nan"


def test_what_does_not_fit(folders, tmp_path):
    coloured = build_denoiser("dncnn-4x6", shape=(3, 16, 16))
    path = tmp_path / "colour.safetensors"
    said = {"task": "denoiser", "architecture": "dncnn-4x6"}
    save_weights(coloured, path, said)
    assert error(f"denoised:{path}::{folders[1]}") == (
        f"{path} denoises pictures of 3 channels, got shape {SHAPE}; give a denoiser of such pictures"
    )
    with pytest.raises(ModelError, match=r"denoises pictures of 3 channels, but .* takes shape"):
        denoised(load_denoiser(path), load(folders[1]))
    save_weights(coloured, path, said | {"architecture": "dncnn-4x7"})
    with pytest.raises(ModelError, match=r"does not fit dncnn-4x7: 13 tensors differ, the first dncnn.0.bias$"):
        load_denoiser(path)
    save_weights(nn.Linear(2, 2), path, said)
    with pytest.raises(ModelError, match=r"holds no dncnn-4x6: its first convolution is missing"):
        load_denoiser(path)
    with pytest.raises(ModelError, match=r"^no denoiser in nowhere; expected a run folder of"):
        load_denoiser("nowhere")
    with pytest.raises(ModelError, match=r"^unknown denoiser 'lenet'; known: dncnn, dncnn-DEPTHxWIDTH, FILE.py:NAME$"):
        build_denoiser("lenet", shape=SHAPE)
    with pytest.raises(ModelError, match=r"takes pictures of shape \(C, H, W\), got \(4,\)"):
        build_denoiser("dncnn", shape=(4,))


def test_an_ensemble_is_denoised_member_by_member(folders):
    one = load(folders[1])
    changed = BaseModel(one.module, "resnet20", 3, SHAPE, "other", "other")
    both = ensemble([one, changed])
    with pytest.raises(ModelError, match=r"denoise each member$"):
        denoised(load_denoiser(folders[0]), both)
    each = load([denoised_spec(str(folders[1]), str(folders[0])), str(folders[1])])
    x = torch.rand(2, *SHAPE)
    wanted = (one.module(load_denoiser(folders[0]).module(x)) + one.module(x)) / 2
    assert torch.allclose(each.module(x), wanted, atol=1e-6)
