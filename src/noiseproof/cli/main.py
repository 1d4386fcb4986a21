"""The command line: one file a verb; what a user can get wrong is one line and a status, never a traceback."""

from __future__ import annotations

import logging
import os
import sys
from typing import Annotated

import typer

from noiseproof.cli import (
    attack,
    audit,
    baselines,
    bench,
    card,
    certify,
    compare,
    data,
    decide,
    doctor,
    experiment,
    export,
    falsify,
    import_,
    merge,
    models,
    noise_images,
    plan,
    predict,
    quickstart,
    report,
    show,
    train,
    verify,
)
from noiseproof.cli.words import expanded
from noiseproof.version import __version__

_INTERRUPTED = 130

app = typer.Typer(
    name="noiseproof",
    help="Certified robustness by randomized smoothing: train, certify, verify, report.",
    epilog="Start with: noiseproof quickstart --out quickstart",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command("quickstart", short_help="The main job on real pictures, in a minute.")(quickstart.quickstart)
app.command("train", short_help="Train a base classifier under noise.")(train.train)
app.command("doctor", short_help="Check a base classifier; exit 1 if refused.")(doctor.doctor)
app.command("plan", short_help="What a run will cost, before it is made.")(plan.plan)
app.command("certify", short_help="Certify inputs: class and L2 radius.")(certify.certify)
app.command("decide", short_help="Certified at one radius, or not: few draws.")(decide.decide)
app.command("predict", short_help="Predict inputs: class or abstention.")(predict.predict)
app.command("merge", short_help="Shards of one run as one run folder.")(merge.merge)
app.command("attack", short_help="Attack certified inputs; exit 1 if one breaks.")(attack.attack)
app.command("falsify", short_help="All attacks, and the sandwich; exit 1 if false.")(falsify.falsify)
app.command("verify", short_help="Replay a run; exit 1 if it does not hold.")(verify.verify)
app.command("report", short_help="Tables and curves from stored counts.")(report.report)
app.command("compare", short_help="Methods side by side on the same inputs.")(compare.compare)
app.command("experiment", short_help="Figures and tables of the paper from runs.")(experiment.experiment)
app.command("card", short_help="What a run promises and what not, on one page.")(card.card)
app.command("noise-images", short_help="Pictures under noise at several sigma.")(noise_images.noise_images)
app.command("show", short_help="Settings, progress, fingerprints of a run.")(show.show)
app.command("audit", short_help="What published per-image files say of themselves.")(audit.audit)
app.command("import", short_help="A published file as a run folder.")(import_.import_)
app.command("export", short_help="A run as TSV, CSV or Parquet.")(export.export)
app.command("bench", short_help="Draws a second, beside the textbook loop.")(bench.bench)
app.add_typer(data.app, name="data")
app.add_typer(baselines.app, name="baselines")
app.command("models", short_help="What --model takes, and what is installed.")(models.models)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"noiseproof {__version__}")
        raise typer.Exit


@app.callback()
def _noiseproof(
    _version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """Certified robustness by randomized smoothing: train, certify, verify, report."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with its status: 0 done, 1 it could not be done, 2 it was asked wrongly."""
    sys.exit(run(arguments))


def run(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    logging.basicConfig(level=logging.WARNING, format="noiseproof: %(message)s", stream=sys.stderr)
    try:
        words = expanded(sys.argv[1:] if arguments is None else arguments)
        status = typer.main.get_command(app).main(words, prog_name="noiseproof", standalone_mode=False)
    except KeyboardInterrupt:
        return _stopped()
    except BrokenPipeError:
        # the reader of a pipe went away: not an error of ours; keep the interpreter from flushing into it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except SystemExit as end:
        if "_NOISEPROOF_COMPLETE" in os.environ:  # the shell's completion ends so
            raise
        return _complain(f"stopped by a model or a package that ends the program (SystemExit: {end})", 1)
    except Exception as error:  # noqa: BLE001  # what is not a user's mistake is raised again
        return _status_of(error)
    if status == _INTERRUPTED:  # some versions of typer catch the interrupt themselves
        return _stopped()
    return status if isinstance(status, int) else 0


def _status_of(error: Exception) -> int:
    from noiseproof.errors import NoiseproofError

    if isinstance(error, typer.Abort):
        return _stopped()
    if hasattr(error, "format_message") and hasattr(error, "exit_code"):  # usage errors, whoever ships click
        return _complain(f"{error.format_message().rstrip('.')}; see --help", int(error.exit_code))
    if isinstance(error, NoiseproofError):
        return _complain(str(error), 1)
    if isinstance(error, ValueError) and not isinstance(error, UnicodeError):
        return _complain(str(error), 2)
    raise error


def _stopped() -> int:
    return _complain("stopped; nothing is lost: the same line again goes on from here", _INTERRUPTED)


def _complain(text: str, status: int) -> int:
    line = " ".join(text.split())  # one line, and nothing that a terminal takes for a command
    shown = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in line)
    print(f"noiseproof: {shown}", file=sys.stderr)
    return status
