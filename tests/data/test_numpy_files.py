from __future__ import annotations

import re

import numpy as np
import pytest

from noiseproof.data import load
from noiseproof.errors import DataError
from noiseproof.noises import Gaussian

GREY = np.arange(2 * 4 * 5, dtype=np.uint8).reshape(2, 4, 5)
Y = np.array([1, 0])


def saved(path, **arrays):
    np.savez(path / "d.npz", **arrays)
    return f"{path}/d.npz"


def refused(spec, error=DataError):
    with pytest.raises(error) as said:
        load(spec)
    assert "\n" not in str(said.value)
    return str(said.value)


@pytest.mark.parametrize(
    ("x", "y"),
    [("x", "y"), ("images", "labels"), ("X_test", "y_test"), ("test_images", "test_labels"), ("x_val", "y_val")],
)
def test_arrays_are_found_by_their_usual_names(tmp_path, x, y):
    data = load(saved(tmp_path, **{x: GREY, y: Y}, other=np.zeros(1)))
    assert data.shape == (1, 4, 5)
    assert data.labels.tolist() == [1, 0]
    assert data.name == f"{tmp_path}/d.npz:{x},{y}"
    assert np.array_equal(data.images()[:, 0], GREY)


def test_the_split_is_the_one_asked_for(tmp_path):
    spec = saved(tmp_path, x_train=GREY[:1], y_train=Y[:1], x_test=GREY, y_test=Y)
    assert (len(load(spec, split="train")), len(load(spec))) == (1, 2)
    assert load(load(spec, split="train").name).labels.tolist() == [1]


def test_arrays_can_be_named(tmp_path):
    spec = saved(tmp_path, x=GREY * 0, y=Y, a=GREY, b=Y[::-1])
    assert np.array_equal(load(f"{spec}:a,b").images()[:, 0], GREY)
    assert refused(f"{spec}:a,c") == f"{spec}: no array 'c', it has x, y, a, b; name two of these"


def test_arrays_that_are_not_found_are_listed(tmp_path):
    spec = saved(tmp_path, a=GREY, b=Y)
    assert refused(spec) == (
        f"{spec}: expected inputs and labels (x and y, images and labels, x_test and y_test), found a, b; "
        f"name them: {spec}:INPUTS,LABELS"
    )


def test_channels_may_be_last(tmp_path):
    x = np.arange(2 * 4 * 5 * 3, dtype=np.uint8).reshape(2, 4, 5, 3)
    data = load(saved(tmp_path, x=x, y=Y))
    assert data.shape == (3, 4, 5)
    assert np.array_equal(data.images(), x.transpose(0, 3, 1, 2))
    assert load(saved(tmp_path, x=x.transpose(0, 3, 1, 2), y=Y)).shape == (3, 4, 5)
    either = np.zeros((2, 3, 4, 3), np.uint8)
    assert "[2, 3, 4, 3] the channels may be first or last" in refused(saved(tmp_path, x=either, y=Y))


def test_floats_need_a_stated_grid(tmp_path):
    spec = saved(tmp_path, x=(GREY / 255).astype(np.float32), y=Y)
    assert refused(spec) == (
        f"{spec}: the inputs are float32, from 0 to 0.152941; say on which grid: {spec}:grid=255 for multiples of "
        f"1/255, {spec}:grid=0 for any in [0, 1] and float noise"
    )
    data = load(f"{spec}:grid=255")
    assert data.grid == 255
    assert np.array_equal(data.images()[:, 0], GREY)
    assert data.name == f"{spec}:x,y,grid=255"


def test_a_finer_grid_is_exact_under_noise_of_that_grid(tmp_path):
    x = np.array([[0, 1, 4095, 4096]] * 2)
    data = load(saved(tmp_path, x=x / 4096, y=Y) + ":grid=4096")
    assert (data.grid, data.dtype) == (4096, np.uint16)
    assert np.array_equal(data.encoded(0, Gaussian(sigma=0.5, grid=4096)), x[0])
    with pytest.raises(ValueError, match=r"^grid must be 4096 \(--grid 4096\) for .*d.npz:x,y,grid=4096, whose inputs"):
        data.encoded(0, Gaussian(sigma=0.5))


