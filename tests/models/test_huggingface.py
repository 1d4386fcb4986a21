import json

import pytest
import torch
from safetensors.torch import load_file, save_file

pytest.importorskip("transformers", reason="transformers is not installed")

import transformers

from noiseproof.errors import ModelError
from noiseproof.models import load

SHAPE = (3, 16, 16)
MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.25, 0.3)
PROCESSOR = {
    "image_processor_type": "ViTImageProcessor",
    "do_resize": True,
    "size": {"height": 16, "width": 16},
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
    "image_mean": list(MEAN),
    "image_std": list(STD),
}

pytestmark = pytest.mark.filterwarnings("ignore")  # of transformers' own


def vit(**options):
    made = transformers.ViTForImageClassification(
        transformers.ViTConfig(
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=32,
            image_size=16,
            patch_size=8,
            num_labels=4,
            initializer_range=0.3,
            **options,
        )
    ).eval()
    made.classifier.weight.data *= 5
    return made


def saved(network, folder, **processor):
    network.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(PROCESSOR | processor))
    return folder


@pytest.fixture
def folder(tmp_path):
    return saved(vit(), tmp_path)


class Plain(torch.nn.Module):
    """The same weights in torch: rescaled, normalised, the logits."""

    def __init__(self, network, scale=1.0, mean=MEAN, std=STD):
        super().__init__()
        self.network, self.scale = network, scale
        self.register_buffer("mean", torch.tensor(mean).view(-1, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(-1, 1, 1))

    def forward(self, x):
        return self.network((self.scale * x - self.mean) / self.std).logits


def plain(folder, **options):
    network = transformers.ViTForImageClassification.from_pretrained(folder, dtype=torch.float32)
    return Plain(network, **options).eval()


def error(folder, **options):
    with pytest.raises(ModelError) as caught:
        load(f"hf:{folder}", **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_votes_are_those_of_the_network(folder, votes):
    model = load(f"hf:{folder}")
    assert (model.num_classes, model.shape) == (4, SHAPE)
    assert (model.architecture, model.source) == ("hf:ViTForImageClassification", f"hf:{folder}")
    assert votes(model.module, shape=SHAPE) == votes(plain(folder), shape=SHAPE)


@pytest.mark.parametrize(
    ("processor", "options"),
    [
        ({"do_normalize": False}, {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}),
        ({"rescale_factor": 1 / 127.5}, {"scale": 2.0}),
        ({"do_rescale": False, "image_mean": [128.0] * 3, "image_std": [64.0] * 3},
         {"scale": 255.0, "mean": (128.0,) * 3, "std": (64.0,) * 3}),
    ],
)  # fmt: skip
def test_the_processor_s_own_numbers(tmp_path, processor, options):
    folder = saved(vit(), tmp_path, **processor)
    x = torch.rand(4, *SHAPE)
    assert torch.allclose(load(f"hf:{folder}").module(x), plain(folder, **options)(x), atol=1e-4, rtol=1e-4)


def test_a_convolutional_one(tmp_path, votes):
    config = transformers.ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic", num_labels=4
    )
    network = transformers.ResNetForImageClassification(config).eval()
    network.classifier[1].weight.data *= 5
    kind = {"image_processor_type": "ConvNextImageProcessor", "size": {"shortest_edge": 16}}
    model = load(f"hf:{saved(network, tmp_path, **kind)}")
    assert (model.shape, model.architecture) == (SHAPE, "hf:ResNetForImageClassification")
    assert votes(model.module, shape=SHAPE) == votes(Plain(network).eval(), shape=SHAPE)


def test_the_size_is_that_of_the_crop(tmp_path):
    crop = {"size": {"shortest_edge": 24}, "do_center_crop": True, "crop_size": {"height": 16, "width": 16}}
    folder = saved(vit(), tmp_path, **crop, image_processor_type="BitImageProcessor")
    assert load(f"hf:{folder}").shape == SHAPE


def test_half_precision_weights_are_computed_in_fp32(tmp_path):
    folder = saved(vit().half(), tmp_path)
    module = load(f"hf:{folder}").module
    assert {parameter.dtype for parameter in module.parameters()} == {torch.float32}
    assert module(torch.rand(2, *SHAPE)).dtype == torch.float32


def test_the_fingerprint_is_of_weights_configuration_and_processor(tmp_path, folder):
    before = load(f"hf:{folder}").fingerprint
    network = transformers.ViTForImageClassification.from_pretrained(folder)
    assert load(f"hf:{saved(network, tmp_path / 'again')}").fingerprint == before
    assert load(f"hf:{saved(network, tmp_path / 'mean', image_mean=[0.5] * 3)}").fingerprint != before
    network.classifier.bias.data[0] += 1e-3
    assert load(f"hf:{saved(network, tmp_path / 'weights')}").fingerprint != before


def rewritten(folder, change):
    """The folder with other tensors in its weights file."""
    tensors = load_file(folder / "model.safetensors")
    save_file(change(tensors), folder / "model.safetensors", metadata={"format": "pt"})
    return folder


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (
            lambda tensors: {name: each for name, each in tensors.items() if not name.startswith("classifier")},
            "2 keys missing, the first classifier.bias",
        ),
        (
            lambda tensors: {f"module.{name}": each for name, each in tensors.items()},
            "24 keys missing, the first classifier.bias; 24 keys unexpected, the first module.classifier.bias",
        ),
        (lambda tensors: tensors | {"more": torch.zeros(1)}, "1 keys unexpected, the first more"),
        (
            lambda tensors: tensors | {"classifier.weight": torch.zeros(5, 16)},
            "1 keys of another shape, the first classifier.weight",
        ),
    ],
)
def test_weights_that_fit_in_part_only_are_refused(folder, change, found):
    before = torch.get_rng_state()
    said = error(rewritten(folder, change))
    assert torch.equal(torch.get_rng_state(), before)
    assert said.startswith(f"hf:{folder} holds other weights than those of ViTForImageClassification, the rest would ")
    assert f": {found}; " in said
    # only what is too much can be left out
    more = ", or leave out of the file what is no part of the network" if found.startswith("1 keys unexpected") else ""
    assert said.endswith(f"; give what save_pretrained of a trained ViTForImageClassification writes{more}")


