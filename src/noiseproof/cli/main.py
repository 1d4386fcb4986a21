"""The command line: one file a verb; what a user can get wrong is one line and a status, never a traceback."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Sequence
from errno import ENOSPC
from importlib import import_module
from typing import Any, NamedTuple

from cyclopts import App, CycloptsError, Group, Parameter

from noiseproof.cli.help import TwoColumns
from noiseproof.cli.settings import read
from noiseproof.cli.signals import EndedBySignalError
from noiseproof.progress import UNFINISHED
from noiseproof.version import __version__

_INTERRUPTED, _UNREAD = 130, 141  # as shells say it; unread: the reader of a pipe went away, no error of ours


class Verb(NamedTuple):
    """The module of a verb, what the verb is for, and what it does in one line."""

    module: str
    purpose: str
    does: str


START, CERTIFY, TRUST, LOOK, EXCHANGE, PAPER = "Start", "Certify", "Trust", "Look", "Exchange", "The paper"

VERBS = {
    "quickstart": Verb("quickstart", START, "The main job on real pictures, in a minute."),
    "data list": Verb("data", START, "Data sets, and how to have them."),
    "data get": Verb("data", START, "Download a data set and check it."),
    "models": Verb("models", START, "What --model takes, and what is installed."),
    "completion": Verb("completion", START, "A script that completes lines in bash, zsh or fish."),
    "train": Verb("train", CERTIFY, "Train a base classifier under noise."),
    "doctor": Verb("doctor", CERTIFY, "Check a base classifier; exit 1 if refused."),
    "plan": Verb("plan", CERTIFY, "What a run will cost, before it is made."),
    "certify": Verb("runs", CERTIFY, "Certify inputs: class and radius."),
    "decide": Verb("runs", CERTIFY, "Certified at one radius, or not: few draws."),
    "predict": Verb("runs", CERTIFY, "Predict inputs: class or abstention."),
    "check": Verb("check", CERTIFY, "Certified accuracy at least so much? Exit 0, 1 or 3."),
    "merge": Verb("merge", CERTIFY, "Shards of one run as one run folder."),
    "bench": Verb("bench", CERTIFY, "Draws a second, beside the textbook loop."),
    "verify": Verb("verify", TRUST, "Replay a run; exit 1 if it does not hold."),
    "attack": Verb("attack", TRUST, "Attack certified inputs; exit 1 if one breaks."),
    "falsify": Verb("attack", TRUST, "All attacks, and the sandwich; exit 1 if false."),
    "bundle": Verb("bundle", TRUST, "A run as one file that checks itself."),
    "card": Verb("card", TRUST, "What a run promises and what not, on one page."),
    "show": Verb("show", LOOK, "Settings, progress, fingerprints of a run."),
    "report": Verb("report", LOOK, "Tables and curves from stored counts."),
    "compare": Verb("report", LOOK, "Methods side by side on the same inputs."),
    "view": Verb("view", LOOK, "All runs below a folder, in a browser."),
    "view bundle": Verb("view", LOOK, "The same as static files."),
    "serve": Verb("serve", LOOK, "A page and a service that answer requests."),
    "noise-images": Verb("noise_images", LOOK, "Pictures under noise at several sigma."),
    "import": Verb("import_", EXCHANGE, "A published file as a run folder."),
    "export": Verb("export", EXCHANGE, "A run as TSV, CSV or Parquet."),
    "audit": Verb("audit", EXCHANGE, "What published per-image files say of themselves."),
    "recipes": Verb("recipes", PAPER, "Settings of published trainings, for train --recipe."),
    "experiment": Verb("experiment", PAPER, "Figures and tables of the paper from runs."),
    "baselines train": Verb("baselines", PAPER, "Train a network for another certificate."),
    "baselines certify": Verb("baselines", PAPER, "Class and radius by another certificate."),
    "baselines report": Verb("baselines", PAPER, "Smoothing beside other certificates."),
}
"""Every verb; its module is loaded when it is asked for."""

_FAMILIES = {
    "data": "Data sets: what there is, and downloads.",
    "baselines": "Smoothing beside other certificates in L2.",
}
_FUNCTIONS = {"data list": "list_sets", "import": "import_", "noise-images": "noise_images"}
"""Functions that are not called as their verb is."""

_ABOUT = "Certified robustness by randomized smoothing: train, certify, verify, report."
_PURPOSES = (START, CERTIFY, TRUST, LOOK, EXCHANGE, PAPER)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with its status: 0 done, 1 it could not be done, 2 it was asked wrongly."""
    sys.exit(run(arguments))


