"""The index beside a large journal: what a reader takes from it is what the journal says, or it is not taken."""

from __future__ import annotations

import hashlib
import json
import shutil
import threading

import pytest

from noiseproof.errors import RunError
from noiseproof.store import RunFolder, VerificationError, read_run, verify
from noiseproof.store import index as indexed
from noiseproof.store.index import INDEX, worth
from noiseproof.store.journal import Journal, Mark
from noiseproof.store.merge import merge
from noiseproof.store.run import _take
from noiseproof.store.whole import Selection
from noiseproof.types import ABSTAIN, Certificate

NOTHING = Certificate(ABSTAIN, 0.0, 0.0, 1.0)


@pytest.fixture(autouse=True, params=[None, 2, 3], ids=["in order", "two shares", "three shares"])
def _in_order_and_in_shares(request, in_shares):
    if request.param:
        in_shares(request.param)


@pytest.fixture(autouse=True)
def _every_journal_is_large(monkeypatch):
    monkeypatch.setattr(indexed, "LEAST", 1)


@pytest.fixture
def run(tmp_path, manifest, environment, serve):
    """Three inputs finished, one skipped, one under way; a seal in the middle."""
    path = tmp_path / "run"
    with RunFolder(path, manifest) as folder:
        folder.begin(environment, {"sigma": 0.5}, Selection(1, 0, 2, 9))
        serve(folder, "a-0", 0, top=2, right=0.99)
        serve(folder, "b-0", 1, top=0, right=0.4)
        folder.seal(Selection(1, 0, 2, 9))
        serve(folder, "c-0", 2, top=1, right=0.9, void=0.04)
        folder.add_skipped(5, None, "torn", NOTHING)
        serve(folder, "d-0", 3, top=1, right=0.9, stop_after=3)
    return path


@pytest.fixture
def parsed(monkeypatch):
    """The lines of journals that are parsed."""
    lines = []

    def take(path, line, state):
        lines.append(line)
        return _take(path, line, state)

    monkeypatch.setattr("noiseproof.store.run._take", take)
    return lines


def without(path, tmp_path):
    """The same run read without an index."""
    other = shutil.copytree(path, tmp_path / "without")
    (other / INDEX).unlink()
    state = read_run(other).state
    shutil.rmtree(other)
    return state


def test_what_is_read_with_it_is_what_is_read_without(run, tmp_path, parsed):
    whole = without(run, tmp_path)
    assert len(parsed) == len((run / "journal.jsonl").read_bytes().splitlines())
    parsed.clear()
    found = read_run(run)
    assert parsed == []
    for name in ("sessions", "begun", "seals", "sealed", "open", "drawn_in", "_indices", "slots", "tally"):
        assert getattr(found.state, name) == getattr(whole, name), name
    assert list(found.state.records) == list(whole.records) == ["a-0", "b-0", "c-0", "skipped-5"]
    for one, other in zip(found.records, read_run(run).records, strict=True):
        assert (one.draws, one.void, one.requests, one.skipped) == (
            other.draws,
            other.void,
            other.requests,
            other.skipped,
        )
        assert one == other  # votes, too
    assert [record.void for record in found.records] == [0, 0, 8, 0]
    assert verify(run).records == 4


def test_a_run_goes_on_behind_it(run, manifest, environment, serve, parsed):
    with RunFolder(run, manifest) as folder:
        assert parsed == []
        assert list(folder.state.open) == ["d-0"]
        with pytest.raises(RunError, match="input a-0 is finished, but more of its draws follow"):
            serve(folder, "a-0", 0, top=2, right=0.99)
    with RunFolder(run, manifest) as folder:
        folder.begin(environment, {"sigma": 0.5})
        serve(folder, "e-0", 4, top=2, right=0.99)
    assert verify(run).records == 5
    assert [record.index for record in read_run(run).records] == [0, 1, 2, 4, 5]


def append(run, manifest, entry):
    """What a killed writer leaves: a line behind the index."""
    lines = (run / "journal.jsonl").read_bytes().splitlines()
    journal = Journal(run / "journal.jsonl", manifest.meaning_hash)
    journal.append(entry)
    journal.close()
    return len(lines) + 1


