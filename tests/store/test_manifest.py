"""The manifest: a meaning, the hash that pins it, and what is said when two differ."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from noiseproof.errors import RunError
from noiseproof.store.manifest import check_meaning, differences, read_manifest, write_manifest, write_text


def test_round_trip(tmp_path, manifest):
    write_manifest(tmp_path, manifest)
    assert read_manifest(tmp_path) == manifest
    assert [file.name for file in tmp_path.iterdir()] == ["manifest.json"]


def test_the_hash_is_of_kind_and_meaning_in_any_order_but_not_of_the_version(manifest):
    turned = replace(manifest, meaning=dict(reversed(manifest.meaning.items())), version="9")
    assert turned.meaning_hash == manifest.meaning_hash
    assert replace(manifest, kind="predict").meaning_hash != manifest.meaning_hash
    assert replace(manifest, meaning=manifest.meaning | {"seed": 1}).meaning_hash != manifest.meaning_hash


@pytest.mark.parametrize("change", [{"seed": 1}, {"procedure": {"name": "certify", "alpha": 0.05}}, {"more": None}])
def test_a_changed_meaning_is_found(tmp_path, manifest, change):
    write_manifest(tmp_path, manifest)
    stored = json.loads((tmp_path / "manifest.json").read_text())
    stored["meaning"] |= change
    (tmp_path / "manifest.json").write_text(json.dumps(stored))
    text = f"was changed: its meaning does not have the hash {manifest.meaning_hash[:12]}"
    with pytest.raises(RunError, match=text):
        read_manifest(tmp_path)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "3", "{}", '{"kind": "certify"}', "\udcff", '{"kind":1,"meaning":7,"version":1,"meaning_hash":""}'],
)
def test_a_damaged_manifest(tmp_path, text):
    (tmp_path / "manifest.json").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(RunError, match=r"manifest\.json is damaged: not a manifest"):
        read_manifest(tmp_path)


@pytest.mark.parametrize(("name", "value"), [("meaning_hash", None), ("meaning", {"seed": float("nan")})])
def test_a_damaged_field(tmp_path, manifest, name, value):
    write_manifest(tmp_path, manifest)
    stored = json.loads((tmp_path / "manifest.json").read_text()) | {name: value}
    (tmp_path / "manifest.json").write_text(json.dumps(stored))
    with pytest.raises(RunError, match=r"manifest\.json (is damaged|was changed)"):
        read_manifest(tmp_path)


def test_another_format_names_both(tmp_path, manifest):
    write_manifest(tmp_path, manifest)
    path = tmp_path / "manifest.json"
    path.write_text(path.read_text().replace('"format": 2', '"format": 3'))
    with pytest.raises(RunError, match="has format 3, this version reads 1 and 2; use the version that wrote it"):
        read_manifest(tmp_path)


def test_no_run_folder(tmp_path):
    (tmp_path / "file").write_text("")
    for path in (tmp_path, tmp_path / "none", tmp_path / "file"):
        with pytest.raises(RunError, match=r"is not a run folder: it has no manifest\.json"):
            read_manifest(path)


def test_every_difference_is_named_with_both_values(manifest):
    assert differences(manifest.meaning, manifest.meaning) == []
    other = json.loads(json.dumps(manifest.meaning))
    other["noise"]["sigma"] = 0.25
    other["procedure"]["alpha"] = 0.01
    other["new"] = 1
    del other["seed"]
    assert differences(manifest.meaning, other) == [
        "noise.sigma is 0.5, not 0.25",
        "procedure.alpha is 0.001, not 0.01",
        "seed is 0, not None",
        "new is None, not 1",
    ]


def test_another_meaning_or_kind_is_refused(tmp_path, manifest):
    check_meaning(tmp_path, manifest, replace(manifest, version="9"))
    with pytest.raises(RunError, match=r"has another meaning: seed is 0, not 7; give the old value, or choose another"):
        check_meaning(tmp_path, manifest, replace(manifest, meaning=manifest.meaning | {"seed": 7}))
    with pytest.raises(RunError, match="is the run folder of noiseproof certify, not of predict; choose another --out"):
        check_meaning(tmp_path, manifest, replace(manifest, kind="predict"))


def test_a_small_file_is_replaced_whole_or_not_at_all(tmp_path, monkeypatch):
    write_text(tmp_path / "f", "old")

    def fails(file):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fails)
    with pytest.raises(RunError, match=r"cannot write .*f: No space left on device; choose another --out"):
        write_text(tmp_path / "f", "new")
    assert (tmp_path / "f").read_text() == "old"
