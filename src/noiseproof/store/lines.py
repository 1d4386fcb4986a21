"""The lines of a run's journal that are many: ranges of draws and finished records, read and written as they are."""

from __future__ import annotations

import json
from math import isfinite
from typing import Annotated, Any

import msgspec

from noiseproof.errors import RunError
from noiseproof.types import Certificate, Decision, Outcome, Prediction

Count = Annotated[int, msgspec.Meta(ge=1 - (1 << 63), le=(1 << 63) - 1)]
"""An integer as a journal has them: no text, no fraction, no truth value, and room for it in 64 bits."""


class CertificateLine(msgspec.Struct, tag_field="type", tag="certificate", forbid_unknown_fields=True):
    """See ``Certificate``."""

    prediction: Count
    radius: float
    p_lower: float
    p_upper: float
    norm: str = "l2"


class PredictionLine(msgspec.Struct, tag_field="type", tag="prediction", forbid_unknown_fields=True):
    """See ``Prediction``."""

    prediction: Count
    p_value: float


class DecisionLine(msgspec.Struct, tag_field="type", tag="decision", forbid_unknown_fields=True):
    """See ``Decision``."""

    answer: str
    prediction: Count
    radius: float
    norm: str = "l2"


class RangeLine(msgspec.Struct, tag_field="is", tag="range", gc=False):
    """A range of draws of one stage of one input; votes by slot, or in the lines of earlier versions all of them."""

    key: str
    stage: str
    first: Count
    n: Count
    votes: dict[Count, Count] | list[Count]
    seconds: float


class RecordLine(msgspec.Struct, tag_field="is", tag="record", omit_defaults=True):
    """The closing line of an input."""

    key: str
    index: Count
    label: Count | None
    requests: tuple[tuple[str, Count], ...]
    outcome: CertificateLine | PredictionLine | DecisionLine
    seconds: float = 0.0
    skipped: str | None = None
    clean: Count | None = None


Entry = RangeLine | RecordLine | dict[str, Any]
"""A line without its hash: of the many kinds as what it is, else as a plain table."""

KINDS: dict[str, type[RangeLine | RecordLine]] = {"range": RangeLine, "record": RecordLine}
_OF_OUTCOME: dict[type[Outcome], type[CertificateLine | PredictionLine | DecisionLine]] = {
    Certificate: CertificateLine,
    Prediction: PredictionLine,
    Decision: DecisionLine,
}
_MANY = (b'{"is":"range"', b'{"is":"record"')
_decoder = msgspec.json.Decoder(RangeLine | RecordLine)
_encoder = msgspec.json.Encoder(enc_hook=lambda value: value.item())  # a number of numpy, which a procedure may return


def decoded(text: bytes) -> Entry:
    """The entry of a line, its hash or not.

    Raises:
        ValueError: it is not JSON.
        RunError: one of the many kinds, and malformed.
    """
    if text.startswith(_MANY):  # as this package writes them
        try:
            line: Entry = _decoder.decode(text)
        except msgspec.ValidationError as error:
            raise malformed(text[7:13].split(b'"')[0].decode(), error) from None
        except msgspec.DecodeError:
            pass  # the standard library says what is wrong, and reads numbers that are none
        else:
            return line
    entry: Entry = json.loads(text)
    return entry


def key_of(entry: Entry) -> str | None:
    """The input that a line is about; None for those about a session."""
    return entry.get("key") if isinstance(entry, dict) else entry.key


def converted(entry: Entry) -> Entry:
    """A plain table as the line of its kind, where that is one of the many.

    Raises:
        RunError: it is malformed.
    """
    if isinstance(entry, RangeLine | RecordLine):
        return entry
    try:
        made = KINDS.get(entry["is"])
        line: Entry = entry if made is None else msgspec.convert(entry, made, str_keys=True)
    except (AttributeError, KeyError, TypeError, msgspec.ValidationError) as error:
        raise malformed(entry.get("is", "nameless") if isinstance(entry, dict) else "nameless", error) from None
    return line


def malformed(kind: object, error: Exception) -> RunError:
    """What is said of a line that lacks something, or has it of another kind."""
    return RunError(f"a {str(kind)[:40]!r} line is malformed ({repr(error)[:200]})")


def outcome_of(line: CertificateLine | PredictionLine | DecisionLine) -> Outcome:
    """The outcome that a line printed."""
    match line:
        case CertificateLine():
            return Certificate(line.prediction, line.radius, line.p_lower, line.p_upper, line.norm)
        case PredictionLine():
            return Prediction(line.prediction, line.p_value)
        case _:
            return Decision(line.answer, line.prediction, line.radius, line.norm)  # type: ignore[arg-type]  # for verify


def outcome_line(outcome: Outcome) -> CertificateLine | PredictionLine | DecisionLine:
    """An outcome as a line prints it."""
    return _OF_OUTCOME[type(outcome)](**vars(outcome))


def encoded(line: Entry) -> bytes:
    """The text of a line.

    Raises:
        ValueError: a number that JSON does not have.
    """
    if isinstance(line, dict):
        return json.dumps(line, separators=(",", ":"), allow_nan=False).encode()
    numbers = [line.seconds]
    if isinstance(line, RecordLine):
        numbers += [value for value in msgspec.structs.astuple(line.outcome) if not isinstance(value, str)]
    if not all(map(isfinite, numbers)):
        raise ValueError(f"numbers of a line must be finite, got {numbers}")
    return _encoder.encode(line)
