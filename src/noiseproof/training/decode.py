"""Whole pictures, decoded while the batch before is learned from: each once an epoch, none kept."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import torch
from torch import Tensor

from noiseproof.data.dataset import WholePictures
from noiseproof.training.augment import ResizedCrops


def decoded(
    pictures: WholePictures, batches: Iterable[tuple[list[int], int]], crops: ResizedCrops, size: tuple[int, int]
) -> Iterator[Tensor]:
    """The crops of each batch, uint8 [batch, C, *size], in order.

    Args:
        pictures: where the whole ones come from.
        batches: of each, the pictures' indices, and the place of its first one in the epoch.
        crops: what is cut out of the picture at each place.
        size: height and width of a crop.

    Raises:
        DataError: a picture cannot be read.
    """

    def crop(index: int, place: int) -> Tensor:
        return crops.crop(torch.from_numpy(pictures.whole(index).copy()), place, size)

    pool = ThreadPoolExecutor(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count())
    try:
        under_way: deque[list[Future[Tensor]]] = deque()
        for indices, first in batches:
            under_way.append([pool.submit(crop, index, first + k) for k, index in enumerate(indices)])
            if len(under_way) == 2:
                yield torch.stack([one.result() for one in under_way.popleft()])
        for left in under_way:
            yield torch.stack([one.result() for one in left])
    finally:
        pool.shutdown(cancel_futures=True)
