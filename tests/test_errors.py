"""What a user is told to do can be done."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from noiseproof.errors import pip, pip_install


@pytest.mark.parametrize("checkout", [True, False])
def test_an_extra_is_installed_from_where_the_package_is(checkout, tmp_path, monkeypatch):
    module = tmp_path / "src" / "noiseproof" / "errors.py"
    monkeypatch.setattr("noiseproof.errors.__file__", str(module))
    module.parent.mkdir(parents=True)
    if checkout:
        (tmp_path / "pyproject.toml").touch()
    monkeypatch.setattr("shutil.which", lambda _: str(Path(sys.executable).parent / "pip"))
    said = f'pip install -e "{tmp_path}[hf]"' if checkout else 'pip install "noiseproof[hf]"'
    assert pip_install("hf") == said


@pytest.mark.parametrize("found", [None, "/usr/bin/pip"])
def test_the_pip_of_another_python_is_not_asked(found, monkeypatch):
    monkeypatch.setattr("shutil.which", lambda _: found)
    monkeypatch.setattr("sys.executable", "/home/me/.venv/bin/python")
    assert pip() == "/home/me/.venv/bin/python -m pip"
    assert pip_install("hf").startswith("/home/me/.venv/bin/python -m pip install ")
