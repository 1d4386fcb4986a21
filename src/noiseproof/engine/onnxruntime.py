"""Votes from ONNX Runtime on the CPU (extra ``fast``)."""

from __future__ import annotations

import logging
import warnings
from typing import TYPE_CHECKING, Unpack

import torch
from torch import nn

from noiseproof.engine.pooled import PooledBackend
from noiseproof.engine.require import require
from noiseproof.errors import ModelError
from noiseproof.models.copies import copied

if TYPE_CHECKING:
    from noiseproof.engine.pooled import Setup


class OnnxRuntimeBackend(PooledBackend):
    """A torch module as an ONNX graph of a constant batch, run by ONNX Runtime in fp32, one thread a worker."""

    def __init__(self, base: nn.Module, **setup: Unpack[Setup]) -> None:
        """A backend for a copy of the module ``base``, in eval mode; exporting it takes seconds. See ``Setup``.

        Raises:
            ModelError: the package is not installed, or the module cannot be exported.
            ValueError: an argument is out of range.
        """
        onnxruntime = require("onnxruntime")
        super().__init__(**(setup | {"device": "cpu", "precision": "fp32", "channels_last": False}))
        self.label = f"onnxruntime {onnxruntime.__version__}"
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1  # a session runs in the thread that calls it
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            _exported(base, (self.batch_size, *self.shape)), options, providers=["CPUExecutionProvider"]
        )
        self._input = self._session.get_inputs()[0].name

    def scores(self, x: torch.Tensor) -> object:
        """The graph's."""
        found = self._session.run(None, {self._input: x.numpy()})
        return torch.from_numpy(found[0]) if len(found) == 1 else tuple(found)


def _exported(base: nn.Module, shape: tuple[int, ...]) -> bytes:
    """The module as ONNX."""
    exporter = logging.getLogger("torch.onnx")
    before = exporter.level
    try:
        exporter.setLevel(logging.ERROR)  # it tells of packages it does not need
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            module = copied(base).to("cpu").requires_grad_(False)
            program = torch.onnx.export(module, (torch.zeros(shape),), dynamo=True, verbose=False)
            assert program is not None, "the exporter of torch.export returns a program"
    except Exception as error:
        said = (str(error).splitlines() or [type(error).__name__])[0]
        raise ModelError(f"the base classifier cannot be exported to ONNX ({said}); use --backend torch") from error
    finally:
        exporter.setLevel(before)
    return bytes(program.model_proto.SerializeToString())
