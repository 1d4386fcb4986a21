import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from noiseproof.errors import ModelError
from noiseproof.models import load

pytestmark = pytest.mark.extra("timm")

SHAPE = (3, 32, 32)
NAME = "test_resnet"
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Plain(torch.nn.Module):
    def __init__(self, network, mean, std):
        super().__init__()
        self.network = network
        self.register_buffer("mean", torch.tensor(mean).view(-1, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(-1, 1, 1))

    def forward(self, x):
        return self.network((x - self.mean) / self.std)


@pytest.fixture
def network(balanced):
    import timm

    made = timm.create_model(NAME, pretrained=False, num_classes=4).eval()
    made.get_classifier().weight.data.normal_()
    balanced(plain(made), made.get_classifier().bias.data, SHAPE)
    return made


@pytest.fixture
def weights(network, tmp_path):
    save_file(network.state_dict(), tmp_path / "net.safetensors")
    return tmp_path / "net.safetensors"


def plain(network):
    import timm

    config = timm.data.resolve_data_config({}, model=network)
    return Plain(network, config["mean"], config["std"]).eval()


def error(spec, **options):
    with pytest.raises(ModelError) as caught:
        load(spec, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_weights_of_a_file(network, weights, votes):
    spec = f"timm:{NAME}@{weights}"
    model = load(spec, num_classes=4)
    assert (model.num_classes, model.shape, model.architecture, model.source) == (4, None, f"timm:{NAME}", spec)
    assert votes(model.module, shape=SHAPE) == votes(plain(network), shape=SHAPE)
    assert not any(parameter.requires_grad for parameter in model.module.parameters())


def test_a_checkpoint(network, weights, tmp_path):
    torch.save({"state_dict": {f"module.{k}": v for k, v in network.state_dict().items()}}, tmp_path / "net.pth.tar")
    one, other = (load(f"timm:{NAME}@{path}", num_classes=4) for path in (weights, tmp_path / "net.pth.tar"))
    assert one.fingerprint == other.fingerprint


def test_a_local_folder_needs_no_network(network, tmp_path, votes):
    import timm

    timm.models.save_for_hf(network, tmp_path / "saved", safe_serialization=True)
    model = load(f"timm:local-dir:{tmp_path}/saved")
    size = timm.data.resolve_data_config({}, model=network)["input_size"]
    assert (model.num_classes, model.shape) == (4, tuple(size))
    assert votes(model.module, shape=SHAPE) == votes(plain(network), shape=SHAPE)


@pytest.mark.parametrize(("key", "value"), [("num_classes", 5), ("num_classes", None)])
def test_weights_that_fit_in_part_only_are_refused(network, tmp_path, key, value):
    """timm leaves out a classifier of another number of classes, and draws it; or a key that is not there."""
    import timm

    timm.models.save_for_hf(network, tmp_path / "saved", safe_serialization=True)
    config = json.loads((tmp_path / "saved" / "config.json").read_text())
    if value is None:
        tensors = load_file(tmp_path / "saved" / "model.safetensors")
        del tensors["fc.bias"]
        save_file(tensors, tmp_path / "saved" / "model.safetensors")
    else:
        config["model_args"] = {key: value}
    (tmp_path / "saved" / "config.json").write_text(json.dumps(config))
    assert "fc.bias" in error(f"timm:local-dir:{tmp_path}/saved")


def test_the_normalisation_is_timm_s(weights):
    import timm

    normalize = load(f"timm:{NAME}@{weights}", num_classes=4).module.normalize
    config = timm.data.resolve_data_config({}, model=timm.create_model(NAME))
    assert normalize.mean.flatten().tolist() == pytest.approx(config["mean"])
    assert normalize.std.flatten().tolist() == pytest.approx(config["std"])


def test_errors(weights, tmp_path):
    spec = f"timm:{NAME}@{weights}"
    assert error(spec).endswith("give the right num_classes")
    assert f"{weights} does not fit timm's {NAME}" in error(spec)
    assert "keys missing, the first " in error(f"timm:test_vit@{weights}", num_classes=4)
    assert error(f"timm:{NAME}@{tmp_path}/nowhere.safetensors") == (
        f"no such file: {tmp_path}/nowhere.safetensors; expected weights in a .safetensors file or a checkpoint"
    )
    assert error("timm:no_such_model").startswith("timm:no_such_model cannot be loaded: RuntimeError: Unknown model")
    assert error(spec, arch="lenet").endswith("arch is for weights files, this says its own; leave arch out")


def test_nothing_in_a_checkpoint_is_run(tmp_path):
    marker = tmp_path / "marker"

    class Bomb:
        def __reduce__(self):
            return exec, (f"open({str(marker)!r}, 'w').close()",)

    torch.save({"state_dict": {"a": Bomb()}}, tmp_path / "net.pth")
    assert " is refused: its pickle asks for " in error(f"timm:{NAME}@{tmp_path}/net.pth")
    assert not marker.exists()
