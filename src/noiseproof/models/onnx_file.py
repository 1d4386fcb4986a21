"""ONNX files, run by ONNX Runtime (extra ``onnx``)."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from noiseproof.errors import ModelError, one_line
from noiseproof.models.arrays import as_scores, refuse_tracing
from noiseproof.models.base import BaseModel, agree
from noiseproof.models.file_kind import refuse_other_kind
from noiseproof.models.packages import need
from noiseproof.models.rows import in_batches

_FLOATS = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(float16)": np.float16}
_LABELS = ("tensor(int64)", "tensor(int32)")
_TORCH = {np.float32: torch.float32, np.float64: torch.float64, np.float16: torch.float16}


class OnnxClassifier(nn.Module):
    """An ONNX graph as a base classifier: one input of floats, scores ``[batch, classes]`` or labels ``[batch]``.

    A graph of a fixed batch is asked in batches of that size, the last one padded. On a CPU a session computes in the
    thread that calls it. On a CUDA device the graph runs there, on the tensors' own memory, where ONNX Runtime has its
    CUDA provider (this path has not been run); elsewhere inputs are copied to the CPU. There is no gradient.
    """

    outside_torch: ClassVar[bool] = True

    def __init__(self, path: Path, num_classes: int | None) -> None:
        super().__init__()
        self.path, self.num_classes = path, num_classes
        self._sessions: dict[str, Any] = {}
        self._lock = threading.Lock()
        session = self._session("cpu")
        takes = session.get_inputs()
        if len(takes) != 1 or takes[0].type not in _FLOATS or len(takes[0].shape) < 2:
            got = ", ".join(f"{each.name}: {each.type} {each.shape}" for each in takes)
            raise ModelError(f"{path} must take one tensor of floats [batch, ...], got {got or 'nothing'}"[:400])
        self.input = takes[0].name
        self.kind = _FLOATS[takes[0].type]
        gives = session.get_outputs()
        scores = [each for each in gives if each.type in _FLOATS and len(each.shape) in (0, 2)]
        labels = [each for each in gives if each.type in _LABELS and len(each.shape) in (0, 1)]
        if len(scores) != 1 and (scores or len(labels) != 1):
            got = ", ".join(f"{each.name}: {each.type} {each.shape}" for each in gives)
            raise ModelError(
                f"{path} must give one tensor of scores [batch, classes] or labels [batch], got {got}"[:400]
            )
        output = (scores or labels)[0]
        self.output, self.output_kind = output.name, _FLOATS.get(output.type)
        batch, *shape = takes[0].shape
        self.batch = batch if isinstance(batch, int) else None
        self.shape = tuple(shape) if all(isinstance(side, int) and side > 0 for side in shape) else None
        said = output.shape[1] if len(output.shape) == 2 else None
        self.said_classes = said if isinstance(said, int) else None
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        """Scores ``[batch, classes]``, float32, on the device of x."""
        refuse_tracing()
        if self.batch is not None:
            return in_batches(x, self._ask, least=self.batch, most=self.batch)
        return self._ask(x)

    def _ask(self, x: Tensor) -> Tensor:
        if x.device.type == "cuda" and self.output_kind is not None and _has_cuda():
            return self._on_device(x)
        given = x.detach().cpu().numpy().astype(self.kind, copy=False)
        (found,) = self._session("cpu").run([self.output], {self.input: given})
        return as_scores(found, self.num_classes or 0).to(x.device)

    def _on_device(self, x: Tensor) -> Tensor:
        """The same without a copy to the host: the graph reads and writes tensors where they are."""
        assert self.output_kind is not None, "asked for scores only"
        given = x.detach().to(_TORCH[self.kind]).contiguous()
        found = torch.empty((len(x), self.num_classes or 0), dtype=_TORCH[self.output_kind], device=x.device)
        index = x.device.index or 0
        session = self._session(f"cuda:{index}")
        binding = session.io_binding()
        binding.bind_input(self.input, "cuda", index, self.kind, tuple(given.shape), given.data_ptr())
        binding.bind_output(self.output, "cuda", index, self.output_kind, tuple(found.shape), found.data_ptr())
        torch.cuda.current_stream(x.device).synchronize()  # the graph computes in a stream of its own
        session.run_with_iobinding(binding)
        binding.synchronize_outputs()
        return found.to(torch.float32)

    def _session(self, place: str) -> Any:  # noqa: ANN401 (untyped package)
        with self._lock:
            if place not in self._sessions:
                self._sessions[place] = _opened(self.path, place)
            return self._sessions[place]

    def __deepcopy__(self, memo: dict[int, Any]) -> OnnxClassifier:
        """Another one on the same file: a session cannot be copied."""
        return OnnxClassifier(self.path, self.num_classes)

    def extra_repr(self) -> str:
        """The file, for ``print(module)``."""
        return str(self.path)


def load_onnx(path: Path, num_classes: int | None, shape: tuple[int, ...] | None) -> BaseModel:
    """The base classifier of an ONNX file; nothing in it is run but the operators of ONNX Runtime.

    The fingerprint is that of the bytes of the file, and of the files beside it that hold its weights.

    Args:
        path: the file.
        num_classes: where neither the file says it nor a first answer.
        shape: of one input, where the file does not say it.

    Raises:
        ModelError: the package is missing, the file is damaged or no classifier of one picture, or holds another
            model than asked.
    """
    need(str(path), "onnx", "onnxruntime", "onnx")
    content = _content(path)
    module = OnnxClassifier(path, num_classes)
    found = None if shape is None and module.shape is None else tuple(agree(path, "shape", shape, module.shape))
    said = module.said_classes
    if said is None and found is not None and module.output_kind is not None:
        said = module(torch.zeros((1, *found))).shape[1]
    module.num_classes = agree(path, "num_classes", num_classes, said)
    assert module.num_classes is not None, "else agree had refused"
    return BaseModel(module, "onnx", module.num_classes, found, content, str(path))


def _opened(path: Path, place: str) -> Any:  # noqa: ANN401 (untyped package)
    onnxruntime = need(str(path), "onnx", "onnxruntime")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # a session runs in the thread that calls it
    options.log_severity_level = 4
    providers: list[Any] = ["CPUExecutionProvider"]
    if place != "cpu":
        providers.insert(0, ("CUDAExecutionProvider", {"device_id": int(place.partition(":")[2])}))
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=providers)
    except Exception as error:
        later = "IR version" in str(error) or "opset" in str(error)
        remedy = f"for an earlier version, or update onnxruntime {onnxruntime.__version__}" if later else "again"
        raise ModelError(f"{path} cannot be run by ONNX Runtime ({one_line(error)}); export it {remedy}") from error


def _has_cuda() -> bool:
    return "CUDAExecutionProvider" in need("an ONNX file", "onnx", "onnxruntime").get_available_providers()


def _content(path: Path) -> str:
    """SHA-256 (hex) of the file and of the files beside it that hold tensors."""
    onnx = need(str(path), "onnx", "onnx")
    digest = hashlib.sha256()
    try:
        data = path.read_bytes()
        model = onnx.load_model_from_string(data)
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}") from error
    except Exception as error:  # protobuf's own
        refuse_other_kind(path)
        raise ModelError(
            f"{path} is not a readable ONNX file ({one_line(error)}); copy it or export it again"
        ) from error
    if not data:
        refuse_other_kind(path)
    digest.update(data)
    names = sorted({_location(tensor) for tensor in _tensors(model) if tensor.data_location == 1})
    for name in names:
        beside = path.parent / name
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise ModelError(f"{path} keeps weights in {name!r}, outside its folder; export it again")
        if not beside.is_file():
            raise ModelError(f"{path} keeps weights in {name!r}, which is not there; copy it beside the file")
        digest.update(name.encode())
        digest.update(hashlib.sha256(beside.read_bytes()).digest())
    return digest.hexdigest()


def _location(tensor: Any) -> str:  # noqa: ANN401 (protobuf)
    return next((str(entry.value) for entry in tensor.external_data if entry.key == "location"), "")


def _tensors(model: Any) -> Iterator[Any]:  # noqa: ANN401 (protobuf)
    """Every tensor of a model, those of its functions and inner graphs too."""
    graphs, nodes = [model.graph], [node for function in model.functions for node in function.node]
    while graphs or nodes:
        if graphs:
            graph = graphs.pop()
            yield from graph.initializer
            for sparse in graph.sparse_initializer:
                yield from (sparse.values, sparse.indices)
            nodes += graph.node
        while nodes:
            for attribute in nodes.pop().attribute:
                yield attribute.t
                yield from attribute.tensors
                graphs += [*attribute.graphs, attribute.g] if attribute.HasField("g") else attribute.graphs
