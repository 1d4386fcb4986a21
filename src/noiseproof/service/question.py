"""A request as it came in, read and checked: which procedure, about which picture."""

from __future__ import annotations

import base64
import binascii
import io
from collections.abc import Mapping
from dataclasses import dataclass, fields
from math import prod
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from msgspec import UNSET, UnsetType

from noiseproof.data.picture import converted, open_picture, planes
from noiseproof.errors import DataError, NoiseproofError
from noiseproof.procedures import Certify, Decide, Predict
from noiseproof.service.messages import AttackMessage, CertifyMessage, DecideMessage, InputMessage, PredictMessage
from noiseproof.service.refused import RefusedError

if TYPE_CHECKING:
    from noiseproof.data import DataSet
    from noiseproof.procedures import Procedure
    from noiseproof.types import Pixels

MESSAGES: dict[str, type[InputMessage]] = {
    "predict": PredictMessage,
    "certify": CertifyMessage,
    "decide": DecideMessage,
    "attack": AttackMessage,
}
PROCEDURES: dict[type[InputMessage], tuple[type[Certify | Predict | Decide], str]] = {
    PredictMessage: (Predict, "n"),
    CertifyMessage: (Certify, "n"),
    DecideMessage: (Decide, "n_max"),
}
"""The procedure that a message asks for, and its field that says how many draws."""
PICTURES = ("image/png", "image/jpeg")
KINDS = ("application/json", *PICTURES)


@dataclass(frozen=True)
class Question:
    """What is asked, about what.

    Attributes:
        message: as it came.
        pixels: uint8 [C, H, W]; None of a picture of the data.
        index: of that.
    """

    message: InputMessage
    pixels: Pixels | None
    index: int | None

    def procedure(self, most: int) -> Procedure:
        """What is asked of the input; what the request does not say is as the procedure has it, its draws no more.

        Args:
            most: draws that a request may have.

        Raises:
            RefusedError: an argument is out of range, or it asks for more draws.
        """
        made, draws = PROCEDURES[type(self.message)]
        said = {name: getattr(self.message, name, UNSET) for name in (each.name for each in fields(made))}
        given = {name: value for name, value in said.items() if value is not UNSET}
        try:
            procedure = made(**given)
            if draws not in given and procedure.most_draws > most:
                others = procedure.most_draws - getattr(procedure, draws)
                procedure = made(**given | {draws: most - others})
        except ValueError as error:
            raise RefusedError(422, str(error)) from None
        if procedure.most_draws > most:
            told = f"a request may have {most:,} draws at most, got {procedure.most_draws:,}"
            raise RefusedError(422, told, f"ask for a smaller {draws}")
        return procedure


def picture_shape(data: DataSet) -> tuple[int, int, int]:
    """The shape of the pictures of a data set, [C, H, W] in 8 bits: what a request can send.

    Raises:
        DataError: its inputs are none.
    """
    if len(data.shape) != 3 or data.grid != 255:
        lie = "on no grid" if data.grid is None else f"in steps of 1/{data.grid}"
        raise DataError(
            f"the service takes 8-bit pictures, [C, H, W], but those of {data.name} are {list(data.shape)}, {lie}; "
            "give such data with --data, or certify them"
        )
    channels, height, width = data.shape
    return channels, height, width


def longest_body(shape: tuple[int, ...]) -> int:
    """Bytes of a request at most: what a picture of this shape takes as numbers with spaces, and something over.

    >>> longest_body((1, 28, 28)), longest_body((3, 224, 224))
    (74944, 1871872)
    """
    return 2**16 + 12 * prod(shape)