def test_whole_numbers_are_steps_of_the_stated_grid(tmp_path):
    spec = saved(tmp_path, x=np.array([[0, 700], [1023, 5]]), y=Y)
    assert np.array_equal(load(f"{spec}:grid=1023").images(), [[0, 700], [1023, 5]])
    assert "expected inputs in [0, 1022], found 0 to 1023; normalisation belongs inside the model" in refused(
        f"{spec}:grid=1022"
    )


def test_floats_off_the_stated_grid_are_refused(tmp_path):
    spec = saved(tmp_path, x=np.full((2, 3), 0.3005), y=Y)
    assert refused(f"{spec}:grid=255") == (
        f"{spec}:grid=255: expected multiples of 1/255, found one 0.37 of a step away; round the inputs, or say grid=0 "
        "for float noise, which claims less"
    )


def test_grid_0_takes_floats_as_they_are_for_float_noise(tmp_path):
    data = load(saved(tmp_path, x=np.full((2, 3), 0.3005), y=Y) + ":grid=0")
    assert (data.grid, data.dtype) == (None, np.float64)
    assert np.array_equal(data.encoded(0, Gaussian(sigma=0.5, grid=None)), [0.3005] * 3)
    with pytest.raises(ValueError, match=r"^grid must be 0 \(--grid 0\) for .*, whose inputs lie on no grid, got 255$"):
        data.encoded(0, Gaussian(sigma=0.5))


@pytest.mark.parametrize(
    ("x", "said"),
    [
        (np.full((2, 3), np.nan), "expected finite numbers, found NaN or infinity in input 0; take it out"),
        (np.full((2, 3), 2.0), "expected inputs in [0, 1], found 2 to 2; normalisation belongs inside the model"),
        (np.full((2, 3), 1j), "expected numbers as inputs, found complex128"),
    ],
)
def test_what_is_no_input_is_refused(tmp_path, x, said):
    assert said in refused(saved(tmp_path, x=x, y=Y) + ":grid=255")


def test_labels_as_text_have_no_order_until_somebody_says_it(tmp_path):
    spec = saved(tmp_path, x=GREY, y=np.array(["dog", "cat"]))
    assert refused(spec) == (
        f"{spec}: the labels in labels are text ('cat', 'dog'), whose order nothing says; give the classes in the "
        f"order of the model: {spec}:classes=cat+dog"
    )
    data = load(f"{spec}:classes=dog+cat+fox")
    assert data.classes == ("dog", "cat", "fox")
    assert data.labels.tolist() == [0, 1]
    assert "labels holds 'dog', which is none of the classes cat" in refused(f"{spec}:classes=cat")


def test_the_number_of_classes_may_be_said_and_their_names_may_lie_in_the_file(tmp_path):
    spec = saved(tmp_path, x=GREY, y=Y)
    assert load(spec).classes == ("0", "1")
    assert load(f"{spec}:classes=4").classes == ("0", "1", "2", "3")
    assert load(saved(tmp_path, x=GREY, y=Y, classes=np.array(["cat", "dog"]))).classes == ("cat", "dog")


@pytest.mark.parametrize("y", [np.array([0.5, 1]), np.array([np.nan, 1]), np.array([-1, 1]), np.zeros((2, 2), int)])
def test_labels_that_are_no_classes_are_refused(tmp_path, y):
    assert re.search("expected (whole numbers|labels|one label)", refused(saved(tmp_path, x=GREY, y=y)))


def test_objects_are_not_unpickled(tmp_path):
    np.savez(tmp_path / "d.npz", x=np.array([{}, {}]), y=Y)
    assert "Object arrays cannot be loaded" in refused(f"{tmp_path}/d.npz")


def test_an_unknown_setting_is_refused_with_the_nearest(tmp_path):
    spec = saved(tmp_path, x=GREY, y=Y)
    assert refused(f"{spec}:gird=255", ValueError) == f"unknown setting of {spec} 'gird'; did you mean 'grid'?"
    assert "grid must be a whole number in [0, 4096], got 'fine'" in refused(f"{spec}:grid=fine", ValueError)
    assert refused(f"{spec}:x", ValueError) == f"{spec}:x names x; name 2 columns or none"


def test_a_pair_of_files(tmp_path):
    np.save(tmp_path / "x.npy", GREY / 255)
    np.save(tmp_path / "y.npy", Y)
    spec = f"{tmp_path}/x.npy,{tmp_path}/y.npy"
    assert np.array_equal(load(f"{spec}:grid=255").images()[:, 0], GREY)
    assert f"{spec}:grid=255 for multiples" in refused(spec)
