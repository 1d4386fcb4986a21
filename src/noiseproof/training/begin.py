"""Where a training begins: with the weights of an earlier model."""

from __future__ import annotations

from torch import nn

from noiseproof.errors import ModelError
from noiseproof.models import BaseModel, Normalize
from noiseproof.models.denoised import Denoiser


def begin_with(module: nn.Module, earlier: BaseModel | Denoiser) -> list[str]:
    """Gives a new module the weights of an earlier one, and its normalisation.

    A classifier's last layer of another number of classes stays as it is, so that a model of other classes (ImageNet at
    32 x 32, say) can be gone on with: both its tensors then differ in their first dimension only.

    Args:
        module: the new module, on the CPU or elsewhere.
        earlier: a classifier or a denoiser, of the same architecture.

    Returns:
        The names of the tensors that stay as they are: none, or those of the last layer.

    Raises:
        ModelError: something other than the last layer does not fit.

    Source: pre-training of Salman et al. 2019, section 4.3, after Hendrycks et al. 2019.
    """
    own, given = module.state_dict(), earlier.module.state_dict()
    last = list(own)[-1].rpartition(".")[0] + "."
    differing = [name for name in own if name not in given or own[name].shape != given[name].shape]
    for name in differing:
        fits = isinstance(earlier, BaseModel) and name in given and own[name].shape[1:] == given[name].shape[1:]
        if not (fits and name.startswith(last)):
            shape = tuple(given[name].shape) if name in given else "none"
            raise ModelError(
                f"{earlier.source} does not fit: {name} has shape {shape}, expected {tuple(own[name].shape)}; "
                "give weights of the same architecture and input size"
            )
    module.load_state_dict({name: tensor for name, tensor in given.items() if name not in differing}, strict=False)
    normalize = getattr(earlier.module, "normalize", None)
    if isinstance(normalize, Normalize) and isinstance(getattr(module, "normalize", None), Normalize):
        module.normalize = Normalize(normalize.mean.flatten().tolist(), normalize.std.flatten().tolist())
    return differing
