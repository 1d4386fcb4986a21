from __future__ import annotations

import math

import pytest
import torch

from noiseproof.attacks import PGD
from noiseproof.baselines import Certifier, Lipschitz, Radii, certify, train
from noiseproof.baselines.certifying import attacked_class
from noiseproof.baselines.lipschitz import lipschitz_cnn
from noiseproof.errors import ModelError, RunError
from noiseproof.models import build
from noiseproof.models.weights import load_weights, save_weights
from noiseproof.noises import Gaussian
from noiseproof.noises.keys import input_key
from noiseproof.reports.baselines import broken_within, one_line


@pytest.fixture
def model(plain, pictures, tmp_path):
    """The folder of a network that knows dark from light."""
    return train(plain(tau=3.0), data=pictures, out=tmp_path / "model", steps=30, batch_size=10, lr=0.01).parent


class Liar(Lipschitz):
    """Claims a hundred times the radius."""

    def certifier(self, network, shape):
        own = super().certifier(network, shape)

        def radii(x):
            found = own.radii(x)
            return Radii(found.predictions, 100 * found.radii)

        return Certifier(radii, own.dtype, own.said)


def test_each_input_has_a_class_a_radius_and_the_classes_of_the_attack(model, pictures, tmp_path):
    seen = []
    found = certify(Lipschitz(), model=model, data=pictures, out=tmp_path / "c", every=10, progress=seen.append)
    assert [each.index for each in found.inputs] == [0, 10, 20, 30]
    assert [each.done for each in seen] == [1, 2, 3, 4]
    first = found.inputs[0]
    assert first.key == input_key(Gaussian(sigma=0.5, grid=255).encode(pictures.pixels(0)))  # as smoothed runs have it
    network = lipschitz_cnn(2, (1, 4, 4)).double().requires_grad_(False)
    network.load_state_dict(load_weights(model / "weights.safetensors")[0])
    scores = network(torch.from_numpy(pictures[0][0])[None].double())[0]
    constant = found.manifest.meaning["certificate"]["lipschitz"]
    assert first.prediction == int(scores.argmax())
    assert first.radius == pytest.approx(float(scores.max() - scores.min()) / (math.sqrt(2) * constant))
    assert [multiple for multiple, _ in first.attacked] == [1.0, 2.0]
    assert broken_within(found) == []
    assert "broken within: 0 of 4" in one_line(found)
    assert found.sessions[-1]["trained"]["baseline"]["tau"] == 3.0


def test_the_same_line_resumes_and_more_inputs_extend(model, pictures, tmp_path):
    certify(Lipschitz(), model=model, data=pictures, out=tmp_path / "c", every=10, limit=2)
    seen = []
    found = certify(
        Lipschitz(), model=model, data=pictures, out=tmp_path / "c", every=10, limit=3, progress=seen.append
    )
    assert len(seen) == 1
    assert [each.index for each in found.inputs] == [0, 10, 20]
    with pytest.raises(RunError, match=r"another meaning: attack\.steps is 100, not 5"):
        certify(Lipschitz(), model=model, data=pictures, out=tmp_path / "c", attack=PGD(steps=5, draws=1))


def test_a_false_certificate_is_found(model, pictures, tmp_path):
    found = certify(Liar(), model=model, data=pictures, out=tmp_path / "c", limit=4, at=[1])
    assert broken_within(found) == [0, 1, 2, 3]


def test_the_attack_reaches_the_boundary_of_a_linear_network_and_not_before():
    network = torch.nn.Linear(2, 2).double()
    network.weight.data = torch.tensor([[1.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
    network.bias.data.zero_()
    x = torch.tensor([[0.6, 0.4]], dtype=torch.float64)
    distance = 0.2 / math.sqrt(2)
    assert attacked_class(network, x, 0, distance, PGD(steps=20, draws=1)) == 0
    assert attacked_class(network, x, 0, distance * 1.001, PGD(steps=20, draws=1)) == 1


def test_a_network_of_other_layers_or_another_shape_is_refused(model, pictures, tmp_path):
    lenet = build("lenet", num_classes=2, shape=(1, 28, 28))
    said = {"architecture": "lenet", "num_classes": "2", "shape": "[1, 28, 28]"}
    save_weights(lenet, tmp_path / "l.safetensors", said)
    with pytest.raises(ModelError, match=r"l\.safetensors is a LeNet, no sequence of plain layers"):
        certify(Lipschitz(), model=tmp_path / "l.safetensors", data=pictures, out=tmp_path / "c")
    small = build("small-cnn", num_classes=2, shape=(1, 8, 8))
    save_weights(small, tmp_path / "s.safetensors", said | {"architecture": "small-cnn", "shape": "[1, 8, 8]"})
    with pytest.raises(ModelError, match=r"takes inputs of shape \[1, 8, 8\], but grey:test has \[1, 4, 4\]"):
        certify(Lipschitz(), model=tmp_path / "s.safetensors", data=pictures, out=tmp_path / "c")
    with pytest.raises(ValueError, match=r"^at must be > 0 and finite, got 0\.0$"):
        certify(Lipschitz(), model=model, data=pictures, out=tmp_path / "c", at=[0])
