"""Class votes: a draw adds one to the class of the largest score. The tally of the paper, and the default."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from noiseproof.tallies.base import Tally
from noiseproof.tallies.votes import Votes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class ClassVotes(Tally):
    """One count a class: how many draws it won.

    >>> ClassVotes().holds([3, 0, 6], 10), ClassVotes().void([3, 0, 6], 10), ClassVotes().holds([3, 8], 10)
    (True, 1, False)
    """

    name: ClassVar[str] = "votes"

    def slots(self, classes: int) -> int:
        """The classes."""
        return classes

    def places(self, scores: Any) -> Any:  # noqa: ANN401  # torch tensors
        """The class of the largest score: [rows, 1]."""
        return scores.argmax(dim=1, keepdim=True)

    def margin(self, scores: Any) -> Any:  # noqa: ANN401  # torch tensors
        """The largest score less the second."""
        top = scores.topk(2, dim=1).values.float()
        return top[:, 0] - top[:, 1]

    def holds(self, counts: Sequence[int], n: int) -> bool:
        """Two counts or more, none below 0, of n draws at most."""
        votes = counts if isinstance(counts, Votes) else Votes.of(counts)
        values = votes.counts.values()  # those that are left out are 0
        return votes.slots >= 2 and min(values, default=0) >= 0 and sum(values) <= n

    def holds_all(self, counts: NDArray[np.int64], n: int) -> bool:
        """As ``holds``."""
        import numpy as np  # whoever lists tallies needs none

        # as they lie in memory, counts below 0 are the largest of all; and of what is at most n no sum overflows
        unsigned = counts.view(np.uint64)
        if counts.size < 2 or unsigned[unsigned.argmax()] > n:  # argmax: a fifth of the time of max
            return False
        return int(np.add.reduce(counts)) <= n

    def rule(self, n: int) -> str:
        """As ``holds``, in words."""
        return f"one count >= 0 a class (two or more) with a sum of at most {n}"

    def void(self, counts: Sequence[int], n: int) -> int:
        """What is missing to n."""
        votes = counts if isinstance(counts, Votes) else Votes.of(counts)
        return n - sum(votes.counts.values())
