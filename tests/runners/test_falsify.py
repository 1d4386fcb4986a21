"""The falsifier finds planted faults, cries no wolf, and keeps what it found."""

from __future__ import annotations

import importlib
import itertools
import json
import re
import secrets
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from torch import nn

from noiseproof.attacks import DDN, PGD, Neighbours, ScoreSearch
from noiseproof.data import DataSet
from noiseproof.errors import RunError, UnsupportedError
from noiseproof.store import read_run
from noiseproof.store.attacks import KIND_FALSIFY, read_attack
from noiseproof.store.folder import JOURNAL, JournalFolder
from noiseproof.store.journal import read_journal
from noiseproof.types import Prediction
from tests import asking

QUICK = (
    Neighbours(draws=16),
    DDN(steps=20, draws=16),
    PGD(steps=6, draws=16),
    PGD(steps=6, draws=16, fresh=True),
    ScoreSearch(steps=4, draws=64),
)
SIGMA = 0.5


@pytest.fixture(autouse=True)
def _seeds(monkeypatch):
    """The operating system's seeds, fixed: a random test is never rerun until it is green."""
    seeds = itertools.count()
    monkeypatch.setattr(secrets, "randbits", lambda bits: next(seeds))


class HalfSpace(nn.Module):
    """Class 1 where w.x > threshold; with or without a gradient."""

    def __init__(self, weights: torch.Tensor, threshold: float, *, hard: bool = False) -> None:
        super().__init__()
        self.register_buffer("weights", weights / weights.norm())
        self.threshold, self.hard = threshold, hard

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        margin = 8 * (x.flatten(1) @ self.weights.to(x.dtype) - self.threshold)
        scores = torch.stack([-margin, margin], dim=1)
        return scores.sign() if self.hard else scores


@pytest.fixture
def half_space(tmp_path):
    """A run on pictures at known distances from a half-space, on both sides of it."""

    def make(seed: int = 0, name: str = "half", *, hard: bool = False, flipped: bool = False, **changes: Any):
        generator = torch.Generator().manual_seed(seed)
        base = HalfSpace(torch.randn(16, generator=generator), 0.0, hard=hard).eval()
        pixels = np.random.default_rng(seed).integers(96, 160, (4, 1, 4, 4)).astype(np.uint8)
        at = (pixels.reshape(4, -1) / 255) @ base.weights.numpy()
        base.threshold = float(np.median(at) + 0.03)
        # the true distances are near to the boundary: spread them by moving pixels along the normal
        steps = np.array([-90, -40, 40, 90])[:, None] * np.sign(base.weights.numpy())
        pixels = (pixels.reshape(4, -1) + steps).clip(0, 255).astype(np.uint8).reshape(4, 1, 4, 4)
        at = (pixels.reshape(4, -1) / 255) @ base.weights.numpy()
        data = DataSet("half:test", ("a", "b"), (1, 4, 4), ((at > base.threshold) ^ flipped).astype(np.int64), pixels)
        settings = {"model": base, "data": data, "device": "cpu", "batch_size": 256, "workers": 1}
        certify = {"sigma": SIGMA, "n0": 50, "n": 1000, "num_classes": 2, "model_id": "half", "seed": seed}
        run = asking.certify(**settings, **(certify | changes), out=tmp_path / name)
        distances = dict(enumerate(np.abs(at - base.threshold)))
        return {"run": run.path, "distances": distances, **settings}

    return make


def falsified(made: dict[str, Any], **changes: Any) -> Any:
    settings = {name: value for name, value in made.items() if name not in ("run", "distances")}
    wanted = {"attacks": QUICK, "n": 300, "at": (0.5, 1.0, 2.0)} | changes
    return asking.falsify(made["run"], **settings, **wanted)


