"""What is sent to the service and what comes back: each message a record, from which its JSON schema is made."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from noiseproof.procedures.base import MOST

Level = Annotated[
    float,
    Meta(gt=0, lt=1, description="Failure probability of this answer; of m answers all together: m times as much."),
]
Draws = Annotated[int, Meta(ge=1, le=MOST)]
Byte = Annotated[int, Meta(ge=0, le=255)]


class InputMessage(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """An input, given in one of three ways."""

    picture: Annotated[str, Meta(description="A PNG or JPEG of the shape of the model, in base64.")] | UnsetType = UNSET
    pixels: Annotated[list[list[list[Byte]]], Meta(description="8-bit pixels, [C, H, W].")] | UnsetType = UNSET
    index: Annotated[int, Meta(ge=0, description="Of a picture of the data that the service shows.")] | UnsetType = (
        UNSET
    )


class PredictMessage(InputMessage, forbid_unknown_fields=True, kw_only=True):
    """PREDICT: the class of the smoothed classifier, or an abstention."""

    n: Annotated[Draws, Meta(description="Draws.")] | UnsetType = UNSET
    alpha: Level | UnsetType = UNSET


class CertifyMessage(InputMessage, forbid_unknown_fields=True, kw_only=True):
    """CERTIFY: the class and the radius inside which it cannot change."""

    n0: Annotated[Draws, Meta(description="Draws that select the class.")] | UnsetType = UNSET
    n: Annotated[Draws, Meta(description="Fresh draws that estimate its probability.")] | UnsetType = UNSET
    alpha: Level | UnsetType = UNSET
    copies: Annotated[int, Meta(ge=0, le=12, description="So many of the first noisy copies are sent along.")] = 0


class DecideMessage(InputMessage, forbid_unknown_fields=True, kw_only=True):
    """DECIDE: is the class constant within a radius? With as few draws as it takes."""

    radius: Annotated[float, Meta(ge=0, description="In input units, pixels in [0, 1], in the norm of the noise.")]
    n_max: Annotated[Draws, Meta(description="Draws at most.")] | UnsetType = UNSET
    alpha: Level | UnsetType = UNSET


class AttackMessage(InputMessage, forbid_unknown_fields=True, kw_only=True):
    """A perturbation that leads the smoothed classifier away from a class, as PGD finds it."""

    away_from: Annotated[int, Meta(ge=0, description="The class.")]
    distance: Annotated[float, Meta(gt=0, le=1000, description="L2 length, in input units.")]


class Answered(msgspec.Struct, kw_only=True):
    """What every answer has.

    Attributes:
        prediction: the class; -1 where the procedure abstains.
        name: of the class; null where it abstains.
        votes: of the draws that the answer rests on, a class each; what is missing to ``draws`` were void.
        draws: of the whole request.
        clean: the class that the base classifier gives the input without noise: no more than that.
        alpha: failure probability of this answer.
        run: where its counts are kept, below the folder of the service: noiseproof verify takes it.
    """

    prediction: int
    name: str | None
    votes: list[int]
    draws: int
    clean: int
    alpha: float
    run: str


class PredictAnswer(Answered, kw_only=True):
    """What PREDICT says."""

    p_value: float


class DecideAnswer(Answered, kw_only=True):
    """What DECIDE says: "certified"; "not certified", which claims nothing; or "undecided"."""

    answer: str
    radius: float
    norm: str


class Begun(msgspec.Struct, tag_field="is", tag="begin", kw_only=True):
    """The first line of CERTIFY: draws begin."""

    run: str
    clean: int
    copies: list[str]


class Counted(msgspec.Struct, tag_field="is", tag="counts", kw_only=True):
    """A line of CERTIFY under way. No certificate: ``p_lower`` holds for one n that is fixed beforehand.

    Attributes:
        stage: "select" or "estimate".
        drawn: draws of the stage so far.
        of: how many there will be.
        votes: of these, a class each.
        p_lower: of the selected class, as if the draws ended here; null in "select".
    """

    stage: str
    drawn: int
    of: int
    votes: list[int]
    p_lower: float | None


class CertifyAnswer(Answered, tag_field="is", tag="certificate", kw_only=True):
    """The last line of CERTIFY: what it says."""

    radius: float
    p_lower: float
    p_upper: float
    norm: str


class ErrorMessage(msgspec.Struct, kw_only=True):
    """What is wrong, and what to do."""

    error: str
    remedy: str


class ErrorLine(ErrorMessage, tag_field="is", tag="error", kw_only=True):
    """The last line of CERTIFY where it has no answer."""


class AttackAnswer(msgspec.Struct, kw_only=True):
    """A perturbation: the point it leads to, [C, H, W] in input units, and its L2 length."""

    delta: list[list[list[float]]]
    distance: float
