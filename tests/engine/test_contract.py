"""What is refused before anything is drawn."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

import torch
from torch import nn

from noiseproof.engine.contract import (
    check_backend,
    check_eval_mode,
    check_options,
    check_precision,
    choose_device,
    choose_devices,
    resolved,
)
from noiseproof.errors import ModelError
from noiseproof.models import ArrayClassifier


def test_a_module_in_eval_mode_and_a_plain_function_pass():
    check_eval_mode(nn.Sequential(nn.Linear(2, 2), nn.Dropout()).eval())
    check_eval_mode(lambda x: x)


def test_a_module_in_training_mode_is_refused():
    with pytest.raises(ModelError, match=r"must be in eval mode, but Linear is in training mode; call base\.eval\(\)"):
        check_eval_mode(nn.Linear(2, 2))


def test_the_one_part_in_training_mode_is_named():
    base = nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.ReLU(), nn.Dropout())).eval()
    base[1][1].train()
    with pytest.raises(ModelError, match=r"but its part '1\.1' \(Dropout\) is in training mode"):
        check_eval_mode(base)


def test_options():
    check_options(precision="bf16", batch_size=None, workers=None)
    check_options(precision="fp32", batch_size=1, workers=1)
    with pytest.raises(ValueError, match="precision must be one of fp32, tf32, bf16, got 'half'"):
        check_options(precision="half", batch_size=None, workers=None)
    with pytest.raises(ValueError, match="batch_size must be >= 1, got 0"):
        check_options(precision="fp32", batch_size=0, workers=None)
    with pytest.raises(ValueError, match="workers must be >= 1, got 0"):
        check_options(precision="fp32", batch_size=None, workers=0)


def test_devices():
    assert choose_device("cpu") == torch.device("cpu")
    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.parametrize("device", ["gpu", "", "cuda:99", "cpu cpu", "hpu", "meta", "vulkan"])
def test_a_device_that_is_none_is_one_line(device):
    with pytest.raises(
        ValueError, match=f"device must be auto, cpu, or one that torch can use, got '{device}'"
    ) as said:
        choose_device(device)
    assert "\n" not in str(said.value)
    assert len(str(said.value)) < 180  # torch says a thousand letters of some
    if device in ("gpu", "vulkan"):
        assert str(said.value).endswith(
            f"({'torch knows none of that name' if device == 'gpu' else 'torch has none here'})"
        )


def test_another_precision_is_refused_where_it_would_have_no_effect():
    def brightness(x):
        return x.mean(axis=(1, 2, 3)).astype(int)

    inside, outside = nn.Linear(2, 2), nn.Sequential(nn.Identity(), ArrayClassifier(brightness, num_classes=2))
    check_precision(inside, "bf16")
    check_precision(outside, "fp32")
    with pytest.raises(ModelError, match=r"ArrayClassifier computes outside torch.*--precision bf16 has no effect"):
        check_precision(outside, "bf16")


def test_tf32_is_arithmetic_of_cuda_alone():
    check_backend("torch", precision="tf32", device=torch.device("cuda", 0))
    with pytest.raises(ValueError, match="precision tf32 is arithmetic of a CUDA device, not of cpu; use fp32"):
        check_backend("torch", precision="tf32", device=torch.device("cpu"))
    with pytest.raises(ValueError, match="precision must be fp32 or bf16 with backend openvino, got 'tf32'"):
        check_backend("openvino", precision="tf32", device=torch.device("cpu"))


def test_a_device_has_a_number(monkeypatch):
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 3)
    assert resolved("cuda") == torch.device("cuda", 3)
    assert resolved("cuda:1") == torch.device("cuda", 1)
    assert resolved(torch.device("cpu")) == torch.device("cpu")


def test_several_devices(monkeypatch):
    assert choose_devices("cpu") == (torch.device("cpu"),)
    with pytest.raises(ValueError, match="device must name each device once, got 'cpu, cpu'"):
        choose_devices("cpu, cpu")
    with pytest.raises(ValueError, match="or one that torch can use, got 'gpu'"):
        choose_devices("cpu,gpu")
    two = torch.device("cuda", 0), torch.device("cuda", 1)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 1)
    monkeypatch.setattr(torch, "empty", lambda *rest, **named: None)
    assert choose_devices("cuda") == two
    assert choose_devices("cuda:1,cuda:0") == two[::-1]
    assert choose_devices("auto") == two[1:]
