"""What a file is that cannot be read as what its name says: told by its first bytes, nothing in it run."""

from __future__ import annotations

import zipfile
from pathlib import Path

from noiseproof.errors import ModelError

CHECKPOINT = "a checkpoint of torch.save; call it .pt"
PROGRAM = "a program of torch.export; call it .pt2"
SAFETENSORS = "a safetensors file; call it .safetensors"
_OF_EXPORT = ("archive_format", "models/model.json", "serialized_exported_program.json")
_IN_FILE = "give FILE.py:NAME, a module or a function on numpy arrays that reads it"
_PACKED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"(\xb5/\xfd")
_NUMBER = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # the number before the pickles of torch.save, until 1.6
_HEADS: dict[tuple[bytes, ...], str] = {
    (b"version https://git-lfs",): "a pointer of Git LFS, not the file; fetch it with `git lfs pull`",
    (b"<!doctype", b"<html", b"<?xml"): "a web page, not the file; download it again by its direct address",
    _PACKED: "a compressed file; unpack it, and give what was in it",
    (b"\x89HDF",): f"an HDF5 file, as Keras writes them; export the model to ONNX, or {_IN_FILE}",
    (_NUMBER,): CHECKPOINT,
    (b"\x80",): f"a pickle, and nothing in it was run; save module.state_dict() with torch.save, or {_IN_FILE}",
}


def refuse_other_kind(path: Path, own: str = "") -> None:
    """Refuse a file that is known to be something else than what it was to be read as.

    Args:
        path: a file that could not be read.
        own: the kind it was to be: a damaged one is not refused here.

    Raises:
        ModelError: says what it is, and what to do.
    """
    if (kind := other_kind(path)) and kind != own:
        raise ModelError(f"{path} is {kind}")


def other_kind(path: Path) -> str:
    """What a file is that could not be read as what it is called, and what to do; empty where that is not known.

    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile() as file:
    ...     other_kind(Path(file.name))
    'empty; copy it again'
    """
    try:
        with path.open("rb") as stream:
            head = stream.read(512)
    except OSError:
        return ""
    if not head:
        return "empty; copy it again"
    text = head.lstrip().lower()
    for begins, kind in _HEADS.items():
        if text.startswith(begins) or head.startswith(begins):
            return kind
    if head[257:262] == b"ustar":
        return "a tar archive; unpack it, and give what was in it"
    if head[4:8] == b"TFL3":
        return f"a model of TensorFlow Lite; export it to ONNX, or {_IN_FILE}"
    if b'"weight_map"' in head or path.name.endswith(".index.json"):
        return "the index of weights in several files; give hf: and their folder, or put them together in one file"
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 1 << 30:
        return SAFETENSORS
    return _archive(path)


def _archive(path: Path) -> str:
    """What a zip archive holds."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except Exception:  # noqa: BLE001  # none, or a damaged one
        return ""
    if any(name.endswith("constants.pkl") for name in names):
        return (
            "a TorchScript program, and nothing in it was run; give file.py:name with `net = torch.jit.load(...)` in "
            "the file, or export it with torch.export to a .pt2 file"
        )
    if any(name.endswith(_OF_EXPORT) for name in names):
        return PROGRAM
    if any(name.endswith("/data.pkl") for name in names):
        return CHECKPOINT
    if names and all(name.endswith(".npy") for name in names):
        return (
            "a file of NumPy arrays; save tensors: torch.save({name: torch.from_numpy(array) for name, array in "
            "np.load(...).items()}, 'weights.pt')"
        )
    if "model.weights.h5" in names:
        return f"a model of Keras; export it to ONNX, or {_IN_FILE}"
    return f"an archive of other things ({', '.join(names[:3])[:80]}); unpack it, and give what was in it"
