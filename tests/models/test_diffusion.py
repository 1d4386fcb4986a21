"""One-shot denoising against the truth: of a Gaussian prior the best estimate is a linear one, Wiener's."""

from __future__ import annotations

import json
import math
import re

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from noiseproof.errors import ModelError, pip_install
from noiseproof.models.denoised import load_denoiser
from noiseproof.models.diffusion import OneShot, load_diffusion, timestep_of

SHAPE = (3, 2, 2)
PIXELS = math.prod(SHAPE)
LINEAR = (1 - torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)).cumprod(dim=0)


class Prior:
    """Pictures x ~ N(mean, covariance), well within [0, 1]."""

    def __init__(self) -> None:
        random = torch.Generator().manual_seed(5)
        root = torch.randn(PIXELS, PIXELS, generator=random)
        self.covariance = 0.05**2 * (root @ root.T / PIXELS + 0.1 * torch.eye(PIXELS))
        self.mean = 0.4 + 0.2 * torch.rand(PIXELS, generator=random)

    def wiener(self, noisy: Tensor, sigma: float) -> Tensor:
        """E[x | x + delta], delta ~ N(0, sigma^2 I)."""
        gain = self.covariance @ torch.linalg.inv(self.covariance + sigma**2 * torch.eye(PIXELS))
        return (self.mean + (noisy.flatten(1) - self.mean) @ gain.T).view(-1, *SHAPE)


class Exact(nn.Module):
    """The best network there is for a prior: E[epsilon | x_t], or what else is asked, at one alpha_bar."""

    def __init__(self, prior: Prior, alpha_bar: float, prediction: str) -> None:
        super().__init__()
        self.prior, self.alpha_bar, self.prediction = prior, alpha_bar, prediction
        self.told: list[Tensor] = []

    def forward(self, x: Tensor, timestep: Tensor) -> Tensor:
        self.told.append(timestep)
        a, mean, covariance = self.alpha_bar, 2 * self.prior.mean - 1, 4 * self.prior.covariance
        whole = a * covariance + (1 - a) * torch.eye(PIXELS)
        epsilon = math.sqrt(1 - a) * (x.flatten(1) - math.sqrt(a) * mean) @ torch.linalg.inv(whole).T
        clean = (x.flatten(1) - math.sqrt(1 - a) * epsilon) / math.sqrt(a)
        v = math.sqrt(a) * epsilon - math.sqrt(1 - a) * clean
        return {"epsilon": epsilon, "v_prediction": v, "sample": clean}[self.prediction].view(x.shape)


@pytest.fixture
def prior():
    return Prior()


def alpha_bar(sigma: float) -> float:
    return 1 / (1 + 4 * sigma**2)


@pytest.mark.parametrize("sigma", [0.05, 0.25, 1.0])
@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample"])
def test_the_exact_network_of_a_gaussian_prior_gives_the_wiener_estimate(prior, sigma, prediction):
    noisy = prior.mean.view(SHAPE) + sigma * torch.randn(5, *SHAPE, generator=torch.Generator().manual_seed(0))
    network = Exact(prior, alpha_bar(sigma), prediction)
    found = OneShot(network, sigma=sigma, timestep=7, prediction=prediction)(noisy)
    wanted = prior.wiener(noisy, sigma)
    assert 0 < wanted.min() < wanted.max() < 1  # nothing is clipped
    assert torch.allclose(found, wanted, atol=2e-6)
    assert network.told[0].tolist() == [7] * 5
    assert network.told[0].dtype == torch.int64


def test_the_network_sees_signal_and_noise_as_diffusion_makes_them():
    """Of a picture with z = 2 x - 1, x_t has mean sqrt(alpha_bar) z and variance 1 - alpha_bar, whatever the step."""
    sigma, seen = 0.5, []

    class Spy(nn.Module):
        def forward(self, x: Tensor, timestep: Tensor) -> Tensor:
            seen.append(x)
            return torch.zeros_like(x)

    noise = sigma * torch.randn(1, 1, 200, 200, generator=torch.Generator().manual_seed(0))
    OneShot(Spy(), sigma=sigma, timestep=259)(0.9 + noise)
    a, n = alpha_bar(sigma), noise.numel()
    left = seen[0] - math.sqrt(a) * 0.8
    assert abs(float(left.mean())) < 5 * math.sqrt((1 - a) / n)
    assert abs(float(left.var()) - (1 - a)) < 5 * (1 - a) * math.sqrt(2 / n)


