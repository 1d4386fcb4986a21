"""Pictures that lie in a larger file as the bytes of picture files, decoded when asked for."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from noiseproof.data.picture import converted, mode_of, odd_one, open_picture, planes, resized, shape_of, size_of
from noiseproof.errors import DataError

if TYPE_CHECKING:
    from noiseproof.data.form import Wanted
    from noiseproof.types import Pixels

    Shape = tuple[int, int, int]


@dataclass(frozen=True)
class Encoded:
    """Encoded pictures of one shape.

    Attributes:
        names: what each is called in errors.
        raw: the bytes of one.
        shape: (C, H, W) of each.
        unreadable: why, of each whose head cannot be read.
        resize: height and width that each is brought to.
    """

    names: Sequence[str]
    raw: Callable[[int], bytes]
    shape: Shape
    unreadable: dict[int, str]
    resize: tuple[int, int] | None

    @classmethod
    def of(cls, names: Sequence[str], raw: Callable[[int], bytes], asked: Wanted) -> Encoded:
        """Looks at the head of each, and heeds the setting ``resize``.

        Raises:
            DataError: none can be read, or two are of different shapes.
        """
        size = size_of(asked)

        def look(index: int) -> Shape:
            with open_picture(names[index], io.BytesIO(raw(index))) as picture:
                return shape_of(names[index], picture, size)

        shape, unreadable = one_shape(names, look, asked)
        return cls(names, raw, shape, unreadable, size)

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int, /) -> Pixels:
        name = self.names[index]
        with open_picture(name, io.BytesIO(self.raw(index))) as picture:
            return planes(resized(converted(name, picture, mode_of(name, picture)), self.resize))


def one_shape(names: Sequence[object], look: Callable[[int], Shape], asked: Wanted) -> tuple[Shape, dict[int, str]]:
    """The shape of all pictures whose head can be read, and why those cannot whose head cannot.

    Args:
        names: what each is called.
        look: the shape of one.
        asked: the spec, for what the errors advise.

    Raises:
        DataError: none can be read, or one has another shape than the first; the text names the two.
    """
    first, unreadable = None, {}
    for index, name in enumerate(names):
        try:
            found = look(index)
        except DataError as error:
            unreadable[index] = str(error)
            continue
        first = first or (name, found)
        if found != first[1]:
            raise DataError(odd_one(asked, *first, name, found))
    if first is None:
        raise DataError(unreadable.get(0, f"{asked.spec} holds no picture; give a data set with at least one"))
    return first[1], unreadable
