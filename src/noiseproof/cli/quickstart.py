"""``noiseproof quickstart``: the main job on real pictures, from nothing, in about a minute; ImageNet in some more."""

from __future__ import annotations

from pathlib import Path

from noiseproof.asked import Asked, Subject, Training
from noiseproof.asked.options import line

DATA = "fashion-mnist-small"
SIGMA = 0.25
RADII = "0:0.6:0.1"


def quickstart(
    *,
    out: Path | None = None,
    epochs: int | None = None,
    inputs: int | None = None,
    n: int | None = None,
    imagenet: bool = False,
) -> int:
    """Train, certify, verify and report on the Fashion-MNIST pictures that ship with noiseproof; or on ImageNet's.

    Args:
        out: Folder for everything; by default quickstart, quickstart-imagenet.
        epochs: Of the training; by default 12.
        inputs: Test pictures to certify; by default 200, ImageNet 20.
        n: Draws a picture; by default 2000, ImageNet 1000.
        imagenet: Pretrained weights, pictures of 224 x 224, a denoiser (extra imagenet-demo), in minutes.
    """
    out = out or Path("quickstart-imagenet" if imagenet else "quickstart")
    if imagenet:
        if epochs is not None:
            raise ValueError(f"--epochs is of the training, and --imagenet trains nothing, got {epochs}; leave one out")
        from noiseproof.cli.quickstart_imagenet import quickstart_imagenet

        return quickstart_imagenet(out, 20 if inputs is None else inputs, 1000 if n is None else n)
    inputs, n = 200 if inputs is None else inputs, 2000 if n is None else n
    _fashion_mnist(out, 12 if epochs is None else epochs, inputs, n)
    return 0


def _fashion_mnist(out: Path, epochs: int, inputs: int, n: int) -> None:
    """Train, certify, verify and report."""
    from noiseproof.cli.runs import run_job
    from noiseproof.noises import Gaussian
    from noiseproof.procedures import Certify
    from noiseproof.progress import ProgressBar
    from noiseproof.reports.report import report
    from noiseproof.runners.resolve import resolve
    from noiseproof.store import verify
    from noiseproof.training import train

    model, run = out / "model", out / "run"
    training = Training(data=DATA, arch="lenet", sigma=SIGMA, epochs=epochs, batch_size=64, step_size=10)
    asked = Asked(
        procedure=Certify(n=n),
        noise=Gaussian(sigma=SIGMA),
        subject=Subject(model=str(model), data=f"{DATA}:test", every=max(1, 1000 // inputs), limit=inputs),
    )
    print("1.", training.line(model))
    with ProgressBar("train") as bar:
        train(training, out=model, progress=bar.show)
    print("2.", asked.line(run))
    run_job(resolve(asked), run)
    print("3.", line("verify", {}, run))
    held = verify(run)
    print(f"   {held.records} certificates follow from their {held.draws:,} draws")
    page = out / "report.html"
    print("4.", line("report", {"radii": RADII, "out": str(out / "report"), "html": str(page)}, run))
    written = report([run], radii=RADII, out=out / "report", html=page)
    print(f"\n{written.text}\n")
    print("written: " + ", ".join(str(path) for path in written.files if path != page))
    print(f"Look at it in a browser: {page.resolve().as_uri()}")
