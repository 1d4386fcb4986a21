"""The other forms in which results are published: arrays by norm, ablated pictures, radii that are no L2 radii."""

from __future__ import annotations

import re

import numpy as np
import pytest

from noiseproof.cli.main import run
from noiseproof.errors import DataError, RunError
from noiseproof.procedures import Certify
from noiseproof.procedures.enumerated import Enumerated
from noiseproof.reports.report import report
from noiseproof.store import VerificationError, read_run, verify
from noiseproof.store.exchange import import_run
from noiseproof.store.exchange.ablations import AblatedRow, patch_width
from noiseproof.types import ABSTAIN

HEADER = "idx\tlabel\tpredict\tradius\tcorrect\ttime\n"
STATED = {"n": 1000, "alpha": 0.001}
WORDS = {"noise": "uniform splitting, sigma .5", "norm": "l1"}


@pytest.fixture
def arrays(tmp_path):
    folder = tmp_path / "cifar_split_0.5"
    folder.mkdir()
    bounds = np.array([0.9, 0.8, 0.4, 0.7])
    np.save(folder / "preds.npy", np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.9, 0.1]]))
    np.save(folder / "prob_lb.npy", bounds)
    np.save(folder / "radius_l1.npy", 2 * 0.5 * (bounds - 0.5))
    np.save(folder / "labels.npy", np.array([0.0, 1.0, 0.0, 1.0]))
    return folder


def said(found):
    return [(r.index, r.label, r.outcome.prediction, round(r.outcome.radius, 6)) for r in found.records]


def test_arrays_give_class_radius_and_bound(arrays, tmp_path):
    found = import_run(arrays, out=tmp_path / "run", n0=64, **STATED, **WORDS, format="npy")
    assert said(found) == [(0, 0, 0, 0.4), (1, 1, 1, 0.3), (2, 0, ABSTAIN, 0.0), (3, 1, 0, 0.2)]
    assert [(r.outcome.p_lower, r.outcome.norm) for r in found.records[:2]] == [(0.9, "l1"), (0.8, "l1")]
    assert found.procedure == Certify(n0=64, n=1000, alpha=0.001)
    assert found.manifest.meaning["noise"] == {"family": "stated", "text": WORDS["noise"], "norm": "l1"}
    with pytest.raises(RunError, match=r"known in words only \(uniform splitting, sigma \.5\): nothing can be comp"):
        _ = found.noise
    written = report(found, out=tmp_path / "report", html=tmp_path / "page.html", radii="0.25,0.35")
    assert written.summaries[0].certified == (0.5, 0.25)
    assert "at L1 radius r (input units" in written.text
    assert "cifar_split_0.5 (uniform splitting, sigma .5, n = 1000 as stated), not verified" in written.text


def test_a_changed_array_is_another_source(arrays, tmp_path):
    import_run(arrays, out=tmp_path / "run", **STATED, **WORDS, format="npy")
    np.save(arrays / "labels.npy", np.array([1, 1, 1, 1]))
    with pytest.raises(RunError, match=r"another meaning: source\.sha256"):
        import_run(arrays, out=tmp_path / "run", **STATED, **WORDS, format="npy")


def test_enumerated_noise_fails_with_probability_0(arrays, tmp_path):
    np.save(arrays / "predicted_labels.npy", np.array([1, 1, 1, 1]))
    found = import_run(arrays, out=tmp_path / "run", n=441, alpha=0, **WORDS, format="npy")
    assert [record.outcome.prediction for record in found.records] == [1, 1, ABSTAIN, 1]
    assert found.procedure == Enumerated(n=441)
    (summary,) = report(found, out=tmp_path / "report", radii="0").summaries
    assert (summary.alpha, summary.budget, summary.budget_at_any_m) == (0.0, 0, 0)
    assert summary.fixed_set_lower == summary.certified == (0.5,)


def test_labels_come_from_a_file_where_the_folder_has_none(arrays, tmp_path):
    (arrays / "labels.npy").unlink()
    with pytest.raises(DataError, match=r"has no labels\.npy, and nothing else there says which .* give --labels FILE"):
        import_run(arrays, out=tmp_path / "run", **STATED, **WORDS, format="npy")
    (tmp_path / "labels.txt").write_text("0\n1\n0\n0\n")
    found = import_run(arrays, out=tmp_path / "run", labels=tmp_path / "labels.txt", **STATED, **WORDS, format="npy")
    assert [record.label for record in found.records] == [0, 1, 0, 0]


