"""``noiseproof baselines``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

from noiseproof.asked.options import line
from noiseproof.cli.records import AnyLook, Data, Folder, Out, ReportRadii, Root, numbers

_Method = Annotated[Literal["wong", "lipschitz"] | str, "By Wong et al. 2018, or by deel-torchlip."]


def train(
    method: _Method,
    /,
    *,
    data: Data,
    out: Out,
    root: Root = None,
    steps: int = 1000,
    batch_size: int = 50,
    lr: float = 1e-3,
    seed: int = 0,
    eps: float | None = None,
    projections: int | None = None,
    tau: float | None = None,
) -> None:
    """Train a network for another certificate, on the CPU.

    Args:
        steps: Batches to learn from.
        batch_size: Pictures a step.
        lr: Initial learning rate of Adam.
        seed: Of everything random.
        eps: Of wong: L2 radius of the robust loss, in input units; by default 0.25.
        projections: Of wong: random directions a bound is estimated from in training; by default 10.
        tau: Of lipschitz: factor of the scores, small for large radii; by default 10.
    """
    from noiseproof.baselines import METHODS
    from noiseproof.baselines import train as train_baseline
    from noiseproof.progress import ProgressBar
    from noiseproof.registry import made_from

    own = {"eps": eps, "projections": projections, "tau": tau}
    made = made_from(METHODS, {"method": method} | {k: v for k, v in own.items() if v is not None}, by="method")
    with ProgressBar(f"train {method}") as bar:
        weights = train_baseline(
            made, data=data, out=out, steps=steps, batch_size=batch_size, lr=lr, seed=seed, root=root, progress=bar.show
        )
    print(f"{weights.parent} holds the network; next: {line('baselines certify', {'model': str(out)}, method)} ...")


def certify(
    method: _Method,
    /,
    *,
    model: str,
    data: Data,
    out: Out,
    every: int = 1,
    start: int = 0,
    limit: int | None = None,
    at: str = "1,2",
    root: Root = None,
) -> int:
    """Class and certified radius of each input, and PGD within it. Exits 1 if it changes a class there.

    Args:
        model: Folder of train, of plain layers.
        every: Take every K-th input ...
        start: ... beginning with this index ...
        limit: ... and this many inputs at most.
        at: Distances of the attack, in units of each input's radius.
    """
    multiples = numbers("at", at)
    from noiseproof.baselines import METHODS
    from noiseproof.baselines import certify as certify_baseline
    from noiseproof.progress import ProgressBar
    from noiseproof.reports.baselines import broken_within, one_line

    made = METHODS.find(method)()
    with ProgressBar(f"certify {method}") as bar:
        found = certify_baseline(
            made, model=model, data=data, out=out, every=every, start=start, limit=limit, at=multiples, root=root,
            progress=bar.show,
        )  # fmt: skip
    print(one_line(found))
    wrong = broken_within(found)
    if wrong:
        print(f"noiseproof: the certificate is contradicted at inputs {', '.join(map(str, wrong))}", file=sys.stderr)
    return 1 if wrong else 0


def report(
    look: AnyLook,
    *,
    out: Folder,
    smoothed: list[Path],
    other: list[Path] | None = None,
    attacked: list[Path] | None = None,
    earlier: bool = True,
    radii: ReportRadii = None,
) -> None:
    """Certified accuracy of all methods on their common inputs: one figure, one table, the cost of an input.

    Args:
        smoothed: Run folders of certify.
        other: Folders of baselines certify.
        attacked: Folders of noiseproof attack on one of the runs.
        earlier: Earlier bounds from the counts of the first run, too.
    """
    from noiseproof.reports.baselines import baselines_report

    written = baselines_report(
        smoothed, other or [], attacked=attacked or [], earlier=earlier, out=out, radii=radii, look=look
    )
    print(written.text)
    print("written: " + ", ".join(str(path) for path in written.files))
