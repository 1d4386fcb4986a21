from __future__ import annotations

import re
import subprocess
import sys

import pytest

from noiseproof.data import DATA_SETS, FORMS, load
from noiseproof.errors import DataError


@pytest.mark.parametrize("name", DATA_SETS)
def test_the_registry_calls_a_data_set_as_it_calls_itself(name):
    assert DATA_SETS[name].name == name
    splits = {"test"} if name == "foolbox-imagenet" else {"train", "test"}  # twenty pictures train nothing
    assert splits <= set(DATA_SETS[name].splits)


def test_the_split_is_test_unless_told_and_the_spec_wins():
    assert load("fashion-mnist-small").name == "fashion-mnist-small:test"
    assert load("fashion-mnist-small", split="train").name == "fashion-mnist-small:train"
    assert load("fashion-mnist-small:train", split="test").name == "fashion-mnist-small:train"


def test_a_data_set_s_name_loads_it_again():
    data = load("fashion-mnist-small")
    assert load(data.name).labels.tolist() == data.labels.tolist()


def test_the_root_is_looked_at(tmp_path, tiny_files):
    folder = tmp_path / "mnist"
    folder.mkdir()
    for name, raw in tiny_files.items():
        (folder / name).write_bytes(raw)
    assert load("mnist", root=tmp_path).shape == (1, 2, 3)


@pytest.mark.parametrize("name", [name for name in DATA_SETS if not name.endswith("-small") and "foolbox" not in name])
def test_a_missing_set_is_told_with_where_it_was_looked_for_and_a_remedy(name, tmp_path, bare_disk, monkeypatch):
    monkeypatch.setattr("noiseproof.data.places.SYSTEM", tmp_path / "system")
    with pytest.raises(DataError) as error:
        load(f"{name}:train", root=tmp_path)
    text = str(error.value)
    assert text.startswith(f"no {name}:train in {tmp_path}")
    assert f"{bare_disk}/.cache/noiseproof" in text
    assert text.endswith(f"; {DATA_SETS[name].remedy}")
    assert "\n" not in text


def test_an_unknown_name_is_refused_with_the_nearest():
    with pytest.raises(ValueError, match=r"^unknown data set 'fashon-mnist'; did you mean 'fashion-mnist'\?$"):
        load("fashon-mnist")
    known = ", ".join(sorted([*DATA_SETS, *(form.written for form in FORMS)]))
    with pytest.raises(ValueError, match=rf"^unknown data set 'zzz'; known: {re.escape(known)}$"):
        load("zzz")


@pytest.mark.parametrize("arguments", [{"spec": "mnist:tst"}, {"spec": "mnist", "split": "tst"}])
def test_an_unknown_split_is_refused_with_the_nearest(arguments):
    with pytest.raises(ValueError, match=r"^unknown split of mnist 'tst'; did you mean 'test'\?$"):
        load(**arguments)


def test_the_room_needs_no_torch():
    code = "import sys, noiseproof.data; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_path_of_a_folder_gets_told_how_it_is_given(tmp_path):
    with pytest.raises(
        ValueError, match=rf"^unknown data set '{tmp_path}', which is a folder; give folder:{tmp_path}$"
    ):
        load(str(tmp_path))
