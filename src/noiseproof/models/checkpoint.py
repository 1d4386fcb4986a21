"""Checkpoints of ``torch.save``, such as the published ones of Cohen et al. 2019."""

from __future__ import annotations

import argparse
import io
import json
import logging
import os
import pickle
import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from noiseproof.errors import ModelError, unknown
from noiseproof.models.file_kind import CHECKPOINT, refuse_other_kind
from noiseproof.pickles import check_pickle

SUFFIXES = (".pth.tar", ".pth", ".pt", ".tar", ".ckpt", ".bin")
"""The file names that are taken for checkpoints."""

_PUBLISHED = {"cifar_resnet20": "resnet20", "cifar_resnet110": "resnet110"}
_SHAPES = {"resnet20": (3, 32, 32), "resnet110": (3, 32, 32), "resnet50": (3, 224, 224)}
_USUAL = ("state_dict", "model_state_dict", "model_state", "model", "net", "network", "module", "weights", "params")
"""What trainings call the weights of the network, the likeliest first."""
_AVERAGED = re.compile(r"(^|[_.])(ema|swa|avg|averaged?|shadow)([_.]|$)")
_OPTIMIZER = {"state", "param_groups"}
_NO_MODEL = re.compile(r"optim|sched|scaler|criterion|loss")
_LONGEST = 2000  # letters: torch puts a text into its error, and searches that in time quadratic in its length
_LEGACY_PICKLES = 5  # a magic number, a version, the machine, the object, the names of the storages
_GLOBAL = re.compile(r"GLOBAL ([\w.]+)")
_SAVE = "save module.state_dict() with torch.save"

_HARMLESS: list[Any] = [
    argparse.Namespace,
    np.dtype,
    np.dtypes.Float32DType,
    np.dtypes.Float64DType,
    np.dtypes.Int64DType,
    (np.float64(0).__reduce__()[0], "numpy.core.multiarray.scalar"),
    (np.float64(0).__reduce__()[0], "numpy._core.multiarray.scalar"),
]
"""What trainings keep beside the weights, options and accuracies: read as well, since no call of it does anything."""

log = logging.getLogger(__name__)


