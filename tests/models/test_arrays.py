import time

import numpy as np
import pytest
import torch

from noiseproof.errors import ModelError
from noiseproof.models import ArrayClassifier


def linear(network):
    """The same as a network of one linear layer, in numpy."""
    weight, bias = (tensor.detach().numpy() for tensor in (network.weight, network.bias))
    return lambda x: x.reshape(len(x), -1) @ weight.T + bias


@pytest.fixture
def layer():
    return torch.nn.Linear(192, 4)


def test_scores_vote_as_in_torch(layer, votes):
    base = torch.nn.Sequential(torch.nn.Flatten(), layer).eval()
    assert votes(ArrayClassifier(linear(layer), 4)) == votes(base)


def test_labels_vote_as_the_scores_do(layer, votes):
    scores = linear(layer)
    assert votes(ArrayClassifier(lambda x: scores(x).argmax(axis=1), 4)) == votes(ArrayClassifier(scores, 4))


@pytest.mark.extra("jax")
def test_a_function_of_jax(layer, votes):
    import jax

    weight, bias = (jax.numpy.asarray(tensor.detach().numpy()) for tensor in (layer.weight, layer.bias))

    @jax.jit
    def scores(x):
        return x.reshape(len(x), -1) @ weight.T + bias

    base = torch.nn.Sequential(torch.nn.Flatten(), layer).eval()
    assert votes(ArrayClassifier(scores, 4)) == votes(base)


def test_the_function_gets_floats_of_its_own():
    given = []

    def greedy(x):
        given.append((type(x), x.dtype, x.shape))
        x[:] = 7
        return np.zeros((len(x), 2))

    x = torch.rand(3, 1, 2, 2)
    before = x.clone()
    assert torch.equal(ArrayClassifier(greedy, 2)(x), torch.zeros(3, 2))
    assert given == [(np.ndarray, np.float32, (3, 1, 2, 2))]
    assert torch.equal(x, before)


@pytest.mark.parametrize("labels", [[0, 2], np.array([0, 2], dtype=np.uint8), torch.tensor([0, 2])])
def test_labels_are_one_hot(labels):
    scores = ArrayClassifier(lambda x: labels, 3)(torch.zeros(2, 1))
    assert scores.tolist() == [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]


@pytest.mark.parametrize("wrong", [-1, 3, 10])
def test_labels_outside_the_classes(wrong):
    with pytest.raises(ModelError) as caught:
        ArrayClassifier(lambda x: np.array([0, wrong]), 3)(torch.zeros(2, 1))
    assert str(caught.value) == (
        f"labels must be in [0, 3) for num_classes=3, got {wrong}; number the classes as the data set does"
    )


@pytest.mark.parametrize(
    ("answer", "got"),
    [
        (np.zeros(2), "float64 [2]"),
        (np.array(["cat", "dog"]), "<U3 [2]"),
        (np.zeros((2, 3, 1)), "float64 [2, 3, 1]"),
        (None, "object []"),
    ],
)
def test_what_is_neither_scores_nor_labels(answer, got):
    with pytest.raises(ModelError) as caught:
        ArrayClassifier(lambda x: answer, 3)(torch.zeros(2, 1))
    assert str(caught.value) == f"it must return scores [batch, classes] or integer labels [batch], got {got}"


def test_the_engine_says_it_in_one_line(votes):
    with pytest.raises(ModelError) as caught:
        votes(ArrayClassifier(lambda x: np.full(len(x), 9), 4))
    said = str(caught.value)
    assert "\n" not in said
    assert "the base classifier failed" in said
    assert "labels must be in [0, 4)" in said


def test_one_thread_at_a_time(votes):
    inside = []

    def careless(x):
        inside.append(1)
        time.sleep(1e-3)  # lets another thread in, if one may come
        assert len(inside) == 1
        scores = np.stack([x.reshape(len(x), -1).mean(axis=1), np.full(len(x), 0.5)], axis=1)
        inside.pop()
        return scores

    assert sum(votes(ArrayClassifier(careless, 2), num_classes=2)) == 1000


def test_it_has_no_gradient_and_can_be_copied():
    import copy

    from noiseproof.attacks import has_gradient

    base = ArrayClassifier(lambda x: x.reshape(len(x), -1), 4)
    assert not has_gradient(base, torch.rand(2, 1, 2, 2))
    assert copy.deepcopy(base).function is base.function
    assert not base.training


def test_no_graph_is_made_of_it():
    """A tracer would keep what it answers for one input as a constant."""
    base = ArrayClassifier(lambda x: x.reshape(len(x), -1), 4)
    with pytest.raises(ModelError, match=r"^it computes outside torch and can be no part of a graph; use --backend"):
        torch.jit.trace(base, (torch.zeros(1, 4),), check_trace=False)


test_no_graph_is_made_of_it = pytest.mark.filterwarnings("ignore")(test_no_graph_is_made_of_it)  # of torch.jit


@pytest.mark.parametrize("name", ["onnxruntime", "openvino"])
def test_backends_that_need_a_graph_refuse_it(name):
    from noiseproof.engine.choose import backend_for
    from noiseproof.noises import Gaussian

    pytest.importorskip(name, reason=f"{name} is not installed")
    base, shape = ArrayClassifier(lambda x: x.reshape(len(x), -1), 4), (1, 2, 2)
    noise = Gaussian(sigma=0.5).on(shape)
    with pytest.raises(ModelError, match=r"^the base classifier cannot be .*; use --backend torch$"):
        backend_for(name, base, num_classes=4, noise=noise, shape=shape, batch_size=8, workers=1)
