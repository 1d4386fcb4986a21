from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from noiseproof.errors import ModelError
from noiseproof.models import load

pytestmark = pytest.mark.extra("torchvision")

NAME = "shufflenet_v2_x0_5"
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Plain(torch.nn.Module):
    def __init__(self, network):
        super().__init__()
        self.network = network
        self.register_buffer("mean", torch.tensor(MEAN).view(-1, 1, 1))
        self.register_buffer("std", torch.tensor(STD).view(-1, 1, 1))

    def forward(self, x):
        return self.network((x - self.mean) / self.std)


def made(num_classes):
    import torchvision

    network = torchvision.models.get_model(NAME, weights=None, num_classes=num_classes).eval()
    network.fc.weight.data.normal_()
    return network


@pytest.fixture
def cached(tmp_path, monkeypatch):
    """Where torch keeps downloads: the file of the default weights of ``NAME``."""
    import torchvision

    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    url = torchvision.models.get_model_weights(NAME).DEFAULT.url
    path = tmp_path / "torch" / "hub" / "checkpoints" / Path(url).name
    path.parent.mkdir(parents=True)
    return path


def error(spec, **options):
    with pytest.raises(ModelError) as caught:
        load(spec, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_weights_of_a_file(tmp_path, votes, balanced):
    network, path, shape = made(4), tmp_path / "net.safetensors", (3, 32, 32)
    balanced(Plain(network).eval(), network.fc.bias.data, shape)
    save_file(network.state_dict(), path)
    model = load(f"tv:{NAME}@{path}", num_classes=4)
    assert (model.num_classes, model.shape, model.architecture) == (4, None, f"tv:{NAME}")
    assert votes(model.module, shape=shape) == votes(Plain(network).eval(), shape=shape)


@pytest.mark.parametrize("spec", [f"tv:{NAME}", f"tv:{NAME}:IMAGENET1K_V1"])
def test_its_own_weights_out_of_the_cache(cached, votes, balanced, spec):
    network, shape = made(1000), (3, 224, 224)
    balanced(Plain(network).eval(), network.fc.bias.data, shape)
    torch.save(network.state_dict(), cached)
    model = load(spec)
    assert (model.num_classes, model.shape, model.architecture) == (1000, shape, f"tv:{NAME}")
    assert votes(model.module, 1000, shape, n=96) == votes(Plain(network).eval(), 1000, shape, n=96)


def test_what_lies_in_the_cache_is_not_unpickled_blindly(cached, tmp_path):
    marker = tmp_path / "marker"

    class Bomb:
        def __reduce__(self):
            return exec, (f"open({str(marker)!r}, 'w').close()",)

    torch.save({"a": Bomb()}, cached)
    assert f"{cached} is refused: its pickle asks for " in error(f"tv:{NAME}")
    assert not marker.exists()


def test_weights_that_cannot_be_fetched(cached, monkeypatch):
    def unreachable(*arguments, **options):
        raise OSError("no route to host")

    monkeypatch.setattr(torch.hub, "download_url_to_file", unreachable)
    said = error(f"tv:{NAME}")
    assert said.startswith(f"tv:{NAME} needs https://")
    assert said.endswith(f"which cannot be fetched (no route to host); put it at {cached}")


def test_errors(tmp_path):
    assert error("tv:resnet5") == "tv:resnet5: unknown model of torchvision 'resnet5'; did you mean 'resnet50'?"
    assert error("tv:resnet50:V3").startswith(
        "tv:resnet50:V3: unknown weights of resnet50 'V3'; known: DEFAULT, IMAGENET1K_V1"
    )
    path = tmp_path / "net.safetensors"
    save_file(made(4).state_dict(), path)
    assert error(f"tv:{NAME}@{path}") == (
        f"{path} does not fit torchvision's {NAME}: fc.bias has shape (4,), expected (1000,); "
        "give the right num_classes"
    )
    assert "keys missing, the first " in error(f"tv:resnet18@{path}", num_classes=4)
    assert error(f"tv:{NAME}@{path}", arch="lenet").endswith("this says its own; leave arch out")
