"""Merging shards: the whole run again, in whatever order they are named, and never two truths about one input."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from noiseproof.errors import RunError
from noiseproof.store import RunFolder, read_run, verify
from noiseproof.store.journal import Journal, read_journal
from noiseproof.store.lock import FolderLock
from noiseproof.store.merge import _selection, merge
from noiseproof.types import ABSTAIN, Certificate

RIGHT = (0.99, 0.4, 0.9)
"""Share of the votes for the top class of input i, by i mod 3: certified, abstained, certified."""


@pytest.fixture
def shard(tmp_path, manifest, environment, serve):
    """Makes a run folder of these inputs; input i has the key ki-0 unless ``keys`` says otherwise."""

    def make(name, indices, *, place=tmp_path, keys=None, right=None, under_way=(), asked=None, **changes):
        with RunFolder(place / name, manifest) as folder:
            folder.begin(environment | changes, asked or {"sigma": 0.5, "every": 1, "start": 0})
            for i in [*indices, *under_way]:
                serve(
                    folder,
                    (keys or {}).get(i, f"k{i}-0"),
                    i,
                    top=0,
                    right=right or RIGHT[i % 3],
                    stop_after=3 if i in under_way else 99,
                )
        return place / name

    return make


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "lock"}


def test_the_parts_become_the_whole(shard, tmp_path):
    parts = [shard("b", [1, 3, 5]), shard("a", [0, 2, 4])]
    merged = merge(parts, out=tmp_path / "all")
    assert merged.run == read_run(tmp_path / "all")
    assert merged.run.records == read_run(shard("whole", range(6))).records
    assert (merged.unfinished, merged.same_picture) == ((), ())
    assert verify(tmp_path / "all").records == 6
    assert not list(tmp_path.glob(".*"))


def test_any_parts_in_any_order(shard, monkeypatch):
    """Inputs are dealt to four shards, some to several; merging is the same in any order, and in two steps."""

    monkeypatch.setattr("os.fsync", lambda file: None)  # no power fails here
    dealt = st.lists(st.sets(st.integers(0, 3), min_size=1), min_size=1, max_size=6)

    @settings(max_examples=12, deadline=None, derandomize=True, phases=(Phase.generate,))
    @given(homes=dealt, order=st.permutations("abcd"))
    def holds(homes, order):
        with tempfile.TemporaryDirectory() as made:
            place = Path(made)
            for number, name in enumerate("abcd"):
                shard(name, [i for i, home in enumerate(homes) if number in home], place=place, device=name)
            whole = read_run(shard("whole", range(len(homes)), place=place)).records
            first = merge([place / name for name in "abcd"], out=place / "first").run
            merge([place / name for name in order], out=place / "second")
            assert files(place / "first") == files(place / "second")
            assert first.records == whole
            assert verify(place / "first").records == len(homes)
            two = [place / name for name in order[:2]]
            if any(read_run(path).records for path in two):
                two = [merge(two, out=place / "two").run.path]
            assert merge([*(place / name for name in order[2:]), *two], out=place / "third").run.records == whole

    holds()


def test_every_line_stays_behind_the_session_that_drew_it(shard, environment, manifest, serve, tmp_path, entries):
    parts = [shard("a", [0, 3], device="abacus"), shard("b", [1, 2], device="quipu")]
    with RunFolder(parts[0], manifest) as folder:
        folder.begin(environment | {"device": "slide rule"}, {"sigma": 0.5})
        serve(folder, "k4-0", 4, top=0, right=0.9)
    merge(parts, out=tmp_path / "all")
    drawn_on, device = {}, None
    for entry in entries(tmp_path / "all"):
        device = entry.get("device", device)
        if entry["is"] != "session":
            drawn_on.setdefault(entry["key"], set()).add(device)
    assert drawn_on == {
        "k0-0": {"abacus"}, "k1-0": {"quipu"}, "k2-0": {"quipu"}, "k3-0": {"abacus"}, "k4-0": {"slide rule"}
    }  # fmt: skip
    assert len(read_run(tmp_path / "all").state.sessions) == 3


def test_the_merged_run_is_extended(shard, tmp_path, manifest, environment, serve):
    merge([shard("a", [0]), shard("b", [1])], out=tmp_path / "all")
    with RunFolder(tmp_path / "all", manifest) as folder:
        folder.begin(environment, {})
        serve(folder, "k2-0", 2, top=0, right=0.9)
    assert [record.index for record in read_run(tmp_path / "all").records] == [0, 1, 2]
    assert verify(tmp_path / "all").records == 3


def test_inputs_under_way_are_left_out_and_counted(shard, tmp_path):
    parts = [shard("a", [0, 2], under_way=[4, 6]), shard("b", [1], under_way=[3]), shard("c", [3])]
    merged = merge(parts, out=tmp_path / "all")
    assert [record.index for record in merged.run.records] == [0, 1, 2, 3]
    assert merged.run.state.open == {}
    assert merged.unfinished == ((parts[0], 2),)  # input 3 is finished elsewhere


def test_what_was_begun_again_comes_along(shard, tmp_path, manifest, environment, serve, entries):
    part = shard("a", [0], under_way=[2])
    with RunFolder(part, manifest) as folder:
        folder.begin(environment | {"device": "abacus"}, {})
        serve(folder, "k2-0", 2, top=0, right=0.9)
    merge([part, shard("b", [1])], out=tmp_path / "all")
    assert {"is": "restart", "key": "k2-0"} in entries(tmp_path / "all")
    assert verify(tmp_path / "all").records == 3


def test_the_same_input_in_two_shards_is_taken_once(shard, tmp_path):
    merged = merge([shard("a", [0, 1]), shard("b", [1, 2], device="abacus")], out=tmp_path / "all")
    assert merged.run.records == read_run(shard("whole", range(3))).records
    a_copy = merge([tmp_path / "a", shard("copy", [0, 1])], out=tmp_path / "once")
    assert files(tmp_path / "once")["journal.jsonl"] == files(tmp_path / "a")["journal.jsonl"]
    assert len(a_copy.run.state.sessions) == 1  # the other drew nothing of what is there


@pytest.mark.parametrize("changes", [{"right": 0.98}, {"keys": {1: "k1-1"}}])
def test_the_same_input_with_other_counts_or_noise_is_refused(shard, tmp_path, changes):
    parts = [shard("a", [0, 1]), shard("b", [1, 2], **changes)]
    text = rf"input 1 has other draws or another outcome in {parts[1]} than in {parts[0]}; .* leave one of the two out"
    for order in (parts, parts[::-1]):
        with pytest.raises(RunError, match=text):
            merge(order, out=tmp_path / "all")
    assert not (tmp_path / "all").exists()


def test_of_a_picture_that_two_shards_have_the_first_is_kept(shard, tmp_path):
    """A shard gives a picture the first occurrence number: it does not know that another has the same picture."""
    keys = {1: "k-0", 4: "k-0", 7: "k-1"}
    parts = [shard("a", [0, 4], keys=keys, right=0.9), shard("b", [1, 7], keys=keys, right=0.9)]
    for number, order in enumerate((parts, parts[::-1])):
        merged = merge(order, out=tmp_path / f"all-{number}")
        assert [(record.index, record.key) for record in merged.run.records] == [(0, "k0-0"), (1, "k-0"), (7, "k-1")]
        assert merged.same_picture == ((4, 1),)
        assert verify(merged.run.path).records == 3


def test_one_picture_on_one_noise_with_other_votes_is_refused(shard, tmp_path):
    keys = {1: "k-0", 4: "k-0"}
    parts = [shard("a", [0, 4], keys=keys, right=0.9), shard("b", [1], keys=keys, right=0.8)]
    text = rf"inputs 1 and 4 are the same picture .* \(key k-0\), but voted differently in {parts[1]} and {parts[0]}; "
    with pytest.raises(RunError, match=text):
        merge(parts, out=tmp_path / "all")


def test_runs_of_another_meaning_are_refused(shard, tmp_path, manifest):
    part = shard("a", [0])
    other = {
        "sigma": replace(manifest, meaning=manifest.meaning | {"noise": manifest.meaning["noise"] | {"sigma": 0.25}}),
        "seed": replace(manifest, meaning=manifest.meaning | {"seed": 3}),
        "budget": replace(manifest, meaning=manifest.meaning | {"budget": {"draws": 9, "inputs": "x"}}),
        "kind": replace(manifest, kind="predict"),
        "long": replace(manifest, meaning=manifest.meaning | {"design": ["x" * 999]}),
    }
    texts = {
        "sigma": r"noise\.sigma is 0\.5, not 0\.25",
        "seed": "seed is 0, not 3",
        "budget": r"budget is None, not \{'draws': 9, 'inputs': 'x'\}; .* a run with --budget has none",
        "kind": "verb is 'certify', not 'predict'",
        "long": r"design is None, not \['x{150,200}\.\.\.; parts differ",
    }
    for name, meaning in other.items():
        with RunFolder(tmp_path / name, meaning):
            pass
        with pytest.raises(RunError, match=f"{part} and {tmp_path / name} are not parts of one run: {texts[name]}"):
            merge([tmp_path / name, part], out=tmp_path / "all")


def test_a_changed_journal_is_refused(shard, tmp_path):
    parts = [shard("a", [0]), shard("b", [1])]
    journal = parts[1] / "journal.jsonl"
    journal.write_bytes(journal.read_bytes().replace(b'"n":3,', b'"n":4,', 1))
    with pytest.raises(RunError, match="line 2: the hash does not follow"):
        merge(parts, out=tmp_path / "all")
    assert not (tmp_path / "all").exists()


def test_nothing_is_merged_where_nothing_is_finished(shard, tmp_path):
    with pytest.raises(RunError, match="have no finished input, so there is nothing to merge yet"):
        merge([shard("a", [], under_way=[0]), shard("b", [])], out=tmp_path / "all")
    assert not (tmp_path / "all").exists()


def test_the_folders_must_be_different(shard, tmp_path):
    part = shard("a", [0])
    with pytest.raises(ValueError, match="merge takes two runs or more, got 1"):
        merge([part], out=tmp_path / "all")
    (tmp_path / "link").symlink_to(part)
    with pytest.raises(ValueError, match=r"runs must be different folders, got .*link twice"):
        merge([part, tmp_path / "link"], out=tmp_path / "all")
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(RunError, match=r"cannot read .*loop"):
        merge([part, tmp_path / "loop"], out=tmp_path / "all")
    with pytest.raises(ValueError, match=r"out must be a folder of its own, got .*a, which is merged"):
        merge([shard("b", [1]), part], out=tmp_path / "b" / ".." / "a")


def test_skipped_inputs_come_along(shard, tmp_path, manifest):
    parts = [shard("a", [0]), shard("b", [1])]
    with RunFolder(parts[1], manifest) as folder:
        folder.add_skipped(3, 2, "picture-3.png is cut off", Certificate(ABSTAIN, 0.0, 0.0, 1.0))
    merged = merge(parts, out=tmp_path / "all").run
    assert [(record.index, record.skipped) for record in merged.records] == [
        (0, None),
        (1, None),
        (3, "picture-3.png is cut off"),
    ]
    assert verify(tmp_path / "all").skipped == 1


def test_a_folder_that_is_as_good_as_new_is_taken(shard, tmp_path):
    parts = [shard("a", [0]), shard("b", [1])]
    for number, left in enumerate([[], ["lock"], ["lock", "manifest.json.part"]]):
        out = tmp_path / "deep" / f"all-{number}"
        out.mkdir(parents=True)
        for name in left:
            (out / name).write_text("1\n")
        assert len(merge(parts, out=out).run.records) == 2
        assert {path.name for path in out.iterdir()} == {"manifest.json", "journal.jsonl", "settings.toml", "lock"}


def test_a_folder_in_use_is_refused(shard, tmp_path):
    parts, out = [shard("a", [0]), shard("b", [1])], tmp_path / "all"
    for used in (out, tmp_path / ".all.merging"):
        used.mkdir()
        with FolderLock(used), pytest.raises(RunError, match=f"run folder {used} is in use by another process"):
            merge(parts, out=out)
        assert not (out / "journal.jsonl").exists()
    assert len(merge(parts, out=out).run.records) == 2


@pytest.mark.parametrize("name", ["all", ".all.merging"])
def test_a_folder_with_foreign_files_is_refused_and_left_alone(shard, tmp_path, name):
    parts = [shard("a", [0]), shard("b", [1])]
    (tmp_path / name).mkdir()
    (tmp_path / name / "thesis.tex").write_text("...")
    with pytest.raises(RunError, match=f"{name} .*holds other files.* choose another --out"):
        merge(parts, out=tmp_path / "all")
    assert [path.name for path in (tmp_path / name).iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize("out", ["file", "file/all", "taken"])
def test_an_unwritable_folder_is_one_line(shard, tmp_path, out):
    (tmp_path / "file").write_text("")
    (tmp_path / ".taken.merging" / "journal.jsonl").mkdir(parents=True)
    with pytest.raises(RunError, match=r"cannot make the folder .*; choose another --out") as raised:
        merge([shard("a", [0]), shard("b", [1])], out=tmp_path / out)
    assert "\n" not in str(raised.value)


def test_the_same_call_again_does_nothing(shard, tmp_path, manifest, environment, serve):
    parts, out = [shard("a", [0]), shard("b", [1])], tmp_path / "all"
    merge(parts, out=out)
    with RunFolder(out, manifest) as folder:  # it may have grown since
        folder.begin(environment, {})
        serve(folder, "k4-0", 4, top=0, right=0.9)
    before = files(out)
    assert [record.index for record in merge(parts[::-1], out=out).run.records] == [0, 1, 4]
    assert files(out) == before
    shard("b", [3, 2])
    with pytest.raises(RunError, match=r"lacks 2 of these inputs \(input 2 is one\); choose another --out"):
        merge(parts, out=out)
    with RunFolder(tmp_path / "other", replace(manifest, meaning=manifest.meaning | {"seed": 3})):
        pass
    with pytest.raises(RunError, match=r"other has another meaning: seed is 3, not 0; .*choose another --out"):
        merge(parts, out=tmp_path / "other")
    assert files(out) == before


KILLED = """
import os, sys
from noiseproof.store import journal
from noiseproof.store.merge import merge