def load_checkpoint(path: str | os.PathLike[str]) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors (on the CPU) of a checkpoint under the names in the file, and what is known of the model.

    A checkpoint is a bare ``state_dict``, or a dictionary with one under a usual name (``state_dict``, ``model``, ...)
    and perhaps ``arch``: ``cifar_resnet20``, ``cifar_resnet110``, ``resnet50`` as the published ones, or a name of
    ours. ``FILE@NAME`` takes the entry of that name, such as ``c.pth@state_dict_ema``; averaged weights are taken
    where they are named so, or where there are no others. The normalisation is not in the file.

    Nothing in the file is executed (``weights_only``).

    Args:
        path: the file, or ``FILE@NAME``.

    Returns:
        The tensors, and architecture, classes (their names) and shape, each where it is known, as ``load_weights``
        returns them. The shape is the one the published models of the architecture were trained on.

    Raises:
        ModelError: there is no such file, it is damaged, holds no weights or several, or its pickle needs more than
            tensors and plain values.

    Source: train.py, architectures.py and archs/cifar_resnet.py of github.com/locuslab/smoothing.
    """
    path, entry = split_entry(path)
    stored = _read(path)
    tensors = {str(key): value for key, value in _state(path, stored, entry).items()}
    metadata: dict[str, str] = {}
    if isinstance(stored, dict) and isinstance(stored.get("arch"), str):
        metadata["architecture"] = our_name(stored["arch"])
        if metadata["architecture"] in _SHAPES:
            metadata["shape"] = json.dumps(_SHAPES[metadata["architecture"]])
    if isinstance(stored, dict) and (classes := _class_names(stored)):
        metadata["classes"] = json.dumps(classes)
    return tensors, metadata


def split_entry(path: str | os.PathLike[str]) -> tuple[Path, str | None]:
    """A file and the entry that is named behind an @; a file whose own name has one is that file.

    >>> split_entry("a.pth@model_ema")
    (PosixPath('a.pth'), 'model_ema')
    """
    text = os.fspath(path)
    file, at, entry = text.rpartition("@")
    return (Path(file), entry) if at and not Path(text).exists() and file.endswith(SUFFIXES) else (Path(text), None)


def published_shape(arch: str) -> tuple[int, ...] | None:
    """What the published models of an architecture were trained on; None where there are none."""
    return _SHAPES.get(arch)


def our_name(arch: str) -> str:
    """Our name of an architecture that is called as in the published checkpoints.

    >>> our_name("cifar_resnet110"), our_name("resnet50")
    ('resnet110', 'resnet50')
    """
    return _PUBLISHED.get(arch, arch)


def _state(path: Path, stored: object, entry: str | None) -> Mapping[object, Tensor]:
    """The weights among everything in a file."""
    if not isinstance(stored, dict) or stored.keys() == _OPTIMIZER:
        what = "the state of an optimizer" if isinstance(stored, dict) else _a(stored)
        raise ModelError(f"{path} holds no weights, but {what}; {_SAVE}")
    found = {name: state for name, state in _states(stored) if not _NO_MODEL.search(name)}
    if entry is not None:
        if "" in found:
            raise ModelError(f"{path} holds one set of weights, under no name; leave @{entry} out")
        if entry not in found:
            raise ModelError(unknown(f"entry of {path}", entry, (name for name in found if name)))
        return found[entry]
    if "" in found:
        return found[""]
    averaged = [name for name in found if _AVERAGED.search(name)]
    plain = [name for name in found if name not in averaged]
    chosen = next((name for name in _USUAL if name in plain), None)
    if chosen is None and len(plain or averaged) == 1:
        chosen = (plain or averaged)[0]
    if chosen is None:
        several = ", ".join(f"{path}@{name}" for name in found)
        names = ", ".join(f"{name} ({_a(value)})" for name, value in list(stored.items())[:9]) or "nothing"
        raise ModelError(
            f"{path} holds several sets of weights; give one of {several}"
            if found
            else f"{path} holds no weights: expected a state_dict of plain tensors, or a dictionary with one, found "
            f"{names}; {_SAVE}"
        )
    if averaged and chosen not in averaged:
        log.warning("%s: taken are the weights under %s; give %s@%s for the average", path, chosen, path, averaged[0])
    return found[chosen]


def _states(stored: dict[Any, Any]) -> Iterator[tuple[str, Mapping[object, Tensor]]]:
    """Every set of tensors in a file: itself under no name, its entries, and theirs as ``a.b``."""
    if _is_state(stored):
        yield "", stored
        return
    for name, value in stored.items():
        if not isinstance(value, dict):
            continue
        if _is_state(value):
            yield str(name), value
        else:
            yield from ((f"{name}.{inner}", each) for inner, each in value.items() if _is_state(each))


def _is_state(value: object) -> bool:
    return isinstance(value, dict) and bool(value) and all(_is_plain(each) for each in value.values())


def _class_names(stored: dict[Any, Any]) -> list[str]:
    """The names of the classes in their order, where a file has them in one of the usual ways."""
    for name in ("classes", "class_names"):
        names = stored.get(name)
        if isinstance(names, list | tuple) and names and all(isinstance(each, str) for each in names):
            return list(names)
    places = stored.get("class_to_idx")
    if isinstance(places, dict) and all(isinstance(each, str) for each in places):
        names = sorted(places, key=lambda each: str(places[each]).zfill(9))
        return names if [places[each] for each in names] == list(range(len(names))) else []
    return []


def _a(stored: object) -> str:
    """What stands in a file, in a few words."""
    if stored is None:
        return "None"
    other = [name for name, each in stored.items() if not _is_plain(each)] if isinstance(stored, dict) else []
    more = f" with {other[0]}, {type(stored[other[0]]).__name__}"[:80] if other else ""  # type: ignore[index]  # a dict
    name = type(stored).__name__
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}{more}"


def _read(path: Path) -> object:
    try:
        return load_tensors(path)
    except FileNotFoundError as error:
        raise ModelError(f"no such file: {path}; expected a checkpoint of torch.save") from error
    except pickle.UnpicklingError as error:
        if asked := _GLOBAL.search(str(error)):
            arrays = asked[1].startswith("numpy.")
            raise ModelError(
                f"{path} is refused: its pickle asks for {asked[1]}, and nothing in it was run; expected tensors and "
                f"plain values only; {'save arrays as torch.from_numpy(array)' if arrays else _SAVE}"
            ) from error
        raise _damaged(path, error) from error
    except Exception as error:  # torch's reader fails in many ways on damaged bytes
        raise _damaged(path, error) from error


def load_tensors(path: Path) -> object:
    """What ``torch.load`` finds in a file (on the CPU), nothing in it run, after a look at what it would do.

    Refused, besides what ``weights_only`` refuses, is a pickle that ends the process or reads for ever, and an
    archive that unpacks to more than it is.

    Raises:
        OSError: the file cannot be read.
        Exception: of any kind; torch's reader fails in many ways on damaged bytes.
    """
    size = path.stat().st_size
    with path.open("rb") as stream:
        if zipfile.is_zipfile(stream):
            with zipfile.ZipFile(stream) as archive:
                entries = archive.infolist()
                if sum(entry.file_size for entry in entries) > size:
                    raise ValueError("it unpacks to more than it is")
                for entry in entries:
                    if entry.filename.endswith(".pkl"):
                        with archive.open(entry) as inside:
                            check_pickle(io.BytesIO(inside.read()), size, longest=_LONGEST)
        else:
            stream.seek(0)
            for _ in range(_LEGACY_PICKLES):
                check_pickle(stream, size, longest=_LONGEST)
    with torch.serialization.safe_globals(_HARMLESS):
        return torch.load(path, map_location="cpu", weights_only=True)


def _is_plain(value: object) -> bool:
    """Whether it is a tensor of numbers that are all there, not one stretched over few, nor a sparse or empty shell."""
    if not isinstance(value, Tensor) or value.layout != torch.strided or value.device.type != "cpu":
        return False
    if value.is_quantized or value.is_complex() or value.is_nested:
        return False
    return value.numel() * value.element_size() <= value.untyped_storage().nbytes()


def _damaged(path: Path, error: Exception) -> ModelError:
    refuse_other_kind(path, CHECKPOINT)
    reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
    return ModelError(f"{path} is not a readable checkpoint ({reason}); copy it again")
