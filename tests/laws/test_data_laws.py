"""Every form of data x the laws: its name loads it again, it says the same when asked again, its errors are its own.

A form that is added to ``FORMS`` adds a maker here: it writes a small data set and gives the spec of it.
"""

from __future__ import annotations

import io
import re
import tarfile
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from noiseproof.data import FORMS, load
from noiseproof.errors import DataError
from noiseproof.noises import Gaussian
from noiseproof.noises.keys import input_key

Maker = Callable[[Path], str]


def pictures() -> np.ndarray:
    return np.random.default_rng(20190213).integers(0, 256, (6, 5, 4, 3), dtype=np.uint8)


LABELS = np.array([0, 1, 2, 0, 1, 2])


def folder(path: Path) -> str:
    for index, (picture, label) in enumerate(zip(pictures(), LABELS, strict=True)):
        (path / f"class{label}").mkdir(exist_ok=True)
        Image.fromarray(picture).save(path / f"class{label}" / f"{index}.png")
    return f"folder:{path}"


def python(path: Path) -> str:
    np.save(path / "x.npy", pictures())
    (path / "d.py").write_text(
        "import numpy as np\nfrom pathlib import Path\nfrom noiseproof.data import DataSet\n"
        "x = np.load(Path(__file__).with_name('x.npy')).transpose(0, 3, 1, 2)\n"
        "def made():\n    return DataSet('d', ('a', 'b', 'c'), (3, 5, 4), np.arange(6) % 3, x)\n"
    )
    return f"{path}/d.py:made"


def npz(path: Path) -> str:
    np.savez(path / "d.npz", x=pictures(), y=LABELS)
    return f"{path}/d.npz"


def npy(path: Path) -> str:
    np.save(path / "x.npy", pictures())
    np.save(path / "y.npy", LABELS)
    return f"{path}/x.npy,{path}/y.npy"


def parquet(path: Path) -> str:
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    encoded = []
    for each in pictures():
        Image.fromarray(each).save(stream := io.BytesIO(), format="PNG")
        encoded.append({"bytes": stream.getvalue(), "path": None})
    pq.write_table(pa.table({"image": encoded, "label": LABELS}), path / "d.parquet")
    return f"hf:{path}/d.parquet"


def shards(path: Path) -> str:
    for shard in range(2):
        with tarfile.open(path / f"d-{shard:02}.tar", "w") as archive:
            for index in range(3 * shard, 3 * shard + 3):
                Image.fromarray(pictures()[index]).save(stream := io.BytesIO(), format="PNG")
                for kind, raw in (("png", stream.getvalue()), ("cls", str(LABELS[index]).encode())):
                    member = tarfile.TarInfo(f"{index:04}.{kind}")
                    member.size = len(raw)
                    archive.addfile(member, io.BytesIO(raw))
    return f"{path}/d-{{00..01}}.tar"


def table(path: Path) -> str:
    rows = [f"{age},{height},{LABELS[k]}" for k, (age, height) in enumerate(ROWS)]
    (path / "d.csv").write_text("\n".join(["age,height,label", *rows]))
    return f"{path}/d.csv:spread={path}/d.csv"


def recordings(path: Path) -> str:
    for index, label in enumerate(LABELS):
        (path / str(label)).mkdir(exist_ok=True)
        with wave.open(str(path / str(label) / f"{index}.wav"), "wb") as file:
            file.setparams((1, 2, 8000, 0, "NONE", ""))
            file.writeframes(np.arange(index, 900, 90).astype("<i2").tobytes())
    return f"wav:{path}"


ROWS = [(20, 1.6), (30, 1.5), (40, 1.75), (50, 1.8), (61, 1.9), (25, 2.0)]
MAKERS: dict[str, Maker] = {
    "folder:PATH": folder,
    "file.py:name": python,
    "FILE.npz:INPUTS,LABELS": npz,
    "X.npy,Y.npy": npy,
    "FILE.csv:spread=TRAIN.csv": table,
    "hf:PATH": parquet,
    "SHARD-{0..9}.tar": shards,
    "wav:PATH": recordings,
}


def test_every_form_is_here():
    assert list(MAKERS) == [form.written for form in FORMS]


@pytest.fixture(params=MAKERS)
def made(request, tmp_path) -> tuple[str, Path]:
    return MAKERS[request.param](tmp_path), tmp_path


def test_one_form_takes_it(made):
    assert [form.takes(made[0]) for form in FORMS].count(True) == 1


def test_it_holds_what_was_written(made):
    data = load(made[0])
    assert len(data) == 6
    assert sorted(data.labels.tolist()) == [0, 0, 1, 1, 2, 2]
    assert len(data.classes) == 3
    if data.shape == (3, 5, 4):
        expected = {(int(label), each.tobytes()) for label, each in zip(LABELS, pictures(), strict=True)}
        assert {(data[i][1], data.pixels(i).transpose(1, 2, 0).tobytes()) for i in range(6)} == expected


def test_its_name_loads_it_again(made):
    data = load(made[0])
    again = load(data.name)
    assert (again.name, again.classes, again.shape, again.grid) == (data.name, data.classes, data.shape, data.grid)
    assert again.scaling == data.scaling
    assert again.labels.tolist() == data.labels.tolist()
    assert np.array_equal(again.images(), data.images())


def test_every_input_is_the_same_when_asked_again_and_the_caller_s_own(made):
    data = load(made[0])
    noise = Gaussian(sigma=0.5, grid=data.grid)
    for index in range(len(data)):
        first = data.pixels(index)
        assert first.dtype == data.dtype
        assert first.shape == data.shape
        key = input_key(data.encoded(index, noise))
        first[...] = 0
        assert input_key(data.encoded(index, noise)) == key
        assert data.encoded(index, noise).any()


def test_x_lies_in_0_to_1_and_on_the_grid(made):
    data = load(made[0])
    x, _ = data[0]
    assert x.dtype == np.float32
    assert 0 <= x.min() <= x.max() <= 1
    assert data.grid is None or np.array_equal(np.rint(x * data.grid), data.pixels(0))


def test_another_grid_than_that_of_the_data_is_refused(made):
    data = load(made[0])
    other = 17 if data.grid != 17 else 18
    with pytest.raises(ValueError, match="grid"):
        data.encoded(0, Gaussian(sigma=0.5, grid=other))


def test_damaged_files_are_refused_in_a_line(made):
    spec, path = made
    if "folder" in spec or ".py" in spec:
        pytest.skip("its own tests")
    for file in [each for each in path.rglob("*") if each.is_file()]:
        raw = file.read_bytes()
        half = raw[: len(raw) // 2]
        for wrong in (b"", b"\x00" * len(raw), *([] if file.suffix == ".csv" else [half])):  # text has no end
            file.write_bytes(wrong)
            with pytest.raises(DataError) as error:
                load(spec).images()
            assert "\n" not in str(error.value)
            assert re.search(r"; \w+", str(error.value)), error.value
        file.write_bytes(raw)


def test_a_missing_file_is_refused_by_name(made):
    spec, path = made
    moved = path.with_name(f"{path.name}-elsewhere")
    path.rename(moved)
    with pytest.raises(DataError, match=re.escape(str(path))):
        load(spec)
