"""``noiseproof audit``."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from noiseproof.cli.records import Alpha


def audit(
    files: list[Path],
    /,
    *,
    sigma: float | None = None,
    n: int = 100_000,
    alpha: Alpha = 0.001,
    rows: int | None = None,
    num_classes: int = 10,
    rounding: Literal["auto", "nearest", "down"] = "auto",
    table: bool = False,
) -> int:
    """What published radii say of the alpha behind them, and what is wrong. Exits 1 if a file does not hold.

    Args:
        files: Published per-image files (TSV).
        sigma: As stated; read from a name like sigma_0.25.tsv if left out.
        n: Draws an input, as stated.
        rows: How many a file should have; inferred from its indices if left out.
        num_classes: Of the data set.
        rounding: Of the radii; export rounds down.
        table: Instead: certified accuracy by sigma and radius, the best sigma starred; as Markdown.
    """
    if table:
        if sigma is not None:
            raise ValueError("--table reads each sigma in its file's name, such as sigma_0.25.tsv; leave --sigma out")
        from noiseproof.analysis.best_sigma import best_sigma_table

        print(best_sigma_table(files).markdown(), end="")
        return 0
    from noiseproof.analysis.audit import audit as audit_files
    from noiseproof.reports.audit import audit_text

    found = audit_files(files, sigma=sigma, n=n, alpha=alpha, rows=rows, num_classes=num_classes, rounding=rounding)
    print("\n\n".join(audit_text(one) for one in found))
    return 0 if all(one.holds for one in found) else 1
