"""``file.py:name``: a data set out of a Python file, which is run."""

from __future__ import annotations

import difflib
import hashlib
import importlib.util
import os
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

from noiseproof.data.dataset import DataSet
from noiseproof.errors import DataError


def is_python(spec: str) -> bool:
    """Whether a spec names something in a Python file."""
    return spec.rpartition(":")[0].endswith(".py")


def load_python(spec: str) -> DataSet:
    """The data set that a name in a Python file stands for: a ``DataSet``, or a function of nothing that makes one.

    The file may import those beside it. The data set is called by the spec, so that a run finds it again; the run's
    meaning holds its labels, and the key of each input its pixels.

    Raises:
        DataError: the file is missing or cannot be run, or the name is none of these.
    """
    file, _, name = spec.rpartition(":")
    path = Path(file)
    if not path.is_file():
        raise DataError(f"no such file: {file}; give file.py:name")
    found = getattr(module := _executed(path), name, None) if name else None
    if found is None:
        near = difflib.get_close_matches(name, [each for each in vars(module) if not each.startswith("_")], n=1)
        raise DataError(f"{spec}: the file defines no {name!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
    if not isinstance(found, DataSet) and callable(found):
        try:
            found = found()
        except (Exception, SystemExit) as error:
            raise DataError(f"{spec}: {name}() failed: {type(error).__name__}: {error}") from error
    if not isinstance(found, DataSet):
        raise DataError(f"{spec} must be a DataSet, or a function that makes one, got {type(found).__name__}")
    return replace(found, name=spec)


def _executed(path: Path) -> ModuleType:
    text = path.read_bytes()
    title = f"noiseproof_data_{hashlib.sha256(os.fsencode(path.resolve()) + text).hexdigest()[:16]}"
    spec = importlib.util.spec_from_file_location(title, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[title] = module  # dataclasses look their module up by name
    folder = str(path.resolve().parent)
    sys.path.insert(0, folder)
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # a script that ends itself would end us, as if all were done
        raise DataError(f"{path} cannot be run: {type(error).__name__}: {error}") from error
    finally:
        sys.path.remove(folder)
    return module
