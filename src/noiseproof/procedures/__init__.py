"""Statistical procedures, one a file. A new one is a line in ``PROCEDURES`` (or ``.register``) and in the laws."""

from __future__ import annotations

from typing import Any

from noiseproof.procedures.anytime import Anytime
from noiseproof.procedures.base import Procedure
from noiseproof.procedures.certify import Certify
from noiseproof.procedures.curve import Curve
from noiseproof.procedures.decide import Decide
from noiseproof.procedures.enumerated import Enumerated
from noiseproof.procedures.predict import Predict
from noiseproof.procedures.replay import check_under_way, replay
from noiseproof.procedures.sequential import Sequential
from noiseproof.procedures.sequential_predict import SequentialPredict
from noiseproof.procedures.simultaneous import Simultaneous
from noiseproof.registry import Registry, made_from

PROCEDURES: Registry[type[Procedure]] = Registry(
    "procedure",
    lambda made: made.name,
    (Certify, Predict, Decide, Anytime, Curve, Sequential, SequentialPredict, Simultaneous),
    group="noiseproof.procedures",
)


def procedure_from(config: dict[str, Any]) -> Procedure:
    """The procedure a plain table describes.

    >>> procedure_from({"name": "certify", "n": 2000})
    Certify(n0=100, n=2000, alpha=0.001, two_sided=False)

    Raises:
        ValueError: the name or one of its settings is unknown.
    """
    if config.get("name") == Enumerated.name:  # of imports alone: nobody can ask for it
        return Enumerated(**{name: value for name, value in config.items() if name != "name"})
    return made_from(PROCEDURES, config, by="name")


__all__ = [
    "PROCEDURES",
    "Anytime",
    "Certify",
    "Curve",
    "Decide",
    "Enumerated",
    "Predict",
    "Procedure",
    "Sequential",
    "SequentialPredict",
    "Simultaneous",
    "check_under_way",
    "procedure_from",
    "replay",
]
