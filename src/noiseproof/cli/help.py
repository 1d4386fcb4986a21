"""The help as plain text in two columns."""

from __future__ import annotations

import shutil
import sys
import textwrap
from typing import Any

_LEFT = 26
"""Columns of the names."""


class TwoColumns:
    """Lays out a help page of cyclopts: names on the left, what they do on the right, what is required first."""

    def __call__(self, console: Any, options: Any, panel: Any) -> None:  # as cyclopts calls it
        """One group."""
        del console, options
        # `--help` and `--version` go without saying
        entries = [entry for entry in panel.entries if not {"--help", "--version"} & set(entry.positive_names)]
        if not entries:
            return
        lines = [f"{panel.title}:"]
        for entry in sorted(entries, key=lambda entry: not entry.required):
            flags = (*entry.positive_shorts, *entry.positive_names)
            names = entry.positional_label or ", ".join(
                flags + (entry.negative_names if entry.default == "True" else ())
            )
            left = f"  {names}" + (f" {_metavar(entry)}" if entry.metavar and not entry.positional_label else "")
            lines += _row(left, _says(entry))
        _write("\n".join(lines) + "\n")

    def render_usage(self, console: Any, options: Any, usage: Any) -> None:
        """The first line."""
        del console, options
        if usage:
            line = f"Usage: {_plain(usage).removeprefix('Usage: ')}"
            _write(textwrap.fill(line, _width(), subsequent_indent="  ", break_on_hyphens=False) + "\n")

    def render_description(self, console: Any, options: Any, description: Any) -> None:
        """What it does."""
        del console, options
        if description:
            paragraphs = _plain(description).split("\n\n")
            _write("\n\n".join(textwrap.fill(" ".join(each.split()), _width()) for each in paragraphs) + "\n")


def _metavar(entry: Any) -> str:
    choices = "|".join(entry.choices or ())
    # the first of several types is the text that a line has
    return choices if choices and len(choices) <= _LEFT else str(entry.metavar).partition("|(")[0]


def _says(entry: Any) -> str:
    said = [_plain(entry.description)] if entry.description else []
    choices = "|".join(entry.choices or ())
    if len(choices) > _LEFT or (choices and entry.positional_label):
        said.append(f"({', '.join(entry.choices)})")
    if entry.required:
        said.append("[required]")
    if entry.default is not None:
        said.append(f"[default: {entry.default}]")
    return " ".join(said)


def _row(left: str, right: str) -> list[str]:
    column = _LEFT + 2
    wrapped = textwrap.wrap(right, _width() - column) or [""]
    first = [f"{left:{column}}{wrapped.pop(0)}"] if len(left) < column else [left]
    return [*first, *(" " * column + each for each in wrapped)]


def _plain(text: Any) -> str:  # a str, or what rich draws
    return str(getattr(text, "plain", getattr(text, "primary_renderable", text))).strip()


def _width() -> int:
    return min(shutil.get_terminal_size((100, 24)).columns, 110)


def _write(text: str) -> None:
    sys.stdout.write(text + "\n")
