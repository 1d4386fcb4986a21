import pytest

from noiseproof.errors import ModelError, pip_install
from noiseproof.models import SOURCES, load
from noiseproof.models.packages import missing, need


def test_a_package_that_is_there():
    import json

    assert need("x", "extra", "json", "math") is json
    assert missing(("json", "no_such_package")) == ["no_such_package"]


def test_a_package_that_is_not_there():
    with pytest.raises(ModelError) as caught:
        need("hf:x", "hf", "json", "no_such_package")
    assert str(caught.value) == (
        f"hf:x needs json and no_such_package: {pip_install('hf')} (No module named 'no_such_package')"
    )


@pytest.mark.parametrize("spec", ["hf:x", "timm:x", "tv:x"])
def test_sources_say_what_to_install(spec, monkeypatch):
    def absent(name):
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr("noiseproof.models.packages.importlib.import_module", absent)
    source = next(source for source in SOURCES if source.spec.startswith(spec[:-1]))
    with pytest.raises(ModelError) as caught:
        load(spec)
    package = source.packages[0]
    assert str(caught.value) == (f"{spec} needs {package}: {pip_install(source.extra)} (No module named {package!r})")


def test_extras_are_those_of_the_package():
    import tomllib
    from pathlib import Path

    project = Path(__file__).resolve().parents[2] / "pyproject.toml"
    if not project.exists():
        pytest.skip("pyproject.toml is not beside the tests")
    extras = tomllib.loads(project.read_text())["project"]["optional-dependencies"]
    assert {source.extra for source in SOURCES if source.extra is not None} <= set(extras)
