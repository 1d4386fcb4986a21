"""What is known of the paper's own files, from the files alone; and every fault a file can have, planted."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

import noiseproof
from noiseproof.analysis.audit import audit
from noiseproof.analysis.lattice import radius_lattice
from noiseproof.errors import DataError
from noiseproof.reports.audit import audit_text
from noiseproof.store.exchange import PublishedRow, published_text
from noiseproof.store.exchange.published import print_down

FOLDER = "published/cohen2019/certify/cifar10/resnet110"
# trained at, certified at: radii off the lattices of .0001, .001, .01, .05; beyond the largest; abstentions
PUBLISHED = {
    ("0.12", "0.12"): ((187, 0, 184, 177), (156, 0, 0, 0), 19),
    ("0.12", "0.50"): ((0, 0, 0, 0), (0, 0, 0, 0), 61),
    ("0.25", "0.25"): ((108, 107, 0, 105), (81, 77, 0, 0), 43),
    ("0.25", "0.50"): ((3, 0, 4, 2), (0, 0, 0, 0), 142),
    ("0.50", "0.50"): ((22, 15, 0, 19), (18, 9, 0, 0), 83),
    ("1.00", "0.50"): ((60, 0, 10, 58), (55, 0, 0, 0), 48),
    ("1.00", "1.00"): ((2, 5, 0, 1), (0, 0, 0, 0), 145),
}


@pytest.fixture(scope="module")
def audits(shared):
    paths = [shared / FOLDER / f"noise_{a}" / "test" / f"sigma_{b}.tsv" for a, b in PUBLISHED]
    return dict(zip(PUBLISHED, noiseproof.audit(paths), strict=True))


def test_the_seven_files_betray_their_alpha(audits):
    """Three were made with alpha = .01 although the paper says .001; three with .001; one cannot be told."""
    fitting = {name: found.fitting for name, found in audits.items()}
    assert fitting == {
        ("0.12", "0.12"): (0.001,),
        ("0.12", "0.50"): (0.0001, 0.001, 0.01, 0.05),
        ("0.25", "0.25"): (0.01,),
        ("0.25", "0.50"): (0.001,),
        ("0.50", "0.50"): (0.01,),
        ("1.00", "0.50"): (0.001,),
        ("1.00", "1.00"): (0.01,),
    }
    assert [name for name, found in audits.items() if not found.holds] == [(s, s) for s in ("0.25", "0.50", "1.00")]


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_counts_of_a_published_file(audits, name):
    off, beyond, abstained = PUBLISHED[name]
    found = audits[name]
    assert [fit.alpha for fit in found.fits] == [0.0001, 0.001, 0.01, 0.05]
    assert tuple(fit.off for fit in found.fits) == off
    assert tuple(fit.beyond for fit in found.fits) == beyond
    assert found.abstained == abstained
    assert (found.rows, found.expected, found.every, found.digits) == (500, 500, 20, 3)
    assert (found.sigma, found.n, found.alpha, found.rounding) == (float(name[1]), 100_000, 0.001, "nearest")
    assert (found.impossible_classes, found.wrong_correct, found.abstained_with_radius, found.duplicates) == (0,) * 4
    assert (found.no_radius, found.running_total) == (0, False)


def test_the_verdicts(audits):
    say = {name: found.verdict for name, found in audits.items()}
    assert say["0.12", "0.12"] == "the radii lie on the lattice of alpha = 0.001, as stated"
    assert say["0.25", "0.25"] == "the radii lie on the lattice of alpha = 0.01, not of 0.001 as stated"
    assert say["0.12", "0.50"] == (
        "alpha cannot be told: the radii lie on the lattice of 0.001, as stated, and of 0.0001, 0.01, 0.05"
    )
    # Had this one been rounded down, it would be on the .001 lattice; the script rounds to nearest.
    assert say["1.00", "1.00"] == (
        "the radii lie on the lattice of alpha = 0.01, not of 0.001 as stated (unless they were rounded down)"
    )


def test_published_radii_are_rounded_upwards(audits):
    """Not a fault of the file's rows, but told: 87 radii of one file are above every radius that prints so."""
    raised = {name: (found.likely.raised, found.likely.perhaps_raised) for name, found in audits.items()}
    assert raised["0.25", "0.25"] == (87, 328)
    assert raised["0.12", "0.12"] == (31, 269)
    assert raised["1.00", "0.50"] == (69, 367)
    assert audits["0.50", "0.50"].likely.most_raised == pytest.approx(0.0047, abs=5e-5)
    assert all(sum(pair) > 250 for pair in raised.values())


