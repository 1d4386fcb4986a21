"""One base classifier on several devices of one kind: whole batches in turn, the same counts for any number."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import cycle
from typing import TYPE_CHECKING, Any

import torch

from noiseproof.engine.pooled import PooledBackend
from noiseproof.errors import ModelError
from noiseproof.tallies import CLASS_VOTES

if TYPE_CHECKING:
    from noiseproof.engine.backend import Pending, Segment
    from noiseproof.tallies import Tally


class SeveralBackend(PooledBackend):
    """A backend for each device behind one: a batch goes to the next in turn, so the first is soon ready again.

    Which device a batch goes to must not matter, so what they say of themselves and their scores must be the same.
    """

    def __init__(self, backends: Sequence[PooledBackend]) -> None:
        """One of some backends that differ in their device alone."""
        assert backends, "one at least"
        first = backends[0]
        super().__init__(
            num_classes=first.num_classes,
            noise=first.noise,
            shape=first.shape,
            device=first.device,
            batch_size=first.batch_size,
            precision=first.precision,
            workers=first.workers,
            channels_last=first.layout == torch.channels_last,
        )
        self.backends = tuple(backends)
        self.depth = sum(each.depth for each in backends)
        self.most_segments = first.most_segments
        self.label = first.label
        self._turn = cycle(self.backends)

    def submit(self, segments: list[Segment], tally: Tally = CLASS_VOTES) -> Pending:
        """Start a batch on the next device."""
        backend = next(self._turn)
        backend.tolerance = self.tolerance
        return backend.submit(segments, tally)

    def answers(self, x: torch.Tensor) -> torch.Tensor:
        """The scores of up to a whole batch, which every device is asked for.

        Raises:
            ModelError: theirs differ.
        """
        found = [each.answers(x) for each in self.backends]
        for backend, scores in zip(self.backends, found, strict=True):
            if not torch.equal(scores.nan_to_num(), found[0].nan_to_num()):
                raise ModelError(
                    f"scores on {backend.device} are not those on {self.device}, so votes would depend on which of "
                    "them is asked; give a single --device"
                )
        return found[0]

    def scores(self, x: torch.Tensor) -> object:
        """Of the first device."""
        return self.backends[0].scores(x)

    def each_worker(self, work: Callable[[], float]) -> list[float]:
        """Those of the first device."""
        return self.backends[0].each_worker(work)

    def forward_pass(self, x: torch.Tensor) -> Callable[[], object]:
        """On the first device."""
        return self.backends[0].forward_pass(x)

    def environment(self) -> dict[str, Any]:
        """What each of them says, and which devices they are.

        Raises:
            ModelError: they are not of one kind.
        """
        said = [each.environment() for each in self.backends]
        self.label = self.backends[0].label
        for backend, one in zip(self.backends, said, strict=True):
            if differing := sorted(name for name in one if one[name] != said[0].get(name)):
                raise ModelError(
                    f"{backend.device} is of another kind than {self.device}: {differing[0]} is {one[differing[0]]!r}, "
                    f"not {said[0].get(differing[0])!r}; give devices of one kind"
                )
        return said[0] | {"devices": [str(each.device) for each in self.backends]} | self.measured

    def close(self) -> None:
        """Close them all."""
        for each in self.backends:
            each.close()
        super().close()
