from __future__ import annotations

import re

import pytest

from noiseproof.errors import RunError
from noiseproof.procedures import Certify, Decide, Predict
from noiseproof.reports.card import card
from noiseproof.store import VerificationError, read_run
from noiseproof.store.whole import Selection

TOPS = (0.999, 0.97, 0.9, 0.8, 0.55, 0.2)
EXACT = Certify(n=1000, alpha=0.01)


def said(text):
    """The card with its line breaks taken out, so that a test does not depend on them."""
    return " ".join(text.split())


def test_it_says_which_classifier_inputs_and_settings(make_run):
    path = make_run("mine", TOPS, procedure=EXACT)
    text = card(path)
    assert text.startswith("# Certificate card: mine\n\n")
    for fact in (
        "| base classifier | linear, 3 classes, fingerprint `" + "f" * 64 + "` |",
        "| smoothed by | gaussian noise, sigma = 0.5 |",
        "| inputs | 6 of grey:test (1 x 2 x 2); not sealed: it is under way, was cut off, or was made before runs were "
        "sealed |",
        "| procedure | certify: n0 = 100, n = 1000, alpha = 0.01, two_sided = False |",
        "| arithmetic | exact integers, grid 255 (noise); torch 2, fp32 on cpu (forward pass) |",
        "| seed | 0; the draws are bound to the model, the noise and the procedure |",
        f"| meaning | `{read_run(path).manifest.meaning_hash}` |",
        "| verified | all 6 outcomes follow from their 6,600 draws (0 void), the chain is whole; 0 inputs under way |",
    ):
        assert fact in text
    assert len(text.splitlines()) < 65  # one page


def test_of_an_unfinished_run_it_says_so_first(make_run):
    text = card(make_run("mine", TOPS, selection=Selection(1, 0, 40, 1000)))
    assert text.splitlines()[2] == "**The run is unfinished: 6 of 40 inputs.** This page is about those."
    assert "unfinished" not in card(make_run("whole", TOPS, sealed=True))


def test_it_promises_what_the_theorem_gives(make_run):
    text = said(card(make_run("mine", TOPS, procedure=EXACT)))
    assert "6 of 6 inputs are certified" in text
    assert "For each input, a false claim has probability at most 0.01." in text
    assert "with probability at least 0.99 over the noise drawn, the run either abstained" in text
    assert "its centre is the 8-bit picture, its values divided by 255 in [0, 1]" in text
    assert "at most 2 of the 6 outcomes are false, with probability 0.999." in text  # P(more than 2 of 6) = 2e-5
    assert "That none is has probability at least 0.94." in text
    assert "real arithmetic" not in text


def test_it_says_what_it_does_not_promise(make_run):
    text = said(card(make_run("mine", TOPS)))
    promised, not_promised = text.split("## Not promised")
    assert "## Promised" in promised
    for line in (
        "**That the class is right.**",
        "**Anything at other inputs**, beyond the bound on the population above",
        "an L1 ball of the same radius lies inside, and an Linf ball of the radius divided by 2 (the root of 4",
        "**Another classifier.** Other weights, another precision, library or device",
        "the rounding of the forward pass is part of the classifier",
        "**Changes of the world**",
        "**That nothing was chosen by its result.** Another model, noise, alpha or procedure would have drawn",
        "**That the counts are honest.**",
    ):
        assert line in not_promised


def test_float_noise_claims_less(make_run):
    text = said(card(make_run("mine", TOPS, grid=None)))
    assert "**This holds in real arithmetic, not on the machine**" in text
    assert "Read it as evidence, not as proof." in text
    assert "a false claim has probability" not in text
    assert "**Input by input** (in real arithmetic)" in text
    assert "**All together** (in real arithmetic)" in text
    assert "hold with probability 0.999 (in real arithmetic)" in text
    assert "8-bit picture" not in text
    assert "**That it holds on the machine.**" in text


def test_the_shares_are_rounded_down_and_end_with_the_largest_radius(make_run):
    text = card(make_run("mine", (0.99,) * 7 + (0.5,) * 2, procedure=EXACT))
    assert "Abstained on 2 of 9; the largest certified radius is 1.0" in text
    rows = [line for line in text.splitlines() if re.match(r"\| [0-9.]+ \|", line)]
    assert [row.split(" | ")[0] for row in rows] == ["| 0", "| 0.25", "| 0.5", "| 0.75", "| 1"]
    assert rows[0].startswith("| 0 | 77.8 | 55.5 | ")  # (7 - 2)/9 = 55.55...


def test_that_none_is_false_is_not_promised_of_many_inputs(make_run):
    text = card(make_run("mine", (0.99,) * 20, procedure=Certify(n=100, alpha=0.05)))
    assert "That none is: no promise." in text


def test_without_labels_nothing_is_said_of_what_is_right(make_run):
    text = card(make_run("mine", TOPS, labels=[None] * 6))
    assert "Labels are not known" in text
    assert "right and certified" not in text


def test_a_run_that_does_not_hold_has_no_card(make_run):
    path = make_run("mine", TOPS)
    journal = path / "journal.jsonl"
    changed = journal.read_text().replace('"votes":{"0":97,"1":3}', '"votes":{"0":98,"1":2}', 1)
    assert changed != journal.read_text()
    journal.write_text(changed)
    with pytest.raises(RunError, match="line"):
        card(path)


def test_a_certificate_that_does_not_follow_has_no_card(make_run, monkeypatch):
    path = make_run("mine", TOPS)
    monkeypatch.setattr("noiseproof.procedures.certify.smallest_n", lambda alpha: 1)
    monkeypatch.setattr("noiseproof.noises.gaussian.gaussian_radius", lambda bounds, sigma: 0.125)
    with pytest.raises(VerificationError, match="does not hold"):
        card(path)


@pytest.mark.parametrize(
    ("tops", "procedure", "text"),
    [
        (TOPS, Predict(n=100), "is a run of predict, which promises no radius; give a run of certify"),
        ((), Certify(n=100), "has no finished input yet; run its certify line again"),
    ],
)
def test_what_has_no_card(make_run, tops, procedure, text):
    with pytest.raises(RunError, match=re.escape(text)):
        card(make_run("mine", tops, procedure=procedure))


def test_of_decide_it_says_the_radius_that_was_asked_about(make_run):
    text = card(make_run("mine", TOPS, procedure=Decide(radius=0.2, alpha=0.01, n_max=1000)))
    assert "no change of the input of L2 size up to 0.2 changes the class that the smoothed" in said(text)
    assert "| procedure | decide: radius = 0.2, alpha = 0.01, n_max = 1000" in text
