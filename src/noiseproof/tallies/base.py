"""What a tally is: what one draw adds to the counts of an input."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import fields
from math import inf
from typing import TYPE_CHECKING, Any, ClassVar

from noiseproof.tallies.votes import Votes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

VOID = -1
"""The place of a draw that is void: its scores are no numbers, or too near a tie. It is counted nowhere."""


class Tally(ABC):
    """What one draw adds to the counts of an input: one in some of their slots, the same number of them each time.

    Counts of disjoint draws add. A subclass is a frozen dataclass whose fields are its configuration. What looks at
    scores takes a torch tensor and uses its methods alone, so that the half without torch can know a tally too.
    """

    name: ClassVar[str]

    @abstractmethod
    def slots(self, classes: int) -> int:
        """How many counts an input has where the base classifier has so many classes."""

    @abstractmethod
    def places(self, scores: Any) -> Any:  # noqa: ANN401  # torch tensors
        """The slots that each row of scores is counted in.

        Args:
            scores: ``[rows, classes]``, any float dtype, on any device.

        Returns:
            int64 ``[rows, ones]`` of slots, on the same device; of rows that are void, whatever it is.
        """

    @abstractmethod
    def margin(self, scores: Any) -> Any:  # noqa: ANN401  # torch tensors
        """By how much scores of each row must change against each other before it is counted elsewhere: [rows]."""

    @abstractmethod
    def holds(self, counts: Sequence[int], n: int) -> bool:
        """Whether n draws can have given these counts; what is missing to them were void draws."""

    def holds_all(self, counts: NDArray[np.int64], n: int) -> bool:
        """``holds`` of an array: asked at every look, so where there is a faster way a tally says it here."""
        return self.holds(Votes.of(counts), n)

    @abstractmethod
    def rule(self, n: int) -> str:
        """What counts of n draws must be, for the text of an error."""

    @abstractmethod
    def void(self, counts: Sequence[int], n: int) -> int:
        """How many of n draws were void."""

    def counted(self, scores: Any, tolerance: float = 0.0) -> Any:  # noqa: ANN401  # torch tensors
        """``places``, with ``VOID`` in every place of a row that is void.

        Void are rows with a score that is no finite number, and those whose margin is at most the share ``tolerance``
        of their largest |score|: their place would hang on the arithmetic. Each is judged by its own scores.
        """
        largest = scores.abs().amax(dim=1)  # NaN where any is
        void = ~(largest < inf)
        if tolerance > 0:
            void |= ~(self.margin(scores) > tolerance * largest.float())
        return self.places(scores).masked_fill_(void.unsqueeze(1), VOID)

    def check(self, counts: NDArray[np.int64], n: int) -> NDArray[np.int64]:
        """The answer to a request for n draws, as int64.

        Raises:
            ValueError: no n draws can give it.
        """
        import numpy as np  # whoever lists tallies needs none

        votes: NDArray[np.int64] = np.asarray(counts, dtype=np.int64)
        if votes.ndim != 1 or not self.holds_all(votes, n):
            raise ValueError(f"votes must be {self.rule(n)}, got {votes.tolist()}")
        return votes

    def config(self) -> dict[str, Any]:
        """The tally as a plain table: ``{"name": "votes"}``."""
        own = fields(self)  # type: ignore[arg-type]  # every tally is a dataclass
        return {"name": self.name} | {f.name: getattr(self, f.name) for f in own}
