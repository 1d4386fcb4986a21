"""Input keys: what the noise of an input is keyed by."""

from __future__ import annotations

import hashlib
from collections.abc import Container
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray


def input_key(x: NDArray[Any], taken: Container[str] = ()) -> str:
    """The key of an input: SHA-256 of its numbers and shape, and an occurrence number.

    Equal pictures get different noise through the occurrence number, the first one that is not taken.

    Args:
        x: the input as ``Noise.encode`` returns it (uint8 on the grid).
        taken: keys already given to other inputs.

    >>> import numpy as np
    >>> first = input_key(np.zeros((1, 2, 2), np.uint8))
    >>> first, input_key(np.zeros((1, 2, 2), np.uint8), taken={first})
    ('3fd9781fa4a5e131f2a260897308b939-0', '3fd9781fa4a5e131f2a260897308b939-1')
    """
    text = f"{x.dtype.str} {x.shape} ".encode() + x.tobytes()  # tobytes is in C order whatever the layout
    digest = hashlib.sha256(text).hexdigest()[:32]
    occurrence = 0
    while f"{digest}-{occurrence}" in taken:
        occurrence += 1
    return f"{digest}-{occurrence}"
