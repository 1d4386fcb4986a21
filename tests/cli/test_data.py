"""``noiseproof data list``: which sets are here."""

from __future__ import annotations

import gzip

import pytest

from noiseproof.cli.main import run
from noiseproof.data import DATA_SETS


@pytest.fixture
def listed(tmp_path, monkeypatch, capsys):
    """What is said of a set, nothing being here but what lies in a root."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("NOISEPROOF_DATA", raising=False)
    monkeypatch.setattr("noiseproof.data.places.SYSTEM", tmp_path / "system")

    def of(name: str) -> str:
        assert run(["data", "list", "--root", str(tmp_path)]) == 0
        (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith(f"{name} ")]
        return line

    return of


def test_what_is_here_says_where_and_what_is_not_how_to_have_it(listed, tmp_path):
    assert listed("mnist").endswith("train, test              run `noiseproof data get mnist`")
    (tmp_path / "mnist").mkdir()
    for name in ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte"):
        (tmp_path / "mnist" / name).write_bytes(gzip.compress(b""))
    assert listed("mnist").endswith(f"here: test in {tmp_path / 'mnist'}; run `noiseproof data get mnist`")
    for name in ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"):
        (tmp_path / "mnist" / name).write_bytes(b"")
    assert listed("mnist").endswith(f"here: train, test in {tmp_path / 'mnist'}")
    assert "here: train, test in " in listed("fashion-mnist-small")


@pytest.mark.parametrize(
    ("name", "file", "said"),
    [
        ("cifar10", "cifar-10-batches-py/test_batch", "here: test in {}/cifar-10-batches-py; run"),
        ("cifar10", "cifar10/test_batch.bin", "here: test in {}/cifar10; run"),
        ("cifar10-jpeg", "cifar10-jpeg.tar.xz", "here: train, test in {}/cifar10-jpeg.tar.xz"),
        ("svhn", "train_32x32.mat", "here: train in {}; run"),
        ("imagenet", "val/n01440764/x.JPEG", "here: val, test in {}/val; get the pictures"),
        ("imagenet", "imagenet/labels.csv", "here: sample in {}/imagenet; get the pictures"),
    ],
)
def test_every_set_is_found_where_it_would_be_loaded_from(listed, tmp_path, name, file, said):
    assert "here:" not in listed(name)
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).touch()
    assert said.format(tmp_path) in listed(name)


def test_every_set_of_the_package_says_where_it_is(tmp_path):
    from noiseproof.data.source import Located

    assert [name for name, source in DATA_SETS.items() if not isinstance(source, Located)] == []
