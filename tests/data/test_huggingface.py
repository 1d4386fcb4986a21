"""Files as Hugging Face datasets writes them; its own schema is written here by hand, after its documentation."""

from __future__ import annotations

import io
import json
import sys

import numpy as np
import pytest
from PIL import Image

from noiseproof.data import load
from noiseproof.errors import DataError

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

PICTURES = np.random.default_rng(20190213).integers(0, 256, (4, 5, 4, 3), dtype=np.uint8)
FEATURES = {"img": {"_type": "Image"}, "label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}


def png(picture) -> bytes:
    Image.fromarray(picture).save(stream := io.BytesIO(), format="PNG")
    return stream.getvalue()


def table(pictures=PICTURES, labels=(0, 1, 1, 0), *, features=FEATURES, image="img", label="label", **more):
    encoded = [{"bytes": png(each), "path": f"{number}.png"} for number, each in enumerate(pictures)]
    made = pa.table({image: encoded, label: list(labels), **more})
    about = {"huggingface": json.dumps({"info": {"features": features}})} if features else {}
    return made.replace_schema_metadata(about)


def stored(path, made):
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        pq.write_table(made, path)
    else:
        with pa.ipc.new_stream(str(path), made.schema) as writer:
            writer.write_table(made)
    return str(path)


def refused(spec, error=DataError):
    with pytest.raises(error) as said:
        load(spec)
    assert "\n" not in str(said.value)
    return str(said.value)


def holds(data, pictures=PICTURES):
    return np.array_equal(data.images(), pictures.transpose(0, 3, 1, 2))


@pytest.mark.parametrize("file", ["d.parquet", "data-00000-of-00001.arrow"])
def test_columns_and_class_names_are_those_of_the_file(tmp_path, file):
    data = load(stored(tmp_path / file, table()))
    assert (data.name, data.classes, data.shape) == (str(tmp_path / file), ("cat", "dog"), (3, 5, 4))
    assert data.labels.tolist() == [0, 1, 1, 0]
    assert holds(data)


def test_an_arrow_file_of_the_other_format(tmp_path):
    made = table()
    with pa.ipc.new_file(str(tmp_path / "d.arrow"), made.schema) as writer:
        writer.write_table(made)
    assert holds(load(f"hf:{tmp_path}/d.arrow"))


def test_columns_are_found_without_the_schema_of_datasets_or_named(tmp_path):
    spec = stored(tmp_path / "d.parquet", table(features=None, image="picture", label="fine_label", id=[1, 2, 3, 4]))
    assert load(spec).classes == ("0", "1")
    assert holds(load(f"{spec}:picture,id,classes=5"))
    assert load(f"{spec}:picture,id,classes=5").labels.tolist() == [1, 2, 3, 4]
    assert refused(f"{spec}:pic,id") == f"{spec}: no column 'pic', it has picture, fine_label, id; name two of these"


def test_a_file_without_pictures_lists_its_columns(tmp_path):
    spec = stored(tmp_path / "d.parquet", pa.table({"a": [1.0, 2.0], "text": ["x", "y"], "label": [0, 1]}))
    assert refused(spec).startswith(
        f"{spec}: no column holds pictures; it has a (double), text (string), label (int64);"
    )


def test_two_columns_of_pictures_must_be_told_apart(tmp_path):
    raw = [png(each) for each in PICTURES]
    spec = stored(tmp_path / "d.parquet", pa.table({"left": raw, "right": raw, "label": [0, 1, 1, 0]}))
    assert f"name two: {spec}:left,LABEL" in refused(spec)
    assert holds(load(f"{spec}:right,label"))


def test_a_file_without_labels_lists_its_columns(tmp_path):
    spec = stored(tmp_path / "d.parquet", table(features=None, label="kind"))
    assert refused(spec) == (
        f"{spec}: no column is called label, labels, fine_label or the like; it has img, kind; name the columns: "
        f"{spec}:IMAGE,LABEL"
    )


def test_labels_as_text_are_refused_until_their_order_is_said(tmp_path):
    spec = stored(tmp_path / "d.parquet", table(labels=["dog", "cat", "cat", "dog"], features=None))
    assert refused(spec).endswith(f"give the classes in the order of the model: {spec}:classes=cat+dog")
    assert load(f"{spec}:classes=dog+cat").labels.tolist() == [0, 1, 1, 0]


def test_pictures_of_two_sizes_are_named_and_may_be_resized(tmp_path):
    pictures = [*PICTURES[:3], PICTURES[3][:4]]
    spec = stored(tmp_path / "d.parquet", table(pictures))
    assert refused(spec) == (
        f"{spec}: row 3: expected 4x5 RGB as {spec}: row 0 is, found 4x4 RGB; make all pictures one shape, or let the "
        f"data set be of resized ones: {spec}:resize=4x5"
    )
    data = load(f"{spec}:resize=4x5")
    assert data.shape == (3, 5, 4)
    assert np.array_equal(data.pixels(0), PICTURES[0].transpose(2, 0, 1))


@pytest.mark.parametrize(
    ("value", "said"), [({"bytes": None, "path": "a/b.png"}, "not in the file but at a/b.png"), (None, "found none")]
)
def test_a_row_without_its_picture_is_unreadable(tmp_path, value, said):
    rows = [{"bytes": png(PICTURES[0]), "path": None}, value]
    spec = stored(tmp_path / "d.parquet", pa.table({"image": rows, "label": [0, 1]}))
    data = load(spec)
    assert list(data.pictures.unreadable) == [1]
    assert said in data.pictures.unreadable[1]
    with pytest.raises(DataError, match=r"row 1: "):
        data.pixels(1)


def test_a_row_without_a_label_is_refused(tmp_path):
    spec = stored(tmp_path / "d.parquet", table(labels=[0, None, 1, 0]))
    assert refused(spec) == f"{spec}: row 1 has no label; give every picture a label"


def test_a_folder_of_shards_is_one_set_and_its_split_is_the_one_asked_for(tmp_path):
    for split, at in (("train", 0), ("test", 2)):
        for shard in range(2):
            part = slice(at + shard, at + shard + 1)
            stored(tmp_path / "data" / f"{split}-0000{shard}-of-00002.parquet", table(PICTURES[part], [shard]))
    assert holds(load(f"hf:{tmp_path}"), PICTURES[2:])
    assert holds(load(f"hf:{tmp_path}", split="train"), PICTURES[:2])
    assert holds(load(f"hf:{tmp_path}:split=train"), PICTURES[:2])
    assert refused(f"hf:{tmp_path}:split=dev") == (
        f"hf:{tmp_path}: no split 'dev', it has test, train; say which: hf:{tmp_path}:split=test"
    )


def test_what_save_to_disk_writes(tmp_path):
    for split, pictures in (("train", PICTURES[:1]), ("validation", PICTURES[1:])):
        stored(tmp_path / split / "data-00000-of-00001.arrow", table(pictures, [0] * len(pictures)))
        (tmp_path / split / "cache-1234.arrow").write_bytes(b"what map left behind")
        (tmp_path / split / "state.json").write_text("{}")
    assert holds(load(f"hf:{tmp_path}"), PICTURES[1:])
    assert holds(load(f"hf:{tmp_path}/train"), PICTURES[:1])


def test_shards_of_different_columns_are_refused(tmp_path):
    stored(tmp_path / "a.parquet", table())
    stored(tmp_path / "b.parquet", table(labels=["0", "1", "1", "0"], features=None))
    assert "its files do not have the same columns" in refused(f"hf:{tmp_path}")


def test_an_empty_folder_and_a_split_of_a_file_are_refused(tmp_path):
    assert "expected .parquet or .arrow files, found none" in refused(f"hf:{tmp_path}")
    spec = stored(tmp_path / "d.parquet", table())
    assert refused(f"{spec}:split=test", ValueError).startswith("split is for a folder of several")


def test_pyarrow_that_is_missing_is_named(tmp_path, monkeypatch):
    spec = stored(tmp_path / "d.parquet", table())
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert "needs pyarrow, which is not installed: " in refused(spec)
    assert "[parquet]" in refused(spec)
