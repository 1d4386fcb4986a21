"""``file.py:name``: a module, an estimator or a function out of a Python file, which is run."""

from __future__ import annotations

import hashlib
import inspect
import logging
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from noiseproof.errors import ModelError
from noiseproof.foreign import called, defined, executed
from noiseproof.models.arrays import ArrayClassifier
from noiseproof.models.base import BaseModel, fingerprint, frozen
from noiseproof.models.estimators import content_of, function_of, is_estimator
from noiseproof.models.neighbours import importable, neighbours, text_of

log = logging.getLogger(__name__)


def load_python(
    path: Path, name: str, *, arch: str | None, num_classes: int | None, shape: tuple[int, ...] | None
) -> BaseModel:
    """The base classifier that a name in a Python file stands for.

    Called first, without arguments, is whatever can be: a class, a factory. What is there then is a module, a fitted
    classifier of scikit-learn, or a function of one argument on numpy arrays (see ``ArrayClassifier``).

    The file may import those beside it. The fingerprint covers their text and its own, and a module's or an
    estimator's weights. It does not cover what a function reads from elsewhere.

    Args:
        path: of the file.
        name: in it.
        arch: refused; only to say so.
        num_classes: needed.
        shape: of one input, where it is known.

    Raises:
        ModelError: an argument is missing or too many, the file cannot be run, or the name is none of these.
    """
    spec = f"{path}:{name}"
    if not name:
        raise ModelError(f"{path} is a Python file; say which model in it: {path}:name")
    if num_classes is None:
        raise ModelError(f"{spec}: a Python file does not say its num_classes; give num_classes (--num-classes)")
    if arch is not None:
        raise ModelError(f"{spec}: arch is for weights files, a Python file is its own; leave arch out")
    source = path.read_bytes()
    architecture = f"{path.name}:{name}"
    folder = path.resolve().parent
    beside = neighbours(source, folder)
    named = " ".join(filter(None, (architecture, hashlib.sha256(source).hexdigest(), text_of(beside, folder))))
    with importable(beside, folder):
        found = _named(executed(path, source, kind="model", error=ModelError), name, spec, path)
    if isinstance(found, nn.Module):
        return BaseModel(frozen(found), architecture, num_classes, shape, fingerprint(found, named), spec)
    if is_estimator(found):
        named = f"{named} {content_of(found)}"
        found = function_of(found, num_classes)
    else:
        log.warning("%s is known by its file's text: weights that it reads from elsewhere need a --model-id", spec)
    module = ArrayClassifier(found, num_classes)
    return BaseModel(module, architecture, num_classes, shape, fingerprint(module, named), spec)


def required_arguments(function: object) -> int | None:
    """How many arguments a callable cannot do without; None where Python does not know."""
    names = _required(function)
    return None if names is None else len(names)


def _required(function: object) -> list[str] | None:
    try:
        parameters = inspect.signature(function).parameters.values()  # type: ignore[arg-type]  # that it may fail is the point
    except (TypeError, ValueError):
        return None
    loose = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [each.name for each in parameters if each.default is each.empty and each.kind not in loose]


def _named(python: ModuleType, name: str, spec: str, path: Path) -> Any:  # noqa: ANN401 (a module, an estimator or a function)
    """What is there under the name, or what the factory there makes."""
    found = defined(python, name, spec, ModelError)
    ready = isinstance(found, nn.Module) or is_estimator(found)
    if not ready and callable(found) and required_arguments(found) == 0:
        found = called(found, path, f"{spec}: {name}()", ModelError)
    if isinstance(found, nn.Module) or is_estimator(found):
        return found
    if isinstance(found, type) and (names := _required(found)):
        raise ModelError(
            f"{spec} is a class that needs {', '.join(names)}; write `net = {name}(...)` in the file, and give "
            f"{path}:net"
        )
    if not callable(found) or isinstance(found, type):
        raise ModelError(
            f"{spec} must be an nn.Module or a callable without arguments that makes one, got {type(found).__name__}"
        )
    needed = required_arguments(found)
    if needed not in (None, 0, 1):
        raise ModelError(
            f"{spec} must take one argument, a numpy batch, or none and make a model, but it needs {needed}; "
            "wrap it in a function of one"
        )
    return found
