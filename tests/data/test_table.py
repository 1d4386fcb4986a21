from __future__ import annotations

import json
import struct
import wave

import numpy as np
import pytest

from noiseproof.data import load
from noiseproof.errors import DataError
from noiseproof.noises import Gaussian

TRAIN = "age,height,label\n20,1.5,0\n60,2.0,1\n40,1.6,0\n"
TEST = "age,height,label\n30,1.75,1\n20,1.5,0\n50,2.0,1\n"


@pytest.fixture
def files(tmp_path):
    (tmp_path / "train.csv").write_text(TRAIN)
    (tmp_path / "test.csv").write_text(TEST)
    return tmp_path


def refused(spec, error=DataError):
    with pytest.raises(error) as said:
        load(spec)
    assert "\n" not in str(said.value)
    return str(said.value)


def wrong(files, text, more=""):
    (files / "wrong.csv").write_text(text)
    return refused(f"{files}/wrong.csv:spread={files}/train.csv{more}")


def test_a_row_is_in_units_of_the_spread_of_each_column_of_the_training_table(files):
    data = load(f"{files}/test.csv:spread={files}/train.csv")
    assert (data.shape, data.grid, data.dtype, data.classes) == ((2,), 4096, np.uint16, ("0", "1"))
    assert data.images().tolist() == [[1024, 2048], [0, 0], [3072, 4096]]
    assert data.labels.tolist() == [1, 0, 1]
    assert data.scaling.table() == {
        "unit": "each column's spread",
        "columns": ["age", "height"],
        "low": [20.0, 1.5],
        "high": [60.0, 2.0],
    }
    assert np.array_equal(data.encoded(0, Gaussian(sigma=0.25, grid=4096)), [1024, 2048])


def test_another_grid_or_none(files):
    spec = f"{files}/test.csv:spread={files}/train.csv"
    assert load(f"{spec},grid=8").images().tolist() == [[2, 4], [0, 0], [6, 8]]
    assert load(f"{spec},grid=6").images().tolist() == [[2, 3], [0, 0], [4, 6]]  # 1.5 and 4.5 to even
    assert load(f"{spec},grid=7").images().tolist() == [[2, 4], [0, 0], [5, 7]]  # 1.75 and 3.5 rounded, not cut
    data = load(f"{spec},grid=0")
    assert (data.grid, data.dtype) == (None, np.float64)
    assert data.images()[0].tolist() == [0.25, 0.5]


def test_ranges_may_be_stated_in_a_file_or_as_one(files):
    (files / "ranges.json").write_text(json.dumps({"age": [0, 100], "height": [1, 2], "more": [0, 1]}))
    data = load(f"{files}/test.csv:spread={files}/ranges.json,grid=0")
    assert data.images()[0].tolist() == [0.3, 0.75]
    data = load(f"{files}/test.csv:range=0..100,grid=0")
    assert data.images()[0].tolist() == [0.3, 0.0175]
    assert data.scaling.unit == "the range from 0 to 100"
    (files / "ranges.json").write_text(json.dumps({"age": [0, 100]}))
    assert refused(f"{files}/test.csv:spread={files}/ranges.json") == (
        f"{files}/ranges.json: expected a range of each column, height lacking; add it"
    )
    (files / "ranges.json").write_text("[1]")
    assert 'expected {"column": [low, high], ...}, found: ' in refused(f"{files}/test.csv:spread={files}/ranges.json")


@pytest.mark.parametrize("more", ["", ":label=label", ":range=0..9,spread=t.csv"])
def test_the_unit_of_a_radius_must_be_said_and_once(files, more):
    said = refused(f"{files}/test.csv{more}", ValueError)
    assert said.startswith(f"{files}/test.csv{more} does not say in which units radii are measured; say one: spread=")


def test_numbers_beyond_their_range_are_moved_to_its_end_counted_and_said(files, caplog):
    (files / "far.csv").write_text(TEST + "90,1.0,0\n30,2.5,0\n")
    data = load(f"{files}/far.csv:spread={files}/train.csv")
    assert data.images()[3:].tolist() == [[4096, 0], [1024, 4096]]
    assert "2 of 5 inputs have a number outside the stated range of its column; it was moved to the end" in caplog.text