@pytest.mark.parametrize(
    ("name", "array", "text"),
    [
        ("labels", np.array([0, 1, 0]), "4 radii, 4 predictions, 3 labels, 4 bounds; one of each an input"),
        ("labels", np.array([0, 1, 0, 0.5]), "labels.npy must hold classes, whole numbers"),
        ("labels", np.array([0, 1, 0, np.nan]), "labels.npy must hold classes, whole numbers"),
        ("labels", np.array([0, 1, 0, -1]), "entry 3: class 0 with radius 0.19"),
        ("prob_lb", np.array([0.9, 0.8, 0.4, 1.5]), "entry 3: 1.5 is no probability"),
        ("radius_l1", np.array([0.9, 0.8, 0.4, np.inf]), "entry 3: class 0 with radius inf"),
        ("radius_l1", np.zeros((4, 2)), "radius_l1.npy must be an array of numbers with 1 axis"),
        ("preds", np.zeros(4), "preds.npy must be an array of numbers with 2 axes"),
        ("preds", np.array([None] * 4), "preds.npy is no array of numbers"),
    ],
)
def test_arrays_that_do_not_fit_are_named(arrays, tmp_path, name, array, text):
    np.save(arrays / f"{name}.npy", array, allow_pickle=True)
    with pytest.raises(DataError, match=re.escape(text)):
        import_run(arrays, out=tmp_path / "run", **STATED, **WORDS, format="npy")


def test_a_radius_in_words_is_its_own_unit_and_none_certifies_nothing(tmp_path):
    path = tmp_path / "noise_10"
    path.write_text(HEADER + "0\t3\t3\t9.43\tTrue\t1\n20\t2\t2\t-1.0\tTrue\t0:09:03.1\n40\t1\t8\t0.0\tFalse\t1\n")
    words = {"noise": "shifts, enumerated", "norm": "pixels of translation"}
    found = import_run(path, out=tmp_path / "run", n=1000, alpha=0, **words)
    assert said(found) == [(0, 3, 3, 9.43), (20, 2, ABSTAIN, 0.0), (40, 1, ABSTAIN, 0.0)]
    written = report(found, out=tmp_path / "report", html=tmp_path / "page.html", radii="5,10")
    assert "at radius r (pixels of translation)" in written.text
    page = (tmp_path / "page.html").read_text()
    assert "radius (pixels of translation)" in page
    assert "1/255" not in page, "no second scale in steps of a pixel's value"
    with pytest.raises(DataError, match=r"line 3: predict 2 with radius -1\.0 is neither a certificate nor an abst"):
        import_run(path, out=tmp_path / "other", n=1000, alpha=0.001, sigma=0.25)


def test_sigma_stands_in_the_names_of_more_than_one_repository(tmp_path):
    for name, sigma in (("noise_0.25.tsv", 0.25), ("sigma_0.50.tsv", 0.5)):
        (tmp_path / name).write_text(HEADER + "0\t3\t3\t0.1\t1\t1\n")
        assert import_run(tmp_path / name, out=tmp_path / str(sigma), **STATED).noise.sigma == sigma
    (tmp_path / "noise_10").write_text(HEADER + "0\t3\t3\t0.1\t1\t1\n")
    with pytest.raises(ValueError, match="give --sigma"):  # it is a blur's, not a Gaussian noise's
        import_run(tmp_path / "noise_10", out=tmp_path / "run", **STATED)


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"norm": "l1"}, "noise must be given in words with radii in 'l1', as in --noise"),
        ({"noise": "splitting", "sigma": 0.5}, "sigma must be left out where the noise is told in words, got 0.5"),
        ({"noise": " "}, "noise must be 1 to 200 letters"),
        ({"noise": "x", "norm": ""}, "norm must be 1 to 60 letters, got 0"),
        ({"labels": "l.npy"}, "labels go with the format npy, got l.npy with tsv"),
        ({"stride": 1}, "stride must be left out for tsv, got 1"),
        ({"format": "ablations", "noise": "x"}, "stride must be given for ablations, which do not say it"),
        ({"format": "ablations", "noise": "x", "stride": 1}, "alpha must be 0 for ablations, got 0.001"),
        ({"format": "topk", "noise": "x"}, "noise must be left out for topk"),
        ({"alpha": 0, "n0": 10, "sigma": 1}, "n0 must be left out with alpha 0, got 10"),
        ({"format": "topk", "alpha": 0, "sigma": 1}, "alpha must be in (0, 1)"),
    ],
)
def test_what_does_not_go_together_is_refused(tmp_path, changed, text):
    with pytest.raises(ValueError, match=re.escape(text)):
        import_run(tmp_path / "none", out=tmp_path / "run", **(STATED | changed))


