"""What the noise of an input is keyed by: the input, and what the run is about."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Container, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray


def binding(meaning: Mapping[str, Any]) -> str:
    """What the words of a run are bound to: SHA-256 (hex) of the model's fingerprint, the noise and the procedure.

    So these cannot be changed afterwards without changing every draw, and a model cannot have seen its draws while it
    was trained. Left out is what must not move a draw: n (fewer draws are the first of more), precision and backend
    (votes are the same up to rounding, so nobody can choose), data and inputs (a picture's draws are its own).

    Args:
        meaning: a table that holds at least these; what else it holds does not matter.

    >>> about = {"model": {"fingerprint": "5f3a"}, "noise": {"family": "gaussian", "sigma": 0.25}}
    >>> one, more, other = ({"alpha": 0.001, "n": 100}, {"alpha": 0.001, "n": 1000}, {"alpha": 0.3, "n": 100})
    >>> [binding(about | {"procedure": each}) == binding(about | {"procedure": one}) for each in (more, other)]
    [True, False]
    """
    procedure = {name: value for name, value in meaning["procedure"].items() if name != "n"}
    table = {"model": meaning["model"]["fingerprint"], "noise": meaning["noise"], "procedure": procedure}
    text = json.dumps(table, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


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
