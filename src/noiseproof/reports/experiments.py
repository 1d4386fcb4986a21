"""The experiments of the paper, each derived from the counts of finished runs: nothing is drawn anew."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from noiseproof.asked.kinds import check_kinds
from noiseproof.asked.look import SCREEN, Look
from noiseproof.registry import Registry
from noiseproof.reports.acr import acr_findings
from noiseproof.reports.files import Written, write_findings
from noiseproof.reports.findings import Findings
from noiseproof.reports.formula_experiments import bounds_findings, ceiling_findings, tightness_findings
from noiseproof.reports.run_experiments import (
    alpha_findings,
    guarantee_findings,
    n_findings,
    predict_findings,
    sigma_findings,
    training_noise_findings,
)
from noiseproof.reports.summaries import radii_of
from noiseproof.reports.units import Units
from noiseproof.store.given import Runs, listed, runs_of
from noiseproof.store.run import Run


@dataclass(frozen=True)
class Experiment:
    """A way to look at runs.

    Attributes:
        name: of the experiment.
        about: what they show, in words.
        takes: which runs, in words.
        count: how many runs are enough.
        find: runs, radii in input units, the units to print them in and how a figure looks, to what there is to say.
        over_radii: whether radii mean something to it.
    """

    name: str
    about: str
    takes: str
    count: range
    find: Callable[[Sequence[Run], tuple[float, ...], Units, Look], Findings]
    over_radii: bool = True


def experiment(
    name: str,
    runs: Runs = (),
    *,
    out: str | Path,
    radii: str | None = None,
    units: int = 1,
    look: Look = SCREEN,
) -> Written:
    """One experiment of the paper from finished runs: tables as text, Markdown, LaTeX, a figure as PNG and PDF.

    Args:
        name: one of ``EXPERIMENTS``.
        runs: folders, read runs, or either by name; how many and of which verb, ``EXPERIMENTS[name].takes`` says.
        out: folder for ``NAME.txt``, ``.md``, ``.tex``, ``.png`` and ``.pdf``.
        radii: "start:stop:step" with both ends in, or "a,b,c", in ``units``; by default as ``report`` has them.
        units: 1 for input units ([0, 1] pixels), 255 for steps of one 8-bit pixel.
        look: of the figure.

    Raises:
        RunError: a folder is not such a run, or ``out`` cannot be written.
        UnsupportedError: the runs' procedure does not allow it.
        ValueError: an argument is out of range, or the runs do not belong together.
    """
    check_kinds({"look": look})
    asked, shown = EXPERIMENTS.find(name), Units(units)
    named = listed(runs)
    if len(named) not in asked.count:
        raise ValueError(f"experiment {name} takes {asked.takes}, got {len(named)}")
    if not asked.over_radii and (radii is not None or units != 1):
        raise ValueError(f"experiment {name} is not about radii of runs; leave radii and units out")
    given = runs_of(named)
    grid = radii_of(given if asked.over_radii else (), radii, shown)
    found = asked.find(given, grid, shown, look)
    return write_findings(found.tables, found.figure, out, name)


_ONE, _SEVERAL, _NONE = range(1, 2), range(1, 1000), range(1)
_RUN, _RUNS = "one run of certify", "one run of certify or more"

EXPERIMENTS: Registry[Experiment] = Registry(
    "experiment",
    lambda made: made.name,
    [
        Experiment("sigma", "varying sigma, the best of each radius marked", _RUNS, _SEVERAL, sigma_findings),
        Experiment(
            "training-noise", "models trained differently, at one sigma", _RUNS, _SEVERAL, training_noise_findings
        ),
        Experiment("n", "what fewer draws would have said, exactly", _RUN, _ONE, n_findings),
        Experiment("alpha", "what other alphas would have said, exploratory", _RUN, _ONE, alpha_findings),
        Experiment(
            "acr", "the ACR and what it hides: p_A, a constant classifier", _RUNS, _SEVERAL, acr_findings, False
        ),
        Experiment("guarantee", "what holds with high probability", _RUNS, _SEVERAL, guarantee_findings),
        Experiment(
            "predict", "right, wrong, abstained for each n", "one run of predict", _ONE, predict_findings, False
        ),
        Experiment(
            "bounds",
            "radius against p_A, beside earlier certificates",
            "no run",
            _NONE,
            lambda *given: bounds_findings(given[-1]),
            False,
        ),
        Experiment(
            "ceiling",
            "radius against p_A for several n, and the most that n draws can certify",
            "no run",
            _NONE,
            lambda *given: ceiling_findings(given[-1]),
            False,
        ),
        Experiment(
            "tightness",
            "the worst-case half-space, just within and just beyond R",
            "no run",
            _NONE,
            lambda *given: tightness_findings(given[-1]),
            False,
        ),
    ],
    group="noiseproof.experiments",
)
"""Every experiment by its name."""
