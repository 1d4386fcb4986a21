import torch

from noiseproof.models import BaseModel, Normalize, build, fingerprint


def lenet():
    torch.manual_seed(0)
    return build("lenet", num_classes=3, shape=(1, 16, 16))


def test_one_weight_changes_the_fingerprint():
    module = lenet()
    before = fingerprint(module, "lenet")
    with torch.no_grad():
        module.fc2.bias[1] += 1e-6
    assert fingerprint(module, "lenet") != before


def test_the_name_is_part_of_it():
    assert fingerprint(lenet(), "lenet") != fingerprint(lenet(), "other")


def test_dtype_and_key_names_are_part_of_it():
    bits = torch.arange(4, dtype=torch.float32)
    one, other, named = torch.nn.Module(), torch.nn.Module(), torch.nn.Module()
    one.register_buffer("w", bits)
    other.register_buffer("w", bits.view(torch.int32))
    named.register_buffer("v", bits)
    assert len({fingerprint(module, "m") for module in (one, other, named)}) == 3


def test_the_shape_is_part_of_it():
    one, other = torch.nn.Module(), torch.nn.Module()
    one.register_buffer("w", torch.zeros(2, 3))
    other.register_buffer("w", torch.zeros(3, 2))
    assert fingerprint(one, "m") != fingerprint(other, "m")


def test_the_memory_layout_is_not():
    module = lenet()
    before = fingerprint(module, "lenet")
    assert fingerprint(module.to(memory_format=torch.channels_last), "lenet") == before


def test_the_constants_of_the_normalisation_are_part_of_it():
    module = build("resnet20", num_classes=3, shape=(1, 8, 8))
    before = fingerprint(module, "resnet20")
    module.normalize = Normalize([0.5], [0.5])
    assert fingerprint(module, "resnet20") != before


def test_it_stays_what_it_is():
    module = torch.nn.Linear(1, 1)
    with torch.no_grad():
        module.weight.fill_(0.5)
        module.bias.fill_(-1.0)
    # Old runs name their model by it: a change of the rule is a change of every run's meaning.
    assert fingerprint(module, "linear") == "21bb0d5f1fa36bd46f2a3f59e4aadc358acbb4b81d5d22db5977df26ca71a7ec"


def test_a_base_model_is_a_line_however_large_it_is():
    made = BaseModel(
        lenet(), "lenet", 3, (1, 16, 16), "f" * 64, "runs/m", {"sigma": "0.25", "classes": '["a", "b", "<c"]'}
    )
    assert repr(made) == "<BaseModel: lenet, 3 classes of shape (1, 16, 16), ffffffffffff..., runs/m>"
    shown = made._repr_html_()
    assert f"<tr><td>fingerprint</td><td>{'f' * 64}</td></tr>" in shown
    assert (
        "<tr><td>trained</td><td>{&#x27;sigma&#x27;: 0.25}</td></tr><tr><td>classes</td><td>a, b, &lt;c</td></tr>"
        in shown
    )
    assert "members" not in shown
