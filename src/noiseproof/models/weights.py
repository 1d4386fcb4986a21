"""Weights on disk: safetensors with what a reader must know in the file's metadata."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path

import safetensors
import safetensors.torch
from torch import Tensor, nn

from noiseproof.errors import ModelError, one_line
from noiseproof.models.file_kind import SAFETENSORS, refuse_other_kind

_SHARD = re.compile(r"-\d{5}-of-(\d{5})\.")


def save_weights(module: nn.Module, path: str | os.PathLike[str], metadata: Mapping[str, str]) -> None:
    """Writes the module's ``state_dict`` and the metadata as one safetensors file, atomically.

    Equal tensors and metadata give equal bytes. A reader sees the old file or the whole new one, also after a
    crash. Values that are no plain text are
    JSON; the names noiseproof knows are architecture, num_classes, shape, mean, std, sigma, data, noiseproof.

    Raises:
        OSError: the file cannot be written.
    """
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in module.state_dict().items()}
    write_atomically(Path(path), _in_order(safetensors.torch.save(tensors, dict(metadata))))


def _in_order(file: bytes) -> bytes:
    """A safetensors file with the keys of its metadata sorted: the package writes them in any order."""
    size = int.from_bytes(file[:8], "little")
    header = json.loads(file[8 : 8 + size])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)  # the tensors begin at a multiple of eight
    return len(text).to_bytes(8, "little") + text + file[8 + size :]


def load_weights(path: str | os.PathLike[str]) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors (on the CPU) and the metadata of a safetensors file.

    Raises:
        ModelError: there is no such file, or it is damaged.
    """
    path = Path(path)
    if not path.is_file():
        raise ModelError(f"no such file: {path}; expected weights in a .safetensors file")
    if (shard := _SHARD.search(path.name)) and int(shard[1]) > 1:
        raise ModelError(
            f"{path} is one of {int(shard[1])} files of weights; give hf: and their folder, or put them together in "
            "one file"
        )
    try:
        with safetensors.safe_open(path, framework="pt", device="cpu") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
            return tensors, dict(file.metadata() or {})
    except Exception as error:  # its own error, and torch's for a kind or a shape that torch has none of
        refuse_other_kind(path, SAFETENSORS)
        raise ModelError(
            f"{path} is not a readable safetensors file ({one_line(error)}); copy it again or train it again"
        ) from error


def write_atomically(path: Path, data: bytes) -> None:
    """Replaces the file by the bytes: on disk before the new name is, and the old file until then.

    Raises:
        OSError: the file cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # the rename itself is in the folder
    finally:
        os.close(folder)