def test_stated_truly_they_hold(shared):
    path = shared / FOLDER / "noise_0.25" / "test" / "sigma_0.25.tsv"
    (found,) = audit([path], alpha=0.01)
    assert found.holds
    assert found.verdict == "the radii lie on the lattice of alpha = 0.01, as stated"
    (found,) = audit([path], alpha=0.005)
    assert [fit.alpha for fit in found.fits] == [0.0001, 0.001, 0.005, 0.01, 0.05]
    assert found.verdict.endswith("not of 0.005 as stated")
    (found,) = audit([path], sigma=0.2)
    assert not found.fitting
    assert "the radii lie on no lattice that was tried" in found.verdict


def sound_rows(alpha=0.001, n=1000, sigma=0.5, rounding="nearest", count=40) -> list[PublishedRow]:
    """Every fifth input of 200: certified from the top of the lattice down, some wrong, some abstained."""
    radii = (radius_lattice(n, alpha) * sigma)[::-1]
    rows = []
    for i in range(count):
        text = f"{radii[i]:.3}" if rounding == "nearest" else print_down(float(radii[i]))
        predict, printed = (-1, "0.0") if i % 10 == 9 else (i % 7, text)
        label = (i + (i % 4 == 3)) % 7
        rows.append(PublishedRow(5 * i, label, predict, printed, int(predict == label), 1.5))
    return rows


def audited(tmp_path: Path, table: list[PublishedRow], **settings):
    path = tmp_path / "sigma_0.50.tsv"
    path.write_text(published_text(table))
    (found,) = audit([path], **({"n": 1000, "rows": 40} | settings))
    return found


def test_a_sound_file_holds(tmp_path):
    found = audited(tmp_path, sound_rows())
    assert found.holds
    assert found.faults == ()
    assert (found.rows, found.expected, found.every, found.abstained) == (40, 40, 5, 4)


@pytest.mark.parametrize(
    ("row", "change", "field", "fault"),
    [
        (3, {"label": 10}, "impossible_classes", "1 rows have a label or prediction that is no class"),
        (3, {"label": -1}, "impossible_classes", "1 rows have a label or prediction that is no class"),
        (1, {"predict": 10, "correct": 0}, "impossible_classes", "no class"),
        (1, {"predict": -2, "correct": 0}, "impossible_classes", "no class"),
        (2, {"correct": 0}, "wrong_correct", "in 1 rows correct does not follow from label and predict"),
        (3, {"correct": 1}, "wrong_correct", "in 1 rows correct does not follow from label and predict"),
        (9, {"printed": "0.12"}, "abstained_with_radius", "1 rows predict -1 with a radius"),
        (9, {"printed": "nan"}, "abstained_with_radius", "1 rows predict -1 with a radius"),
        (2, {"printed": "0.0"}, "no_radius", "1 rows predict a class with a radius that is no positive number"),
        (2, {"printed": "nan"}, "no_radius", "1 rows predict a class with a radius that is no positive number"),
        (2, {"printed": "inf"}, "no_radius", "1 rows predict a class with a radius that is no positive number"),
        (2, {"printed": "-0.3"}, "no_radius", "1 rows predict a class with a radius that is no positive number"),
        (7, {"index": 30}, "duplicates", "1 rows repeat an index"),
    ],
)
def test_a_planted_fault_is_found(tmp_path, row, change, field, fault):
    rows = sound_rows()
    rows[row] = replace(rows[row], **change)
    if "label" in change:
        rows[row] = replace(rows[row], correct=int(rows[row].label == rows[row].predict))
    found = audited(tmp_path, rows)
    assert getattr(found, field) == 1
    assert len(found.faults) == 1
    assert fault in found.faults[0]
    assert found.verdict == f"the radii lie on the lattice of alpha = 0.001, as stated; {found.faults[0]}"
    clean = audited(tmp_path, sound_rows())
    assert getattr(clean, field) == 0


def test_a_radius_off_the_lattice_is_found(tmp_path):
    rows = sound_rows()
    rows[0] = replace(rows[0], printed="1.25")
    found = audited(tmp_path, rows)
    assert (found.stated.off, found.stated.beyond) == (1, 1)
    assert not found.holds
    assert found.verdict == ("the radii lie on no lattice that was tried: 1 lie off that of alpha = 0.001")