def save_ablations(path, classes, labels, **said):
    torch = pytest.importorskip("torch")
    rest = {"total_delta": 1.0, "s": 4, "m": 5, "mode": "col"} | said
    torch.save({"ablations": torch.tensor(classes), "y": torch.tensor(labels), **rest}, path)


def test_ablated_pictures_give_the_widest_patch(tmp_path):
    folder = tmp_path / "demo"
    folder.mkdir()
    unsure = [0] * 17 + [1] * 15
    save_ablations(folder / "m5_s4_b10.pth", [[2] * 32], [2])
    save_ablations(folder / "m5_s4_b2.pth", [[0] * 32, unsure], [0, 0])
    found = import_run(
        folder, out=tmp_path / "run", n=32, alpha=0, format="ablations", noise="columns of 4 pixels", stride=1
    )
    assert said(found) == [(0, 0, 0, 12.0), (1, 0, ABSTAIN, 0.0), (2, 2, 2, 12.0)], "files by number, not by name"
    with pytest.raises((RunError, VerificationError), match="nothing to verify"):
        verify(tmp_path / "run")
    written = report(found, out=tmp_path / "report", radii="5,15")
    assert "at radius r (patch width in pixels)" in written.text
    assert "widths from the ablated pictures in demo" in written.text


def test_a_patch_that_wide_is_never_able_to_change_the_class():
    """Every patch of the certified width, wherever it lies, against the worst votes it can turn."""
    for width, stride, size in ((32, 1, 4), (24, 5, 3), (30, 7, 4)):
        starts = np.arange(0, width, stride)
        for others in range(len(starts) // 2):
            classes = np.array([1] * others + [0] * (len(starts) - others))
            top, patch = patch_width(AblatedRow(0, classes, "col", size), stride)
            for left in range(width - patch + 1) if patch else ():
                covered = {(start + i) % width for start in [left] for i in range(patch)}
                touched = [i for i, start in enumerate(starts) if covered & {(start + j) % width for j in range(size)}]
                turned = sum(classes[i] == 0 for i in touched)
                left_over, rival = (classes == 0).sum() - turned, (classes == 1).sum() + turned
                assert top == 0
                assert left_over > rival or not touched


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ({"mode": "rows"}, "mode 'rows', size 4; wanted one of col, row, both, block"),
        ({"s": 0}, "size 0"),
        ({"total_delta": pytest}, "is no file of ablations"),
    ],
)
def test_a_file_of_something_else_is_refused(tmp_path, said, text):
    if said.get("total_delta") is pytest:
        import collections

        said = {"total_delta": collections.Counter()}
    save_ablations(tmp_path / "m5_s4_b0.pth", [[0] * 4], [0], **said)
    with pytest.raises(DataError, match=re.escape(text)):
        import_run(
            tmp_path, out=tmp_path / "run", n=4, alpha=0, format="ablations", noise="columns of 4 pixels", stride=1
        )


def test_ablations_of_another_number_and_no_archive_are_refused(tmp_path):
    (tmp_path / "m5_s4_b0.pth").write_bytes(b"no archive")
    words = {"alpha": 0, "format": "ablations", "noise": "columns of 4 pixels", "stride": 1}
    with pytest.raises(DataError, match="is no file of ablations"):
        import_run(tmp_path, out=tmp_path / "run", n=4, **words)
    save_ablations(tmp_path / "m5_s4_b0.pth", [[0] * 4], [0])
    with pytest.raises(DataError, match=re.escape("4 ablations an input, not n = 5; give --n 4")):
        import_run(tmp_path, out=tmp_path / "run", n=5, **words)
    save_ablations(tmp_path / "m5_s8_b1.pth", [[0] * 4], [0], s=8)
    with pytest.raises(DataError, match="files of several settings"):
        import_run(tmp_path, out=tmp_path / "run", n=4, **words)


def test_the_line_a_user_types(arrays, tmp_path, capsys):
    line = ["import", str(arrays), "--format", "npy", "--out", str(tmp_path / "run"), "--n", "1000", "--alpha", "0.001"]
    assert run([*line, "--norm", "l1", "--noise", "uniform splitting, sigma .5"]) == 0
    assert "4 inputs from" in (text := capsys.readouterr().out)
    assert text.endswith("nothing to verify\n")
    assert len(read_run(tmp_path / "run").records) == 4
    assert run(["show", str(tmp_path / "run")]) == 0
    assert run(line) == 2, "another line is another meaning"
