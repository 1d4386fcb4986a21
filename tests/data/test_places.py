from __future__ import annotations

from pathlib import Path

import pytest

from noiseproof.data.places import destination, find, lacking, near, places, roots


def test_the_most_explicit_place_comes_first(bare_disk, monkeypatch):
    monkeypatch.setenv("NOISEPROOF_DATA", "/from/environment")
    assert places("mnist", Path("/from/argument")) == [
        Path("/from/argument/mnist"),
        Path("/from/environment/mnist"),
        bare_disk / ".cache/noiseproof/mnist",
        Path("/usr/share/datasets/mnist"),
    ]


def test_places_that_are_not_named_are_left_out(bare_disk):
    assert places("mnist") == [bare_disk / ".cache/noiseproof/mnist", Path("/usr/share/datasets/mnist")]


def test_an_empty_variable_names_no_place(monkeypatch, bare_disk):
    monkeypatch.setenv("NOISEPROOF_DATA", "")
    assert places("mnist")[0] == bare_disk / ".cache/noiseproof/mnist"


def test_debian_s_package_is_looked_for():
    assert places("fashion-mnist")[-1] == Path("/usr/share/datasets/fashion-mnist")


def test_a_download_goes_to_the_first_place_and_never_to_the_system(bare_disk, monkeypatch):
    assert destination("mnist") == bare_disk / ".cache/noiseproof/mnist"
    monkeypatch.setenv("NOISEPROOF_DATA", "/from/environment")
    assert destination("mnist") == Path("/from/environment/mnist")
    assert destination("mnist", Path("/from/argument")) == Path("/from/argument/mnist")


@pytest.fixture
def folders(tmp_path):
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
    return [tmp_path / "absent", tmp_path / "a", tmp_path / "b", tmp_path / "c"]


def test_only_a_folder_with_every_file_counts(folders):
    _, a, b, c = folders
    for file in (a / "x.gz", b / "x.gz", b / "y.gz", c / "x.gz", c / "y.gz"):
        file.touch()
    assert find(["x.gz", "y.gz"], folders) == [b / "x.gz", b / "y.gz"]


def test_an_unpacked_file_counts_and_a_folder_of_its_name_does_not(folders):
    _, a, b, _ = folders
    (a / "x.gz").mkdir()
    (b / "x").touch()
    assert find(["x.gz"], folders) == [b / "x"]


def test_what_a_folder_that_has_some_lacks_is_named(tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    (other / "b").mkdir(parents=True)
    (other / "a").touch()
    assert lacking(["a.gz", "b", "c", "d"], [one, other]) == f" ({other} lacks c, d)"
    assert lacking(["a", "b"], [one, other]) == lacking(["c", "d"], [one, other]) == ""


def test_nothing_found_is_none(folders):
    assert find(["x.gz"], folders) is None


def test_near_a_name_is_its_folder_and_then_the_root_itself(bare_disk, tmp_path):
    assert near("svhn", tmp_path)[:2] == [tmp_path / "svhn", tmp_path]
    assert near("svhn", tmp_path)[::2] == places("svhn", tmp_path)
    assert near("svhn", tmp_path)[1::2] == roots(tmp_path)
