"""A diffusion model as a denoiser, in one step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from noiseproof.errors import ModelError, one_line, unknown
from noiseproof.models.packages import need
from noiseproof.models.state import check_loaded

PREDICTIONS = ("epsilon", "v_prediction", "sample")
"""What a network may estimate: the noise, v of Salimans and Ho 2022, or the clean picture; the names of diffusers."""


class OneShot(nn.Module):
    """The clean picture that a diffusion model estimates from a noisy one, in a single pass of its network.

    With z = 2 x - 1 the noise is 2 sigma. At alpha_bar = 1 / (1 + 4 sigma^2) the scaled noisy picture
    x_t = sqrt(alpha_bar) (2 (x + delta) - 1) is what diffusion makes of z, exactly; the nearest step t that the network
    knows is only what it is told. The estimate is clipped to [0, 1].

    Source: Carlini et al. 2023, algorithm 1.
    """

    signal: Tensor
    rest: Tensor
    timestep: Tensor

    def __init__(self, network: nn.Module, *, sigma: float, timestep: int, prediction: str = "epsilon") -> None:
        """A denoiser for one noise level.

        Args:
            network: (x_t [batch, C, H, W], t int64 [batch]) to its estimate, [batch, C, H, W]; channels behind the
                first C (an estimate of the variance) are left out.
            sigma: standard deviation of the noise in [0, 1] units, > 0.
            timestep: t, see ``timestep_of``.
            prediction: what the network estimates, one of ``PREDICTIONS``.

        Raises:
            ModelError: an argument is out of range.
        """
        super().__init__()
        if prediction not in PREDICTIONS:
            raise ModelError(unknown("prediction", prediction, PREDICTIONS))
        alpha_bar = _alpha_bar(sigma)
        self.network = network
        self.prediction = prediction
        self.register_buffer("signal", torch.tensor(math.sqrt(alpha_bar)), persistent=False)
        self.register_buffer("rest", torch.tensor(math.sqrt(1 - alpha_bar)), persistent=False)
        self.register_buffer("timestep", torch.tensor(timestep), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Noisy pictures [batch, C, H, W] in input units to estimates of the clean ones, same shape."""
        noisy = self.signal * (2 * x - 1)
        found = self.network(noisy.clone(), self.timestep.expand(x.shape[0]))[:, : x.shape[1]]
        if self.prediction == "epsilon":
            found = (noisy - self.rest * found) / self.signal
        elif self.prediction == "v_prediction":
            found = self.signal * noisy - self.rest * found
        clean: Tensor = (found.clamp(-1, 1) + 1) / 2
        return clean


def timestep_of(alphas_bar: Sequence[float] | Tensor, sigma: float) -> int:
    """The first step t at which alpha_bar is at or under 1 / (1 + 4 sigma^2): at least as much noise as there is.

    Args:
        alphas_bar: the cumulated signal of each step, falling.
        sigma: standard deviation of the noise in [0, 1] units, > 0.

    Raises:
        ModelError: sigma is out of range, or more than the schedule has.

    Source: Carlini et al. 2023, algorithm 1 and their code.

    >>> timestep_of([0.9, 0.5, 0.2, 0.1], 0.5)
    1
    """
    target = _alpha_bar(sigma)
    for step, alpha_bar in enumerate(torch.as_tensor(alphas_bar).tolist()):
        if alpha_bar <= target:
            return step
    raise ModelError(f"the noise level of a diffusion model must be within its schedule, got {sigma}")


def load_diffusion(folder: Path, sigma: float, *, shape: tuple[int, ...] | None = None) -> OneShot:
    """The one-step denoiser of a folder that diffusers wrote (``pipeline.save_pretrained``), in eval mode.

    Its ``unet`` must be a ``UNet2DModel`` without class labels, in safetensors (a pickle is not read), its
    ``scheduler`` one of steps with betas (DDPM, DDIM and the like). Nothing is downloaded.

    Args:
        folder: with ``unet`` and ``scheduler`` in it.
        sigma: standard deviation of the noise in [0, 1] units.
        shape: of the pictures, (C, H, W), which the network must take; None is not checked.

    Raises:
        ModelError: the package is missing, the folder holds no such model, or it takes other pictures.
    """
    diffusers = need(f"diffusers:{folder}", "diffusers", "diffusers")
    try:
        config = diffusers.UNet2DModel.load_config(folder, subfolder="unet", local_files_only=True)
        if config.get("_class_name") != "UNet2DModel" or config.get("num_class_embeds") is not None:
            raise ModelError(f"{folder}: its unet must be a UNet2DModel without class labels")
        unet, loaded = diffusers.UNet2DModel.from_pretrained(
            folder,
            subfolder="unet",
            local_files_only=True,
            use_safetensors=True,
            low_cpu_mem_usage=False,
            output_loading_info=True,
        )
        check_loaded(str(folder), "UNet2DModel", loaded)
        steps = diffusers.DDPMScheduler.load_config(folder, subfolder="scheduler", local_files_only=True)
        if "beta_schedule" not in steps and steps.get("trained_betas") is None:
            raise ModelError(f"{folder}: its scheduler must be one of steps with betas (DDPM, DDIM)")
        scheduler = diffusers.DDPMScheduler.from_config(steps)
    except (OSError, ValueError, RuntimeError, TypeError) as error:
        raise ModelError(
            f"{folder} holds no diffusion model that can be read ({one_line(error)}); expected what save_pretrained of "
            "diffusers writes, with safetensors"
        ) from error
    _check_pictures(folder, unet.config, shape)
    prediction = str(scheduler.config.prediction_type)
    timestep = timestep_of(scheduler.alphas_cumprod, sigma)
    return OneShot(_Plain(unet), sigma=sigma, timestep=timestep, prediction=prediction).eval()


class _Plain(nn.Module):
    """A network of diffusers that returns a tensor."""

    def __init__(self, unet: nn.Module) -> None:
        super().__init__()
        self.unet = unet
        self.config = unet.config

    def forward(self, x: Tensor, timestep: Tensor) -> Tensor:
        return self.unet(x, timestep, return_dict=False)[0]  # type: ignore[no-any-return]


def _check_pictures(folder: Path, config: Any, shape: tuple[int, ...] | None) -> None:  # noqa: ANN401 (diffusers')
    size = config.sample_size
    sides = (size, size) if isinstance(size, int) else None if size is None else tuple(size)
    if shape is not None and (shape[0] != config.in_channels or sides not in (None, tuple(shape[1:]))):
        known = "" if sides is None else f" of {sides[0]} x {sides[1]}"
        raise ModelError(
            f"{folder} takes pictures{known} of {config.in_channels} channels, got shape {tuple(shape)}; "
            "give a model of such pictures"
        )


def _alpha_bar(sigma: float) -> float:
    if not 0 < sigma < math.inf:
        raise ModelError(f"the noise level of a diffusion model must be > 0, got {sigma}")
    return 1 / (1 + 4 * sigma**2)