def inflated(run: Path, factor: float) -> Path:
    """The same run, every radius multiplied after the fact, with a journal in order: the chain does not tell."""
    read = read_run(run)
    out = run.with_name(f"{run.name}-inflated")
    folder = JournalFolder(out, read.manifest, called="a run folder")
    folder.open(lambda line: None)
    for line in read_journal(run / JOURNAL, read.manifest.meaning_hash):
        entry = json.loads(json.dumps(line.entry))
        entry.pop("hash", None)
        if entry["is"] == "record":
            entry["outcome"]["radius"] *= factor
        folder.append(entry)
    folder.close()
    return out


@pytest.mark.parametrize("seed", range(20))
def test_no_false_alarm_on_honest_runs(half_space, seed):
    made = half_space(seed)
    found = falsified(made, attacks=(QUICK[0], QUICK[1], QUICK[2]), at=(1.0,))
    assert len({point.key for point in found.points if point.radius > 0}) >= 2
    assert found.contradiction == ""
    radii = np.linspace(0, 1, 20)
    assert (found.sandwich.lower(radii) <= found.sandwich.upper(radii)).all()
    for point in found.points:
        assert point.distance >= made["distances"][point.index] or not point.broken, "the truth"


@pytest.mark.parametrize("attack", [DDN(draws=64), PGD(), PGD(fresh=True), ScoreSearch()], ids=lambda each: each.label)
def test_each_attack_alone_finds_radii_that_are_too_large(half_space, attack):
    made = half_space()
    honest = falsified(made, attacks=(attack,), at=(0.9, 1.0), n=1000, out=made["run"].parent / "honest")
    assert honest.contradiction == ""
    made["run"] = inflated(made["run"], 1.5)
    found = falsified(made, attacks=(attack,), at=(0.9, 1.0), n=1000)
    certified = [record for record in read_run(made["run"]).records if not record.outcome.abstained]
    assert len({point.key for point in found.points if point.contradicts}) >= len(certified) - 1
    assert found.contradiction.startswith("CONTRADICTION: ")


def test_a_contradiction_is_written_with_its_input_perturbation_keys_and_counts(half_space, tmp_path):
    made = half_space()
    made["run"] = inflated(made["run"], 1.5)
    found = falsified(made, attacks=(DDN(draws=64),), out=tmp_path / "f")
    wrong = [point for point in found.points if point.contradicts]
    assert wrong
    by_key = {record.key: record for record in read_run(made["run"]).records}
    for point in wrong:
        assert point.again is not None
        assert (point.again.n, point.again.seed != point.seed) == (3000, True)
        place = tmp_path / "f" / "contradictions" / f"{point.index}-ddn-x2.0"
        said = json.loads(Path(f"{place}.json").read_text())
        arrays = np.load(f"{place}.npz")
        assert said["input"]["key"] == point.key
        assert [tuple(part["votes"]) for part in said["certified"]["counts"]] == [
            answer.votes for answer in by_key[point.key].answers
        ]
        assert said["found"]["counts"]["votes"] == list(point.votes)
        np.testing.assert_array_equal(arrays["input"], made["data"].pixels(point.index) / 255)
        assert np.linalg.norm(arrays["perturbation"]) == pytest.approx(point.distance)
        assert point.distance <= point.radius
    text = (tmp_path / "f" / "report.txt").read_text()
    assert found.contradiction in text
    assert found.contradiction in (tmp_path / "f" / "report.md").read_text()
    assert len(json.loads((tmp_path / "f" / "report.json").read_text())["contradictions"]) == len(wrong)


def test_a_break_within_the_radius_that_is_not_confirmed_counts_for_nothing(half_space, monkeypatch):
    """The first judgement was unlucky: the second, on ten times the draws, takes it back."""
    judge = importlib.import_module("noiseproof.attacks.judge")
    made = half_space()
    predicted = judge._predicted

    def unlucky(backend, noise, procedure, points, seed):
        said = predicted(backend, noise, procedure, points, seed)
        if procedure.n != 300:
            return said
        return [
            judge.Judged(Prediction(1 - int(np.argmax(one.votes)), 1e-9), one.votes[::-1], seed, one.arithmetic)
            for one in said
        ]

    monkeypatch.setattr(judge, "_predicted", unlucky)
    found = falsified(made, attacks=(QUICK[2],), at=(0.5,))
    assert found.points
    assert all(point.again is not None and point.again.n == 3000 for point in found.points if point.radius > 0)
    assert found.contradiction == ""


