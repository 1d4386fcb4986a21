"""What fuzzing found in the readers of run folders, one a test; the law itself is in tests/laws/test_reader_laws.py."""

import json

import pytest

from noiseproof.errors import DataError, RunError
from noiseproof.store import RunFolder, read_run
from noiseproof.store.exchange.published import read_published
from noiseproof.store.manifest import Manifest, read_manifest, write_manifest
from noiseproof.store.settings import read_toml
from noiseproof.store.verify import VerificationError, verify


@pytest.fixture(autouse=True, params=[None, 2, 3], ids=["in order", "two shares", "three shares"])
def _in_order_and_in_shares(request, in_shares):
    if request.param:
        in_shares(request.param)


@pytest.mark.parametrize("name", ["manifest.json", "journal.jsonl"])
def test_brackets_too_deep(finished_run, manifest, rechain, name):
    if name == "manifest.json":
        (finished_run / name).write_text("[" * 100_000)
        with pytest.raises(RunError, match="is damaged: not a manifest"):
            read_manifest(finished_run)
    else:
        rechain(finished_run, [], manifest.meaning_hash)
        from noiseproof.store.journal import _chain

        body = b'{"is":' + b"[" * 100_000
        raw = body + b',"hash":"' + _chain(manifest.meaning_hash.encode(), body) + b'"}\n'
        (finished_run / name).write_bytes(raw)
        with pytest.raises(RunError, match="line 1: not JSON"):
            read_run(finished_run)


@pytest.mark.parametrize("text", ["a = " + "[" * 10_000, "a = " + "9" * 5000])
def test_settings_too_deep_or_too_long(tmp_path, text):
    (tmp_path / "s.toml").write_text(text)
    with pytest.raises(RunError, match="is not TOML"):
        read_toml(tmp_path / "s.toml")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("index", None), ("index", "0"), ("index", 1 << 63), ("label", "0"), ("key", 5), ("seconds", "1"),
        ("outcome", {"type": "certificate", "prediction": "x", "radius": 0.1, "p_lower": 0.9, "p_upper": 0.1}),
        ("outcome", {"type": "certificate", "prediction": 1, "radius": [1], "p_lower": 0.9, "p_upper": 0.1}),
    ],
)  # fmt: skip
def test_a_record_of_the_wrong_kinds(finished_run, manifest, entries, rechain, field, value):
    """They were read, and failed where they were sorted, compared or added: with a traceback."""
    lines = entries(finished_run)
    next(line for line in lines if line["is"] == "record")[field] = value
    rechain(finished_run, lines, manifest.meaning_hash)
    with pytest.raises(RunError):
        _ = read_run(finished_run).records
    with pytest.raises(RunError):
        verify(finished_run)


@pytest.mark.parametrize("votes", [["1", "2", "3"], "123", [1.0, 2.0, 0.0], [True, False, True]])
def test_votes_are_counts(finished_run, manifest, entries, rechain, votes):
    lines = entries(finished_run)
    next(line for line in lines if line["is"] == "range")["votes"] = votes
    rechain(finished_run, lines, manifest.meaning_hash)
    with pytest.raises(RunError, match="a 'range' line is malformed"):
        read_run(finished_run)


def test_counts_beyond_64_bits(finished_run, manifest, entries, rechain):
    lines = entries(finished_run)
    drawn = next(line for line in lines if line["is"] == "range")
    drawn["n"], drawn["votes"] = 10**30, [10**29, 0, 0]
    rechain(finished_run, lines, manifest.meaning_hash)
    with pytest.raises(VerificationError):
        verify(finished_run)


def test_a_journal_without_a_session_can_be_resumed(finished_run, manifest, entries, rechain):
    lines = [line for line in entries(finished_run) if line["is"] != "session"]
    rechain(finished_run, lines, manifest.meaning_hash)
    with RunFolder(finished_run, manifest) as folder:
        folder.begin({"device": "cpu"}, {})
        assert folder.state.open == {}  # of an unknown environment: it starts over


@pytest.mark.parametrize(
    ("room", "change"),
    [
        ("noise", {"dimension": "4"}), ("noise", {"sigma": 1e400}), ("noise", {"family": []}),
        ("procedure", {"n": None}), ("procedure", {"name": "decide"}), ("procedure", {"alpha": []}),
    ],
)  # fmt: skip
def test_a_meaning_somebody_wrote_by_hand(tmp_path, finished_run, entries, rechain, manifest, room, change):
    meaning = json.loads(json.dumps(manifest.meaning))
    meaning[room] |= {name: value if value != float("inf") else 1e308 for name, value in change.items()}
    changed = Manifest("certify", meaning, "0")
    write_manifest(finished_run, changed)
    rechain(finished_run, entries(finished_run), changed.meaning_hash)
    with pytest.raises(VerificationError):
        verify(finished_run)


def test_boundaries_nobody_can_wait_for(finished_run, entries, rechain, manifest):
    meaning = manifest.meaning | {"procedure": {"name": "decide", "radius": 0.25, "n_max": 10**9}}
    changed = Manifest("decide", meaning, "0")
    write_manifest(finished_run, changed)
    rechain(finished_run, entries(finished_run), changed.meaning_hash)
    with pytest.raises(VerificationError, match="n_max must be <= 2000000, got 1000000000"):
        verify(finished_run)


@pytest.mark.parametrize("kind", [5, None, ["certify"]])
def test_a_kind_that_is_no_text(finished_run, kind):
    stored = json.loads((finished_run / "manifest.json").read_text())
    (finished_run / "manifest.json").write_text(json.dumps(stored | {"kind": kind}))
    with pytest.raises(RunError, match="is damaged: not a manifest"):
        read_manifest(finished_run)


@pytest.mark.parametrize("row", [f"{1 << 63}\t0\t0\t0.1\t1\t1.0", f"0\t0\t0\t0.1\t1\t{'9' * 400} days, 0:00:01"])
def test_a_published_row_with_numbers_too_large(tmp_path, row):
    (tmp_path / "x.tsv").write_text(f"idx\tlabel\tpredict\tradius\tcorrect\ttime\n{row}\n")
    with pytest.raises(DataError, match="line 2: not a row of"):
        read_published(tmp_path / "x.tsv")
