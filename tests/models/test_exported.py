import contextlib
import json
import pickle
import zipfile
from importlib.util import find_spec
from io import BytesIO

import pytest
import torch

from noiseproof.errors import ModelError
from noiseproof.models import load

pytestmark = [
    pytest.mark.filterwarnings("ignore"),  # of torch's own exporter
    pytest.mark.skipif(find_spec("torch.export.pt2_archive") is None, reason="torch has no .pt2 archives of this kind"),
]

SHAPE = (3, 8, 8)


def saved(network, path, batch=None, example=2):
    shapes = None if batch is None else ({0: batch},)
    program = torch.export.export(network, (torch.zeros(example, *SHAPE),), dynamic_shapes=shapes)
    torch.export.save(program, path)
    return path


@pytest.fixture
def path(network, tmp_path):
    return saved(network, tmp_path / "net.pt2", torch.export.Dim("batch", min=1, max=4096))


def error(path, **options):
    with pytest.raises(ModelError) as caught:
        load(path, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("batch", ["any", "up to 24", 1, 24])
def test_votes_are_those_of_the_network(network, tmp_path, votes, batch):
    if isinstance(batch, int):
        path = saved(network, tmp_path / "net.pt2", example=batch)
    else:
        most = 24 if batch == "up to 24" else 4096
        path = saved(network, tmp_path / "net.pt2", torch.export.Dim("batch", min=1, max=most))
    model = load(path)
    assert (model.num_classes, model.shape, model.architecture) == (4, SHAPE, "torch.export")
    assert votes(model.module) == votes(network)


def test_it_is_frozen_in_eval_mode_and_can_be_copied(path, network):
    import copy

    module = load(path).module
    assert not any(part.training for part in module.modules())
    assert not any(parameter.requires_grad for parameter in module.parameters())
    x = torch.rand(5, *SHAPE)
    assert torch.equal(copy.deepcopy(module)(x), module(x))
    assert torch.allclose(module(x), network(x), atol=1e-6)


def test_there_is_a_gradient(path):
    from noiseproof.attacks import has_gradient

    assert has_gradient(load(path).module, torch.rand(3, *SHAPE))


def test_the_fingerprint_is_of_graph_and_weights(path, network, tmp_path):
    before = load(path).fingerprint
    batch = torch.export.Dim("batch", min=1, max=4096)
    assert load(saved(network, tmp_path / "again.pt2", batch)).fingerprint == before
    network[5].bias.data[0] += 1e-3
    assert load(saved(network, tmp_path / "weights.pt2", batch)).fingerprint != before
    network[5].bias.data[0] -= 1e-3
    network[2] = torch.nn.ReLU6()
    assert load(saved(network, tmp_path / "graph.pt2", batch)).fingerprint != before


def test_another_model_than_asked(path):
    assert error(path, num_classes=10) == f"{path} holds a model of num_classes 4, asked was 10"
    assert error(path, shape=(1, 8, 8)) == f"{path} holds a model of shape (3, 8, 8), asked was (1, 8, 8)"
    assert error(path, arch="lenet") == f"{path}: arch is for weights files, this says its own; leave arch out"


def test_programs_that_are_no_classifier(tmp_path):
    class Two(torch.nn.Module):
        def forward(self, x):
            return x.flatten(1), x

    class Picture(torch.nn.Module):
        def forward(self, x):
            return x * 2

    two, picture = saved(Two(), tmp_path / "two.pt2"), saved(Picture(), tmp_path / "picture.pt2")
    assert error(two) == f"{two} must give one tensor, got 2 things; export the bare classifier"
    assert "must give scores [batch, classes], got shape [2, 3, 8, 8]" in error(picture)


# what is not data


def changed(path, edits, target):
    """The archive again with some entries changed: name in the archive -> what makes new bytes of the old."""
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(target, "w") as new:
        root = old.namelist()[0].partition("/")[0]
        for entry in old.namelist():
            name = entry.partition("/")[2]
            data = old.read(entry)
            new.writestr(entry, edits.pop(name)(data) if name in edits else data)
        for name, make in edits.items():
            new.writestr(f"{root}/{name}", make(b""))
    return target


class Bomb:
    """Its pickle writes a file where it is read."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return exec, (f"open({str(self.path)!r}, 'w').close()",)


def graph(edit):
    def change(data):
        program = json.loads(data)
        edit(program["graph_module"]["graph"], program)
        return json.dumps(program).encode()

    return change


def set_target(name, text):
    def edit(graph, program):
        node = graph["nodes"][-1]
        node["target"] = name
        node["inputs"] = [{"name": "command", "arg": {"as_string": text}, "kind": 1}]

    return {"models/model.json": graph(edit)}


def size(text):
    def edit(graph, program):
        for value in graph["tensor_values"].values():
            for side in value["sizes"]:
                if "as_expr" in side:
                    side["as_expr"]["expr_str"] = text

    return {"models/model.json": graph(edit)}


def evil_samples(marker):
    def make(data):
        buffer = BytesIO()
        torch.save(((torch.zeros(1),), {"x": Bomb(marker)}), buffer)
        return buffer.getvalue()

    return make


def evil_weight(marker):
    def make(data):
        config = json.loads(data)
        first = next(iter(config["config"].values()))
        first["use_pickle"] = True
        return json.dumps(config).encode()

    def weight(data):
        buffer = BytesIO()
        torch.save(Bomb(marker), buffer)
        return buffer.getvalue()

    return {"data/weights/model_weights_config.json": make, "data/weights/weight_0": weight}


def evil_object(marker):
    def make(data):
        config = json.loads(data)
        config["config"]["thing"] = {
            "path_name": "opaque_obj_0",
            "is_param": False,
            "use_pickle": True,
            "tensor_meta": None,
        }
        return json.dumps(config).encode()

    return {
        "data/constants/model_constants_config.json": make,
        "data/constants/opaque_obj_0": lambda data: pickle.dumps(Bomb(marker)),
    }


def spec(kind):
    def edit(graph, program):
        calls = program["graph_module"]["module_call_graph"]
        for call in calls:
            if call.get("signature"):
                call["signature"]["in_spec"] = json.dumps([1, {"type": kind, "context": "[]", "children_spec": []}])

    return {"models/model.json": graph(edit)}


def command(marker):
    return f"__import__('os').system('touch {marker}')"


ATTACKS = {
    "samples": lambda m: {"data/sample_inputs/model.pt": evil_samples(m)},
    "weight": evil_weight,
    "object": evil_object,
    "function": lambda m: set_target("torch.os.system", f"touch {m}"),
    "file": lambda m: set_target("torch.ops.aten.from_file.default", "x"),
    "size": lambda m: size(command(m)),
    "size by name": lambda m: size("exec(s77)"),
    "container": lambda m: spec("collections.defaultdict"),
    "library": lambda m: {"data/aotinductor/model/evil.so": lambda data: b"\x7fELF"},
}
SAYS = {
    "samples": "is not a readable exported program",
    "weight": "is a pickle, not plain numbers",
    "object": "which is no part of an exported program",
    "function": "its graph calls 'torch.os.system'",
    "file": "its graph calls 'torch.ops.aten.from_file.default'",
    "size": "which is no plain arithmetic",
    "size by name": "its graph has the size 'exec(s77)', which is no plain arithmetic",
    "container": "it takes or gives 'collections.defaultdict', expected tensors",
    "library": "which is no part of an exported program of tensors",
}


@pytest.mark.parametrize("kind", ATTACKS)
def test_an_archive_that_holds_more_than_data_is_refused(path, tmp_path, kind):
    marker = tmp_path / "marker"
    evil = changed(path, ATTACKS[kind](marker), tmp_path / "evil.pt2")
    said = error(evil)
    assert SAYS[kind] in said
    assert not marker.exists()


@pytest.mark.parametrize("kind", ["samples", "weight", "object", "size"])
def test_torch_itself_would_run_it(path, tmp_path, kind):
    """The reason for the check; where torch becomes safe, the check may go."""
    marker = tmp_path / "marker"
    evil = changed(path, ATTACKS[kind](marker), tmp_path / "evil.pt2")
    with contextlib.suppress(Exception):  # what it thinks of the rest does not matter
        torch.export.load(evil)
    if not marker.exists():
        pytest.skip(f"torch {torch.__version__} does not run it")


def test_damaged_files(path, tmp_path):
    for keep in (10, 100, path.stat().st_size - 1):
        damaged = tmp_path / f"{keep}.pt2"
        damaged.write_bytes(path.read_bytes()[:keep])
        assert "is not a readable exported program" in error(damaged)
    empty = changed(path, {"models/model.json": lambda data: b"[]"}, tmp_path / "empty.pt2")
    assert str(empty) in error(empty)
    bare = tmp_path / "bare.pt2"
    with zipfile.ZipFile(bare, "w") as archive:
        archive.writestr("net/archive_format", "pt2")
    assert "it has no models/model.json: torch before 2.8 wrote it, or another program" in error(bare)


def test_an_archive_that_unpacks_to_more_than_it_is(path, tmp_path):
    bomb = tmp_path / "bomb.pt2"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("net/models/model.json", b" " * 10_000_000)
    assert "it unpacks to more than it is" in error(bomb)
