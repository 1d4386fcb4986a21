"""The classes of a data set in the order of a model: identity is by name where there are names."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from noiseproof.data.folder import some
from noiseproof.errors import ModelError

if TYPE_CHECKING:
    from noiseproof.data import DataSet
    from noiseproof.models.base import BaseModel

log = logging.getLogger(__name__)


def matched(data: DataSet, model: BaseModel) -> DataSet:
    """The data set with its labels by the names of the model's classes, where the model says those.

    A class that is called by its number is in its place, and so are all classes of the data set that was trained on.
    The names of published models that share none with the data may be another language for the same classes: then
    places count, and a warning says so.

    Raises:
        ModelError: the model does not know one of the classes.
    """
    known, trained = model.classes, model.metadata.get("data")
    places = {name: place for place, name in enumerate(known)}
    named = [name for place, name in enumerate(data.classes) if name != str(place)]
    alike = trained is not None and _family(trained) == _family(data.name) not in ("folder", "")
    if known == data.classes or not known or not named or alike or len(places) < len(known):
        return data
    unknown = [name for name in named if name not in places]
    if not unknown:
        order = [places.get(name, place) for place, name in enumerate(data.classes)]
        return replace(data, classes=known, labels=np.array(order, dtype=np.int64)[data.labels])
    if trained is not None or len(unknown) < len(named) or len(known) != len(data.classes):
        raise ModelError(
            f"{model.source} knows the classes {some(known)}, but {data.name} has {some(unknown)} besides; give its "
            "own data, or call the classes as the model does"
        )
    log.warning(
        "%s calls its classes otherwise (%s) than %s (%s): taken is the k-th for the k-th",
        model.source, some(known), data.name, some(data.classes),
    )  # fmt: skip
    return data


def _family(name: str) -> str:
    """What data sets of one list of classes have in common in their names; empty for files and folders of one's own."""
    family = name.partition(":")[0]
    return "" if family.endswith(".py") else "imagenet" if "imagenet" in family else family
