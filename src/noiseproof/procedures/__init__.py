"""Statistical procedures, one a file. A new one is one line in ``PROCEDURES`` and one in the list of the laws."""

from __future__ import annotations

from typing import Any

from noiseproof.errors import unknown
from noiseproof.procedures.base import Procedure
from noiseproof.procedures.certify import Certify
from noiseproof.procedures.predict import Predict
from noiseproof.procedures.replay import replay
from noiseproof.procedures.simultaneous import Simultaneous

PROCEDURES: dict[str, type[Procedure]] = {
    Certify.name: Certify,
    Predict.name: Predict,
    Simultaneous.name: Simultaneous,
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


__all__ = ["PROCEDURES", "Certify", "Predict", "Procedure", "Simultaneous", "procedure_from", "replay"]
