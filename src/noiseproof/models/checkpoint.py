"""Checkpoints of ``torch.save``, such as the published ones of Cohen et al. 2019."""

from __future__ import annotations

import io
import json
import os
import pickle
import re
import zipfile
from pathlib import Path

import torch
from torch import Tensor

from noiseproof.errors import ModelError
from noiseproof.pickles import check_pickle

SUFFIXES = (".pth.tar", ".pth", ".pt", ".tar")
"""The file names that are taken for checkpoints."""

_PUBLISHED = {"cifar_resnet20": "resnet20", "cifar_resnet110": "resnet110"}
_SHAPES = {"resnet20": (3, 32, 32), "resnet110": (3, 32, 32), "resnet50": (3, 224, 224)}
_PREFIXES = ("1.module.", "module.1.", "1.", "module.", "")
_LONGEST = 2000  # letters: torch puts a text into its error, and searches that in time quadratic in its length
_LEGACY_PICKLES = 5  # a magic number, a version, the machine, the object, the names of the storages
_GLOBAL = re.compile(r"GLOBAL ([\w.]+)")


def load_checkpoint(
    path: str | os.PathLike[str], *, arch: str | None = None
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors (on the CPU) of a checkpoint under the key names of ours, and what is known of the model.

    A checkpoint is a dictionary with ``state_dict`` and ``arch`` (``cifar_resnet20``, ``cifar_resnet110``,
    ``resnet50``, or a name of ours), or a bare ``state_dict``. Its module was a sequence of a normalisation and the
    network, in a ``DataParallel`` or not: the prefix of the keys is taken off. Beyond that the published key names
    are ours. The normalisation is not in the file: it is fixed by the data set, and so by the architecture.

    Nothing in the file is executed (``weights_only``).

    Args:
        path: the file.
        arch: the architecture, needed only where the file does not say; published names are understood.

    Returns:
        The tensors, and architecture, num_classes and shape, each where it is known, as ``load_weights``
        returns them. The shape is the one the published models of the architecture were trained on.

    Raises:
        ModelError: there is no such file, it is damaged, holds no weights, or its pickle needs more than tensors
            and plain values.

    Source: train.py, architectures.py and archs/cifar_resnet.py of github.com/locuslab/smoothing.
    """
    path = Path(path)
    stored = _read(path)
    said = stored.get("arch") if isinstance(stored, dict) else None
    state = stored.get("state_dict", stored) if isinstance(stored, dict) else None
    if not isinstance(state, dict) or not state or not all(_is_plain(value) for value in state.values()):
        raise ModelError(
            f"{path} holds no weights: expected a state_dict, or a dictionary with arch and state_dict; "
            "save module.state_dict() with torch.save"
        )
    tensors = _plain({str(key): value for key, value in state.items()})
    metadata: dict[str, str] = {}
    if isinstance(said, str):
        metadata["architecture"] = our_name(said)
    known = metadata.get("architecture", arch and our_name(arch))
    if known in _SHAPES:
        metadata["shape"] = json.dumps(_SHAPES[known])
        if "fc.weight" in tensors and tensors["fc.weight"].ndim:
            metadata["num_classes"] = str(len(tensors["fc.weight"]))
    return tensors, metadata


def our_name(arch: str) -> str:
    """Our name of an architecture that is called as in the published checkpoints.

    >>> our_name("cifar_resnet110"), our_name("resnet50")
    ('resnet110', 'resnet50')
    """
    return _PUBLISHED.get(arch, arch)


def _read(path: Path) -> object:
    try:
        return load_tensors(path)
    except FileNotFoundError as error:
        raise ModelError(f"no such file: {path}; expected a checkpoint of torch.save") from error
    except pickle.UnpicklingError as error:
        if asked := _GLOBAL.search(str(error)):
            raise ModelError(
                f"{path} is refused: its pickle asks for {asked[1]}, and nothing in it was run; expected tensors and "
                "plain values only; save module.state_dict() with torch.save"
            ) from error
        raise ModelError(_damaged(path, error)) from error
    except Exception as error:  # torch's reader fails in many ways on damaged bytes
        raise ModelError(_damaged(path, error)) from error


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
    return torch.load(path, map_location="cpu", weights_only=True)


def _is_plain(value: object) -> bool:
    """Whether it is a tensor of numbers that are all there, not one stretched over few, nor a sparse or empty shell."""
    if not isinstance(value, Tensor) or value.layout != torch.strided or value.device.type != "cpu":
        return False
    if value.is_quantized or value.is_complex() or value.is_nested:
        return False
    return value.numel() * value.element_size() <= value.untyped_storage().nbytes()


def _damaged(path: Path, error: Exception) -> str:
    reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
    return f"{path} is not a readable checkpoint ({reason}); copy it again"


def _plain(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors under the bare network's names, with the counters that checkpoints of old releases lack."""
    prefix = next((prefix for prefix in _PREFIXES if f"{prefix}conv1.weight" in tensors), "")
    plain = {key.removeprefix(prefix): tensor for key, tensor in tensors.items()}
    if len(plain) != len(tensors):
        return tensors  # two keys became one: let the misfit be told by the names in the file
    for key in list(plain):
        if key.endswith(".running_mean"):
            plain.setdefault(f"{key.removesuffix('running_mean')}num_batches_tracked", torch.tensor(0))
    return plain
