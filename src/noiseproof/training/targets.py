"""Soft targets: what an earlier smoothed classifier says of each training picture, from the counts of its run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from noiseproof.asked.options import line
from noiseproof.data import DataSet
from noiseproof.errors import RunError
from noiseproof.noises.keys import input_key
from noiseproof.store import read_run


def soft_targets(folder: Path, data: DataSet) -> NDArray[np.float32]:
    """The share of the votes of each class for each picture: [N, classes], rows sum to 1.

    Any run of draws on the training pictures will do; the cheapest is
    ``noiseproof predict --model MODEL --data DATA:train --sigma S --n 100``. All its draws count. Its sigma need not be
    the training's: the authors' code takes .25 for every sigma.

    Args:
        folder: the run folder.
        data: the training pictures, N of them; each must be finished in the run.

    Raises:
        RunError: the folder is no such run, of other classes or other pictures, or not finished.

    Source: Jeong et al. 2023, who take 10,000 draws of a classifier trained under Gaussian noise.
    """
    run = read_run(folder)
    classes = run.manifest.meaning.get("model", {}).get("num_classes")
    if classes != len(data.classes):
        raise RunError(f"{run.path} has {classes} classes, {data.name} has {len(data.classes)}; give other targets")
    votes = {record.key: np.sum([answer.votes for answer in record.answers], axis=0) for record in run.records}
    found = np.empty((len(data), len(data.classes)))
    noise, missing = run.noise, 0
    for index in range(len(data)):
        counts = votes.get(input_key(data.encoded(index, noise)))  # of equal pictures, the first one's
        if counts is None:
            missing += 1
        elif not counts.sum():
            raise RunError(f"{folder}: no draw of picture {index} has scores: all are NaN or infinite; train it anew")
        else:
            found[index] = counts / counts.sum()
    if missing:
        raise RunError(
            f"{folder} lacks {missing} of the {len(data)} pictures of {data.name}; "
            f"give targets drawn on all of them: {line('predict', {'data': data.name})} ..."
        )
    return found.astype(np.float32)
