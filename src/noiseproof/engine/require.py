"""What only some backends need: packages, and a processor that can do what is asked."""

from __future__ import annotations

from types import ModuleType

from noiseproof.errors import ModelError
from noiseproof.models.packages import missing, need

_NEEDS = {"onnxruntime": ("fast", ("onnxruntime", "onnxscript")), "openvino": ("openvino", ("openvino",))}
"""Backend -> the extra of noiseproof that brings it, and its packages; the first one is the backend itself."""


def require(backend: str) -> ModuleType:
    """The package of a backend, imported.

    Raises:
        ModelError: a package is not installed; says what to install.
    """
    extra, packages = _NEEDS[backend]
    return need(f"backend {backend}", extra, *packages)


def installed(backend: str) -> bool:
    """Whether the packages of a backend are here; none is imported."""
    return not missing(_NEEDS.get(backend, ("", ()))[1])


def check_available(backend: str, precision: str) -> None:
    """Refuse a backend that cannot run here, before anything is begun.

    Raises:
        ModelError: a package is missing, or the processor cannot compute in this precision.
    """
    if backend not in _NEEDS:
        return
    package = require(backend)
    # without this OpenVINO would compute in fp32 and say nothing
    if (
        backend == "openvino"
        and precision == "bf16"
        and "BF16" not in package.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    ):
        raise ModelError(
            "this processor has no bf16 that OpenVINO could use; use --precision fp32, "
            "or --backend torch, which emulates it"
        )
