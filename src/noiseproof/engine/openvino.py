"""Votes from OpenVINO on the CPU (extra ``openvino``)."""

from __future__ import annotations

import threading
import warnings
from typing import TYPE_CHECKING, Any, Unpack

import torch
from torch import nn

from noiseproof.engine.pooled import PooledBackend
from noiseproof.engine.require import check_available, require
from noiseproof.errors import ModelError
from noiseproof.models.copies import copied

if TYPE_CHECKING:
    from noiseproof.engine.pooled import Setup


class OpenVinoBackend(PooledBackend):
    """A torch module compiled by OpenVINO for a constant batch, in fp32 or bf16, one thread a worker."""

    def __init__(self, base: nn.Module, **setup: Unpack[Setup]) -> None:
        """A backend for a copy of the module ``base``, in eval mode; compiling it takes seconds. See ``Setup``.

        Raises:
            ModelError: the package is not installed, the module cannot be converted, or the processor has no bf16.
            ValueError: an argument is out of range.
        """
        check_available("openvino", setup.get("precision", "fp32"))
        openvino = require("openvino")
        super().__init__(**(setup | {"device": "cpu", "channels_last": False}))
        self.label = f"openvino {openvino.__version__.partition('-')[0]}"
        core = openvino.Core()
        options = {
            "INFERENCE_PRECISION_HINT": {"fp32": "f32", "bf16": "bf16"}[self.precision],
            "NUM_STREAMS": self.workers,  # a stream is a worker's one thread
            "INFERENCE_NUM_THREADS": self.workers,
            "ENABLE_CPU_PINNING": False,  # two runs on one machine would be pinned to the same cores
        }
        self._compiled = core.compile_model(_converted(base, (self.batch_size, *self.shape)), "CPU", options)
        self._tensor = openvino.Tensor
        self._own = threading.local()

    def scores(self, x: torch.Tensor) -> object:
        """The compiled model's."""
        if not hasattr(self._own, "request"):
            self._own.request = self._compiled.create_infer_request()
        request = self._own.request
        request.set_input_tensor(self._tensor(x.numpy(), shared_memory=True))
        request.infer()
        outputs = request.model_outputs
        return torch.from_numpy(request.get_output_tensor(0).data) if len(outputs) == 1 else tuple(outputs)


def _converted(base: nn.Module, shape: tuple[int, ...]) -> Any:  # noqa: ANN401  # a model of OpenVINO
    """The module as OpenVINO's model; by its frontend itself, since ``convert_model`` sends usage data home."""
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            module = copied(base).to("cpu").requires_grad_(False)
            decoder = TorchScriptPythonDecoder(module, example_input=(torch.zeros(shape),))
            frontend = FrontEndManager().load_by_framework("pytorch")
            model = frontend.convert(frontend.load(decoder))
            model.reshape(list(shape))
    except Exception as error:
        said = (str(error).splitlines() or [type(error).__name__])[0]
        raise ModelError(
            f"the base classifier cannot be converted to OpenVINO ({said}); use --backend torch"
        ) from error
    return model
