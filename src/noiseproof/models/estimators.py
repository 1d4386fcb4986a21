"""Fitted classifiers of scikit-learn, or of whatever looks like one."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from noiseproof.errors import ModelError, one_line

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SCORES = ("predict_proba", "decision_function")


def is_estimator(model: object) -> bool:
    """Whether it has what an estimator of scikit-learn has: ``predict`` and ``get_params``."""
    return not isinstance(model, type) and hasattr(model, "predict") and hasattr(model, "get_params")


def classes_of(estimator: Any) -> NDArray[np.int64]:  # noqa: ANN401 (duck-typed)
    """The classes it was fitted on.

    Raises:
        ModelError: it is not fitted, no classifier, or its classes are no numbers 0, 1, ...
    """
    found = getattr(estimator, "classes_", None)
    name = type(estimator).__name__
    if found is None:
        raise ModelError(f"{name} has no classes_; give a fitted classifier of scikit-learn")
    try:
        classes = np.asarray(found)
    except ValueError:
        classes = np.empty((0, 0))
    if classes.ndim != 1 or classes.dtype.kind not in "biu" or classes.min() < 0:
        raise ModelError(
            f"{name} must be fitted on one label an input, numbered 0, 1, ... as the data set does, "
            f"got classes_ {str(found)[:80]!r}; fit it on such labels"
        )
    return classes.astype(np.int64)


def function_of(estimator: Any, num_classes: int) -> Callable[[NDArray[np.float32]], NDArray[Any]]:  # noqa: ANN401
    """Its scores as a function ``[batch, *shape] -> [batch, num_classes]``, each input flattened to a row.

    The scores are ``predict_proba``, else ``decision_function``, else the labels of ``predict``. A class that it was
    not fitted on never wins. Where ``predict_proba`` is known to differ from ``predict`` (an SVC with
    ``probability=True``), give ``estimator.predict`` on flattened rows as a function.

    Raises:
        ModelError: it is not fitted, no classifier, or has a class outside [0, num_classes).
    """
    classes = classes_of(estimator)
    if classes.max() >= num_classes:
        raise ModelError(
            f"{type(estimator).__name__} was fitted on the class {classes.max()}, but num_classes is {num_classes}; "
            "give the data set it was fitted on"
        )
    method = next((getattr(estimator, name) for name in _SCORES if hasattr(estimator, name)), None)

    def scores(x: NDArray[np.float32]) -> NDArray[Any]:
        rows = x.reshape(len(x), -1)
        if method is None:
            return np.asarray(estimator.predict(rows)).astype(np.int64)
        found = np.asarray(method(rows))
        if found.ndim == 1:  # of two classes: above 0 is the second
            found = np.stack([np.zeros_like(found), found], axis=1)
        if found.shape != (len(x), len(classes)):
            raise ModelError(f"{method.__name__} gave {list(found.shape)} scores for {len(classes)} classes")
        placed = np.repeat(found.min(axis=1, keepdims=True) - 1, num_classes, axis=1)
        placed[:, classes] = found
        return placed

    return scores


def content_of(estimator: Any) -> str:  # noqa: ANN401 (duck-typed)
    """SHA-256 (hex) of what it was fitted to: of its pickle, which is written here and never read.

    Raises:
        ModelError: it cannot be pickled.
    """
    try:
        return hashlib.sha256(pickle.dumps(estimator, protocol=4)).hexdigest()
    except Exception as error:
        raise ModelError(
            f"{type(estimator).__name__} cannot be named by its content ({one_line(error)}); give model_id"
        ) from error
