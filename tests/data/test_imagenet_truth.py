from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from noiseproof.data import load
from noiseproof.data.matlab import read_structs
from noiseproof.errors import DataError

TRUTH = "ILSVRC2012_validation_ground_truth.txt"
WNIDS = [f"n{(61_803_399 * k) % 100_000_007:08}" for k in range(1, 1001)]  # in no order, as the challenge's are not


def meta(path, wnids=WNIDS, *, compressed=True):
    """As meta.mat of the kit: after the thousand classes come groups of them."""
    kind = [(name, object) for name in ("ILSVRC2012_ID", "WNID", "words", "num_children", "children", "gloss")]
    rows = [(float(k), wnid, "a fish", 0.0, np.empty((0, 0)), "tiny" * 9) for k, wnid in enumerate(wnids, start=1)]
    rows += [(1001.0, "n00001740", "entity", 2.0, np.array([[1.0, 2.0]]), "all")]
    savemat(path, {"other": np.eye(2), "synsets": np.array(rows, dtype=kind)[:, None]}, do_compression=compressed)


@pytest.fixture(params=["val", "ILSVRC2012_devkit_t12/data"])
def root(request, tmp_path):
    """Three pictures of a flat folder; the kit beside them or in its own folder."""
    place, kit = tmp_path / "val", tmp_path / request.param
    for folder in (place, kit):
        folder.mkdir(parents=True, exist_ok=True)
    for number in (1, 3, 4):
        Image.new("RGB", (300, 280), (number, 0, 0)).save(place / f"ILSVRC2012_val_{number:08}.JPEG", quality=100)
    meta(kit / "meta.mat")
    (kit / TRUTH).write_text("490\n361\n1\n1000\n")
    return tmp_path


def kit(root):
    return next(root.rglob(TRUTH)).parent


def test_a_flat_val_is_labelled_by_the_kit_in_the_order_of_sorted_ids(root, caplog):
    data = load("imagenet:val", root=root)
    assert (data.name, data.shape, data.classes) == ("imagenet:val", (3, 224, 224), tuple(sorted(WNIDS)))
    assert [data.classes[label] for label in data.labels] == [WNIDS[489], WNIDS[0], WNIDS[999]]
    assert data.pixels(2).shape == (3, 224, 224)
    assert not caplog.records


def test_what_is_no_picture_of_val_is_counted(root, caplog):
    (root / "val" / "notes.txt").write_text("x")
    assert len(load("imagenet", root=root)) == 3
    assert "1 entries are no pictures that can be read here, and were passed over: notes.txt" in caplog.text


@pytest.mark.parametrize(
    ("file", "raw", "said"),
    [
        (
            "meta.mat",
            None,
            "classes of the development kit, found: no such file; without",
        ),
        (
            "meta.mat",
            b"x" * 200,
            "classes of the development kit, found: no head of ver",
        ),
        (TRUTH, b"490\n361\n1\nfish\n", "expected a number from 1 to 1000 a line, found: invalid literal"),
        (TRUTH, b"490\n361\n1\n1001\n", "expected a number from 1 to 1000 a line, found: 1001; unpack the kit again"),
        (TRUTH, b"490\n361\n1\n", "ILSVRC2012_val_00000004.JPEG: expected a number up to 3, the lines of"),
    ],
)
def test_a_kit_that_is_not_whole_is_refused(root, file, raw, said):
    place = kit(root) / file
    place.unlink()
    if raw is not None:
        place.write_bytes(raw)
    with pytest.raises(DataError) as error:
        load("imagenet", root=root)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_a_kit_of_other_classes_is_refused(root):
    meta(kit(root) / "meta.mat", WNIDS[:999])
    with pytest.raises(DataError, match=r"expected 1000 classes, found 999; unpack"):
        load("imagenet", root=root)


@pytest.mark.parametrize("compressed", [True, False])
def test_structures_are_read_one_level_deep(tmp_path, compressed):
    meta(tmp_path / "m.mat", compressed=compressed)
    rows = read_structs((tmp_path / "m.mat").read_bytes(), "synsets", ("ILSVRC2012_ID", "WNID", "children", "gloss"))
    assert len(rows) == 1001
    assert rows[0] == {"ILSVRC2012_ID": 1.0, "WNID": WNIDS[0], "gloss": "tiny" * 9}
    assert rows[-1]["WNID"] == "n00001740"
    with pytest.raises(ValueError, match="no array of structures called rows"):
        read_structs((tmp_path / "m.mat").read_bytes(), "rows", ("WNID",))


def test_damaged_structures_are_refused(tmp_path):
    meta(tmp_path / "m.mat", WNIDS[:3], compressed=False)
    raw = bytearray((tmp_path / "m.mat").read_bytes())
    rng = np.random.default_rng(20190213)
    for _ in range(2000):
        wrong = bytearray(raw)
        for place in rng.integers(128, len(raw), 3).tolist():
            wrong[place] = int(rng.integers(256))
        try:
            read_structs(bytes(wrong), "synsets", ("ILSVRC2012_ID", "WNID"))
        except ValueError:
            continue