def test_a_running_total_is_called_by_its_name(tmp_path):
    rows, total = sound_rows(), 0
    for i, row in enumerate(rows):
        total += row.correct
        rows[i] = replace(row, correct=total)
    found = audited(tmp_path, rows)
    assert found.running_total
    assert found.faults == ("the column correct is a running total",)
    assert "(a running total)" in audit_text(found)


def test_missing_rows_are_found_from_the_spacing(tmp_path):
    rows = [replace(row, index=4 * row.index) for row in sound_rows()]  # every 20th
    found = audited(tmp_path, rows, rows=None)
    assert (found.every, found.expected, found.rows) == (20, 500, 40)
    assert found.faults == ("40 rows of 500",)
    late = [replace(row, index=row.index + 45_003) for row in rows]
    assert audited(tmp_path, late, rows=None).expected == 2500  # of 50,000, beginning at 3
    offset = [replace(row, index=3 * row.index + 10) for row in sound_rows()]
    assert audited(tmp_path, offset, rows=None).expected == 666  # 10, 25, ... 9985; from 0 on it would be 667
    stray = [*rows, replace(rows[0], index=7)]
    assert audited(tmp_path, stray, rows=None).every == 20
    beyond = [replace(row, index=row.index + 100_000) for row in rows]
    found = audited(tmp_path, beyond, rows=None)
    assert found.expected is None
    assert found.holds


def test_a_duplicate_does_not_hide_a_missing_row_s_spacing(tmp_path):
    rows = sound_rows()
    rows[7] = replace(rows[7], index=30)
    assert audited(tmp_path, rows).every == 5


def test_rounding_down_is_recognised_where_it_shows(tmp_path):
    found = audited(tmp_path, sound_rows(rounding="down"))
    assert found.rounding == "down"
    assert found.holds
    assert found.likely.raised == found.likely.perhaps_raised == 0
    assert "rounded down, so none is printed above what was certified" in audit_text(found)
    assert not audited(tmp_path, sound_rows(rounding="down"), rounding="nearest").holds
    assert not audited(tmp_path, sound_rows(), rounding="down").holds


def test_no_radius_says_nothing(tmp_path):
    rows = [replace(row, predict=-1, printed="0.0", correct=0) for row in sound_rows()]
    found = audited(tmp_path, rows)
    assert found.holds
    assert found.verdict == "no radius is printed, so alpha cannot be told"


def test_the_text_says_all_of_it(audits):
    text = audit_text(audits["0.25", "0.25"])
    assert text.splitlines()[0] == "sigma_0.25.tsv: sigma = 0.25, n = 100000, alpha = 0.001 as stated"
    for part in (
        r"rows +500 of 500 \(spacing of the indices: 20\)",
        r"abstained +43",
        r"0\.0001 +108 +81",
        r"0\.001 \(stated\) +107 +77",
        r"0\.01 +0 +0",
        r"radii +3 significant digits; rounded to nearest: 87 are certainly rounded upwards \(by up to 0\.0005\), 328",
        r"column correct +0 do not follow",
        r"duplicate indices +0",
        r"verdict +the radii lie on the lattice of alpha = 0\.01, not of 0\.001 as stated$",
    ):
        assert re.search(part, text, re.MULTILINE), part
    assert "rounded down they would fit alpha = 0.001" in audit_text(audits["1.00", "1.00"])


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"sigma": 0.0}, "sigma must be > 0, got 0.0"),
        ({"sigma": float("nan")}, "sigma must be > 0, got nan"),
        ({"alpha": 1.0}, "alpha must be in (0, 1), got 1.0"),
        ({"n": 0}, "n must be in 1..10000000, got 0"),
        ({"rows": 0}, "rows must be >= 1, got 0"),
        ({"num_classes": 1}, "num_classes must be >= 2, got 1"),
        ({"rounding": "donw"}, "unknown rounding 'donw'; did you mean 'down'?"),
    ],
)
def test_bad_settings_are_refused(tmp_path, settings, text):
    with pytest.raises(ValueError, match=re.escape(text)):
        audited(tmp_path, sound_rows(), **settings)


def test_no_files_no_sigma_no_file(tmp_path):
    with pytest.raises(ValueError, match="files must not be empty"):
        audit([])
    (tmp_path / "log.tsv").write_text(published_text(sound_rows()))
    with pytest.raises(ValueError, match=r"sigma must be given: the name 'log\.tsv' holds no sigma_0\.25"):
        audit([tmp_path / "log.tsv"])
    with pytest.raises(DataError, match="cannot read"):
        audit([tmp_path / "sigma_1.tsv"])
