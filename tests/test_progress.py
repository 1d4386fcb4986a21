import re
import sys
from types import ModuleType, SimpleNamespace

import pytest

from noiseproof.progress import Progress, ProgressBar


@pytest.mark.parametrize(
    ("moment", "said"),
    [
        (
            Progress(1234, 5000, "inputs", "32 draws/s", 75.0),
            "1,234 of 5,000 inputs, 32 draws/s, 1 min 15 s left",
        ),
        (Progress(2.9, 3, "epochs", seconds_left=4.2), "2.9 of 3 epochs, 4 s left"),
        (Progress(0, 9, "points", "2 broken"), "0 of 9 points, 2 broken"),
    ],
)
def test_what_is_said_where_there_is_no_terminal(monkeypatch, capsys, moment, said):
    monkeypatch.setattr("noiseproof.progress._EVERY", -1.0)
    with ProgressBar("title") as bar:
        bar.show(moment)
        bar.show(moment)  # nothing new
    assert capsys.readouterr().err == f"title: {said}\n"


def test_a_terminal_shows_the_same(monkeypatch, capsys):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with ProgressBar("title") as bar:
        bar.show(Progress(3, 9, "points", "2 broken", 4.2))
    said = re.sub("\x1b\\[[?\\d;]*[a-zA-Z]", "", capsys.readouterr().err)
    assert "3 of 9 points 2 broken, 4 s left" in said


def test_where_there_is_no_terminal_a_line_comes_every_few_seconds(monkeypatch, capsys):
    now = 0.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    with ProgressBar("train") as bar:
        for step in range(200):
            now = step / 10
            bar.show(Progress(step / 100, 2, "epochs", "loss 0.5"))
    assert capsys.readouterr().err.splitlines() == [
        f"train: {done} of 2 epochs, loss 0.5" for done in ("0.5", "1", "1.5")
    ]


def test_a_notebook_has_one_bar_that_moves(monkeypatch, capsys):
    shown, display_ids = [], []

    class Handle:
        def update(self, said, *, raw):
            shown.append(said)

    def display(said, *, raw, display_id):
        shown.append(said)
        display_ids.append(display_id)
        return Handle()

    python = ModuleType("IPython")
    python.get_ipython = lambda: SimpleNamespace(kernel=object())
    python.display = ModuleType("IPython.display")
    python.display.display = display
    monkeypatch.setitem(sys.modules, "IPython", python)
    monkeypatch.setitem(sys.modules, "IPython.display", python.display)
    with ProgressBar("a < b") as bar:
        bar.show(Progress(3, 9, "inputs"))
        bar.show(Progress(4, 9, "inputs", "2 broken"))
    assert display_ids == [True]
    assert shown[0] == {
        "text/plain": "a < b: 3 of 9 inputs",
        "text/html": '<progress value="3" max="9"></progress> a &lt; b: 3 of 9 inputs',
    }
    assert shown[1]["text/plain"] == "a < b: 4 of 9 inputs, 2 broken"
    assert capsys.readouterr().err == ""
