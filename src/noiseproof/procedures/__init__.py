"""Statistical procedures, one a file. A new one is one line in ``PROCEDURES`` and one in the list of the laws."""

from __future__ import annotations

from typing import Any

from noiseproof.errors import unknown
from noiseproof.procedures.anytime import Anytime
from noiseproof.procedures.base import Procedure
from noiseproof.procedures.certify import Certify
from noiseproof.procedures.curve import Curve
from noiseproof.procedures.decide import Decide
from noiseproof.procedures.predict import Predict
from noiseproof.procedures.replay import check_under_way, replay
from noiseproof.procedures.sequential import Sequential
from noiseproof.procedures.sequential_predict import SequentialPredict
from noiseproof.procedures.simultaneous import Simultaneous

PROCEDURES: dict[str, type[Procedure]] = {
    made.name: made for made in (Certify, Predict, Decide, Anytime, Curve, Sequential, SequentialPredict, Simultaneous)
}


def procedure_from(config: dict[str, Any]) -> Procedure:
    """The procedure a plain table describes.

    >>> procedure_from({"name": "certify", "n": 2000})
    Certify(n0=100, n=2000, alpha=0.001, two_sided=False)

    Raises:
        ValueError: the name or one of its settings is unknown.
    """
    settings = dict(config)
    name = str(settings.pop("name", ""))
    if name not in PROCEDURES:
        raise ValueError(unknown("procedure", name, PROCEDURES))
    made = PROCEDURES[name]
    known = made.__dataclass_fields__  # type: ignore[attr-defined]  # every procedure is a dataclass
    for field in settings:
        if field not in known:
            raise ValueError(unknown(f"setting of {name}", field, known))
    return made(**settings)


__all__ = [
    "PROCEDURES",
    "Anytime",
    "Certify",
    "Curve",
    "Decide",
    "Predict",
    "Procedure",
    "Sequential",
    "SequentialPredict",
    "Simultaneous",
    "check_under_way",
    "procedure_from",
    "replay",
]