def test_moving_and_rounding_bring_no_two_rows_farther_apart_than_is_said():
    from noiseproof.data.scaling import Scaling

    rng = np.random.default_rng(20190213)
    scaling = Scaling(("a", "b", "c"), (-1.0, 0.0, 5.0), (1.0, 10.0, 5.5))
    rows, others = rng.normal((0, 5, 5.2), (1, 6, 0.4), (2, 10_000, 3))
    spread = np.array(scaling.high) - scaling.low
    apart = np.linalg.norm((rows - others) / spread, axis=1)
    x, y = scaling.scaled(rows)[0], scaling.scaled(others)[0]
    assert (np.linalg.norm(x - y, axis=1) <= apart * (1 + 1e-12)).all()
    on_grid = np.linalg.norm((np.rint(x * 64) - np.rint(y * 64)) / 64, axis=1)
    assert (on_grid <= apart + np.sqrt(3) / 64 + 1e-12).all()


def test_a_gap_and_infinity_are_named_by_column_and_row(files):
    assert wrong(files, TEST + ",1.6,0\n") == (
        f"{files}/wrong.csv:spread={files}/train.csv: the column age is NaN in row 3; fill such gaps before (what "
        "fills them is a part of the model), or take these rows out"
    )
    assert "the column height is infinite in row 0" in wrong(files, "age,height,label\n30,inf,0\n")
    (files / "train.csv").write_text(TRAIN + "nan,1.6,0\n")
    assert "train.csv: the column age is NaN or infinite in row 3; take such rows out" in wrong(files, TEST)


def test_a_constant_column_has_no_spread(files):
    (files / "train.csv").write_text(TRAIN.replace("1.5", "2").replace("1.6", "2.0"))
    assert refused(f"{files}/test.csv:spread={files}/train.csv") == (
        "the column height is constant (2): it has no spread, and no radius can be in units of it; leave it out "
        "(without=height), or state its range (spread=FILE.json)"
    )
    assert load(f"{files}/test.csv:spread={files}/train.csv,without=height").shape == (1,)


def test_labels_as_text_need_their_order(files):
    (files / "test.csv").write_text(TEST.replace(",1\n", ",yes\n").replace(",0\n", ",no\n"))
    spec = f"{files}/test.csv:spread={files}/train.csv"
    assert refused(spec).endswith(f"give the classes in the order of the model: {spec},classes=no+yes")
    assert load(f"{spec},classes=yes+no").labels.tolist() == [0, 1, 0]


def test_a_column_of_text_is_refused_or_left_out(files):
    text = "age,town,label\n30,Bern,1\n"
    assert wrong(files, text) == (
        f"{files}/wrong.csv: the column town holds 'Bern' in row 0, which is no number; encode it as numbers, or leave "
        f"the column out: {files}/wrong.csv:spread={files}/train.csv,without=town"
    )
    data = load(f"{files}/wrong.csv:spread={files}/train.csv,without=town")
    assert data.scaling.columns == ("age",)


def test_columns_that_are_not_there_are_told_with_those_that_are(files):
    spec = f"{files}/test.csv:spread={files}/train.csv"
    assert (
        refused(f"{spec},label=class")
        == f"{files}/test.csv: no column 'class', it has age, height, label; name one of these"
    )
    assert "no column is called label or the like; it has a, b" in wrong(files, "a,b\n1,2\n")
    assert "expected the columns of" in wrong(files, "age,weight,label\n1,2,0\n")
    assert "no column is left besides label" in wrong(files, "label\n1\n")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "expected a header of different names and rows below, found none"),
        ("a,a\n1,2\n", "found a, a; mend it"),
        ("age,height,label\n1,2\n", "expected 3 values a row, found 2 in row 0; mend the file"),
        ('age,height,label\n1,2,"x\n', "expected a table of comma separated values, found: "),
    ],
)
def test_what_is_no_table_is_refused(files, text, said):
    assert said in wrong(files, text)


def test_a_table_of_parquet(files):
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    pq.write_table(pa.table({"age": [30, None], "height": [1.75, 2.0], "label": [1, 0]}), files / "t.parquet")
    assert "the column age is NaN in row 1" in refused(f"{files}/t.parquet:spread={files}/train.csv")
    pq.write_table(pa.table({"age": [30, 20], "height": [1.75, 1.5], "label": [1, 0]}), files / "t.parquet")
    assert load(f"{files}/t.parquet:spread={files}/train.csv").images().tolist() == [[1024, 2048], [0, 0]]


