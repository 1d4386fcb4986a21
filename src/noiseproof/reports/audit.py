"""The audit of a published file in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from noiseproof.reports.tables import Table

if TYPE_CHECKING:
    from noiseproof.analysis.audit import FileAudit


def audit_text(found: FileAudit) -> str:
    """Everything an audit found in one file, as text for a terminal; the verdict comes last."""
    fits = Table(
        header=("alpha", "radii off its lattice", f"beyond the largest of n = {found.n}"),
        rows=tuple(
            (f"{fit.alpha:g}{' (stated)' if fit.alpha == found.alpha else ''}", str(fit.off), str(fit.beyond))
            for fit in found.fits
        ),
        caption=(),
    )
    expected = "" if found.expected is None else f" of {found.expected}"
    correct = f"{found.wrong_correct} do not follow from label and predict"
    lines = [
        f"rows                     {found.rows}{expected} (spacing of the indices: {found.every})",
        f"abstained                {found.abstained}",
        *fits.text().splitlines(),
        f"radii                    {found.digits} significant digits; {_rounding(found)}",
        f"impossible classes       {found.impossible_classes}",
        f"column correct           {correct}{' (a running total)' if found.running_total else ''}",
        f"predict -1 with a radius {found.abstained_with_radius}",
        f"predict without a radius {found.no_radius}",
        f"duplicate indices        {found.duplicates}",
        f"verdict                  {found.verdict}",
    ]
    return "\n".join(
        [f"{found.name}: sigma = {found.sigma:g}, n = {found.n}, alpha = {found.alpha:g} as stated"]
        + [f"  {line}" for line in lines]
    )


def _rounding(found: FileAudit) -> str:
    if found.rounding == "down":
        return "rounded down, so none is printed above what was certified"
    fit = found.likely
    raised = f"{fit.raised} are certainly rounded upwards (by up to {fit.most_raised:.2g})"
    doubt = f"; rounded down they would fit alpha = {', '.join(f'{alpha:g}' for alpha in found.otherwise)}"
    return f"rounded to nearest: {raised}, {fit.perhaps_raised} more perhaps{doubt if found.otherwise else ''}"
