from __future__ import annotations

import pytest

from noiseproof.errors import RunError
from noiseproof.store import Manifest
from noiseproof.store.baselines import KIND_BASELINE, BaselineFolder, Determined, read_baseline

MANIFEST = Manifest(KIND_BASELINE, {"model": {"fingerprint": "f"}, "certificate": {"method": "wong"}}, "0")
FIRST = Determined("a-0", 20, 3, 3, 0.25, 0.5, ((1.0, 3), (2.0, 4)))
SECOND = Determined("b-0", 0, 1, 2, 0.0, 0.25)


def test_what_is_written_is_read_again_in_the_order_of_the_inputs(tmp_path):
    with BaselineFolder(tmp_path / "b", MANIFEST) as folder:
        folder.begin({"device": "cpu"}, {"every": 20})
        folder.add(FIRST)
    with BaselineFolder(tmp_path / "b", MANIFEST) as folder:
        assert folder.inputs == {20: FIRST}
        folder.begin({"device": "cpu"}, {"every": 10})
        folder.add(SECOND)
    found = read_baseline(tmp_path / "b")
    assert found.inputs == (SECOND, FIRST)
    assert [session["settings"]["every"] for session in found.sessions] == [20, 10]


def test_broken_is_by_multiple():
    assert (FIRST.broken(1.0), FIRST.broken(2.0), FIRST.broken(3.0)) == (False, True, None)


def test_another_meaning_and_another_kind_are_refused(tmp_path):
    with BaselineFolder(tmp_path / "b", MANIFEST) as folder:
        folder.begin({}, {})
        folder.add(FIRST)
    other = Manifest(KIND_BASELINE, MANIFEST.meaning | {"certificate": {"method": "lipschitz"}}, "0")
    with (
        pytest.raises(RunError, match=r"certificate\.method is 'wong', not 'lipschitz'"),
        BaselineFolder(tmp_path / "b", other),
    ):
        pass
    with BaselineFolder(tmp_path / "c", Manifest("attack", {}, "0")) as folder:
        folder.begin({}, {})
        folder.add(FIRST)
    with pytest.raises(RunError, match=r"c is the run folder of noiseproof attack, not of baselines certify"):
        read_baseline(tmp_path / "c")


@pytest.mark.parametrize(
    "changed", [{"radius": "0.25"}, {"label": None}, {"attacked": [[1.0, "3"]]}, {"attacked": [1.0]}, {"colour": 3}]
)
def test_a_line_that_is_none_is_named(tmp_path, changed):
    entry = {"is": "input", "key": "a", "index": 1, "label": 1, "prediction": 1, "radius": 1.0, "seconds": 1.0}
    with BaselineFolder(tmp_path / "b", MANIFEST) as folder:
        folder._folder.append(entry | {"attacked": []})
        folder._folder.append(entry | {"attacked": []} | changed)
    with pytest.raises(RunError, match=r"journal\.jsonl, line 2: malformed"):
        read_baseline(tmp_path / "b")


def test_a_changed_digit_is_found(tmp_path):
    with BaselineFolder(tmp_path / "b", MANIFEST) as folder:
        folder.add(FIRST)
    journal = tmp_path / "b" / "journal.jsonl"
    journal.write_text(journal.read_text().replace("0.25", "0.75"))
    with pytest.raises(RunError, match="line 1"):
        read_baseline(tmp_path / "b")
