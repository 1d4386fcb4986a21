"""``load("spec")``: a base classifier from whatever a spec names; ``SOURCES`` lists all kinds."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from noiseproof.asked.options import line
from noiseproof.errors import ModelError, one_line
from noiseproof.foreign import generators_kept
from noiseproof.models.architectures import ARCHITECTURES, build
from noiseproof.models.base import BaseModel, agree, fingerprint, frozen
from noiseproof.models.checkpoint import SUFFIXES, our_name, published_shape, split_entry
from noiseproof.models.denoised import PREFIX, denoised, denoised_parts, load_denoiser
from noiseproof.models.efficientnet_lite import SPEC as LITE0
from noiseproof.models.efficientnet_lite import load_efficientnet_lite0
from noiseproof.models.ensemble import ensemble
from noiseproof.models.exported import load_exported
from noiseproof.models.file_kind import refuse_other_kind
from noiseproof.models.huggingface import load_hf
from noiseproof.models.normalize import Normalize
from noiseproof.models.onnx_file import load_onnx
from noiseproof.models.own import OwnArchitecture, name_for_fingerprint
from noiseproof.models.python_file import load_python
from noiseproof.models.state import check_fit, read_tensors, renamed
from noiseproof.models.stated import with_normalisation
from noiseproof.models.timm_models import load_timm
from noiseproof.models.torchvision_models import load_torchvision
from noiseproof.models.weights import load_weights

log = logging.getLogger(__name__)

_MOST = 1 << 24  # of classes, and of the sides of a picture
_EXPECTED = (
    "a run folder of `noiseproof train`, a .safetensors file, a checkpoint (.pth.tar, .pt), or file.py:name "
    "(`noiseproof models` lists all kinds)"
)
_NAMED: dict[str, Callable[[str, int | None, tuple[int, ...] | None], BaseModel]] = {
    "hf:": load_hf,
    "timm:": load_timm,
    "tv:": load_torchvision,
}
_FILES: dict[str, Callable[[Path, int | None, tuple[int, ...] | None], BaseModel]] = {
    ".pt2": load_exported,
    ".onnx": load_onnx,
}


@generators_kept()  # a new module draws weights, which are overwritten
def load(
    spec: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    arch: str | None = None,
    num_classes: int | None = None,
    shape: tuple[int, ...] | None = None,
    consensus: int | None = None,
    mean: float | Sequence[float] | None = None,
    std: float | Sequence[float] | None = None,
    usual: tuple[int, tuple[int, ...]] | None = None,
) -> BaseModel:
    """The base classifier a spec names: on the CPU, in eval mode, no weight requires a gradient.

    Args:
        spec: a run folder of ``noiseproof train``, a .safetensors file, a checkpoint of ``torch.save`` (.pth.tar,
            .pth, .pt, .tar: see ``load_checkpoint``), or ``path/to/file.py:name`` where the name is an ``nn.Module``
            or a callable without arguments that makes one (see ``load_python``); a program of torch.export (.pt2), an
            ONNX file (.onnx), ``hf:NAME``, ``timm:NAME`` or ``tv:NAME``, ``efficientnet-lite0``, or
            ``denoised:DENOISER::CLASSIFIER`` (see ``denoised``). Several are averaged: see ``Ensemble``.
        arch: the architecture, a name in ``ARCHITECTURES`` or ``FILE.py:NAME``; needed only where the file does not
            say, refused where it says another.
        num_classes: likewise; always needed for a Python file.
        shape: of one input, (C, H, W); likewise.
        consensus: of several: the first so many are asked first, the others where those disagree.
        mean: of the normalisation, where the source does not say one: see ``with_normalisation``.
        std: likewise.
        usual: num_classes and shape of the data, where nobody says them.

    Raises:
        ValueError: consensus is not in [2, members - 1].
        ModelError: there is no such path, the training is not finished, the file is damaged, or it holds
            another model than asked.
    """
    if not isinstance(spec, str | os.PathLike | Sequence):
        raise ModelError(
            f"spec must be a text or a path, or several, got {type(spec).__name__}; what is loaded already needs no "
            "load: Subject(model=module), or SmoothedClassifier(module, ...)"
        )
    several = [spec] if isinstance(spec, str | os.PathLike) else list(spec)
    if len(several) != 1 or consensus is not None:
        members = [
            load(each, arch=arch, num_classes=num_classes, shape=shape, mean=mean, std=std, usual=usual)
            for each in several
        ]
        return ensemble(members, consensus)
    text = os.fspath(several[0])
    if text.startswith(PREFIX):
        denoiser, classifier = denoised_parts(text)
        base = load(classifier, arch=arch, num_classes=num_classes, shape=shape, mean=mean, std=std, usual=usual)
        return denoised(load_denoiser(denoiser, shape=base.shape or (usual and usual[1])), base)
    return with_normalisation(_single(text, arch, num_classes, shape, usual), mean, std)


def _single(
    text: str,
    arch: str | None,
    num_classes: int | None,
    shape: tuple[int, ...] | None,
    usual: tuple[int, tuple[int, ...]] | None,
) -> BaseModel:
    file, colon, name = text.rpartition(":")
    if colon and file.endswith(".py"):
        if not Path(file).is_file():
            raise ModelError(f"no such path: {file}; expected {_EXPECTED}")
        classes = usual[0] if num_classes is None and usual is not None else num_classes
        return load_python(Path(file), name, arch=arch, num_classes=classes, shape=shape)
    prefix = text.partition(":")[0] + ":"
    path, entry = split_entry(text)
    if (prefix in _NAMED or path.suffix in _FILES or text == LITE0) and arch is not None:
        raise ModelError(f"{text}: arch is for weights files, this says its own; leave arch out")
    if prefix in _NAMED:
        return _NAMED[prefix](text.removeprefix(prefix), num_classes, shape)
    if text == LITE0:
        return load_efficientnet_lite0(num_classes, shape)
    if path.is_dir():
        weights = _weights_of_run(path)
        own = OwnArchitecture.trained(path, load_weights(weights)[1]) if arch is None else None
        return _from_weights(weights, text, arch if own is None else own.spec, num_classes, shape, usual)
    if "://" in text:
        raise ModelError(f"{text} is an address; download it, and give the file")
    if not path.exists():
        raise ModelError(f"no such path: {text}; expected {_EXPECTED}")
    if path.suffix == ".py":
        raise ModelError(f"{text} is a Python file; say which model in it: {text}:name")
    if path.suffix in _FILES:
        return _FILES[path.suffix](path, num_classes, shape)
    if not path.name.endswith((".safetensors", *SUFFIXES)):
        refuse_other_kind(path)
        raise ModelError(f"cannot load a model from {text}; expected {_EXPECTED}")
    return _from_weights(Path(text) if entry else path, text, arch, num_classes, shape, usual)


def _weights_of_run(folder: Path) -> Path:
    """The weights of a finished training run."""
    weights = folder / "weights.safetensors"
    if weights.is_file():
        return weights
    if (folder / "journal.jsonl").exists():
        raise ModelError(
            f"{folder} is a run folder of counts, not of a model; give the run folder of `noiseproof train` "
            f"(`{line('show', {}, folder)}` names the model it is about)"
        )
    if (folder / "checkpoint.pt").exists() or (folder / "manifest.json").exists():
        raise ModelError(
            f"{folder} has no weights.safetensors: the training is not finished; "
            "run the same train line again to finish"
        )
    if (folder / "config.json").exists():
        raise ModelError(f"{folder} has no weights.safetensors; a folder of save_pretrained is given as hf:{folder}")
    files = sorted(path for path in folder.iterdir() if path.name.endswith((".safetensors", *SUFFIXES)))
    if files:
        raise ModelError(f"{folder} has no weights.safetensors; give the file itself, such as {files[0]}")
    raise ModelError(f"{folder} has no weights.safetensors; expected {_EXPECTED}")


def _from_weights(
    path: Path,
    source: str,
    arch: str | None,
    num_classes: int | None,
    shape: tuple[int, ...] | None,
    usual: tuple[int, tuple[int, ...]] | None,
) -> BaseModel:
    tensors, metadata = read_tensors(path)
    if metadata.get("task") == "denoiser":
        raise ModelError(f"{source} holds a denoiser, no classifier; give it as --denoiser, the classifier as --model")
    said = metadata.get("architecture")
    own = None if arch is None else OwnArchitecture.of(arch)
    if own is None or (said is not None and not said.rpartition(":")[0].endswith(".py")):
        arch = _arch_of(path, arch and our_name(arch), said)
    assert arch is not None, "else it had been refused"
    if metadata.get("architecture_sha256", own and own.text) != (own and own.text):
        log.warning("%s: %s is not the text that these weights were trained with", source, arch)
    published = published_shape(arch) if split_entry(path)[0].name.endswith(SUFFIXES) else None
    if shape is not None and published is not None:
        metadata.pop("shape", None)  # the usual one, not one the file says
    shape = shape or _stored_shape(path, metadata) or (usual and usual[1]) or published
    shape = tuple(agree(path, "shape", shape, _stored_shape(path, metadata)))
    held = _stored_size(path, metadata) or _size_of_head(tensors, arch, shape)
    num_classes = agree(path, "num_classes", num_classes or (None if held or usual is None else usual[0]), held)
    assert num_classes is not None, "else agree had refused"
    module = None if own is None else build(arch, num_classes=num_classes, shape=shape)
    wanted = _meta(path, arch, num_classes, shape) if module is None else module.state_dict()
    tensors = renamed(tensors, wanted)
    about = f"{path} (architecture stored: {said or 'not said'}) does not fit {arch}"
    check_fit(
        tensors,
        wanted,
        about,
        names="give the right arch",
        sizes="give the right num_classes and shape",
    )
    module = module or build(arch, num_classes=num_classes, shape=shape)
    assumed = ""
    if "mean" in metadata and "std" in metadata:
        try:
            module.normalize = Normalize(_stored(path, metadata, "mean"), _stored(path, metadata, "std"))
        except (TypeError, ValueError, RuntimeError) as error:
            raise ModelError(f"{path}: its metadata mean and std are none ({str(error)[:200]})") from error
    elif isinstance(getattr(module, "normalize", None), Normalize) and own is None:
        assumed = f"{arch} here"
    try:
        module.load_state_dict(tensors)
    except RuntimeError as error:
        raise ModelError(f"{path}: its weights cannot be taken ({one_line(error)})") from error
    label = arch if own is None else own.label
    sha = fingerprint(module, name_for_fingerprint(arch))
    return BaseModel(frozen(module), label, num_classes, shape, sha, source, metadata, assumed=assumed)


def _arch_of(path: Path, asked: str | None, said: str | None) -> str:
    """The architecture that was asked for or is stored.

    Raises:
        ModelError: neither, or they differ; or it is one of the user's own, whose file is not named.
    """
    if asked is None and said is None:
        raise ModelError(
            f"{path} does not say its arch; give arch (--arch): {', '.join(ARCHITECTURES)}, or FILE.py:NAME for a "
            "network of your own"
        )
    if asked is None and said is not None and said.rpartition(":")[0].endswith(".py"):
        raise ModelError(
            f"{path} holds weights of {said}, and a Python file is run only where it is named; give arch "
            f"(--arch {said}), with the path of the file"
        )
    return str(agree(path, "arch", asked, said))


def _size_of_head(tensors: Mapping[str, Tensor], arch: str, shape: tuple[int, ...]) -> int | None:
    """How many classes the weights are of: the size of what differs between networks of two classes and of three."""
    try:
        two, three = (_blank(arch, classes, shape) for classes in (2, 3))
    except (ModelError, RuntimeError, OverflowError, TypeError):
        return None  # told with the true number
    found = renamed(tensors, two)
    for name, tensor in two.items():
        differing = [side for side in range(tensor.ndim) if tensor.shape[side] != three[name].shape[side]]
        if differing and name in found and found[name].ndim == tensor.ndim:
            return found[name].shape[differing[0]]
    return None


def _blank(arch: str, num_classes: int, shape: tuple[int, ...]) -> dict[str, Tensor]:
    with torch.device("meta") if OwnArchitecture.of(arch) is None else nullcontext():
        return build(arch, num_classes=num_classes, shape=shape).state_dict()


def _meta(path: Path, arch: str, num_classes: int, shape: tuple[int, ...]) -> dict[str, Tensor]:
    """What the weights must be called and how large they must be, before room is made for their numbers."""
    try:
        return _blank(arch, num_classes, shape)
    except (RuntimeError, OverflowError, TypeError) as error:
        raise ModelError(
            f"{path}: there is no {arch} of {num_classes} classes and shape {shape} ({one_line(error)})"
        ) from error


def _stored(path: Path, metadata: dict[str, str], name: str) -> Any:  # noqa: ANN401 (JSON)
    """A metadata value that is JSON, None where the file does not say."""
    try:
        return json.loads(metadata[name]) if name in metadata else None
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path}: its metadata {name} is no JSON, got {metadata[name][:80]!r}") from error


def _stored_size(path: Path, metadata: dict[str, str]) -> int | None:
    stored = _stored(path, metadata, "num_classes")
    if stored is not None and (type(stored) is not int or not 1 <= stored <= _MOST):
        raise ModelError(f"{path}: its metadata num_classes is no number of classes, got {str(stored)[:80]!r}")
    return stored


def _stored_shape(path: Path, metadata: dict[str, str]) -> tuple[int, ...] | None:
    stored = _stored(path, metadata, "shape")
    if stored is None:
        return None
    if not isinstance(stored, list) or not all(type(size) is int and 1 <= size <= _MOST for size in stored):
        raise ModelError(f"{path}: its metadata shape is no shape, got {str(stored)[:80]!r}")
    return tuple(stored)
