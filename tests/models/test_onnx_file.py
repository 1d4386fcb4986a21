import numpy as np
import pytest
import torch

pytest.importorskip("onnx", reason="onnx is not installed")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

import onnx
from onnx import TensorProto, helper, numpy_helper

from noiseproof.errors import ModelError
from noiseproof.models import load

SHAPE = (3, 8, 8)
FLOAT, INT64, DOUBLE = TensorProto.FLOAT, TensorProto.INT64, TensorProto.DOUBLE


@pytest.fixture
def layer():
    return torch.nn.Linear(192, 4)


def graph(layer, *, batch="batch", shape=SHAPE, kind=FLOAT, labels=False, both=False, rank=True):
    """Flatten, Gemm, and ArgMax where labels are wanted."""
    dtype = np.float32 if kind == FLOAT else np.float64
    weights = [numpy_helper.from_array(t.detach().numpy().astype(dtype), n) for n, t in layer.named_parameters()]
    nodes = [
        helper.make_node("Flatten", ["x"], ["rows"], axis=1),
        helper.make_node("Gemm", ["rows", "weight", "bias"], ["scores"], transB=1),
    ]
    outputs = [helper.make_tensor_value_info("scores", kind, [batch, 4] if rank else None)]
    if labels or both:
        nodes.append(helper.make_node("ArgMax", ["scores"], ["label"], axis=1, keepdims=0))
        chosen = helper.make_tensor_value_info("label", INT64, [batch])
        outputs = [chosen, *outputs] if both else [chosen]
    x = helper.make_tensor_value_info("x", kind, [batch, *shape])
    made = helper.make_graph(nodes, "net", [x], outputs, weights)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def saved(model, path):
    onnx.save(model, path)
    return path


def network(layer):
    return torch.nn.Sequential(torch.nn.Flatten(), layer).eval()


def error(path, **options):
    with pytest.raises(ModelError) as caught:
        load(path, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    "options",
    [{}, {"batch": 1}, {"batch": 24}, {"batch": 100}, {"kind": DOUBLE}, {"both": True}, {"rank": False}],
    ids=str,
)
def test_votes_are_those_of_the_network(layer, tmp_path, votes, options):
    model = load(saved(graph(layer, **options), tmp_path / "net.onnx"))
    assert (model.num_classes, model.shape, model.architecture) == (4, SHAPE, "onnx")
    assert votes(model.module) == votes(network(layer))


def test_labels(layer, tmp_path, votes):
    path = saved(graph(layer, labels=True), tmp_path / "net.onnx")
    assert error(path) == f"{path} does not say its num_classes; give num_classes"
    assert votes(load(path, num_classes=4).module) == votes(network(layer))


def test_what_torch_exports(network, tmp_path, votes):
    pytest.importorskip("onnxscript", reason="onnxscript is not installed")
    path = tmp_path / "net.onnx"
    batch = torch.export.Dim("batch", min=1, max=4096)
    torch.onnx.export(
        network, (torch.zeros(2, *SHAPE),), path, dynamo=True, verbose=False, dynamic_shapes=({0: batch},)
    )
    model = load(path)
    assert (model.num_classes, model.shape) == (4, SHAPE)
    assert votes(model.module) == votes(network)


test_what_torch_exports = pytest.mark.filterwarnings("ignore")(test_what_torch_exports)  # of torch's own exporter


def test_a_shape_that_the_file_leaves_open(layer, tmp_path):
    path = saved(graph(layer, shape=(3, "height", "width")), tmp_path / "net.onnx")
    assert load(path).shape is None
    assert load(path, shape=SHAPE).shape == SHAPE


def test_another_model_than_asked(layer, tmp_path):
    path = saved(graph(layer), tmp_path / "net.onnx")
    assert error(path, num_classes=10) == f"{path} holds a model of num_classes 4, asked was 10"
    assert error(path, shape=(1, 8, 8)) == f"{path} holds a model of shape (3, 8, 8), asked was (1, 8, 8)"


def test_weights_beside_the_file(layer, tmp_path, votes):
    path = tmp_path / "net.onnx"
    options = {"save_as_external_data": True, "location": "net.weights", "size_threshold": 0}
    onnx.save_model(graph(layer), path, **options)
    model = load(path)
    assert votes(model.module) == votes(network(layer))
    raw = bytearray((tmp_path / "net.weights").read_bytes())
    raw[1] ^= 1
    (tmp_path / "net.weights").write_bytes(raw)
    assert load(path).fingerprint != model.fingerprint
    (tmp_path / "net.weights").unlink()
    assert error(path) == f"{path} keeps weights in 'net.weights', which is not there; copy it beside the file"


@pytest.mark.parametrize("where", ["../secret", "/etc/passwd", "a/../../secret"])
def test_weights_outside_its_folder(layer, tmp_path, where):
    model = graph(layer)
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=where)
    path = tmp_path / "net.onnx"
    path.write_bytes(model.SerializeToString())
    assert error(path) == f"{path} keeps weights in {where!r}, outside its folder; export it again"


def test_it_can_be_copied_and_has_no_gradient(layer, tmp_path):
    import copy

    from noiseproof.attacks import has_gradient

    module = load(saved(graph(layer), tmp_path / "net.onnx")).module
    x = torch.rand(5, *SHAPE)
    assert torch.equal(copy.deepcopy(module)(x), module(x))
    assert not has_gradient(module, x)


def test_graphs_that_are_no_classifier(layer, tmp_path):
    path = saved(graph(layer, kind=DOUBLE), tmp_path / "net.onnx")
    model = onnx.load(path)
    model.graph.input.append(helper.make_tensor_value_info("y", FLOAT, [1]))
    assert " must take one tensor of floats [batch, ...], got x: tensor(double) ['batch', 3, 8, 8], y: " in error(
        saved(model, tmp_path / "two.onnx")
    )
    picture = graph(layer)
    picture.graph.output.pop()
    picture.graph.node.append(helper.make_node("Identity", ["x"], ["same"]))
    picture.graph.output.append(helper.make_tensor_value_info("same", FLOAT, ["batch", *SHAPE]))
    assert "must give one tensor of scores [batch, classes] or labels [batch], got same: tensor(float)" in error(
        saved(picture, tmp_path / "picture.onnx")
    )


def test_damaged_files(layer, tmp_path):
    whole = saved(graph(layer), tmp_path / "net.onnx").read_bytes()
    for keep in (0, 50, len(whole) - 1):
        path = tmp_path / f"{keep}.onnx"
        path.write_bytes(whole[:keep])
        assert str(path) in error(path)


@pytest.mark.parametrize("newer", ["ir_version", "opset"])
def test_a_file_of_a_newer_version_says_so(layer, tmp_path, newer):
    model = graph(layer)
    if newer == "opset":
        model.opset_import[0].version = 99
    else:
        model.ir_version = 99
    path = saved(model, tmp_path / f"{'long-' * 40}.onnx")
    said = error(path)
    assert ("IR version: 99" if newer == "ir_version" else "is till opset") in said  # at the end of a long text
    assert "; export it for an earlier version, or update onnxruntime " in said
