"""A backend by its name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from noiseproof.engine.contract import check_backend, check_graph, resolved
from noiseproof.engine.noise_tables import drawn_on_device
from noiseproof.engine.prepare import prepared
from noiseproof.engine.several import SeveralBackend
from noiseproof.engine.torch_backend import TorchBackend
from noiseproof.errors import ModelError

if TYPE_CHECKING:
    from noiseproof.engine.pooled import PooledBackend
    from noiseproof.noises import Noise


def backend_for(
    name: str,
    base: Callable[[torch.Tensor], torch.Tensor],
    *,
    num_classes: int,
    noise: Noise,
    shape: tuple[int, ...],
    device: str | torch.device | Sequence[torch.device] = "cpu",
    batch_size: int | None = None,
    precision: str = "fp32",
    workers: int | None = None,
) -> PooledBackend:
    """The backend of this name, for a copy of the base classifier made fast; the caller's own is not touched.

    On CUDA, noise that the device can draw itself is drawn there, in CUDA graphs.

    Args:
        name: one of ``BACKENDS``.
        base: ``[batch, *shape] -> [batch, num_classes]`` scores, in eval mode, on any device.
        num_classes: how many scores a row has.
        noise: turns words into noisy inputs.
        shape: of one input.
        device: where to compute; only torch knows another than the CPU. On several, batches go to them in turn.
        batch_size: rows a forward pass.
        precision: "fp32", on CUDA "tf32", or "bf16".
        workers: batches computed at once.

    Raises:
        ValueError: an argument is out of range, or not for this backend.
        ModelError: a package is missing, or the base classifier cannot be brought to the backend.
    """
    common: dict[str, Any] = {"num_classes": num_classes, "noise": noise, "shape": shape, "batch_size": batch_size}
    if not isinstance(device, str | torch.device):
        devices = [
            backend_for(name, base, device=each, precision=precision, workers=workers, **common) for each in device
        ]
        return devices[0] if len(devices) == 1 else SeveralBackend(devices)
    device = resolved(device)
    check_backend(name, precision=precision, device=device)
    check_graph(name, base)
    if name == "torch":
        ready = prepared(base, shape=shape, device=device, precision=precision)
        common |= {"device": device, "precision": precision, "channels_last": ready.channels_last}
        if device.type == "cuda" and drawn_on_device(noise):
            from noiseproof.engine.graph import GraphBackend

            return GraphBackend(ready.base, folded=ready.folded > 0, fused=ready.fused > 0, **common)
        return TorchBackend(ready.base, workers=workers, folded=ready.folded > 0, **common)
    if not isinstance(base, nn.Module):
        raise ModelError(f"backend {name} needs an nn.Module, got {type(base).__name__}; use backend torch")
    if name == "onnxruntime":
        from noiseproof.engine.onnxruntime import OnnxRuntimeBackend

        return OnnxRuntimeBackend(base, workers=workers, **common)
    from noiseproof.engine.openvino import OpenVinoBackend

    return OpenVinoBackend(base, precision=precision, workers=workers, **common)
