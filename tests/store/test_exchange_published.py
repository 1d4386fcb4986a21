"""Reading other tools' files, and printing as they do."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noiseproof.errors import DataError
from noiseproof.store.exchange import CountedRow, PublishedRow, published_text, read_published, read_topk, sigma_in_name
from noiseproof.store.exchange.published import print_down

HEADER = "idx\tlabel\tpredict\tradius\tcorrect\ttime\n"


def test_a_row_of_either_age(tmp_path):
    path = tmp_path / "log"
    path.write_text(
        HEADER + "0\t3\t-1\t0.0\t0\t0:00:13.736080\n20\t7\t7\t0.0734\t1\t15.4\n40\t1\t1\t1e-05\t1\t1 day, 2:03:04\n"
    )
    assert read_published(path) == (
        PublishedRow(0, 3, -1, "0.0", 0, pytest.approx(13.73608)),
        PublishedRow(20, 7, 7, "0.0734", 1, 15.4),
        PublishedRow(40, 1, 1, "1e-05", 1, 93784.0),
    )
    assert read_published(path)[2].radius == 1e-5


def test_a_byte_order_mark_is_no_part_of_the_header(tmp_path):
    (tmp_path / "log").write_text(HEADER + "0\t3\t-1\t0.0\t0\t0.1\n", encoding="utf-8-sig")
    assert [row.index for row in read_published(tmp_path / "log")] == [0]


def test_the_published_files_read(shared):
    files = sorted((shared / "published/cohen2019").rglob("*.tsv"))
    assert len(files) == 7
    for path in files:
        rows = read_published(path)
        assert len(rows) == 500
        assert [row.index for row in rows] == list(range(0, 10_000, 20))
        assert all(13 < row.seconds < 20 for row in rows)
        assert [row.label for row in rows[:3]] == [3, 7, 4]
    counts = read_topk(shared / "published/topk2020/cifar10_sigma_0.25_counts.txt")
    assert [row.label for row in counts] == [row.label for row in rows], "the same 500 pictures"
    assert {(len(row.votes), sum(row.votes)) for row in counts} == {(10, 100_000)}


@given(
    st.lists(
        st.builds(
            PublishedRow,
            st.integers(0, 10**6),
            st.integers(0, 999),
            st.integers(-1, 999),
            st.floats(0, 100).map(print_down),
            st.integers(0, 1),
            st.integers(0, 99999).map(float),
        ),
        min_size=1,
    )
)
def test_writing_and_reading_is_the_identity(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("rows") / "log"
    path.write_text(published_text(rows))
    assert list(read_published(path)) == rows


@given(st.floats(1e-7, 100))
def test_print_down_never_prints_more_and_loses_less_than_a_unit(radius):
    text = print_down(radius)
    assert float(text) <= radius
    assert Fraction(text) > Fraction(repr(radius)) * Fraction(99, 100)
    assert print_down(float(text)) == text, "what was printed so is printed again"
    assert len(text.split("e")[0].replace(".", "").strip("0")) <= 3


def test_print_down_prints_as_the_research_script():
    assert [print_down(x) for x in (0.0, 3.0, 0.9999, 1.2399, 2.2431e-5)] == ["0.0", "3.0", "0.999", "1.23", "2.24e-05"]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("", "has no columns; wanted, tab separated: idx, label, predict, radius, correct, time"),
        (
            "idx\tlabel\tpredict\tcorrect\ttime\n0\t1\t1\t1\t2\n",
            "has the columns idx, label, predict, correct, time; wanted",
        ),
        ("idx,label,predict,radius,correct,time\n", "wanted, tab separated"),
        (HEADER, "has no rows below its header"),
        (HEADER + "0\t3\t3\t0.1\t1\t2\n20\t7\t7\t0.", "line 3: not a row of idx, label"),
        (HEADER + "0\t3\tdog\t0.1\t1\t2\n", "line 2: not a row"),
        (HEADER + "0\t3\t3\tbig\t1\t2\n", "line 2: not a row"),
        (HEADER + "0\t3\t3\t0.1\t1\tlate\n", "line 2: not a row"),
        (HEADER + "0\t3\t3\t0.1\t1\tnan\n", "line 2: not a row"),
        (HEADER + "0\t3\t3\t0.1\t1\t-1\n", "line 2: not a row"),
        (HEADER + "0\t3\t3\t0.1\t1\t2\t7\n", "line 2: not a row"),
        (HEADER + "\n", "line 2: not a row"),
    ],
)
def test_what_is_no_published_file_is_refused_in_one_line(tmp_path, content, text):
    path = tmp_path / "log"
    path.write_text(content)
    with pytest.raises(DataError, match=re.escape(text)) as raised:
        read_published(path)
    assert "\n" not in str(raised.value)


def test_what_cannot_be_read(tmp_path):
    with pytest.raises(DataError, match=r"cannot read .*: No such file"):
        read_published(tmp_path / "none")
    with pytest.raises(DataError, match=r"cannot read .*: Is a directory"):
        read_published(tmp_path)
    (tmp_path / "picture").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="is not a text file"):
        read_topk(tmp_path / "picture")


def test_counts_and_their_label(tmp_path):
    path = tmp_path / "counts"
    path.write_text("2 90 8 1\n100 0 0 2\n")
    assert read_topk(path) == (CountedRow((2, 90, 8), 1), CountedRow((100, 0, 0), 2))


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("", "has no rows"),
        ("2 90 8 1\n100 0 1\n", "line 2: 2 counts, but line 1 has 3"),
        ("2 90 8 3\n", "line 1: not the counts of two or more classes and a label"),
        ("2 90 -8 1\n", "line 1: not the counts"),
        ("90 0\n", "line 1: not the counts"),
        (HEADER, "line 1: not the counts of two or more classes and a label: 'idx\\tlabel"),
        ("\n", "line 1: not the counts"),
    ],
)
def test_what_are_no_counts_is_refused_in_one_line(tmp_path, content, text):
    path = tmp_path / "counts"
    path.write_text(content)
    with pytest.raises(DataError, match=re.escape(text)) as raised:
        read_topk(path)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "sigma"),
    [
        ("sigma_0.25.tsv", 0.25),
        ("cifar10_sigma_0.25_counts.txt", 0.25),
        ("sigma_1", 1.0),
        ("sigma_.5.tsv", 0.5),
        ("sigma", None),
        ("0.25.tsv", None),
    ],
)
def test_sigma_in_a_name(name, sigma):
    assert sigma_in_name(Path("sigma_9") / name) == sigma
