"""A function or an estimator in a Python user's hands."""

from __future__ import annotations

import hashlib
import inspect
from pathlib import Path
from typing import Any

from torch import nn

from noiseproof.errors import ModelError
from noiseproof.models.arrays import ArrayClassifier
from noiseproof.models.base import BaseModel, fingerprint
from noiseproof.models.estimators import classes_of, content_of, function_of, is_estimator


def from_object(
    model: Any,  # noqa: ANN401 (a module, an estimator or a function)
    *,
    num_classes: int | None,
    shape: tuple[int, ...] | None = None,
    model_id: str | None = None,
) -> BaseModel:
    """The base classifier that a Python object is: a module, a fitted classifier of scikit-learn, or a function.

    A function takes numpy arrays (see ``ArrayClassifier``). Its fingerprint is that of its file's text, which says
    nothing of weights that it reads from elsewhere: give ``model_id``, a name that changes with them. Where there is
    no file, or the function holds values from around it, ``model_id`` is needed.

    Args:
        model: the object.
        num_classes: how many classes there are; an estimator knows how many it was fitted on.
        shape: of one input.
        model_id: a name that stands for the model instead of the fingerprint.

    Raises:
        ValueError: num_classes or model_id is missing.
        ModelError: it is none of these, or an estimator is not fitted.
    """
    kind = type(model)
    name = f"{kind.__module__}.{kind.__qualname__}"
    if is_estimator(model):
        classes = int(classes_of(model).max()) + 1 if num_classes is None else num_classes
        wrapped: nn.Module = ArrayClassifier(function_of(model, classes), classes)
        content = f"named {model_id}" if model_id is not None else f"{name} {content_of(model)}"
        return BaseModel(wrapped, name, classes, shape, fingerprint(wrapped, content), name)
    if num_classes is None:
        raise ValueError(f"num_classes must be given for a model that is a {_word(model)}, got None")
    if isinstance(model, nn.Module):
        sha = f"named {model_id}" if model_id is not None else fingerprint(model, name)
        return BaseModel(model, name, num_classes, shape, sha, name)
    if isinstance(model, type):
        raise ModelError(f"a model must be an object, got a class; give {model.__name__}(...).eval()")
    if not callable(model):
        raise ModelError(
            f"a model must be a spec, an nn.Module, a fitted classifier of scikit-learn or a function, got {name}"
        )
    called = f"{getattr(model, '__module__', kind.__module__)}.{getattr(model, '__qualname__', kind.__qualname__)}"
    content = f"named {model_id}" if model_id is not None else f"{called} {_text(model)}"
    wrapped = ArrayClassifier(model, num_classes)
    return BaseModel(wrapped, called, num_classes, shape, fingerprint(wrapped, content), called)


def _word(model: object) -> str:
    return "module" if isinstance(model, nn.Module) else "function"


def _text(function: Any) -> str:  # noqa: ANN401 (any callable)
    """SHA-256 (hex) of the file in which a function stands that holds nothing from around it."""
    plain = inspect.unwrap(function)
    file = inspect.getsourcefile(plain) if inspect.isfunction(plain) else None
    whole = file is not None and Path(file).is_file() and plain.__closure__ is None and plain.__name__ != "<lambda>"
    if not whole or file is None:
        raise ValueError(
            f"model_id must be given for a {type(function).__name__} that no file holds as a whole; "
            "give it a name that changes with its weights"
        )
    return hashlib.sha256(Path(file).read_bytes()).hexdigest()