def test_the_estimate_is_a_picture(prior):
    class Nothing(nn.Module):
        def forward(self, x: Tensor, timestep: Tensor) -> Tensor:
            return torch.zeros_like(x)

    x = torch.tensor([-0.5, 0.25, 1.5]).view(1, 3, 1, 1)
    assert torch.allclose(OneShot(Nothing(), sigma=0.3, timestep=1)(x).flatten(), torch.tensor([0.0, 0.25, 1.0]))


def test_an_estimate_of_the_variance_is_left_out(prior):
    class Twice(nn.Module):
        def forward(self, x: Tensor, timestep: Tensor) -> Tensor:
            return torch.cat([exact(x, timestep), torch.full_like(x, 99.0)], dim=1)

    exact = Exact(prior, alpha_bar(0.25), "epsilon")
    noisy = torch.rand(2, *SHAPE)
    both = [OneShot(network, sigma=0.25, timestep=0)(noisy) for network in (exact, Twice())]
    assert torch.equal(both[0], both[1])


@pytest.mark.parametrize(("sigma", "timestep"), [(0.12, 70), (0.25, 145), (0.5, 259), (1.0, 396)])
def test_the_step_of_the_linear_schedule(sigma, timestep):
    assert timestep_of(LINEAR, sigma) == timestep
    assert timestep_of(LINEAR.float(), sigma) == timestep
    assert LINEAR[timestep] <= alpha_bar(sigma) < LINEAR[timestep - 1]


def test_the_step_is_the_first_one_at_or_under_the_target():
    assert timestep_of([0.75, 0.5, 0.25], 0.5) == 1  # 1 / (1 + 4 / 4) is a half, exactly
    assert timestep_of([0.75, 0.5, 0.25], 0.5001) == 2


def test_noise_beyond_the_schedule():
    text = r"^the noise level of a diffusion model must be within its schedule, got 9.0$"
    with pytest.raises(ModelError, match=text):
        timestep_of([0.9, 0.5], 9.0)


@pytest.mark.parametrize("sigma", [0.0, -1.0, float("nan"), float("inf")])
def test_a_level_that_is_none(sigma):
    with pytest.raises(ModelError, match=f"^the noise level of a diffusion model must be > 0, got {sigma}$"):
        timestep_of(LINEAR, sigma)
    with pytest.raises(ModelError, match="must be > 0"):
        OneShot(nn.Identity(), sigma=sigma, timestep=0)


def test_a_prediction_that_is_none():
    with pytest.raises(ModelError, match=r"^unknown prediction 'epsilom'; did you mean 'epsilon'\?$"):
        OneShot(nn.Identity(), sigma=0.1, timestep=0, prediction="epsilom")


needs_package = pytest.mark.extra("diffusers")