def test_the_attacks_without_gradients_do_for_a_classifier_that_has_none(half_space):
    made = half_space(hard=True)
    found = falsified(made, attacks=(*QUICK[:4], ScoreSearch()), at=(1.0, 3.0), n=1000)
    assert {point.attack for point in found.points} == {"neighbours", "score"}
    assert "The base classifier has no gradients: ddn, pgd, pgd-fresh left out." in found.text
    far = [point for point in found.points if point.multiple == 3 and point.radius > 0]
    assert far
    assert all(point.broken for point in far)
    assert found.contradiction == ""


def test_pgd_alone_says_so(half_space):
    made = half_space(hard=True)
    settings = {name: value for name, value in made.items() if name not in ("run", "distances")}
    with pytest.raises(UnsupportedError, match="has no gradients for PGD; noiseproof falsify also searches"):
        asking.attack(made["run"], out=made["run"].parent / "a", **settings)
    assert not (made["run"].parent / "a" / "manifest.json").exists()


def test_certified_inputs_by_every_attack_and_the_others_by_one(certified, data, model, tmp_path):
    run = certified("run")
    settings = {"model": model, "data": data, "device": "cpu", "batch_size": 64, "workers": 1}
    found = asking.falsify(run.path, **settings, attacks=QUICK, n=200, alpha=0.01, at=(0.5, 1.0, 4.0))
    by_input: dict[str, list[Any]] = {}
    for point in found.points:
        by_input.setdefault(point.key, []).append(point)
    assert sorted(by_input) == sorted(record.key for record in run.records)
    for record in run.records:
        points = by_input[record.key]
        if record.outcome.abstained:
            assert [point.attack for point in points] == ["ddn"]
            assert points[0].certified == record.label
            assert (points[0].radius, points[0].contradicts) == (0.0, False)
            continue
        assert {"neighbours", "ddn"} <= {point.attack for point in points}
        broken = min([point.distance for point in points if point.broken], default=np.inf)
        ddn = next(point for point in points if point.attack == "ddn")
        for name in ("pgd", "pgd-fresh", "score"):
            tried = [point.multiple for point in points if point.attack == name]
            allowed = [multiple for multiple in (0.5, 1.0, 4.0) if multiple * record.outcome.radius < broken]
            assert set(allowed) <= set(tried), "wherever it is not broken yet"
            if ddn.broken:
                assert all(multiple * record.outcome.radius < ddn.distance for multiple in tried)
        for point in points:
            most = max(record.outcome.radius, 0.5) if point.attack == "ddn" else record.outcome.radius
            assert point.distance <= point.multiple * most
    assert found.sandwich.m == len(run.records)
    near = {point.key for point in found.points if point.attack == "ddn" and 0 < point.distance < 4 * point.radius}
    assert near & {point.key for point in found.points if point.broken}, "some were passed over"


def test_an_input_that_nothing_is_certified_of_is_judged_as_it_is_too(half_space):
    """At sigma 1.5 sixty draws certify nothing so near to the boundary; 2000 tell that the label is wrong there."""
    made = half_space(seed=1, flipped=True, n0=10, n=60, sigma=1.5)
    found = falsified(made, attacks=(QUICK[1],), n=2000)
    uncertified = [point for point in found.points if point.radius == 0]
    assert [(point.distance, point.broken, point.arithmetic) for point in uncertified] == [
        (0.0, True, "exact integers, grid 255")
    ] * len(uncertified)
    assert 0 < len(uncertified) < 4
    assert found.sandwich.upper([0.0])[0] == 0, "the label is wrong everywhere"


