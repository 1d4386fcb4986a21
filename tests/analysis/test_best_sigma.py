from __future__ import annotations

import pytest

from noiseproof.analysis.best_sigma import best_sigma_table
from noiseproof.store.exchange import PublishedRow, published_text

SIGMAS = ("0.12", "0.25", "0.50", "1.00")


def test_the_paper_s_table_to_the_digit(shared):
    """From the four files that were certified with the noise they were trained with."""
    folder = shared / "published/cohen2019"
    files = [folder / f"certify/cifar10/resnet110/noise_{s}/test/sigma_{s}.tsv" for s in SIGMAS]
    text = (folder / "analysis/vary_noise_cifar10.md").read_text()
    assert best_sigma_table(files).markdown() == text
    assert best_sigma_table(files[::-1]).markdown() == text, "rows go by sigma"
    assert best_sigma_table(files).best == (1, 1, 2, 2, 3, 3)


def test_the_other_runs_give_another_table(shared):
    """So the four files above are the ones it was made from."""
    folder = shared / "published/cohen2019"
    diagonal = [folder / f"certify/cifar10/resnet110/noise_{s}/test/sigma_{s}.tsv" for s in SIGMAS]
    text = (folder / "analysis/vary_noise_cifar10.md").read_text()
    for trained in ("0.12", "0.25", "1.00"):
        files = [*diagonal[:2], folder / f"certify/cifar10/resnet110/noise_{trained}/test/sigma_0.50.tsv", diagonal[3]]
        assert best_sigma_table(files).markdown() != text


def row(index, label, predict, printed):
    return PublishedRow(index, label, predict, printed, index, 1.0)  # correct is a running number: not to be used


def test_what_counts(tmp_path):
    wide, narrow = tmp_path / "sigma_1.00.tsv", tmp_path / "sigma_0.5.tsv"
    wide.write_text(
        published_text([row(0, 1, 1, "0.5"), row(1, 2, 1, "3.0"), row(2, 1, -1, "0.0"), row(3, 4, 4, "0.51")])
    )
    narrow.write_text(
        published_text([row(0, 1, 1, "0.25"), row(1, 1, 1, "0.5"), row(2, 1, 1, "0.1"), row(3, 1, 0, "0.1")])
    )
    table = best_sigma_table([wide, narrow], radii=(0.25, 0.5, 1.0))
    assert table.sigmas == (0.5, 1.0)
    assert table.accuracy == ((0.5, 0.25, 0.0), (0.5, 0.5, 0.0))
    assert table.best == (0, 1, 0)
    assert table.markdown() == (
        "|  | r = 0.25 |r = 0.5 |r = 1.0 |\n| --- |  --- | --- | --- |\n"
        "<b> &sigma; = 0.50 </b>| 0.50<b>*</b> |0.25 |0.00<b>*</b> |\n"
        "<b> &sigma; = 1.00 </b>| 0.50 |0.50<b>*</b> |0.00 |\n"
    )


def test_one_file_a_sigma(tmp_path):
    with pytest.raises(ValueError, match="files must not be empty"):
        best_sigma_table([])
    for name in ("a_sigma_0.5.tsv", "b_sigma_0.50.tsv", "c.tsv"):
        (tmp_path / name).write_text(published_text([row(0, 1, 1, "0.5")]))
    with pytest.raises(ValueError, match=r"sigma 0\.5 must have one file, got .*a_sigma_0\.5\.tsv and .*b_sigma"):
        best_sigma_table([tmp_path / "a_sigma_0.5.tsv", tmp_path / "b_sigma_0.50.tsv"])
    with pytest.raises(ValueError, match=r"^files must be named by sigma, such as .*, got 'c\.tsv'; rename it"):
        best_sigma_table([tmp_path / "c.tsv"])