def test_a_table_of_numpy_has_its_training_rows_beside_it(tmp_path):
    x, y = np.array([[30, 1.75], [20, 1.5]]), np.array([1, 0])
    train = np.array([[20, 1.5], [60, 2.0]])
    np.savez(tmp_path / "d.npz", x_train=train, x_test=x, y_test=y, columns=np.array(["age", "height"]))
    data = load(f"{tmp_path}/d.npz:spread=x_train")
    assert data.name == f"{tmp_path}/d.npz:x_test,y_test,spread=x_train"
    assert data.images().tolist() == [[1024, 2048], [0, 0]]
    assert data.scaling.columns == ("age", "height")
    np.save(tmp_path / "train.npy", train)
    assert np.array_equal(load(f"{tmp_path}/d.npz:spread={tmp_path}/train.npy").images(), data.images())
    assert "expected a table [N, 2] in y_test, found [2] for inputs [2, 2]" in refused(
        f"{tmp_path}/d.npz:spread=y_test"
    )
    np.savez(tmp_path / "d.npz", x=x, y=y, columns=np.array(["age"]))
    assert "columns has 1 names for 2 columns; name each" in refused(f"{tmp_path}/d.npz:range=0..60")


def test_signals_of_numpy_have_one_range(tmp_path):
    x = np.linspace(-1, 1, 12).reshape(2, 1, 6)
    np.savez(tmp_path / "d.npz", x=x, y=np.array([0, 1]))
    data = load(f"{tmp_path}/d.npz:range=-1..1,grid=22")
    assert data.shape == (1, 6)
    assert data.images().ravel().tolist() == list(range(0, 24, 2))
    assert "or one range for all (range=LOW..HIGH)" in refused(f"{tmp_path}/d.npz:spread=x")
    assert "range must be LOW..HIGH, as -1..1, got '1..-1'" in refused(f"{tmp_path}/d.npz:range=1..-1", ValueError)


def recorded(path, samples, *, width=2, channels=1, rate=8000):
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setparams((channels, width, rate, 0, "NONE", ""))
        file.writeframes(b"".join(struct.pack({1: "B", 2: "<h", 4: "<i"}[width], each) for each in samples))


@pytest.mark.parametrize(
    ("width", "samples"),
    [(1, [0, 64, 128, 192]), (2, [-(2**15), -(2**14), 0, 2**14]), (4, [-(2**31), -(2**30), 0, 2**30])],
)
def test_recordings_are_in_units_of_full_scale(tmp_path, width, samples):
    recorded(tmp_path / "no" / "a.wav", samples, width=width)
    recorded(tmp_path / "yes" / "b.wav", samples[::-1], width=width)
    data = load(f"wav:{tmp_path}")
    assert (data.shape, data.grid, data.classes) == ((1, 4), 4096, ("no", "yes"))
    assert data.pixels(0).tolist() == [[0, 1024, 2048, 3072]]
    assert data.pixels(1).tolist() == [[3072, 2048, 1024, 0]]
    assert data.scaling.table() == {
        "unit": "full scale, from -1 to 1",
        "columns": ["amplitude"],
        "low": [-1.0],
        "high": [1.0],
    }


def test_channels_are_told_apart_and_other_files_counted(tmp_path, caplog):
    recorded(tmp_path / "a" / "x.wav", [0, 2**14, -(2**14), 2**13], channels=2)
    (tmp_path / "a" / "notes.txt").write_text("x")
    data = load(f"wav:{tmp_path}:grid=8")
    assert data.pixels(0).tolist() == [[4, 2], [6, 5]]
    assert "1 entries are no .wav files, and were passed over: a/notes.txt" in caplog.text


def test_recordings_of_two_lengths_or_rates_are_named(tmp_path):
    recorded(tmp_path / "a" / "x.wav", [0, 1, 2])
    recorded(tmp_path / "a" / "y.wav", [0, 1])
    assert refused(f"wav:{tmp_path}") == (
        f"{tmp_path}/a/y.wav: expected 3 samples of 1 channels at 8000 Hz as {tmp_path}/a/x.wav is, found 2 samples of "
        "1 channels at 8000 Hz; cut or resample the recordings"
    )
    recorded(tmp_path / "a" / "y.wav", [0, 1, 2], rate=16000)
    assert "found 3 samples of 1 channels at 16000 Hz" in refused(f"wav:{tmp_path}")
    assert "expected a folder of .wav files for each class, found none" in refused(f"wav:{tmp_path}/a")
