"""The picture of a request, beside its counts."""

from __future__ import annotations

import numpy as np
import pytest

from noiseproof.data.request import FILE, keep, kept, request_data
from noiseproof.errors import DataError

PIXELS = np.arange(48, dtype=np.uint8).reshape(3, 4, 4)


def test_a_picture_is_read_back_as_it_was_sent(tmp_path):
    keep(tmp_path, PIXELS)
    data = kept(tmp_path, 7)
    assert (data.pixels(0) == PIXELS).all()
    assert (data.name, data.shape, data.classes) == ("request", (3, 4, 4), tuple("0123456"))
    assert data.labels.tolist() == request_data(PIXELS, 7).labels.tolist()


@pytest.mark.parametrize("stored", [None, PIXELS.astype(float), PIXELS[0], np.array([{}]), np.zeros((0, 4, 4), "u1")])
def test_what_is_no_such_picture_is_refused(tmp_path, stored):
    if stored is not None:
        np.save(tmp_path / FILE, stored, allow_pickle=True)
    with pytest.raises(DataError, match="expected the picture of the request, uint8"):
        kept(tmp_path, 2)


def test_a_torn_file_is_refused(tmp_path):
    keep(tmp_path, PIXELS)
    whole = (tmp_path / FILE).read_bytes()
    for length in (0, 5, 60, len(whole) - 1):
        (tmp_path / FILE).write_bytes(whole[:length])
        with pytest.raises(DataError, match="expected the picture of the request"):
            kept(tmp_path, 2)