def run(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    logging.basicConfig(level=logging.WARNING, format="noiseproof: %(message)s", stream=sys.stderr)
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        app, words = app_for(words)
        status = app(words, exit_on_error=False, print_error=False, result_action="return_value")
        if sys.stdout is not None:  # else what is left in it is written where nothing catches its errors
            sys.stdout.flush()
    except KeyboardInterrupt:
        return _complain("stopped; nothing is lost: the same line again goes on from here", _INTERRUPTED)
    except EndedBySignalError as ended:
        return _complain(f"ended by {ended}; the same line goes on from here", UNFINISHED)
    except BrokenPipeError:
        return _into_nothing(_UNREAD)
    except SystemExit as end:
        if isinstance(end.__context__, BrokenPipeError):  # rich ends the program there
            return _into_nothing(_UNREAD)
        return _complain(f"stopped by a model or a package that ends the program (SystemExit: {end})", 1)
    except Exception as error:  # noqa: BLE001  # what is not a user's mistake is raised again
        return _status_of(error)
    return status if isinstance(status, int) else 0


def app_for(words: Sequence[str]) -> tuple[App, list[str]]:
    """What parses a command line, and the words together with those of its settings files.

    Only the verb that is asked for is loaded; the others stand in the help by their one line.
    """
    app = _app("noiseproof", f"{_ABOUT}\n\nStart with: noiseproof quickstart --out quickstart")
    asked = next((verb for verb in (" ".join(words[:2]), " ".join(words[:1])) if verb in VERBS), None)
    found, apps = list(words), {"": app}
    groups = {purpose: Group(purpose, sort_key=number) for number, purpose in enumerate(_PURPOSES)}
    for number, (name, verb) in enumerate(VERBS.items()):
        group = groups[verb.purpose]
        above, _, last = name.rpartition(" ")
        if _has_more(name):
            apps[name] = _app(name, verb.does, group, number)
            app.command(apps[name])
            if name == asked:
                function, found = read(verb_function(name), name, words)
                apps[name].default(function)
            continue
        if above not in apps:
            apps[above] = _app(above, _FAMILIES[above], group, number)
            app.command(apps[above])
        stands: dict[str, Any] = {"name": last, "sort_key": number} | ({} if above else {"group": group})
        if name == asked:
            function, found = read(verb_function(name), name, words)
            apps[above].command(function, **stands)
        else:
            apps[above].command(f"noiseproof.cli.{verb.module}:{_function_name(name)}", help=verb.does, **stands)
    return app, found


def app_of_all() -> App:
    """What parses any command line, with every verb loaded: for completion."""
    app = _app("noiseproof", _ABOUT)
    families = {name: _app(name, does) for name, does in _FAMILIES.items()}
    families |= {name: _app(name, verb.does) for name, verb in VERBS.items() if _has_more(name)}
    for family in families.values():
        app.command(family)
    for name in VERBS:
        above, _, last = name.rpartition(" ")
        function = read(verb_function(name), name, [])[0]
        if name in families:
            families[name].default(function)
        else:
            (families[above] if above else app).command(function, name=last)
    return app


def verb_function(verb: str) -> Callable[..., Any]:
    """The function of a verb."""
    function: Callable[..., Any] = getattr(import_module(f"noiseproof.cli.{VERBS[verb].module}"), _function_name(verb))
    return function


def _has_more(verb: str) -> bool:
    """Whether others stand below a verb that is one itself."""
    return any(other.startswith(f"{verb} ") for other in VERBS)


def _function_name(verb: str) -> str:
    return _FUNCTIONS.get(verb, verb.rpartition(" ")[2])


def _app(name: str, does: str, group: Group | None = None, number: int | None = None) -> App:
    return App(
        name=name,
        help=does,
        group=group,
        sort_key=number,
        version=f"noiseproof {__version__}",
        help_flags=["--help", "-h"],
        help_format="plaintext",
        help_formatter=TwoColumns(),
        suppress_keyboard_interrupt=False,  # an interrupt has its own word here
        default_parameter=Parameter(show_env_var=False),
    )


def _status_of(error: Exception) -> int:
    from noiseproof.errors import NoiseproofError

    if isinstance(error, CycloptsError):
        from noiseproof.cli.errors import text_of

        return _complain(text_of(error, VERBS), 2)
    if isinstance(error, NoiseproofError):
        return _complain(str(error), 1)
    if isinstance(error, ValueError) and not isinstance(error, UnicodeError):
        return _complain(str(error), 2)
    if isinstance(error, OSError) and error.errno == ENOSPC:
        if error.filename is None:  # what is printed, else a file is named
            _into_nothing(1)
        return _complain(f"cannot write {error.filename or 'the output'}: {error.strerror}; make room", 1)
    if isinstance(error, OSError) and isinstance(error.filename, str):
        return _complain(f"cannot use {error.filename}: {error.strerror}; give another path", 1)
    raise error


def _into_nothing(status: int) -> int:
    """The status given; what is still to be printed, the interpreter prints into nothing."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return status


def _complain(text: str, status: int) -> int:
    line = " ".join(text.split())  # one line, and nothing that a terminal takes for a command
    shown = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in line)
    print(f"noiseproof: {shown}", file=sys.stderr)
    return status
