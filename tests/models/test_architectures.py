import pytest
import torch

from noiseproof.errors import ModelError
from noiseproof.models import ARCHITECTURES, build

SHAPES = {
    "lenet": (1, 28, 28),
    "resnet20": (3, 32, 32),
    "resnet110": (3, 32, 32),
    "resnet50": (3, 64, 64),
    "small-cnn": (1, 28, 28),
}


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


def test_every_architecture_is_in_the_list():
    assert SHAPES.keys() == ARCHITECTURES.keys()


@pytest.mark.parametrize("arch", SHAPES)
def test_scores_have_one_row_a_picture_and_one_column_a_class(arch):
    module = build(arch, num_classes=7, shape=SHAPES[arch]).eval()
    x = torch.rand(2, *SHAPES[arch])
    scores = module(x)
    assert scores.shape == (2, 7)
    assert torch.allclose(module(x[1:])[0], scores[1], atol=1e-4)


@pytest.mark.parametrize(
    ("arch", "num_classes", "parameters"),
    [
        ("lenet", 10, 431_080),
        ("resnet20", 10, 272_474),
        ("resnet110", 10, 1_730_714),
        ("resnet50", 1000, 25_557_032),
        ("small-cnn", 10, 166_406),
    ],
)
def test_parameter_counts(arch, num_classes, parameters):
    assert count(build(arch, num_classes=num_classes, shape=SHAPES[arch])) == parameters


def test_resnet50_has_the_key_names_of_torchvision():
    module = build("resnet50", num_classes=1000, shape=(3, 224, 224))
    state = module.state_dict()
    assert len(list(module.parameters())) == 161
    assert len(state) == 161 + 3 * 53  # and running mean, running variance, batches tracked of each batch-norm
    spots = {
        "conv1.weight": (64, 3, 7, 7),
        "bn1.running_mean": (64,),
        "bn1.num_batches_tracked": (),
        "layer1.0.conv1.weight": (64, 64, 1, 1),
        "layer1.0.downsample.0.weight": (256, 64, 1, 1),
        "layer1.0.downsample.1.bias": (256,),
        "layer2.3.conv2.weight": (128, 128, 3, 3),
        "layer3.5.bn3.weight": (1024,),
        "layer4.2.conv3.weight": (2048, 512, 1, 1),
        "fc.weight": (1000, 2048),
        "fc.bias": (1000,),
    }
    assert {key: tuple(state[key].shape) for key in spots} == spots
    assert "layer1.1.downsample.0.weight" not in state
    assert module.layer2[0].conv2.stride == (2, 2)
    assert module.layer2[0].conv1.stride == (1, 1)


def test_resnet110_has_the_key_names_of_the_published_checkpoints():
    state = build("resnet110", num_classes=10, shape=(3, 32, 32)).state_dict()
    spots = {
        "conv1.weight": (16, 3, 3, 3),
        "layer1.17.bn2.bias": (16,),
        "layer2.0.downsample.0.weight": (32, 16, 1, 1),
        "layer3.0.downsample.1.running_var": (64,),
        "fc.weight": (10, 64),
    }
    assert {key: tuple(state[key].shape) for key in spots} == spots
    assert "layer1.0.downsample.0.weight" not in state
    assert "layer1.18.conv1.weight" not in state


@pytest.mark.parametrize("arch", ["resnet20", "resnet110", "resnet50"])
def test_normalisation_is_the_first_layer_and_not_in_the_state(arch):
    module = build(arch, num_classes=2, shape=SHAPES[arch])
    assert next(iter(dict(module.named_children()))) == "normalize"
    assert not any("normalize" in key for key in module.state_dict())
    seen = []
    module.conv1.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    module.eval()(torch.ones(1, *SHAPES[arch]))
    mean, std = (0.485, 0.229) if arch == "resnet50" else (0.4914, 0.2023)
    assert seen[0][0, 0, 0, 0].item() == pytest.approx((1 - mean) / std, rel=1e-5)


def test_resnet20_takes_grey_pictures():
    module = build("resnet20", num_classes=2, shape=(1, 28, 28)).eval()
    assert module.normalize.mean.flatten().tolist() == [0.5]
    assert module(torch.rand(1, 1, 28, 28)).shape == (1, 2)


def test_the_smallest_lenet():
    assert build("lenet", num_classes=2, shape=(3, 16, 17))(torch.rand(1, 3, 16, 17)).shape == (1, 2)


@pytest.mark.parametrize(
    ("arch", "shape", "text"),
    [
        ("lenet", (1, 15, 28), "lenet takes pictures of shape (C, H, W) with H and W >= 16, got (1, 15, 28)"),
        ("lenet", (28, 28), "lenet takes pictures of shape (C, H, W) with H and W >= 16, got (28, 28)"),
        ("resnet110", (3, 4, 4), "resnet110 takes pictures of shape (C, H, W) with H and W >= 8, got (3, 4, 4)"),
        ("resnet50", (1, 64, 64), "resnet50 takes pictures of shape (3, H, W) with H and W >= 32, got (1, 64, 64)"),
    ],
)
def test_a_shape_the_architecture_does_not_take(arch, shape, text):
    with pytest.raises(ModelError) as caught:
        build(arch, num_classes=2, shape=shape)
    assert str(caught.value) == text


def test_an_unknown_architecture():
    with pytest.raises(ModelError, match=r"^unknown architecture 'resnet11'; did you mean 'resnet110'\?$"):
        build("resnet11", num_classes=2, shape=(3, 32, 32))


def test_no_class():
    with pytest.raises(ModelError, match=r"^num_classes must be >= 1, got 0$"):
        build("lenet", num_classes=0, shape=(1, 28, 28))
