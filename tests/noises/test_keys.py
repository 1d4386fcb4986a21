from __future__ import annotations

import hashlib

import numpy as np

from noiseproof.noises.keys import input_key

PICTURE = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)


def test_the_key_is_the_hash_of_pixels_and_shape():
    digest = hashlib.sha256(b"|u1 (2, 3, 4) " + bytes(range(24))).hexdigest()[:32]
    assert input_key(PICTURE) == f"{digest}-0"


def test_anything_that_makes_another_input_makes_another_key():
    changed = PICTURE.copy()
    changed[1, 2, 3] ^= 1
    others = [changed, PICTURE.reshape(3, 2, 4), PICTURE.reshape(-1), PICTURE.astype(np.float64)]
    keys = {input_key(x) for x in [PICTURE, *others]}
    assert len(keys) == 5


def test_the_memory_layout_does_not_matter():
    assert input_key(np.asfortranarray(PICTURE)) == input_key(PICTURE)
    assert input_key(np.repeat(PICTURE, 2, axis=0)[::2]) == input_key(PICTURE)


def test_duplicates_are_numbered():
    keys: list[str] = []
    for _ in range(4):
        keys.append(input_key(PICTURE, taken=keys))
    assert [key.rpartition("-")[2] for key in keys] == ["0", "1", "2", "3"]
    assert len({key.rpartition("-")[0] for key in keys}) == 1
