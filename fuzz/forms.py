"""The readers of files of one's own, with valid files to start from."""

from __future__ import annotations

import io
import json
import tarfile
import wave
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

X = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)
Y = np.array([1, 0])


def reads(file: str, spec: str, *, beside: Callable[[Path], None] | None = None) -> Callable[[Path, bytes], None]:
    """Reads a data set, and every input of it, where a file has these bytes."""

    def read(folder: Path, raw: bytes) -> None:
        from noiseproof.data import load

        place = folder / file
        place.parent.mkdir(exist_ok=True, parents=True)
        place.write_bytes(raw)
        if beside is not None:
            beside(folder)
        data = load(spec.replace("DIR", str(folder)))
        assert len(data.images()) == len(data.labels)

    return read


def npz() -> Sequence[bytes]:
    plain, packed = io.BytesIO(), io.BytesIO()
    np.savez(plain, x=X, y=Y, classes=np.array(["cat", "dog"]))
    np.savez_compressed(packed, images=X, labels=Y)
    return [plain.getvalue(), packed.getvalue()]


def npy() -> Sequence[bytes]:
    np.save(stream := io.BytesIO(), X)
    return [stream.getvalue()]


def labels_beside(folder: Path) -> None:
    np.save(folder / "y.npy", Y)


def table() -> Sequence[bytes]:
    return [b"age,height,label\n20,1.5,0\n60,2.0,1\n", b'"a ""b""",label\n1e3,1\n-2,0\n']


def ranges() -> Sequence[bytes]:
    return [json.dumps({"age": [0, 100], "height": [1, 2.5]}).encode()]


def rows_beside(folder: Path) -> None:
    (folder / "d.csv").write_bytes(table()[0])


def parquet() -> Sequence[bytes]:
    pa = _arrow()
    import pyarrow.parquet as pq

    stream = io.BytesIO()
    pq.write_table(pa, stream)
    return [stream.getvalue()]


def arrow() -> Sequence[bytes]:
    import pyarrow as pa

    made, stream = _arrow(), io.BytesIO()
    with pa.ipc.new_stream(stream, made.schema) as writer:
        writer.write_table(made)
    return [stream.getvalue()]


def _arrow():
    import pyarrow as pa

    features = {"image": {"_type": "Image"}, "label": {"_type": "ClassLabel", "names": ["cat", "dog"]}}
    made = pa.table({"image": [{"bytes": _png(), "path": None}] * 2, "label": [0, 1]})
    return made.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})


def shard() -> Sequence[bytes]:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for index in range(2):
            for kind, raw in (("png", _png()), ("cls", str(index).encode())):
                member = tarfile.TarInfo(f"{index}.{kind}")
                member.size = len(raw)
                archive.addfile(member, io.BytesIO(raw))
    return [stream.getvalue()]


def recording() -> Sequence[bytes]:
    made = []
    for width in (1, 2):
        stream = io.BytesIO()
        with wave.open(stream, "wb") as file:
            file.setparams((1, width, 8000, 0, "NONE", ""))
            file.writeframes(bytes(range(40)))
        made.append(stream.getvalue())
    return made


def _png() -> bytes:
    from PIL import Image

    Image.fromarray(X[0]).save(stream := io.BytesIO(), "PNG")
    return stream.getvalue()


FORMS = {
    "npz": (reads("d.npz", "DIR/d.npz"), npz),
    "npy": (reads("x.npy", "DIR/x.npy,DIR/y.npy", beside=labels_beside), npy),
    "csv": (reads("d.csv", "DIR/d.csv:spread=DIR/d.csv"), table),
    "ranges": (reads("r.json", "DIR/d.csv:spread=DIR/r.json", beside=rows_beside), ranges),
    "parquet": (reads("d.parquet", "DIR/d.parquet"), parquet),
    "arrow": (reads("d.arrow", "DIR/d.arrow"), arrow),
    "web-dataset": (reads("d.tar", "DIR/d.tar"), shard),
    "wav": (reads("a/x.wav", "wav:DIR"), recording),
}
"""What reads each, and valid files of it."""
