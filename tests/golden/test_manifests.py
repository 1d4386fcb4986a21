"""Every line that makes a run folder gives it the meaning, and so the hash, that it has always given it."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from noiseproof.cli.main import run
from noiseproof.store.manifest import FORMAT, Manifest

HERE = Path(__file__).parent


def stored(name: str) -> dict[str, Any]:
    """What the version that this one must agree with wrote."""
    return json.loads((HERE / "manifests" / f"{name}.json").read_text(encoding="utf-8"))


def test_there_is_a_manifest_for_each_case_and_no_other(cases):
    assert {path.stem for path in (HERE / "manifests").iterdir()} == set(cases)


def test_every_kind_of_run_folder_has_a_case(cases):
    kinds = {stored(name)["kind"] for name in cases}
    assert kinds == {"certify", "decide", "predict", "train", "attack", "falsify", "import", "baselines"}


@pytest.mark.parametrize("name", sorted(path.stem for path in (HERE / "manifests").glob("*.json")))
def test_the_meaning_is_what_it_was(name, cases, workplace):
    case, wanted = cases[name], stored(name)
    for before in [*case.after, name]:
        need(cases[before])
    found = json.loads((workplace / case.out / "manifest.json").read_text())
    assert (found["kind"], found["format"]) == (wanted["kind"], FORMAT)
    for where in case.chance:
        take_over(found["meaning"], wanted["meaning"], where.split("."))
    assert found["meaning"] == wanted["meaning"]
    assert Manifest(found["kind"], found["meaning"], "").meaning_hash == wanted["meaning_hash"]
    assert case.chance or found["meaning_hash"] == wanted["meaning_hash"]


@pytest.mark.parametrize("name", ["certify-all-settings", "curve", "decide-budget", "predict-sequential", "consensus"])
def test_the_settings_that_a_run_keeps_mean_the_same(name, cases, workplace):
    need(cases[name])
    kind, again = stored(name)["kind"], f"runs/{name}-again"
    assert run([kind, "--config", f"runs/{name}/settings.toml", "--out", again]) == 0
    assert json.loads((workplace / again / "manifest.json").read_text())["meaning_hash"] == stored(name)["meaning_hash"]


def need(case: Any) -> None:
    """Make a case's run folder, unless an earlier test has."""
    for package in case.needs:
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    if not case.out.exists():
        assert run(case.words) == 0, " ".join(case.words)


def take_over(found: dict[str, Any], wanted: dict[str, Any], where: list[str]) -> None:
    """One value of what was stored, where something of its kind was found."""
    *above, last = where
    for name in above:
        found, wanted = found[name], wanted[name]
    assert type(found[last]) is type(wanted[last])
    found[last] = wanted[last]