def test_what_is_written_and_where(half_space):
    made = half_space()
    found = falsified(made, limit=2)
    out = made["run"].with_name("half-falsify")
    assert {path.name for path in found.files} == {
        "report.txt",
        "report.md",
        "report.json",
        "sandwich.png",
        "sandwich.pdf",
    }
    assert all(path.parent == out and path.stat().st_size for path in found.files)
    assert (out / "report.txt").read_text() == found.text + "\n"
    said = json.loads((out / "report.json").read_text())
    assert said["inputs"] == 2
    assert len(said["points"]) == len(found.points)
    assert said["contradictions"] == []
    assert found.text.endswith("No certificate was contradicted.")
    meaning = json.loads((out / "manifest.json").read_text())["meaning"]
    assert list(meaning["attacks"]) == ["neighbours", "ddn", "pgd", "pgd-fresh", "score"]
    assert meaning["attacks"]["ddn"] == DDN(steps=20, draws=16).config()
    arithmetic = {point.arithmetic for point in found.points}
    assert "float64 noise, then rounding, grid 255" in arithmetic


def test_it_resumes_extends_and_refuses_another_meaning(half_space, tmp_path):
    made = half_space()

    def stop(progress):
        if progress.done >= 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        falsified(made | {"batch_size": 16}, limit=2, at=(0.5, 1.0), out=tmp_path / "f", progress=stop)
    before = read_attack(tmp_path / "f", KIND_FALSIFY).points
    assert before
    after = falsified(made, limit=2, at=(0.5, 1.0), out=tmp_path / "f").points
    assert set(before) < set(after)
    again = falsified(made, limit=2, at=(0.5, 1.0), out=tmp_path / "f").points
    assert set(again) == set(after)
    more = falsified(made, limit=3, at=(0.5, 1.0, 1.5), out=tmp_path / "f").points
    assert set(after) < set(more)
    assert {point.index for point in more} > {point.index for point in after}
    fewer = falsified(made, limit=2, at=(0.5, 1.0), out=tmp_path / "f").points
    assert {point.index for point in fewer} == {point.index for point in after}, "a report is about what was asked"
    for change, text in (
        ({"attacks": QUICK[:2]}, "attacks"),
        ({"seed": 5}, "seed is 0, not 5"),
        ({"n": 400}, "judge.n is 300, not 400"),
    ):
        with pytest.raises(RunError, match=re.escape(text)):
            falsified(made, out=tmp_path / "f", **change)


def test_runs_of_decide_and_of_sequential_certify(half_space, tmp_path):
    made = half_space(seed=3)
    settings = {name: value for name, value in made.items() if name not in ("run", "distances")}
    asked = {"sigma": SIGMA, "num_classes": 2, "model_id": "half"}
    decided = asking.decide(**settings, **asked, radius=0.2, n_max=5000, out=tmp_path / "d")
    sequential = asking.certify(
        **settings, **asked, procedure="sequential", n_max=5000, acr_loss=0.1, out=tmp_path / "s"
    )
    for run in (decided, sequential):
        found = falsified(made | {"run": run.path}, limit=3)
        certified = {record.key: record.outcome for record in run.records[:3] if not record.outcome.abstained}
        assert certified
        assert found.contradiction == ""
        for point in found.points:
            if point.key in certified:
                assert (point.certified, point.radius) == (
                    certified[point.key].prediction,
                    certified[point.key].radius,
                )
    assert {point.radius for point in found.points} != {0.2}


def test_the_attack_verb_too_takes_a_run_of_decide(half_space, tmp_path):
    made = half_space(seed=3)
    settings = {name: value for name, value in made.items() if name not in ("run", "distances")}
    asking.decide(**settings, sigma=SIGMA, num_classes=2, model_id="half", radius=0.2, n_max=5000, out=tmp_path / "d")
    found = asking.attack(tmp_path / "d", out=tmp_path / "a", **settings, method=PGD(steps=4, draws=8), limit=2)
    assert {point.radius for point in found.points} == {0.2}
    assert found.contradiction == ""


