"""A plan: what procedures that answer a question are expected to cost, kept to be held against the run."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from noiseproof.analysis.draws_needed import draws_needed, largest_radius
from noiseproof.analysis.pilot import Estimate, Forecast, PilotInput
from noiseproof.errors import RunError
from noiseproof.procedures import Certify, Curve, Decide, Sequential
from noiseproof.procedures.boundaries import MOST_DRAWS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from noiseproof.noises import Noise
    from noiseproof.procedures import Procedure

FORMAT = 1
NS = (100_000, 1_000_000, MOST_DRAWS)
"""Draws of an input at most, where nobody says: the first of these that buys the radius with some to spare."""

TO_SPARE = 1.25
"""With just as many draws as a radius needs, every vote would have to agree; and a test of every class needs a few
more."""


@dataclass(frozen=True)
class Target:
    """What is asked of every input.

    Attributes:
        kind: "radius": is one radius certified; "radii": the largest of a grid; "acr": the full radius.
        radii: asked about, ascending, in input units; none for "acr".
    """

    kind: str
    radii: tuple[float, ...] = ()

    @classmethod
    def of(cls, radius: float | None = None, radii: Sequence[float] | None = None, *, acr: bool = False) -> Target:
        """The target that was asked for: the full radius if none.

        Raises:
            ValueError: more than one.
        """
        if sum([radius is not None, radii is not None, acr]) > 1:
            raise ValueError("radius, radii and acr are three targets; give one of them")
        if radius is not None:
            return cls("radius", (float(radius),))
        return cls("acr") if radii is None else cls("radii", tuple(float(each) for each in radii))

    @property
    def name(self) -> str:
        """In words."""
        if self.kind == "acr":
            return "the full radius of every input (ACR)"
        grid = ", ".join(f"{radius:g}" for radius in self.radii)
        return f"radius {grid}" if self.kind == "radius" else f"the largest of the radii {grid}"

    def procedures(self, *, n: int, alpha: float) -> list[Procedure]:
        """Those that answer it, with n draws of an input at most: fixed n first.

        Raises:
            ValueError: n, alpha or a radius is out of range.
        """
        fixed, full = Certify(n=n, alpha=alpha), Sequential(n_max=n, alpha=alpha)
        match self.kind:
            case "radius":
                return [fixed, Decide(self.radii[0], n_max=n, alpha=alpha)]
            case "radii":
                return [fixed, Curve(self.radii, n_max=n, alpha=alpha), full]
        return [fixed, full]


def draws_for(target: Target, noise: Noise, alpha: float, n: int | None = None) -> int:
    """How many draws of an input at most answer a target: n where it is given, else enough.

    Raises:
        ValueError: no reasonable number of draws buys the largest radius, or the n given does not.
    """
    radius = max(target.radii, default=0.0)
    most = MOST_DRAWS if n is None else n
    bought = largest_radius(noise, most, alpha)
    if not (bought > 0 and bought >= radius):
        needed = draws_needed(noise, radius, alpha)
        remedy = "raise sigma (or alpha)" if needed > MOST_DRAWS else f"give n >= {needed}"
        raise ValueError(
            f"radius must be <= {bought:.4g}, which {most:,} draws an input buy at best, got {radius:g}, "
            f"which needs {needed:,} that all agree; {remedy}"
        )
    if n is not None:
        return n
    needed = draws_needed(noise, radius, alpha)
    return next((each for each in NS if needed * TO_SPARE <= each), MOST_DRAWS)


def pilot_draws_for(target: Target, noise: Noise) -> int:
    """Draws of a pilot input: so many that a vote or two would be lost at the largest radius asked about, 200 to 1,000.

    >>> from noiseproof.noises import Gaussian
    >>> [pilot_draws_for(Target.of(radius), Gaussian(sigma=0.25)) for radius in (0.25, 0.6, 0.75)]
    [200, 244, 1000]
    """
    if not target.radii:
        return 1_000
    return min(max(200, ceil(2 / (1 - noise.p_needed(max(target.radii))))), 1_000)


@dataclass(frozen=True)
class Planned:
    """One procedure of a plan.

    Attributes:
        procedure: its configuration.
        line: how to run it.
        forecast: what it is expected to cost and find.
    """

    procedure: dict[str, Any]
    line: str
    forecast: Forecast


@dataclass(frozen=True, repr=False)
class Plan:
    """What a target is expected to cost on given inputs, on the device of a calibration.

    Attributes:
        target: what is asked.
        meaning: model, data, noise, precision and backend, as a run's manifest has them.
        n: draws of an input at most.
        alpha: failure probability of an input.
        inputs: of the run.
        takes: forward passes a draw takes, as text; empty where that is one.
        pilot: the votes that were drawn for it; no certificate uses them.
        draws_per_second: measured with this model on these inputs.
        measured_seconds: for how long.
        device: what drew, with backend, batch size and workers.
        planned: the procedures that answer the target, the classical one first.
        left_out: a sentence for each that does not.
        version: of noiseproof.
    """

    target: Target
    meaning: dict[str, Any]
    n: int
    alpha: float
    inputs: int
    takes: str
    pilot: tuple[PilotInput, ...]
    draws_per_second: float
    measured_seconds: float
    device: dict[str, Any]
    planned: tuple[Planned, ...]
    left_out: tuple[str, ...]
    version: str

    @property
    def best(self) -> Planned:
        """The one that is expected to take the fewest draws."""
        return min(self.planned, key=lambda each: each.forecast.draws.mean)

    def seconds(self, draws_an_input: float) -> float:
        """Wall time of the whole run on one such device."""
        return draws_an_input * self.inputs / self.draws_per_second

    def __repr__(self) -> str:
        """In a line, however large the pilot was."""
        ways, speed = len(self.planned), self.draws_per_second
        return f"<Plan for {self.target.name}: {self.inputs:,} inputs, {ways} procedures, {speed:,.0f} draws/s>"

    def text(self) -> str:
        """JSON, to be read back with ``read_plan``."""
        return json.dumps({"format": FORMAT, "is": "plan", **asdict(self)}, indent=1, allow_nan=False) + "\n"


def read_plan(path: Path) -> Plan:
    """A plan that was stored.

    Raises:
        RunError: there is none, it is damaged, or of another format.
    """
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        if stored.pop("is") != "plan":
            raise ValueError
        form = stored.pop("format")
    except OSError as error:
        raise RunError(f"cannot read {path}: {error.strerror}; noiseproof plan --out writes one") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise RunError(f"{path} is no plan; noiseproof plan --out writes one") from None
    if form != FORMAT:
        raise RunError(f"{path} has format {str(form)[:9]}, this version reads {FORMAT}; make the plan again")
    try:
        stored["target"] = Target(stored["target"]["kind"], tuple(stored["target"]["radii"]))
        stored["pilot"] = tuple(PilotInput(**{**each, "votes": tuple(each["votes"])}) for each in stored["pilot"])
        stored["planned"] = tuple(
            Planned(each["procedure"], each["line"], _forecast(each["forecast"])) for each in stored["planned"]
        )
        stored["left_out"] = tuple(stored["left_out"])
        return Plan(**stored)
    except (KeyError, TypeError, AttributeError):
        raise RunError(f"{path} is damaged: not a whole plan; make it again") from None


def _forecast(stored: dict[str, Any]) -> Forecast:
    return Forecast(
        Estimate(**stored["draws"]),
        tuple(Estimate(**each) for each in stored["certified"]),
        None if stored["acr"] is None else Estimate(**stored["acr"]),
        stored["exact"],
    )