def read(asked: str, kind: str, body: bytes, query: Mapping[str, str], data: DataSet) -> Question:
    """A request.

    Args:
        asked: which of ``MESSAGES``.
        kind: its content type.
        body: JSON; or the bytes of a picture, with everything else in the query.
        query: of the address.
        data: that are shown.

    Raises:
        RefusedError: says what is wrong with it.
    """
    kind = kind.partition(";")[0].strip().lower()
    if kind not in KINDS:
        raise RefusedError(
            415, f"content-type must be one of {', '.join(KINDS)}, got {kind[:60]!r}", "send one of these"
        )
    made = MESSAGES[asked]
    try:
        if kind == "application/json":
            if query:
                raise RefusedError(422, f"{next(iter(query))} stands in the address, the body is JSON", "put it there")
            message = msgspec.json.decode(body, type=made)
        else:
            message = msgspec.convert(dict(query), type=made, strict=False)
    except msgspec.ValidationError as error:
        raise RefusedError(422, f"the request does not fit: {error}", f"see {made.__name__} in /openapi.json") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RefusedError(400, f"the body is not JSON: {error}", "send UTF-8 JSON as in /openapi.json") from None
    given = [name for name in ("picture", "pixels", "index") if getattr(message, name) is not UNSET]
    sent = [*given, *(["the body"] if kind in PICTURES else [])]
    if len(sent) != 1:
        raise RefusedError(
            422, f"one of picture, pixels and index must be given, got {' and '.join(sent) or 'none'}", "give one"
        )
    if not isinstance(message.index, UnsetType):
        if message.index >= len(data):
            raise RefusedError(422, f"index must be in [0, {len(data)}), got {message.index}", "give one of these")
        return Question(message, None, message.index)
    plain, shape = _without_input(message), picture_shape(data)
    if not isinstance(message.pixels, UnsetType):
        return Question(plain, _array(message.pixels, shape), None)
    return Question(
        plain, decoded(body if isinstance(message.picture, UnsetType) else _bytes(message.picture), shape), None
    )


def decoded(content: bytes, shape: tuple[int, int, int]) -> Pixels:
    """The pixels of a PNG or JPEG, which must have the shape of the model: nothing is scaled.

    Its size is looked at before anything is unpacked, so what unpacks to gigabytes costs nothing.

    Raises:
        RefusedError: it is no such picture.
    """
    channels, height, width = shape
    if channels not in (1, 3):
        raise RefusedError(422, f"a picture has 1 or 3 channels, the model takes {channels}", "give pixels instead")
    try:
        picture = open_picture("picture", io.BytesIO(content))
        if picture.format not in ("PNG", "JPEG"):
            raise RefusedError(415, f"picture must be PNG or JPEG, got {picture.format}", "convert it")
        if picture.size != (width, height):
            raise RefusedError(
                422,
                f"picture must be {width} x {height}, as the model takes it, got {picture.width} x {picture.height}",
                "scale it first: what is certified is what was sent",
            )
        if channels == 1 and picture.mode not in ("1", "L", "LA"):
            raise RefusedError(
                422, f"picture must be grey, as the model takes it, got mode {picture.mode}", "convert it"
            )
        return planes(converted("picture", picture, "L" if channels == 1 else "RGB"))
    except NoiseproofError as error:
        raise RefusedError(422, str(error)) from None


def _without_input(message: InputMessage) -> InputMessage:
    """The message without its picture, which is kept once, as pixels."""
    return msgspec.structs.replace(message, picture=UNSET, pixels=UNSET)


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text.partition("base64,")[2] or text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise RefusedError(422, f"picture must be base64, got: {error}", "encode the bytes of a PNG or JPEG") from None


def _array(pixels: list[list[list[int]]], shape: tuple[int, int, int]) -> Pixels:
    found = (len(pixels), len(pixels[0]) if pixels else 0, len(pixels[0][0]) if pixels and pixels[0] else 0)
    even = all(len(plane) == shape[1] and all(len(row) == shape[2] for row in plane) for plane in pixels)
    if found != shape or not even:
        raise RefusedError(
            422, f"pixels must have the shape {list(shape)}, got {list(found)} or uneven rows", "give that"
        )
    return np.array(pixels, dtype=np.uint8)