def test_lines_behind_it_are_parsed(run, manifest, parsed):
    append(run, manifest, {"is": "restart", "key": "d-0"})
    assert read_run(run).state.open == {}
    assert len(parsed) == 1


def test_it_is_worth_its_time_where_an_eighth_is_new():
    end = Mark(100, 800, "")
    assert worth(end, None)
    assert worth(end, Mark(80, 700, ""))
    assert not worth(end, Mark(80, 701, ""))
    assert worth(end, Mark(80, 701, ""), closing=True)
    assert not worth(end, end, closing=True)
    assert not worth(None, None)


@pytest.mark.parametrize(
    "fault", ["gone", "torn", "a byte", "empty", "of another run", "of other bytes", "nonsense", "a row like none"]
)
def test_one_that_is_not_right_is_made_again(run, tmp_path, manifest, fault, parsed):
    whole, path = read_run(run).state.records, run / INDEX
    raw = path.read_bytes()
    if fault == "gone":
        path.unlink()
    elif fault == "of another run":
        other = json.loads(raw.splitlines()[0]) | {"meaning_hash": "0" * 64}
        path.write_bytes(summed([json.dumps(other).encode(), *raw.splitlines()[1:-1]]))
    elif fault == "of other bytes":
        other = json.loads(raw.splitlines()[0]) | {"sha256": "0" * 64}
        path.write_bytes(summed([json.dumps(other).encode(), *raw.splitlines()[1:-1]]))
    else:
        rows = raw.splitlines()[:-1]
        made = {
            "a row like none": summed([*rows[:-1], rows[-1].rpartition(b",")[0] + b",7]"]),
            "torn": raw[:-9],
            "a byte": raw.replace(b"certificate", b"certificatf", 1),
            "empty": b"",
            "nonsense": b"{}\n{}\n",
        }
        path.write_bytes(made[fault])
        assert path.read_bytes() != raw
    parsed.clear()
    assert read_run(run).state.records == whole
    assert parsed
    assert path.read_bytes() == raw
    assert verify(run).records == 4


def summed(lines):
    body = b"".join(line + b"\n" for line in lines)
    return body + json.dumps({"sha256": hashlib.sha256(body).hexdigest()}, separators=(",", ":")).encode() + b"\n"


def test_a_changed_journal_is_found_by_every_reader(run, manifest):
    path = run / "journal.jsonl"
    raw = path.read_bytes()
    at = raw.index(b'"label":') + len(b'"label":')
    path.write_bytes(raw[:at] + b"1" + raw[at + 1 :])
    for read in (read_run, verify, lambda run: RunFolder(run, manifest).__enter__()):
        with pytest.raises(RunError, match="line 8: the hash does not follow"):
            read(run)


@pytest.mark.parametrize(
    "fault", ["a radius", "a label", "one less", "one more", "a session", "a range", "a seal", "more lines"]
)
def test_verify_finds_one_that_says_something_else(run, fault):
    """The attack: the index forged, its sum made anew; readers would print what the journal does not say."""
    head, *rows, _ = (run / INDEX).read_bytes().splitlines()
    table = json.loads(head)
    if fault == "a radius":
        row = json.loads(rows[0])
        row[7]["radius"] += 0.5
        rows[0] = json.dumps(row).encode()
    elif fault == "a label":
        row = json.loads(rows[1])
        row[2] = 2
        rows[1] = json.dumps(row, separators=(",", ":")).encode()
    elif fault == "one less":
        del rows[1]
        table["records"] -= 1
    elif fault == "one more":
        row = json.loads(rows[-1])
        row[0], row[1], row[5] = "skipped-7", 7, "torn"
        rows.append(json.dumps(row, separators=(",", ":")).encode())
        table["records"] += 1
    elif fault == "a session":
        table["sessions"][0]["device"] = "cuda"
    elif fault == "a range":
        table["open"]["d-0"]["select"][0][1] += 1
    elif fault == "requests":
        row = json.loads(rows[2])
        assert row[8] == 0, "those of the first row"
        row[8] = json.loads(rows[0])[8]
        rows[2] = json.dumps(row, separators=(",", ":")).encode()
    elif fault == "more lines":
        table["lines"] += 1
        table["sessions"][0]["device"] = "cuda"
    else:
        table["seals"][0]["of"] = 10
    (run / INDEX).write_bytes(summed([json.dumps(table, separators=(",", ":")).encode(), *rows]))
    with pytest.raises(VerificationError, match=r"index.jsonl does not say what the journal says; remove it"):
        verify(run)
    (run / INDEX).unlink()
    assert verify(run).records == 4


