"""What bench measures is what it says; never how fast."""

from __future__ import annotations

import json
import os
import re

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from torch import nn

from noiseproof.cli.main import run as command_line
from noiseproof.errors import ModelError
from noiseproof.models import build, save_weights
from noiseproof.runners.textbook import TextbookProcess, textbook
from tests.asking import bench

SHAPE = (1, 4, 4)


def base() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 3)).eval().requires_grad_(False)


def test_the_textbook_loop_counts_every_copy_in_batches_of_the_size():
    rows = []

    def watched(x):
        rows.append(len(x))
        return torch.nn.functional.one_hot((x.flatten(1)[:, 0] > 0.5).long() * 2, 3).float()

    torch.manual_seed(0)
    counts = textbook(watched, torch.full(SHAPE, 0.5), sigma=0.3, n=2500, batch=1000, num_classes=3)
    assert rows == [1000, 1000, 500]
    assert counts.sum() == 2500
    assert counts[1] == 0
    assert 1000 < counts[0] < 1500  # a half, up to ten standard deviations


def test_the_textbook_process_answers_and_says_what_fails():
    x = np.full(SHAPE, 0.5)
    with TextbookProcess(base(), {"device": "cpu", "threads": 1}, x, sigma=0.5, num_classes=3) as loop:
        rate, spent = loop.rate(8, 0.05)
        assert rate > 0
        assert spent > 0
    with (
        TextbookProcess(base(), {"device": "cpu", "threads": 1}, np.zeros(3), sigma=0.5, num_classes=3) as loop,
        pytest.raises(ModelError, match="the textbook loop failed: mat1 and mat2 shapes cannot be multiplied"),
    ):
        loop.rate(8, 0.05)


def test_bench_on_the_command_line(tmp_path, capsys):
    torch.manual_seed(0)
    made = build("lenet", num_classes=10, shape=(1, 28, 28))
    metadata = {"architecture": "lenet", "num_classes": "10", "shape": json.dumps([1, 28, 28])}
    save_weights(made, tmp_path / "lenet.safetensors", metadata)
    out = tmp_path / "speed.json"
    model = str(tmp_path / "lenet.safetensors")
    options = [
        "--backend",
        "torch",
        "--seconds",
        "1",
        "--workers",
        "2",
        "--data",
        "fashion-mnist-small",
        "--out",
        str(out),
    ]
    status = command_line(["bench", "--model", model, *options])
    said = capsys.readouterr()
    assert status == 0
    assert re.search(r"^forward only +512 ", said.out, re.M), "as other tables on a terminal"
    assert re.search(r"^textbook loop, as published +1000 ", said.out, re.M)
    assert "2 one-thread workers" in said.out
    stored = json.loads(out.read_text())
    assert [speed["name"] for speed in stored["speeds"]] == [
        "forward only",
        "certify",
        "textbook loop, as published",
        "textbook loop, best batch",
    ]
    assert all(len(speed["draws_per_second"]) == 5 for speed in stored["speeds"])
    assert stored["backend"] == f"torch {torch.__version__}"
    assert stored["precision"] == "fp32"
    assert stored["cores"] == stored["threads"] == len(os.sched_getaffinity(0))
    assert 0 <= stored["foreign_load"] <= 1
    assert stored["mflop_per_draw"] == pytest.approx(4.586, abs=0.01)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"seconds": 0.0}, "seconds must be > 0, got 0"),
        ({"backend": "tensorflow"}, "unknown backend 'tensorflow'"),
        ({"sigma": -1.0}, "sigma must be > 0, got -1"),
        ({"workers": 0}, "workers must be >= 1, got 0"),
        ({"num_classes": None}, "num_classes must be given for a model that is a module, got None"),
    ],
)
def test_arguments_out_of_range(changes, text):
    with pytest.raises(ValueError, match=text):
        bench(**({"model": base(), "num_classes": 3, "shape": SHAPE} | changes))


def test_a_model_that_does_not_say_its_shape():
    with pytest.raises(ModelError, match="Sequential does not say the shape of its inputs; give --data"):
        bench(model=base(), num_classes=3)
