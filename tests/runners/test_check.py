"""Certified accuracy at least so much, or below, or not told: on pictures of which 70 of 100 are certified."""

from xml.etree import ElementTree

import pytest

pytest.importorskip("torch")


from noiseproof import Compute, Gaussian, Subject, check
from noiseproof.cli.main import run as command
from noiseproof.errors import DataError
from noiseproof.store import read_run, verify

RADIUS, NOISE, MOST = 0.5, Gaussian(sigma=0.25), {"n_max": 500, "radius": 0.5}
SOURCE = """
import numpy as np
import torch
from noiseproof.data import DataSet

class Brightness(torch.nn.Module):
    def forward(self, x):
        bright = x.flatten(1).mean(dim=1) - 0.5
        return torch.stack((-bright, bright), dim=1)

model = Brightness().eval()

def data():
    pictures = np.zeros((100, 1, 4, 4), np.uint8)
    pictures[::2] = 255
    bright = np.arange(100) % 2 == 0
    wrong = np.arange(100) % 10 < 3
    return DataSet("lights:test", ("dark", "bright"), (1, 4, 4), (bright ^ wrong).astype(int), pictures)
"""


@pytest.fixture
def subject():
    known: dict = {}
    exec(SOURCE, known)
    return Subject(model=known["model"], data=known["data"](), num_classes=2)


@pytest.mark.parametrize(("at_least", "verdict"), [(0.4, "at least"), (0.95, "below")])
def test_a_clear_share_is_told_by_few_inputs(subject, tmp_path, at_least, verdict):
    found = check(NOISE, subject, at_least=at_least, out=tmp_path / "run", **MOST)
    assert (found.verdict, found.population) == (verdict, 100)
    assert found.inputs < 100
    records = read_run(tmp_path / "run").records
    assert found.certified == sum(record.index % 10 >= 3 for record in records)
    assert found.draws == sum(record.draws for record in records)
    assert {record.index for record in records} != set(range(found.inputs))  # not the first ones: in random order
    verify(tmp_path / "run")


@pytest.mark.parametrize(("at_least", "verdict"), [(0.69, "at least"), (0.7, "undecided"), (0.71, "below")])
def test_a_close_share_takes_all_inputs_and_allows_for_a_false_certificate(subject, tmp_path, at_least, verdict):
    found = check(NOISE, subject, at_least=at_least, out=tmp_path / "run", error=0.1, **MOST)
    assert (found.verdict, found.inputs, found.certified) == (verdict, 100, 70)


def test_the_same_call_again_draws_nothing_and_another_share_goes_on(subject, tmp_path):
    first = check(NOISE, subject, at_least=0.4, out=tmp_path / "run", **MOST)
    journal = (tmp_path / "run" / "journal.jsonl").read_text()
    assert check(NOISE, subject, at_least=0.4, out=tmp_path / "run", **MOST) == first
    assert (tmp_path / "run" / "journal.jsonl").read_text().count('"record"') == journal.count('"record"')
    assert check(NOISE, subject, at_least=0.69, out=tmp_path / "run", error=0.1, **MOST).inputs == 100


def test_a_limit_that_tells_nothing_is_undecided(subject, tmp_path):
    from dataclasses import replace

    found = check(NOISE, replace(subject, limit=25), at_least=0.65, out=tmp_path / "run", **MOST)
    assert (found.verdict, found.inputs) == ("undecided", 25)
    assert "is not told from 65.0% by these inputs" in found.text


def test_a_check_that_is_stopped_says_nothing_of_the_inputs_that_are_missing(subject, tmp_path):
    found = check(NOISE, subject, Compute(stop_after=1e-9), at_least=0.4, out=tmp_path / "run", **MOST)
    assert found.inputs < 20
    assert found.verdict == "undecided"


def test_an_unreadable_picture_is_one_that_is_not_certified(subject, tmp_path):
    from dataclasses import replace

    class Torn:
        def __init__(self, pictures):
            self.pictures = pictures

        def __len__(self):
            return len(self.pictures)

        def __getitem__(self, index):
            if index % 10 == 9:
                raise DataError(f"{index} is torn")
            return self.pictures[index]

    torn = replace(subject, data=replace(subject.data, pictures=Torn(subject.data.pictures)), skip_bad=True)
    # at seed 0 the first 20 inputs are among the .8% that say "below"
    found = check(NOISE, torn, at_least=0.59, out=tmp_path / "run", error=0.1, seed=1, **MOST)
    assert (found.verdict, found.inputs, found.certified) == ("at least", 100, 60)


@pytest.mark.parametrize(
    ("at_least", "status", "element"), [("0.4", 0, None), ("0.95", 1, "failure"), ("0.65", 3, "error")]
)
def test_the_line_ends_with_its_status_and_writes_what_ci_reads(tmp_path, capsys, at_least, status, element):
    (tmp_path / "lights.py").write_text(SOURCE)
    files = {name: tmp_path / name for name in ("junit.xml", "summary.md")}
    line = (
        f"check --model {tmp_path}/lights.py:model --data {tmp_path}/lights.py:data --sigma 0.25 --radius 0.5".split()
    )
    line += f"--at-least {at_least} --n-max 500 --limit 30 --out {tmp_path}/run".split()
    line += ["--junit", str(files["junit.xml"]), "--markdown", str(files["summary.md"])]
    assert command(line) == status
    said = capsys.readouterr().out
    suite = ElementTree.parse(files["junit.xml"]).getroot()
    case = suite.find("testcase")
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == (
        "1",
        str(int(status == 1)),
        str(int(status == 3)),
    )
    assert {child.tag for child in case} - {"system-out"} == ({element} if element else set())
    assert case.findtext("system-out") == said.splitlines()[0]
    heading = {0: "holds", 1: "does not hold", 3: "undecided"}[status]
    assert files["summary.md"].read_text().startswith(f"### Certified accuracy: {heading}\n")
    assert (
        f"| draws | {sum(record.draws for record in read_run(tmp_path / 'run').records):,} |"
        in files["summary.md"].read_text()
    )
