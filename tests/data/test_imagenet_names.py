from importlib.machinery import ModuleSpec

import pytest

from noiseproof.data.imagenet_names import imagenet_names

NAMES = [f"class {number}" for number in range(1000)]


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Writes the file of a package that would fail if it were run."""
    spec = ModuleSpec("torchvision", None, is_package=True)
    spec.submodule_search_locations = [str(tmp_path)]
    monkeypatch.setattr("noiseproof.data.imagenet_names.find_spec", lambda name: spec)
    (tmp_path / "models").mkdir()

    def write(names: str) -> None:
        (tmp_path / "models" / "_meta.py").write_text(
            f"import nothing_at_all\n_OTHER = []\n{names}\n", encoding="utf-8"
        )

    return write


def test_names_are_read_and_nothing_is_run(package):
    package(f"_IMAGENET_CATEGORIES = {NAMES!r}")
    assert imagenet_names() == tuple(NAMES)


@pytest.mark.parametrize(
    "names",
    [
        "",
        f"_IMAGENET_CATEGORIES = {NAMES[1:]!r}",
        "_IMAGENET_CATEGORIES = made()",
        "_IMAGENET_CATEGORIES = [1] * (",
        "= 1",
    ],
)
def test_where_there_is_no_such_list_there_are_no_names(package, names):
    package(names)
    assert imagenet_names() is None


def test_without_the_file_or_the_package_there_are_none(package, monkeypatch):
    assert imagenet_names() is None
    monkeypatch.setattr("noiseproof.data.imagenet_names.find_spec", lambda name: None)
    assert imagenet_names() is None


@pytest.mark.extra("torchvision")
def test_the_real_list_is_found():
    names = imagenet_names()
    assert names is not None
    assert (names[0], names[243], names[999]) == ("tench", "bull mastiff", "toilet tissue")
