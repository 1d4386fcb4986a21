"""``noiseproof models``."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

from noiseproof.cli.main import run
from noiseproof.errors import pip_install
from noiseproof.models import SOURCES


def test_every_source_has_a_line(capsys):
    assert run(["models"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [source.spec for source in SOURCES]
    states = [line.split(source.what)[1].split()[0] for line, source in zip(lines, SOURCES, strict=True)]
    assert set(states) <= {"ready", "needs"}


def test_what_is_missing_is_told_with_the_line_that_installs_it(capsys, monkeypatch):
    monkeypatch.setattr("noiseproof.models.packages.find_spec", lambda name: None)
    assert run(["models"]) == 0
    said = capsys.readouterr().out
    assert f"needs onnx, onnxruntime: {pip_install('onnx')}" in said
    assert f"needs transformers: {pip_install('hf')}" in said
    assert said.splitlines()[0].endswith("ready")
