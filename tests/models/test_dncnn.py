import pytest
import torch
from torch import nn

from noiseproof.errors import ModelError
from noiseproof.models.dncnn import DnCNN, dncnn_size


def test_a_new_one_returns_its_input():
    x = torch.randn(2, 3, 9, 7)
    assert torch.equal(DnCNN(3, depth=4, width=5)(x), x)


def test_the_output_of_the_convolutions_is_subtracted():
    module = DnCNN(1, depth=3, width=4)
    nn.init.normal_(module.dncnn[-1].weight)
    x = torch.randn(2, 1, 6, 6)
    assert torch.equal(module(x), x - module.dncnn(x))
    assert not torch.equal(module(x), x)


def test_the_layers_are_those_of_the_published_denoisers():
    module = DnCNN(3)
    parts = [type(part).__name__ for part in module.dncnn]
    assert parts == ["Conv2d", "ReLU"] + 15 * ["Conv2d", "BatchNorm2d", "ReLU"] + ["Conv2d"]
    assert [name for name, _ in module.named_parameters()][:4] == [
        "dncnn.0.weight",
        "dncnn.0.bias",
        "dncnn.2.weight",
        "dncnn.3.weight",
    ]
    # 17 convolutions 3x3, one bias, 15 batch-norms of two numbers a channel
    assert sum(p.numel() for p in module.parameters()) == 9 * (3 * 64 + 15 * 64 * 64 + 64 * 3) + 64 + 15 * 2 * 64
    norm = module.dncnn[3]
    assert (norm.eps, norm.momentum) == (1e-4, 0.95)


def test_weights_begin_orthogonal():
    rows = DnCNN(1, depth=3, width=4).dncnn[2].weight.detach().flatten(1)
    assert torch.allclose(rows @ rows.T, torch.eye(4), atol=1e-5)


@pytest.mark.parametrize("name", ["dncnn-", "dncnn-8", "dncnn-8x", "dncnn8x32", "xdncnn", "dncnn-8x32 "])
def test_names_that_are_none(name):
    assert dncnn_size(name) is None


@pytest.mark.parametrize(
    ("size", "text"),
    [
        ({"channels": 0}, "channels of a dncnn must be >= 1, got 0"),
        ({"channels": 1, "depth": 1}, "depth of a dncnn must be >= 2, got 1"),
        ({"channels": 1, "width": 0}, "width of a dncnn must be >= 1, got 0"),
    ],
)
def test_a_size_that_is_too_small(size, text):
    with pytest.raises(ModelError, match=f"^{text}$"):
        DnCNN(**size)
