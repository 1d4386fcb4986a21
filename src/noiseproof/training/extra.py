"""Extra pictures to learn from: more data, its labels its own or given by an earlier model."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from noiseproof.asked import Training
from noiseproof.data import DataSet, given
from noiseproof.data.folder import some
from noiseproof.errors import DataError, ModelError
from noiseproof.models import BaseModel
from noiseproof.models import load as load_model
from noiseproof.models.classes import matched

_ROWS = 256


def enlarged(data: DataSet, training: Training, *, device: torch.device) -> DataSet:
    """The training pictures with the extra ones of a training, labelled by a model where it names one.

    Raises:
        DataError: see ``data.load`` and ``with_extra``.
        ModelError: see ``models.load`` and ``pseudo_labels``.
    """
    extra = given(training.extra, split="train", root=training.root)
    if training.extra_labels is None:
        return with_extra(data, extra)
    model = load_model(training.extra_labels)
    if matched(data, model).classes != data.classes:
        raise ModelError(
            f"{model.source} has its classes in another order ({some(model.classes)}) than {data.name} "
            f"({some(data.classes)}); give a model of this data set as extra_labels"
        )
    return with_extra(data, extra, labels=pseudo_labels(model, extra, device=device))


def with_extra(data: DataSet, extra: DataSet, *, labels: NDArray[np.int64] | None = None) -> DataSet:
    """Both data sets as one, in this order; an epoch then is a pass over both.

    Args:
        data: the training pictures.
        extra: more pictures of the same shape and the same classes.
        labels: classes of the extra pictures, int64; by default their own.

    Raises:
        DataError: shape or classes differ.

    >>> pictures = np.zeros((2, 1, 1, 1), dtype=np.uint8)
    >>> grey = DataSet("grey", ("dark", "light"), (1, 1, 1), np.array([0, 1]), pictures)
    >>> with_extra(grey, grey, labels=np.array([1, 1])).labels
    array([0, 1, 1, 1])
    """
    if extra.shape != data.shape or len(extra.classes) != len(data.classes):
        raise DataError(
            f"{extra.name} has pictures of shape {extra.shape} in {len(extra.classes)} classes, "
            f"{data.name} {data.shape} in {len(data.classes)}; give extra pictures of the same kind"
        )
    if labels is None and extra.classes != data.classes:
        raise DataError(
            f"{extra.name} has the classes {some(extra.classes)}, {data.name} {some(data.classes)}; give extra "
            "pictures of the same classes in the same order, or a model that labels them (extra_labels)"
        )
    labels = extra.labels if labels is None else labels
    pictures = np.concatenate([data.images(), extra.images()])
    return DataSet(
        f"{data.name} + {extra.name}", data.classes, data.shape, np.concatenate([data.labels, labels]), pictures
    )


def pseudo_labels(model: BaseModel, data: DataSet, *, device: torch.device) -> NDArray[np.int64]:
    """The class a model gives each clean picture: int64 [N].

    Args:
        model: an earlier base classifier, in eval mode.
        data: pictures of the shape that it takes; their labels are not looked at.
        device: where to compute.

    Raises:
        ModelError: the model does not take these pictures.

    Source: self-training of Carmon et al. 2019, as used by Salman et al. 2019.
    """
    if model.shape is not None and tuple(model.shape) != data.shape:
        raise ModelError(f"{model.source} takes inputs of shape {tuple(model.shape)}, {data.name} has {data.shape}")
    module, images = model.module.to(device), data.images()
    found: list[torch.Tensor] = []
    with torch.inference_mode():
        for first in range(0, len(data), _ROWS):
            x = torch.from_numpy(images[first : first + _ROWS]).to(device).float() / 255
            found.append(module(x).argmax(dim=1).cpu())
    return torch.cat(found).numpy()
