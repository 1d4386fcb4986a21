"""A picture that cannot be read stops a run, unless it is to be skipped: then it is an abstention that counts."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch")

import torch

from noiseproof.analysis import abstention, certified_accuracy, record_at_n
from noiseproof.cli.main import run as command
from noiseproof.data import DataSet
from noiseproof.errors import DataError
from noiseproof.reports.summaries import summary_table
from noiseproof.store import read_run, verify
from noiseproof.store.verify import VerificationError
from tests.asking import certify, decide, predict

BAD = 2


class Torn:
    """Six pictures, one of which has no end."""

    def __init__(self, bad=(BAD,)) -> None:
        self.bad = bad
        self.whole = np.random.Generator(np.random.Philox(key=5)).integers(0, 256, (6, 1, 4, 4)).astype(np.uint8)

    def __len__(self) -> int:
        return 6

    def __getitem__(self, index: int):
        if index in self.bad:
            raise DataError(f"picture-{index}.png is cut off")
        return self.whole[index]


def torn(*bad: int) -> DataSet:
    return DataSet("torn:test", ("dark", "light"), (1, 4, 4), np.array([0, 1] * 3), Torn(bad))


@pytest.fixture
def base() -> torch.nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 2)).eval()


@pytest.fixture
def settings(base, tmp_path) -> dict:
    return {"model": base, "num_classes": 2, "sigma": 0.5, "workers": 1, "out": tmp_path / "run"}


def test_it_stops_the_run_unless_it_is_to_be_skipped(settings):
    with pytest.raises(DataError, match=r"picture-2.png is cut off"):
        certify(data=torn(BAD), n=200, **settings)


def test_it_is_an_abstention_that_every_share_counts(settings):
    found = certify(data=torn(BAD), n=200, skip_bad=True, **settings)
    assert [record.index for record in found.records] == [0, 1, 2, 3, 4, 5]
    skipped = found.records[BAD]
    assert (skipped.skipped, skipped.draws, skipped.outcome.abstained) == ("picture-2.png is cut off", 0, True)
    assert [record.skipped for record in found.records if record.index != BAD] == [None] * 5
    whole = certify(data=torn(), n=200, **settings | {"out": settings["out"].with_name("whole")})
    others = [record for record in whole.records if record.index != BAD]
    for record in others:  # the others are what they are without it
        assert record.outcome == found.records[record.index].outcome
    assert certified_accuracy(found.records, [0.0]) == pytest.approx(certified_accuracy(others, [0.0]) * 5 / 6)
    assert abstention(found.records) == pytest.approx((abstention(others) * 5 + 1) / 6)
    assert record_at_n(skipped, found.procedure, found.noise, 100) == skipped


def test_it_holds_in_verify_and_stays_when_resumed(settings):
    certify(data=torn(BAD), n=200, limit=4, skip_bad=True, **settings)
    assert (verify(settings["out"]).records, verify(settings["out"]).skipped) == (4, 1)
    before = (settings["out"] / "journal.jsonl").read_text().count('"is":"range"')
    mended = certify(data=torn(), n=200, skip_bad=True, **settings)  # the file was mended since; the run stays
    assert mended.records[BAD].skipped == "picture-2.png is cut off"
    assert (settings["out"] / "journal.jsonl").read_text().count('"is":"range"') > before
    assert verify(settings["out"]).skipped == 1


def test_a_finished_picture_stays_finished_when_its_file_breaks(settings):
    certify(data=torn(), n=200, **settings)
    again = certify(data=torn(BAD), n=200, skip_bad=True, **settings)
    assert [record.skipped for record in again.records] == [None] * 6


@pytest.mark.parametrize("verb", [predict, decide])
def test_predict_and_decide(settings, verb):
    asked = {"n": 100} if verb is predict else {"radius": 0.1, "n_max": 500}
    found = verb(data=torn(0, BAD), skip_bad=True, **asked, **settings)
    assert [record.skipped is not None for record in found.records] == [True, False, True, False, False, False]
    assert found.records[0].outcome.abstained
    assert verify(settings["out"]).skipped == 2


def test_all_of_them_unreadable(settings):
    with pytest.raises(
        DataError, match=r"none of the 2 pictures wanted of torn:test can be read: picture-0.png is cut off"
    ):
        certify(data=torn(*range(6)), n=200, limit=2, skip_bad=True, **settings)
    assert not settings["out"].exists()


@pytest.fixture
def with_no_picture(tmp_path):
    """A folder of six pictures; the third is no picture, as its head says."""
    for k, array in enumerate(Torn().whole):
        name = tmp_path / "pictures" / ("dark", "light")[k // 3] / f"{k}.png"
        name.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(array[0]).save(name)
    (tmp_path / "pictures" / "dark" / "2.png").write_text("no picture")
    return f"folder:{tmp_path}/pictures"


def test_a_file_that_is_no_picture_is_refused_before_anything_is_drawn_or_skipped(settings, with_no_picture):
    with pytest.raises(DataError, match=r"dark/2.png: expected a picture, .*, or go on past it with skip_bad"):
        certify(data=with_no_picture, n=200, **settings)
    assert not settings["out"].exists()
    found = certify(data=with_no_picture, n=200, limit=2, **settings)  # it is not wanted
    assert [record.skipped for record in found.records] == [None, None]
    found = certify(data=with_no_picture, n=200, skip_bad=True, **settings)
    assert [record.index for record in found.records if record.skipped] == [BAD]


def test_the_table_says_how_many_were_skipped(settings):
    found = certify(data=torn(BAD), n=200, skip_bad=True, **settings)
    said = summary_table(found)
    assert "n0 = 100, n = 200, alpha = 0.001; 1 of the 6 pictures could not be read and count as abstained." in said
    whole = summary_table(certify(data=torn(), n=200, **settings | {"out": settings["out"].with_name("whole")}))
    assert "could not be read" not in whole


def test_a_skipped_input_with_a_radius_does_not_hold(settings, monkeypatch):
    """A folder whose chain is whole, written by a program that gives skipped pictures a certificate."""
    from noiseproof.procedures import Certify
    from noiseproof.types import Certificate

    monkeypatch.setattr(Certify, "nothing_known", lambda self, noise: Certificate(0, 1.0, 0.99, 0.01))
    certify(data=torn(BAD), n=200, skip_bad=True, **settings)
    monkeypatch.undo()
    with pytest.raises(VerificationError, match=r"input 2 \(key skipped-2\) does not hold"):
        verify(settings["out"])


def test_the_verbs_say_it(tmp_path, capsys, caplog):
    for name, value in (("dark", 40), ("light", 220)):
        (tmp_path / "mine" / name).mkdir(parents=True)
        for number in range(3):
            picture = Image.fromarray(np.full((16, 16), value + number, np.uint8))
            picture.save(tmp_path / "mine" / name / f"{number}.png")
    file = tmp_path / "mine" / "dark" / "1.png"
    file.write_bytes(file.read_bytes()[:50])  # its head, not its pixels
    (tmp_path / "m.py").write_text("def m(x):\n    return (x.mean(axis=(1, 2, 3)) > 0.5).astype(int)\n")
    line = [
        "certify",
        "--model",
        f"{tmp_path / 'm.py'}:m",
        "--num-classes",
        "2",
        "--data",
        f"folder:{tmp_path / 'mine'}",
    ]
    line += ["--sigma", "0.25", "--n", "200", "--workers", "1", "--out", str(tmp_path / "run")]
    assert command(line) != 0
    assert "1.png" in capsys.readouterr().err
    assert command([*line, "--skip-bad"]) == 0
    assert command(["verify", str(tmp_path / "run")]) == 0
    assert "1 pictures skipped as unreadable, counted as abstentions" in capsys.readouterr().out
    assert command(["show", str(tmp_path / "run")]) == 0
    assert "skipped as unreadable" in capsys.readouterr().out
    assert command(["report", str(tmp_path / "run"), "--radii", "0,0.1", "--out", str(tmp_path / "report")]) == 0
    records = read_run(tmp_path / "run").records
    assert sum(record.skipped is not None for record in records) == 1
    assert len(records) == 6
    entries = [json.loads(text) for text in (tmp_path / "run" / "journal.jsonl").read_text().splitlines()]
    assert [entry["requests"] for entry in entries if "skipped" in entry] == [[]]
