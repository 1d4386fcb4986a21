"""``file.py:name``: a data set out of a Python file, which is run."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from noiseproof.data.dataset import DataSet
from noiseproof.data.form import Form
from noiseproof.data.objects import is_numbered, of_items
from noiseproof.errors import DataError
from noiseproof.foreign import called, defined, executed


def is_python(spec: str) -> bool:
    """Whether a spec names something in a Python file."""
    return spec.rpartition(":")[0].endswith(".py")


def load_python(spec: str) -> DataSet:
    """The data set that a name in a Python file stands for: a ``DataSet``, one of torch, or a function that makes one.

    The file may import those beside it. The data set is called by the spec, so that a run finds it again; the run's
    meaning holds its labels, and the key of each input its pixels.

    Raises:
        DataError: the file is missing or cannot be run, or the name is none of these.
    """
    file, _, name = spec.rpartition(":")
    path = Path(file)
    if not path.is_file():
        raise DataError(f"no such file: {file}; give file.py:name")
    folder = str(path.resolve().parent)
    sys.path.insert(0, folder)
    try:
        found = defined(executed(path, path.read_bytes(), kind="data", error=DataError), name, spec, DataError)
        if not isinstance(found, DataSet) and not is_numbered(found) and callable(found):
            found = called(found, path, f"{spec}: {name}()", DataError)
    finally:
        sys.path.remove(folder)
    if is_numbered(found):
        found = of_items(found, spec)
    if not isinstance(found, DataSet):
        raise DataError(
            f"{spec} must be a DataSet, a data set of torch, or a function that makes one, got {type(found).__name__}"
        )
    return replace(found, name=spec)


PYTHON = Form(
    "file.py:name",
    "a DataSet, one of torch, or a function that makes one",
    is_python,
    lambda spec, split: load_python(spec),
)
