"""Sources of models in whole runs: what does not fit the data is one line, and nothing is begun."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from noiseproof.data import DataSet
from noiseproof.errors import ModelError, RunError
from noiseproof.models import load
from noiseproof.store import read_run
from tests import asking


def data(shape=(3, 8, 8), classes=4):
    pictures = np.random.default_rng(0).integers(0, 256, (6, *shape), dtype=np.uint8)
    return DataSet("noise", tuple("abcdefgh"[:classes]), shape, np.arange(6) % classes, pictures)


def brightness(x):
    """Four shades of grey."""
    return np.clip(x.reshape(len(x), -1).mean(axis=1) * 40 - 18, 0, 3).astype(np.int64)


def certify(model, out, chosen=None, **options):
    return asking.certify(
        model=model, data=chosen or data(), sigma=0.5, out=out, n0=20, n=100, limit=2, workers=1, **options
    )


def exported(network, path):
    program = torch.export.export(network, (torch.zeros(16, 3, 8, 8),))
    torch.export.save(program, path)
    return path


exported_quietly = pytest.mark.filterwarnings("ignore")  # of torch's own exporter


def test_a_function_and_how_it_is_known(tmp_path):
    certify(brightness, tmp_path / "run", num_classes=4)
    certify(brightness, tmp_path / "run", num_classes=4)  # the same again
    assert len(read_run(tmp_path / "run").records) == 2
    with pytest.raises(RunError, match=r"fingerprint"):
        certify(brightness, tmp_path / "run", num_classes=4, model_id="another")
    with pytest.raises(ValueError, match=r"^model_id must be given"):
        certify(lambda x: brightness(x), tmp_path / "other", num_classes=4)
    assert not (tmp_path / "other").exists()


def test_a_python_file_says_what_its_fingerprint_is(tmp_path, caplog):
    (tmp_path / "net.py").write_text("def scores(x):\n    return x.reshape(len(x), -1)[:, :4]\n")
    certify(f"{tmp_path}/net.py:scores", tmp_path / "run", num_classes=4)
    assert caplog.messages == [
        f"{tmp_path}/net.py:scores is known by its file's text: weights that it reads from elsewhere need a --model-id"
    ]


def test_labels_outside_the_classes(tmp_path):
    with pytest.raises(ModelError, match=r"labels must be in \[0, 4\) for num_classes=4, got 7; number the classes"):
        certify(lambda x: np.full(len(x), 7), tmp_path / "run", num_classes=4, model_id="seven")


@exported_quietly
def test_a_model_that_does_not_fit_the_data(network, tmp_path):
    spec = exported(network, tmp_path / "net.pt2")
    grey, many = data(shape=(1, 8, 8)), data(classes=6)
    with pytest.raises(ModelError) as caught:
        certify(spec, tmp_path / "run", grey)
    assert str(caught.value) == (
        f"{spec} takes inputs of shape (3, 8, 8), but noise has (1, 8, 8); give the data set it was trained on"
    )
    with pytest.raises(ModelError) as caught:
        certify(spec, tmp_path / "run", many)
    assert str(caught.value) == f"{spec} has 4 classes, but noise has 6; give the data set it was trained on"
    assert not (tmp_path / "run").exists()


@exported_quietly
def test_a_fixed_batch_is_no_obstacle(network, tmp_path):
    fixed, own = tmp_path / "fixed", tmp_path / "own"
    # two fingerprints of one function: their own noise would differ
    certify(exported(network, tmp_path / "net.pt2"), fixed, batch_size=7, common_noise=True)
    certify(network, own, num_classes=4, batch_size=7, common_noise=True)
    one, other = (sorted((r.key, r.answers) for r in read_run(out).records) for out in (fixed, own))
    assert one == other


def test_a_function_that_does_not_take_the_pictures(tmp_path):
    with pytest.raises(ModelError) as caught:
        certify(lambda x: x.reshape(len(x), 5), tmp_path / "run", num_classes=4, model_id="five")
    assert "the base classifier failed on inputs of shape" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_probabilities_are_told_and_labels_are_not(network, tmp_path, caplog):
    base = torch.nn.Sequential(network, torch.nn.Softmax(dim=1)).eval()
    certify(base, tmp_path / "run", num_classes=4)
    assert [message for message in caplog.messages if "probabilities" in message] == [
        "the scores are probabilities: votes are unaffected, but the soft vote and attacks with gradients expect "
        "logits and see these flattened; give the scores before the softmax for them"
    ]
    caplog.clear()
    certify(brightness, tmp_path / "labels", num_classes=4)
    certify(network, tmp_path / "logits", num_classes=4)
    assert caplog.messages == []


def test_members_of_an_ensemble_may_be_of_several_kinds(network, tmp_path):
    (tmp_path / "net.py").write_text("def scores(x):\n    return x.reshape(len(x), -1)[:, :4]\n")
    both = [network, load(f"{tmp_path}/net.py:scores", num_classes=4)]
    certify(both, tmp_path / "run", num_classes=4)
    assert len(read_run(tmp_path / "run").records) == 2
