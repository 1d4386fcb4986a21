"""Stripes, across or down: as a function for ``--data file.py:name``, and as a set with a name and splits."""

import numpy as np

from noiseproof.data import DataSet


def stripes(name="stripes", seed=0):
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 2, 40)
    rows = generator.integers(0, 2, (40, 1, 8, 1), dtype=np.uint8) * 255
    rows[:, :, 0], rows[:, :, 1] = 255, 0
    pictures = np.array([row.repeat(8, 2) if label else row.repeat(8, 2).swapaxes(1, 2)
                         for row, label in zip(rows, labels, strict=True)])  # fmt: skip
    return DataSet(name, ("down", "across"), (1, 8, 8), labels, pictures)


class Stripes:
    name, splits, remedy = "stripes", ("train", "test"), "it is computed"

    def load(self, split, root):
        return stripes(f"stripes:{split}", seed=self.splits.index(split))


STRIPES = Stripes()