@pytest.fixture
def folder(tmp_path):
    import diffusers

    unet = diffusers.UNet2DModel(
        sample_size=16,
        in_channels=3,
        out_channels=3,
        block_out_channels=(8, 16),
        layers_per_block=1,
        norm_num_groups=4,
        down_block_types=("DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=4,
    )
    unet.save_pretrained(tmp_path / "unet", safe_serialization=True)
    diffusers.DDPMScheduler(num_train_timesteps=1000, beta_schedule="linear").save_pretrained(tmp_path / "scheduler")
    return tmp_path


def edit(file, **values):
    config = json.loads(file.read_text())
    file.write_text(json.dumps({name: value for name, value in (config | values).items() if value != "gone"}))


@needs_package
def test_a_folder_of_diffusers(folder):
    import diffusers

    module = load_diffusion(folder, 0.25, shape=(3, 16, 16))
    assert module.timestep.item() == 145
    x = torch.rand(4, 3, 16, 16)
    unet = diffusers.UNet2DModel.from_pretrained(folder, subfolder="unet").eval()
    root = math.sqrt(alpha_bar(0.25))
    noisy = root * (2 * x - 1)
    with torch.no_grad():
        epsilon = unet(noisy, 145).sample
        wanted = (((noisy - 2 * 0.25 * root * epsilon) / root).clamp(-1, 1) + 1) / 2
        assert torch.allclose(module(x), wanted, atol=1e-5)
        alone = torch.cat([module(row[None]) for row in x])  # row by row
    assert torch.allclose(alone, wanted, atol=1e-5)


@needs_package
@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample"])
def test_what_the_network_estimates_is_said_by_its_scheduler(folder, prediction):
    edit(folder / "scheduler" / "scheduler_config.json", prediction_type=prediction)
    assert load_diffusion(folder, 0.25).prediction == prediction


@needs_package
def test_a_denoiser_of_diffusers(folder, tmp_path_factory):
    found = load_denoiser(f"diffusers:{folder}@0.25", shape=(3, 16, 16))
    assert found.source == f"diffusers:{folder}@0.25"
    assert not any(parameter.requires_grad for parameter in found.module.parameters())
    assert not any(part.training for part in found.module.modules())
    assert load_denoiser(f"diffusers:{folder}", sigma=0.25).fingerprint == found.fingerprint
    elsewhere = tmp_path_factory.mktemp("moved") / "copy"
    folder.rename(elsewhere)
    assert load_denoiser(f"diffusers:{elsewhere}@0.25").fingerprint == found.fingerprint
    assert load_denoiser(f"diffusers:{elsewhere}@0.26").fingerprint != found.fingerprint
    edit(elsewhere / "scheduler" / "scheduler_config.json", prediction_type="v_prediction")
    assert load_denoiser(f"diffusers:{elsewhere}@0.25").fingerprint != found.fingerprint


@needs_package
@pytest.mark.parametrize("prefix", ["module.", None])
def test_weights_that_fit_in_part_only_are_refused(folder, prefix):
    file = folder / "unet" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(file)
    last = sorted(tensors)[-1]
    changed = {f"{prefix or ''}{name}": each for name, each in tensors.items() if prefix or name != last}
    save_file(changed, file, metadata={"format": "pt"})
    before = torch.get_rng_state()
    with pytest.raises(ModelError) as caught:
        load_denoiser(f"diffusers:{folder}@0.25")
    assert str(caught.value).startswith(f"{folder} holds other weights than those of UNet2DModel, the rest would be ")
    assert "keys missing, the first " in str(caught.value)
    assert torch.equal(torch.get_rng_state(), before)


@needs_package
def test_folders_that_are_refused(folder):
    def error(**options):
        with pytest.raises(ModelError) as caught:
            load_diffusion(folder, 0.25, **options)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    assert error(shape=(1, 16, 16)) == (
        f"{folder} takes pictures of 16 x 16 of 3 channels, got shape (1, 16, 16); give a model of such pictures"
    )
    assert "got shape (3, 32, 32)" in error(shape=(3, 32, 32))
    scheduler = folder / "scheduler" / "scheduler_config.json"
    before = scheduler.read_text()
    edit(scheduler, beta_schedule="gone")
    assert error() == f"{folder}: its scheduler must be one of steps with betas (DDPM, DDIM)"
    edit(scheduler, beta_schedule="linear", prediction_type="flow")
    assert error().startswith("unknown prediction 'flow'; ")
    scheduler.write_text(before)
    edit(folder / "unet" / "config.json", num_class_embeds=10)
    assert error() == f"{folder}: its unet must be a UNet2DModel without class labels"
    edit(folder / "unet" / "config.json", num_class_embeds=None)
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    torch.save({}, weights.with_suffix(".bin"))
    weights.unlink()
    assert error().startswith(f"{folder} holds no diffusion model that can be read (")


def test_without_the_package(monkeypatch, tmp_path):
    monkeypatch.setitem(__import__("sys").modules, "diffusers", None)
    with pytest.raises(ModelError, match=re.escape(f"needs diffusers: {pip_install('diffusers')} ")):
        load_diffusion(tmp_path, 0.25)
