import functools

import numpy as np
import pytest
import torch

from noiseproof.errors import ModelError
from noiseproof.models import ArrayClassifier, fingerprint, from_object


def brightness(x):
    """Of the whole picture: two classes."""
    return (x.reshape(len(x), -1).mean(axis=1) > 0.5).astype(np.int64)


def test_a_module(network):
    model = from_object(network, num_classes=4, shape=(3, 8, 8))
    assert (model.module, model.num_classes, model.shape) == (network, 4, (3, 8, 8))
    assert model.fingerprint == fingerprint(network, "torch.nn.modules.container.Sequential")
    assert from_object(network, num_classes=4, model_id="mine").fingerprint == "named mine"


def test_a_function():
    model = from_object(brightness, num_classes=2)
    assert isinstance(model.module, ArrayClassifier)
    assert model.module(torch.ones(1, 1, 2, 2)).tolist() == [[0.0, 1.0]]
    assert model.architecture.endswith(".brightness")
    assert model.fingerprint == from_object(brightness, num_classes=2).fingerprint
    assert model.fingerprint != from_object(brightness, num_classes=2, model_id="mine").fingerprint


def closing_over(weight):
    def scores(x):
        return x.reshape(len(x), -1) @ weight

    return scores


@pytest.mark.parametrize(
    ("function", "kind"),
    [
        (closing_over(np.ones((4, 2))), "function"),
        (lambda x: x.reshape(len(x), -1), "function"),
        (functools.partial(np.reshape, newshape=(-1, 2)), "partial"),
    ],
)
def test_what_no_file_holds_as_a_whole_needs_a_name(function, kind):
    with pytest.raises(
        ValueError, match=f"^model_id must be given for a {kind} that no file holds as a whole; give it"
    ):
        from_object(function, num_classes=2)
    one, other = (from_object(function, num_classes=2, model_id=name) for name in ("one", "other"))
    assert one.fingerprint != other.fingerprint


def test_errors():
    with pytest.raises(ValueError, match=r"^num_classes must be given for a model that is a function, got None$"):
        from_object(brightness, num_classes=None)
    with pytest.raises(ModelError, match=r"or a function, got builtins.int$"):
        from_object(3, num_classes=2)