def test_a_line_that_could_not_be_written_is_not_in_it(run, manifest, environment, monkeypatch):
    def full(*_):
        raise RunError("cannot write: No space left on device")

    def fill_up():
        with RunFolder(run, manifest) as folder:
            folder.begin(environment, {"sigma": 0.5})
            monkeypatch.setattr(Journal, "append", full)
            folder.restart("d-0")

    with pytest.raises(RunError, match="No space left"):
        fill_up()
    assert list(read_run(run).state.open) == ["d-0"]
    assert verify(run).unfinished == 1


def test_two_that_write_one_at_once(run, monkeypatch, manifest, serve):
    """As a reader and a writer in one process do: neither spoils what the other writes."""

    def write():
        with RunFolder(run, manifest) as folder:
            serve(folder, "k9-0", 9, top=1, right=0.9)

    real, other = indexed._lines, threading.Thread(target=write)

    def lines(*of):
        first, *rest = real(*of)
        yield first
        if threading.current_thread() is not other:
            other.start()
            other.join()
        yield from rest

    (run / INDEX).unlink()
    monkeypatch.setattr(indexed, "_lines", lines)
    assert len(read_run(run).state.records) == 4
    head, rows = indexed._read(run)
    assert sum(1 for _ in rows) == head.records == 4
    assert [path.name for path in run.iterdir() if path.name.startswith(".")] == []


def test_an_index_that_another_takes_the_place_of_is_read_on(run, manifest, environment, serve):
    head, rows = indexed._read(run)
    with RunFolder(run, manifest) as folder:
        serve(folder, "k9-0", 9, top=1, right=0.9)
    assert indexed._read(run)[0].records == 5
    assert sum(1 for _ in rows) == head.records == 4


def test_a_folder_that_cannot_be_written_is_read_without(run, monkeypatch):
    (run / INDEX).unlink()
    (run / INDEX).mkdir()  # nothing can take its place
    assert len(read_run(run).records) == 4
    assert sorted(path.name for path in run.iterdir()) == [
        "index.jsonl",
        "journal.jsonl",
        "lock",
        "manifest.json",
        "settings.toml",
    ]


def test_small_journals_have_none(run, manifest, monkeypatch):
    monkeypatch.undo()
    (run / INDEX).unlink()
    with RunFolder(run, manifest):
        pass
    read_run(run)
    assert not (run / INDEX).exists()


def test_what_a_merge_leaves_beside_the_journal_holds(tmp_path, manifest, environment, serve):
    for name, index in (("a", 0), ("b", 1)):
        with RunFolder(tmp_path / name, manifest) as folder:
            folder.begin(environment, {}, Selection(2, index, None, 2))
            serve(folder, f"k{index}-0", index, top=index, right=0.9)
            serve(folder, f"u{index}-0", 7 + index, top=index, right=0.9, stop_after=2)
            folder.seal(Selection(2, index, None, 2))
    whole = merge([tmp_path / "b", tmp_path / "a"], out=tmp_path / "all").run.state
    assert (tmp_path / "all" / INDEX).exists()
    assert verify(tmp_path / "all").records == 2
    assert [record.answers[0].votes for record in whole.records.values()] == [(9, 1, 0), (0, 9, 1)]
    (tmp_path / "all" / INDEX).unlink()
    assert whole == read_run(tmp_path / "all").state
