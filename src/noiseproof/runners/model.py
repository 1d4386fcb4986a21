"""The base classifier that is asked about, found."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from noiseproof.models import BaseModel, ensemble, from_object
from noiseproof.models import load as load_model
from noiseproof.models.denoised import denoised_spec
from noiseproof.models.estimators import is_estimator
from noiseproof.models.scaled import unscaled
from noiseproof.models.stated import with_normalisation

if TYPE_CHECKING:
    from noiseproof.asked import Subject
    from noiseproof.data import DataSet


def model_of(subject: Subject, data: DataSet, *, sigma: float | None) -> BaseModel:
    """The base classifier that a subject names, or has; several are averaged.

    One that cannot say how many classes it has is taken to have those of the data set. Of data that were scaled, it
    takes numbers in their own units: what undoes the scaling stands before it, as a part of the base classifier.

    Args:
        subject: names it, and what stands before it.
        data: what it is about.
        sigma: the noise level of a denoiser that must be told one and whose spec does not say it.

    Raises:
        ValueError: an argument is out of range.
        ModelError: it cannot be loaded.
    """
    models, model_id = subject.models, subject.model_id
    if subject.denoiser is not None:
        models = tuple(denoised_spec(os.fspath(model), subject.denoiser, sigma=sigma) for model in models)
    names = [model_id if model_id is None or len(models) == 1 else f"{model_id} {k}" for k in range(len(models))]
    members = [_single(each, subject, name, data) for each, name in zip(models, names, strict=True)]
    base = ensemble(members, subject.consensus)
    return base if model_id is None else replace(base, fingerprint=f"named {model_id}")


def _single(model: Any, subject: Subject, model_id: str | None, data: DataSet) -> BaseModel:  # noqa: ANN401  # see Subject
    told = subject.loading
    if isinstance(model, str | os.PathLike):
        found = load_model(model, **told, usual=(len(data.classes), tuple(data.shape)))
    elif told["arch"] is not None:
        raise ValueError("arch is for weights in a file; leave it out with a model in your hands")
    else:
        if not isinstance(model, BaseModel):
            classes = told["num_classes"]
            classes = len(data.classes) if classes is None and not is_estimator(model) else classes
            model = from_object(model, num_classes=classes, shape=tuple(data.shape), model_id=model_id)
        found = with_normalisation(model, told["mean"], told["std"])
    return found if data.scaling is None else unscaled(found, data.scaling)
