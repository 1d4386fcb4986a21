"""The procedure that a verb's settings describe: one place for the command line and the Python calls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from noiseproof.errors import unknown
from noiseproof.procedures.anytime import Anytime
from noiseproof.procedures.base import Procedure
from noiseproof.procedures.certify import Certify
from noiseproof.procedures.curve import Curve
from noiseproof.procedures.decide import Decide
from noiseproof.procedures.predict import Predict
from noiseproof.procedures.sequential import Sequential
from noiseproof.procedures.sequential_predict import SequentialPredict


def certify_procedure(
    procedure: str = "certify",
    *,
    alpha: float = 0.001,
    n0: int | None = None,
    n: int | None = None,
    n_max: int | None = None,
    two_sided: bool | None = None,
    acr_loss: float | None = None,
    radii: Sequence[float] | None = None,
) -> Procedure:
    """CERTIFY, or a sequential one: for a grid of radii where one is given, else for the full radius.

    Args:
        procedure: "certify", "sequential" or "curve" (sequential with radii).
        alpha: of every one.
        n0: of certify and sequential.
        n: of certify.
        n_max: of sequential and curve.
        two_sided: of certify and sequential.
        acr_loss: of sequential.
        radii: of curve.

    Raises:
        ValueError: an unknown procedure, a setting that is not its own, or one that is out of range.
    """
    given = {"n0": n0, "n": n, "n_max": n_max, "two_sided": two_sided, "acr_loss": acr_loss, "radii": radii}
    match procedure:
        case "certify":
            return Certify(alpha=alpha, **_own("certify", given, "n0", "n", "two_sided"))
        case "sequential" if radii is None:
            return Sequential(alpha=alpha, **_own("sequential", given, "n0", "n_max", "two_sided", "acr_loss"))
        case "sequential" | "curve":
            if radii is None:
                raise ValueError("procedure curve needs radii, such as 0:1:0.25")
            return Curve(alpha=alpha, **_own("curve (sequential with radii)", given, "radii", "n_max"))
    raise ValueError(unknown("procedure", procedure, ("certify", "sequential", "curve")))


def decide_procedure(
    test: str = "group-sequential",
    *,
    radius: float,
    alpha: float = 0.001,
    n_max: int = 100_000,
    label_aware: bool = False,
) -> Procedure:
    """DECIDE, or the anytime-valid one.

    Args:
        test: "group-sequential" or "anytime".
        radius: of both.
        alpha: of both.
        n_max: of both.
        label_aware: of group-sequential.

    Raises:
        ValueError: an unknown test, a setting that is not its own, or one that is out of range.
    """
    match test:
        case "group-sequential":
            return Decide(radius=radius, alpha=alpha, n_max=n_max, label_aware=label_aware)
        case "anytime" if not label_aware:
            return Anytime(radius=radius, alpha=alpha, n_max=n_max)
        case "anytime":
            raise ValueError("label_aware is no setting of the test anytime, which takes radius, alpha, n_max")
    raise ValueError(unknown("test", test, ("group-sequential", "anytime")))


def predict_procedure(
    procedure: str = "predict", *, alpha: float = 0.001, n: int | None = None, n_max: int | None = None
) -> Procedure:
    """PREDICT, or the sequential one.

    Args:
        procedure: "predict" or "sequential".
        alpha: of both.
        n: of predict.
        n_max: of sequential.

    Raises:
        ValueError: an unknown procedure, a setting that is not its own, or one that is out of range.
    """
    match procedure:
        case "predict":
            return Predict(alpha=alpha, **_own("predict", {"n": n, "n_max": n_max}, "n"))
        case "sequential":
            return SequentialPredict(alpha=alpha, **_own("sequential", {"n": n, "n_max": n_max}, "n_max"))
    raise ValueError(unknown("procedure", procedure, ("predict", "sequential")))


def _own(procedure: str, given: dict[str, Any], *own: str) -> dict[str, Any]:
    settings = {name: value for name, value in given.items() if value is not None}
    for name in settings:
        if name not in own:
            raise ValueError(f"{name} is no setting of the procedure {procedure}, which takes {', '.join(own)}")
    return settings
