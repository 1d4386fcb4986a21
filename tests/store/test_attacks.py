from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from noiseproof.errors import RunError
from noiseproof.store import Manifest
from noiseproof.store.attacks import KIND, KIND_FALSIFY, Attacked, AttackFolder, Judgement, read_attack
from noiseproof.store.journal import ChainError

MANIFEST = Manifest(KIND, {"run": "abc", "attack": {"name": "pgd", "steps": 20}}, "0")
POINT = Attacked("k-0", 7, 3, 3, 0.25, 1.5, 0.375, 2**64 - 1, 10, (0, 4, 0, 6), 1, 0.25, 1.5)
X = np.arange(4.0).reshape(1, 2, 2) / 7


@pytest.fixture
def folder(tmp_path):
    """A folder with one broken point and one that held."""
    with AttackFolder(tmp_path / "a", MANIFEST) as opened:
        opened.begin({"device": "cpu"}, {"limit": 2})
        opened.add(POINT, X)
        opened.add(replace(POINT, key="j-0", index=2, prediction=3), X)
    return tmp_path / "a"


def test_what_is_added_is_read_back_in_the_order_of_the_inputs(folder):
    found = read_attack(folder)
    assert found.points == (replace(POINT, key="j-0", index=2, prediction=3), POINT)
    assert found.manifest == MANIFEST
    assert (folder / "settings.toml").read_text() == "limit = 2\n"


def test_only_a_point_that_broke_is_kept_itself(folder):
    assert [path.name for path in (folder / "broken").iterdir()] == ["7-x1.5.npy"]
    assert np.load(folder / "broken" / "7-x1.5.npy").tolist() == X.tolist()


def test_a_falsifier_keeps_the_points_of_several_attacks_and_second_judgements(tmp_path):
    both = [
        replace(POINT, attack="ddn", arithmetic="exact integers, grid 255", tried=3),
        replace(POINT, attack="score", again=Judgement(5, 100, (0, 90, 1, 9), 1, 1e-9)),
    ]
    with AttackFolder(tmp_path / "f", replace(MANIFEST, kind=KIND_FALSIFY)) as opened:
        for point in both:
            opened.add(point, X)
    assert list(read_attack(tmp_path / "f", KIND_FALSIFY).points) == both
    assert {path.name for path in (tmp_path / "f" / "broken").iterdir()} == {"7-ddn-x1.5.npy", "7-score-x1.5.npy"}
    with pytest.raises(RunError, match="is the run folder of noiseproof falsify, not of attack"):
        read_attack(tmp_path / "f")


def test_it_is_resumed_and_a_torn_line_is_cut_off(folder):
    journal = folder / "journal.jsonl"
    journal.write_bytes(journal.read_bytes()[:-5])
    with AttackFolder(folder, MANIFEST) as opened:
        assert set(opened.points) == {("k-0", "pgd", 1.5)}
        opened.add(replace(POINT, multiple=2.0), X)
    assert [point.multiple for point in read_attack(folder).points] == [1.5, 2.0]


def test_another_meaning_and_other_folders_are_refused(folder, tmp_path):
    other = replace(MANIFEST, meaning=MANIFEST.meaning | {"attack": {"name": "pgd", "steps": 10}})
    with pytest.raises(RunError, match=r"attack\.steps is 20, not 10"), AttackFolder(folder, other):
        pass
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "file").write_text("")
    text = "holds other files and is not the folder of an attack; choose another --out"
    with pytest.raises(RunError, match=text), AttackFolder(tmp_path / "b", MANIFEST):
        pass
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot make the folder"), AttackFolder(tmp_path / "file" / "a", MANIFEST):
        pass


def test_a_new_folder_that_fails_before_its_first_point_may_be_used_by_another_line(folder, tmp_path):
    with pytest.raises(ZeroDivisionError), AttackFolder(tmp_path / "b", MANIFEST) as opened:  # noqa: PT012
        opened.begin({"device": "cpu"}, {"limit": 2})
        raise ZeroDivisionError
    other = replace(MANIFEST, meaning=MANIFEST.meaning | {"attack": {"name": "pgd", "steps": 10}})
    with pytest.raises(ZeroDivisionError), AttackFolder(tmp_path / "b", other) as opened:  # noqa: PT012
        opened.add(POINT, X)
        raise ZeroDivisionError
    assert read_attack(tmp_path / "b").points == (POINT,)


def test_one_writer_at_a_time(folder):
    with AttackFolder(folder, MANIFEST), pytest.raises(RunError, match="in use"), AttackFolder(folder, MANIFEST):
        pass
    with AttackFolder(folder, MANIFEST):
        pass


def test_a_changed_digit_is_found(folder):
    journal = folder / "journal.jsonl"
    journal.write_text(journal.read_text().replace('"prediction":1', '"prediction":3'))
    with pytest.raises(ChainError, match="line 2"):
        read_attack(folder)
    with pytest.raises(ChainError, match="line 2"), AttackFolder(folder, MANIFEST):
        pass


def test_lines_of_another_version_are_refused(tmp_path):
    from noiseproof.store.journal import Journal

    for name, entry, text in (
        ("a", {"is": "else"}, "line 1: a 'else', which this version does not know"),
        ("b", {"is": "point", "key": "k"}, "line 1: malformed"),
        ("c", {"is": "point", "votes": [1], "more": 1}, "line 1: malformed"),
    ):
        with AttackFolder(tmp_path / name, MANIFEST):
            pass
        journal = Journal(tmp_path / name / "journal.jsonl", MANIFEST.meaning_hash)
        journal.append(entry)
        journal.close()
        with pytest.raises(ChainError, match=text):
            read_attack(tmp_path / name)


def test_a_run_of_another_verb_is_no_attack(tmp_path):
    with AttackFolder(tmp_path / "a", replace(MANIFEST, kind="certify")):
        pass
    with pytest.raises(RunError, match="is the run folder of noiseproof certify, not of attack"):
        read_attack(tmp_path / "a")
    with pytest.raises(RunError, match=r"is not a run folder: it has no manifest\.json"):
        read_attack(tmp_path / "nowhere")
