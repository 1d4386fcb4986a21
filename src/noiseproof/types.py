"""The plain records that walk through the house: a request, its answer, a certificate."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias, overload

from noiseproof.tallies import CLASS_VOTES, Tally, Votes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Counts = NDArray[np.int64]
    Pixels = NDArray[np.uint8]

ABSTAIN = -1
"""The prediction of a procedure that cannot say: never a class, never a row of zeros."""


@dataclass(frozen=True)
class Draw:
    """A procedure's request: ``n`` new draws of the stage's noise.

    The answer is an int64 vector of what the procedure's tally counts: by default class votes, one entry a class. What
    is missing to ``n`` are void draws (scores that were NaN or infinite): they count for no class.

    Attributes:
        stage: of the noise; draws of one stage are never drawn again in another.
        n: how many new draws.
        so_far: what can be said already; a procedure whose request carries it may be ended there.
        to_go: draws that it is predicted to want before it can say more, from the votes so far: what a budget goes by.
    """

    stage: str
    n: int
    so_far: Outcome | None = field(default=None, repr=False)
    to_go: int = field(default=0, repr=False)


@dataclass(frozen=True)
class Certificate:
    """What CERTIFY says of one input: the class of g, and the radius inside which it cannot change.

    Attributes:
        prediction: the class, or ``ABSTAIN``.
        radius: certified radius in input units ([0, 1] pixels) in the named norm; 0.0 when abstaining.
        p_lower: lower confidence bound on the probability of the top class; kept when abstaining.
        p_upper: upper confidence bound on the largest rival's probability (1 - p_lower for the one-sided bound).
        norm: the norm of the radius.
    """

    prediction: int
    radius: float
    p_lower: float
    p_upper: float
    norm: str = "l2"

    @property
    def abstained(self) -> bool:
        """Whether the procedure could not say."""
        return self.prediction == ABSTAIN


@dataclass(frozen=True)
class Prediction:
    """What PREDICT says of one input: the class of g, or ``ABSTAIN``.

    Attributes:
        prediction: the class, or ``ABSTAIN``.
        p_value: of the two-sided binomial test between the two largest counts.
    """

    prediction: int
    p_value: float

    @property
    def abstained(self) -> bool:
        """Whether the procedure could not say."""
        return self.prediction == ABSTAIN


@dataclass(frozen=True)
class Decision:
    """What DECIDE says of one input: whether g is constant within the radius that was asked about.

    Attributes:
        answer: "certified"; "not certified": more draws would hardly certify it, which is no proof of the contrary;
            "undecided": the draws were spent, or taken away, before either.
        prediction: the class that is certified, else ``ABSTAIN``.
        radius: what was asked about, in input units ([0, 1] pixels) in the named norm.
        norm: the norm of the radius.
    """

    answer: Literal["certified", "not certified", "undecided"]
    prediction: int
    radius: float
    norm: str = "l2"

    @property
    def abstained(self) -> bool:
        """Whether nothing is certified."""
        return self.prediction == ABSTAIN


Outcome: TypeAlias = "Certificate | Prediction | Decision"


@dataclass(frozen=True)
class Answer:
    """One request together with the votes it got.

    Attributes:
        stage: the request's stage.
        n: how many draws were asked for.
        votes: counts of the procedure's tally; of class votes one a class, and n - sum(votes) draws were void.
    """

    stage: str
    n: int
    votes: Sequence[int]


class Answers(Sequence[Answer]):
    """The answers of a finished input: what was asked is at hand, what was voted is fetched when it is looked at.

    It is equal to the tuple of them.

    Attributes:
        requests: (stage, draws) in order.
        draws: of all requests.
        void: how many of them were void.
    """

    __slots__ = ("_votes", "draws", "requests", "void")

    def __init__(
        self, requests: tuple[tuple[str, int], ...], draws: int, void: int, votes: Callable[[], Sequence[Votes]]
    ) -> None:
        """Answers to these requests; ``votes`` fetches theirs."""
        self.requests, self.draws, self.void, self._votes = requests, draws, void, votes

    @property
    def votes(self) -> Sequence[Votes]:
        """Of each request: fetched now."""
        return self._votes()

    def __len__(self) -> int:
        return len(self.requests)

    def __iter__(self) -> Iterator[Answer]:
        voted = zip(self.requests, self._votes(), strict=True)
        return iter([Answer(stage, n, votes) for (stage, n), votes in voted])

    @overload
    def __getitem__(self, at: int) -> Answer: ...
    @overload
    def __getitem__(self, at: slice) -> tuple[Answer, ...]: ...
    def __getitem__(self, at: int | slice) -> Answer | tuple[Answer, ...]:
        return tuple(self)[at]

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Answers) and (self.requests, self.void) != (other.requests, other.void):
            return False
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return repr(tuple(self))


@dataclass(frozen=True)
class Record:
    """Everything a run knows about one finished input.

    Attributes:
        key: the input key (what the noise is keyed by).
        index: its index in the data set; a label only.
        label: the true class, or None where unknown.
        answers: requests and answers in order; with the procedure they determine the outcome.
        outcome: the certificate, prediction or decision as printed.
        seconds: wall time spent on this input's draws, shared batches split by draws.
        skipped: why its picture could not be read, where it was skipped: no draws, an abstention; else None.
        tally: what the answers count.
        clean: the class that the base classifier gives the input without noise (``ABSTAIN``: scores that are no
            numbers), a label; None where it was not recorded.
    """

    key: str
    index: int
    label: int | None
    answers: Sequence[Answer]
    outcome: Outcome
    seconds: float
    skipped: str | None = None
    tally: Tally = CLASS_VOTES
    clean: int | None = None

    @property
    def requests(self) -> tuple[tuple[str, int], ...]:
        """What was asked for, (stage, draws) in order."""
        answers = self.answers
        return answers.requests if isinstance(answers, Answers) else tuple((each.stage, each.n) for each in answers)

    @property
    def draws(self) -> int:
        """How many draws this input cost."""
        return self.answers.draws if isinstance(self.answers, Answers) else sum(answer.n for answer in self.answers)

    @property
    def void(self) -> int:
        """How many draws had scores that were NaN or infinite."""
        if isinstance(self.answers, Answers):
            return self.answers.void
        return sum(self.tally.void(answer.votes, answer.n) for answer in self.answers)