write, written = journal.Journal._write, []

def kill(self, lines, last):
    write(self, lines, last)
    written.extend(lines)
    if len(written) == int(sys.argv[1]):
        os._exit(9)

journal._AT_ONCE = 0
journal.Journal._write = kill
merge(sys.argv[2:4], out=sys.argv[4])
"""


@pytest.mark.parametrize("lines", [1, 12])
def test_after_a_kill_the_same_call_makes_the_whole(shard, tmp_path, lines):
    parts, out = [shard("a", [0]), shard("b", [1])], tmp_path / "all"
    words = [str(lines), *map(str, parts), str(out)]
    assert subprocess.run([sys.executable, "-c", KILLED, *words], check=False).returncode == 9
    assert not out.exists()
    assert len((tmp_path / ".all.merging" / "journal.jsonl").read_text().splitlines()) == lines
    merge(parts, out=out)
    assert not (tmp_path / ".all.merging").exists()
    merge(parts, out=tmp_path / "calm")
    assert files(out) == files(tmp_path / "calm")


def test_an_error_leaves_nothing(shard, tmp_path, monkeypatch):
    parts = [shard("a", [0]), shard("b", [1])]
    write, counted = Journal._write, itertools.count()

    def full(self, lines, last):
        if next(counted) == 5:
            raise RunError("the disk is full")
        write(self, lines, last)

    monkeypatch.setattr("noiseproof.store.journal._AT_ONCE", 0)
    monkeypatch.setattr(Journal, "_write", full)
    with pytest.raises(RunError, match="the disk is full"):
        merge(parts, out=tmp_path / "all")
    assert {path.name for path in tmp_path.iterdir()} == {"a", "b"}


def test_a_run_that_changes_meanwhile_is_noticed(shard, tmp_path, monkeypatch):
    parts = [shard("a", [0]), shard("b", [1])]
    monkeypatch.setattr("noiseproof.store.merge.read_journal", lambda *of: itertools.islice(read_journal(*of), 2))
    with pytest.raises(RunError, match=r"a run changed while it was merged into .*all; run the same line again"):
        merge(parts, out=tmp_path / "all")
    assert not (tmp_path / "all").exists()


def test_a_number_that_json_has_not_is_one_line(shard, tmp_path, entries, rechain, manifest):
    parts = [shard("a", [0]), shard("b", [1])]
    lines = entries(parts[0])
    lines[1]["seconds"] = float("inf")
    rechain(parts[0], lines, manifest.meaning_hash)
    with pytest.raises(RunError, match="a run has a line that cannot be written again"):
        merge(parts, out=tmp_path / "all")


def test_settings_are_the_last_ones_and_select_all_parts(shard, tmp_path):
    base = {"model": "m.py:base", "sigma": 0.5, "every": 6, "start": 0, "limit": 3, "workers": 2}
    parts = [shard(f"p{i}", [i], asked=base | {"start": 1 + 2 * i, "workers": i}) for i in (2, 0, 1)]
    merge(parts, out=tmp_path / "all")
    assert (tmp_path / "all" / "settings.toml").read_text() == (
        'model = "m.py:base"\nsigma = 0.5\nevery = 2\nstart = 1\nlimit = 9\nworkers = 2\n'
    )
    merge([parts[0], shard("p3", [5], asked={"sigma": 0.5})], out=tmp_path / "unknown")
    assert (tmp_path / "unknown" / "settings.toml").read_text() == "sigma = 0.5\n"


@pytest.mark.parametrize(
    ("parts", "whole"),
    [
        ([(1, 0, None)], (1, 0, None)),
        ([(7, 3, None)], (7, 3, None)),
        ([(2, 0, None), (2, 1, None)], (1, 0, None)),
        ([(3, 2, None), (3, 1, None), (3, 0, None), (3, 0, None)], (1, 0, None)),
        ([(2, 0, None), (4, 1, None), (4, 3, None)], (1, 0, None)),
        ([(14, 3, 4), (14, 10, 3)], (7, 3, 7)),
        ([(1, 0, 100), (1, 100, 50)], (1, 0, 150)),
        ([(1, 0, 5), (1, 5, None)], (1, 0, None)),
        ([(1, 0, 2), (1, 0, 9)], (1, 0, 9)),
        ([(7, 3, 1)], (1, 3, 1)),
        ([(2, 0, 5), (2, 1, None)], (None,) * 3),  # one ends
        ([(4, 0, None), (4, 1, None)], (None,) * 3),  # two are missing
        ([(1, 0, 5), (1, 6, 5)], (None,) * 3),
        ([(997, 0, None), (1009, 1, None), (1013, 2, None)], (None,) * 3),
        ([(0, 0, None)], (None,) * 3),
        ([(1, "0", None)], (None,) * 3),
        ([(1 << 80, 0, 1 << 80)], (None,) * 3),
        ([], (None,) * 3),
    ],
)
def test_the_selection_of_all_parts(parts, whole):
    asked = [{"every": every, "start": start, "limit": limit} for every, start, limit in parts]
    assert tuple(_selection(asked).values()) == whole
    assert tuple(_selection(asked[::-1]).values()) == whole
    assert set(_selection([*asked, "no table"]).values()) == {None}


def test_the_manifest_is_that_of_the_parts(shard, tmp_path, manifest):
    merged = merge([shard("a", [0]), shard("b", [1])], out=tmp_path / "all").run
    assert merged.manifest.meaning_hash == manifest.meaning_hash
    assert json.loads((tmp_path / "all" / "manifest.json").read_text())["kind"] == "certify"
