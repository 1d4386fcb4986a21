"""What is printed on a terminal ends between words; what goes elsewhere stays whole."""

from __future__ import annotations

import os

import pytest

from noiseproof.cli.main import run
from noiseproof.reports import Table
from noiseproof.screen import fold, width

WIDE = Table(
    header=("run", *(f"column {i}" for i in range(8))),
    rows=(("gaussian noise", *("12.5",) * 8), ("none", *("0.0",) * 8)),
    caption=("A caption of more words than a narrow terminal has columns for, which is what they mostly are.",),
)


@pytest.fixture
def terminal(monkeypatch):
    """A terminal of so many columns."""

    def of(columns: int) -> None:
        monkeypatch.setattr("sys.stdout.isatty", lambda: True)
        monkeypatch.setattr("shutil.get_terminal_size", lambda *_: os.terminal_size((columns, 24)))

    return of


def test_a_table_has_no_more_columns_than_a_terminal(terminal):
    assert width() is None
    whole = WIDE.screen()
    assert whole == WIDE.text()
    assert max(map(len, whole.splitlines())) > 90
    terminal(80)
    lines = WIDE.screen().splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0] == "run             " + "  ".join(f"column {i}" for i in range(6))
    assert [line.split()[0] for line in lines if line.startswith(("gauss", "none"))] == ["gaussian", "none"] * 2
    assert "".join(lines).count("12.5") == 8
    assert " ".join(lines).endswith(WIDE.caption[0])


def test_a_line_is_broken_between_words_under_its_last_column(terminal):
    line = "warn    noise     40.6% under one draw of noise, 94.4% without: never trained"
    assert fold(line) == line
    assert fold(f"{line}\n\nshort", 50) == (
        "warn    noise     40.6% under one draw of noise,\n                  94.4% without: never trained\n\nshort"
    )
    assert fold("x" * 90, 80) == "x" * 90  # a path stays one


@pytest.mark.parametrize("words", [["data", "list"], ["models"], ["experiment"]])
def test_what_lists_something_fits_on_a_terminal(words, terminal, capsys):
    if words == ["models"]:
        pytest.importorskip("torch")
    assert run(words) == 0
    whole = capsys.readouterr().out
    terminal(80)
    assert run(words) == 0
    folded = capsys.readouterr().out
    assert [line for line in folded.splitlines() if len(line) > 80 and "/" not in line] == []
    assert folded.split() == whole.split()