class Parity(nn.Module):
    """Reads the low bits: class 1 where odd multiples of 2^-24 outnumber even ones in (-1, -1/2), else class 0."""

    def forward(self, v: torch.Tensor) -> torch.Tensor:
        v = v.flatten(1)
        odd = torch.remainder(v.double() * 2**24, 2) == 1
        seen = (v > -1) & (v < -0.5)
        more = (seen & odd).sum(dim=1) - (seen & ~odd).sum(dim=1)
        return torch.stack([torch.zeros_like(more), 2 * more - 1], dim=1).float()


@pytest.mark.parametrize(("grid", "textbook"), [(None, True), (None, False), (255, False)])
def test_a_classifier_that_reads_low_bits(tmp_path, monkeypatch, grid, textbook):
    """STATISTICS.md, section 6, on 8-bit pictures: float32 noise, as everywhere else, certifies what is false.

    The falsifier finds the neighbour. With integers on the grid there is nothing to find, nor with the 53-bit noise
    that grid=None draws here: its sum reaches the classifier rounded to float32, which hides the bits.
    """
    if textbook:
        from noiseproof.noises import gaussian

        normals = gaussian._normals
        monkeypatch.setattr(gaussian, "_normals", lambda *a: normals(*a).astype(np.float32).astype(np.float64))
    pixels = np.stack([np.full((1, 10, 12), pixel, np.uint8) for pixel in (128, 129)])
    data = DataSet("bits:test", ("a", "b"), (1, 10, 12), np.array([0, 1]), pixels)
    settings = {"model": Parity().eval(), "data": data, "device": "cpu", "batch_size": 500, "workers": 1}
    run = asking.certify(
        **settings, sigma=1.0, n0=100, n=2000, grid=grid, num_classes=2, model_id="parity", out=tmp_path / "r"
    )
    outcomes = [record.outcome for record in run.records]
    if textbook:
        assert {outcome.prediction for outcome in outcomes} == {0, 1}
        assert min(outcome.radius for outcome in outcomes) > 2
    found = asking.falsify(run.path, **settings, attacks=QUICK, at=(1.0,), n=1000)
    assert bool(found.contradiction) is textbook
    if textbook:
        wrong = [point for point in found.points if point.contradicts]
        assert {point.attack for point in wrong} == {"neighbours"}
        assert max(point.distance for point in wrong) < 0.05


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"at": ()}, "at must be multiples of the radius, > 0 and finite, got []"),
        ({"limit": 0}, "limit must be >= 1, got 0"),
        ({"attacks": ()}, "attacks must be one or more of different names, got []"),
        ({"attacks": (PGD(), PGD(steps=3))}, "attacks must be one or more of different names, got ['pgd', 'pgd']"),
        ({"n": 5}, "n must be >= 11 to predict anything at alpha=0.001, got 5; raise n (or alpha)"),
    ],
)
def test_settings_out_of_range(half_space, change, text):
    made = half_space()
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        falsified(made, **change)
    assert not made["run"].with_name("half-falsify").exists()


def test_what_has_no_certificates_cannot_be_falsified(half_space, tmp_path):
    made = half_space()
    settings = {name: value for name, value in made.items() if name not in ("run", "distances")}
    asking.predict(**settings, sigma=0.5, out=tmp_path / "p", n=100, num_classes=2, model_id="half", limit=1)
    with pytest.raises(RunError, match="is a run of predict, which has no radii; give a run of certify"):
        falsified(made | {"run": tmp_path / "p"})
    asking.certify(
        **settings, sigma=20.0, grid=None, n0=1, n=11, num_classes=2, model_id="half", out=tmp_path / "n", limit=2
    )
    with pytest.raises(RunError, match="n has no certified input to attack; certify more of them"):
        falsified(made | {"run": tmp_path / "n"})
    with pytest.raises(
        RunError, match=r"no certified input to attack among its first 1; give a larger limit \(--limit\)"
    ):
        falsified(made | {"run": tmp_path / "n"}, limit=1)
