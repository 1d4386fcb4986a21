"""A journal that several processes verify: what one alone finds, and never more than holds."""

from __future__ import annotations

import json
import subprocess
from contextlib import suppress
from dataclasses import replace
from importlib import import_module

import pytest

from noiseproof.noises import NOISES, Gaussian
from noiseproof.store import (
    Range,
    RunFolder,
    Verification,
    VerificationError,
    read_manifest,
    read_run,
    shares,
    verify,
)
from noiseproof.store import index as indexed
from noiseproof.store.journal import Journal

WHOLE = Verification(records=3, draws=630, void=8, unfinished=1)


@pytest.fixture
def large(monkeypatch):
    """Every journal is worth three processes."""
    monkeypatch.setattr(shares, "ENOUGH", 100)
    monkeypatch.setattr(shares, "_cores", lambda: 3)


@pytest.fixture
def alone(monkeypatch):
    """Fails where a run is read in order."""

    def read(*_):
        raise AssertionError("it was read in order")

    monkeypatch.setattr(import_module("noiseproof.store.verify"), "_verified_in_order", read)


@pytest.mark.usefixtures("large", "alone")
def test_processes_find_what_one_finds(finished_run):
    assert verify(finished_run) == WHOLE


@pytest.mark.usefixtures("large", "alone")
def test_there_are_no_more_of_them_than_helps(finished_run, monkeypatch):
    begun, real = [], subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda *of, **given: begun.append(of) or real(*of, **given))
    monkeypatch.setattr(shares, "_cores", lambda: 500)
    monkeypatch.setattr(shares, "MOST", 2)
    assert verify(finished_run) == WHOLE
    assert len(begun) == 1, "this process is the other"


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("of", [2, 3, 5])
def test_it_is_the_same_for_any_number(finished_run, monkeypatch, manifest, in_shares, of):
    monkeypatch.setattr(indexed, "LEAST", 1)
    with RunFolder(finished_run, manifest):
        pass
    assert (finished_run / indexed.INDEX).exists()
    in_shares(of)
    assert verify(finished_run) == WHOLE


@pytest.mark.usefixtures("large")
def test_what_does_not_hold_is_found_and_named_as_by_one(finished_run, entries, rechain, manifest):
    lines = entries(finished_run)
    for index in (1, 2):
        next(each for each in lines if each.get("index") == index)["outcome"]["radius"] = 9.0
    rechain(finished_run, lines, manifest.meaning_hash)
    with pytest.raises(VerificationError, match=r"^input 1 \(key b-0\) does not hold"):
        verify(finished_run)


@pytest.mark.usefixtures("large")
@pytest.mark.parametrize("fault", ["cannot start", "fails", "says nothing"])
def test_where_a_process_cannot_help_one_is_enough(finished_run, monkeypatch, fault):
    def begin(line, **given):
        if fault == "cannot start":
            raise OSError("no more processes")
        return real([line[0], "-c", "raise SystemExit(3)" if fault == "fails" else ""], **given)

    real = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", begin)
    assert verify(finished_run) == WHOLE


@pytest.mark.usefixtures("large")
def test_a_noise_that_only_this_process_knows(make_run, monkeypatch):
    class Mine(Gaussian):
        family = "mine"

    monkeypatch.setattr(NOISES, "_known", dict(NOISES._known))
    NOISES.register(Mine)
    run = make_run("run", (0.9, 0.8))
    manifest = read_manifest(run)
    with RunFolder(
        run.with_name("mine"),
        replace(manifest, meaning=manifest.meaning | {"noise": manifest.meaning["noise"] | {"family": "mine"}}),
    ) as folder:
        folder.begin({}, {})
        for record in read_run(run).records:
            drawn: dict[str, int] = {}
            for answer in record.answers:
                first = drawn.get(answer.stage, 0)
                folder.add_range(record.key, answer.stage, Range(first, answer.n, answer.votes, 0.1))
                drawn[answer.stage] = first + answer.n
            folder.add_record(record.key, record.index, record.label, list(record.requests), record.outcome)
    assert verify(run.with_name("mine")).records == 2


def test_an_index_of_two_inputs_in_two_shares(finished_run, entries, rechain, manifest, in_shares):
    """No share sees both."""
    lines = entries(finished_run)
    next(each for each in lines if each.get("index") == 2)["index"] = 0
    rechain(finished_run, lines, manifest.meaning_hash)
    for of in (2, 3, 5, 7):
        told = in_shares(of)
        with pytest.raises(VerificationError, match="input 0 has two records"):
            verify(finished_run)
        assert told == [False]


def write(run, texts):
    """A journal of these lines, its chain made anew."""
    (run / "journal.jsonl").unlink()
    journal = Journal(run / "journal.jsonl", read_manifest(run).meaning_hash)
    for text in texts:
        journal.append(text)
    journal.close()


def texts(entries):
    return [json.dumps(each, separators=(",", ":")).encode() for each in entries]


@pytest.mark.usefixtures("alone")
def test_lines_in_another_form_are_read_too(finished_run, in_shares, entries):
    """As a hand or another program may write them: members in another order, spaces."""
    write(finished_run, [json.dumps(dict(reversed(each.items()))).encode() for each in entries(finished_run)])
    for of in (2, 3, 5):
        in_shares(of)
        assert verify(finished_run) == WHOLE


@pytest.mark.parametrize("trick", ["another key", "another kind", "an escaped key"])
def test_a_line_that_looks_like_another_is_left_to_one_process(finished_run, in_shares, entries, trick):
    """The attack: a member that is there twice, of which a reader takes the second and a glance the first."""
    found = texts(entries(finished_run))
    at = next(i for i, text in enumerate(found) if b'"is":"record"' in text)
    if trick == "another key":
        found[at] = found[at].replace(b'"key":"a-0"', b'"key":"b-7","key":"a-0"')
    elif trick == "another kind":
        # NaN, which the quick decoder does not know, comes before it could see the second kind
        found[at] = found[at].replace(b'{"is":"record"', b'{"is":"range","key":"a-0","other":NaN,"is":"record"')
    else:
        found[at] = found[at].replace(b'"key":"a-0"', rb'"key":"\u0061-0"')
    assert found != texts(entries(finished_run))
    write(finished_run, found)
    for of in (2, 3, 5):
        told = in_shares(of)
        with suppress(VerificationError):
            verify(finished_run)
        assert told == [False]