def test_a_processor_that_does_more(tmp_path):
    flips = saved(vit(), tmp_path, image_processor_type="MobileViTImageProcessor", do_flip_channel_order=True)
    said = error(flips)
    assert " does more than resize, crop, rescale and normalise (off by " in said
    assert said.endswith("on a picture); put its steps into a module of your own and give file.py:name")


def test_a_folder_without_a_processor(folder):
    (folder / "preprocessor_config.json").unlink()
    said = (
        r"has no image processor that can be loaded, so its normalisation is not known; save the one .*file\.py:name \("
    )
    with pytest.raises(ModelError, match=said) as error:
        load(f"hf:{folder}")
    assert len(str(error.value)) < 600


def test_only_safetensors(folder):
    marker = folder / "marker"

    class Bomb:
        def __reduce__(self):
            return exec, (f"open({str(marker)!r}, 'w').close()",)

    network = transformers.ViTForImageClassification.from_pretrained(folder)
    (folder / "model.safetensors").unlink()
    torch.save(network.state_dict(), folder / "pytorch_model.bin")
    assert "safetensors" in error(folder)
    torch.save(Bomb(), folder / "pytorch_model.bin")
    assert "cannot be loaded: " in error(folder)
    assert not marker.exists()


def test_no_code_of_a_folder_is_run(folder):
    marker = folder / "marker"
    (folder / "evil.py").write_text(f"open({str(marker)!r}, 'w').close()\nclass Evil:\n    pass\n")
    config = json.loads((folder / "config.json").read_text())
    config |= {
        "model_type": "evil",
        "auto_map": {"AutoConfig": "evil.Evil", "AutoModelForImageClassification": "evil.Evil"},
    }
    (folder / "config.json").write_text(json.dumps(config))
    assert "cannot be loaded: " in error(folder)
    assert not marker.exists()


def test_a_name_that_is_nowhere(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert error(tmp_path / "nowhere").startswith(f"hf:{tmp_path}/nowhere cannot be loaded: ")


def test_another_model_than_asked(folder):
    assert error(folder, num_classes=10) == f"hf:{folder} holds a model of num_classes 4, asked was 10"
    assert error(folder, shape=(1, 8, 8)) == f"hf:{folder} holds a model of shape (3, 16, 16), asked was (1, 8, 8)"
    assert error(folder, arch="lenet").endswith("arch is for weights files, this says its own; leave arch out")
