"""docs/tutorial.md is run from top to bottom, unchanged, and says what it says it says."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import re
import runpy
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

pytest.importorskip("torch")

from noiseproof.cli.main import run

PAGE = Path(__file__).resolve().parents[2] / "docs" / "tutorial.md"
pytestmark = pytest.mark.skipif(not PAGE.exists(), reason="the pages are not beside the tests")

_ERROR = "noiseproof: "
_NEEDED = {"estimator.py": "sklearn"}
"""Scripts of the page that need a package which need not be there."""


@dataclass(frozen=True)
class Step:
    """A block of commands and what the page quotes of its output."""

    lines: tuple[str, ...]
    quoted: tuple[str, ...]


def blocks() -> list[tuple[str, str]]:
    """The fenced blocks of the page: language and text."""
    return re.findall(r"^```(\w*)\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.M | re.S) if PAGE.exists() else []


def steps() -> list[Step]:
    """The bash blocks, each with the text block after it."""
    found = []
    after = [*blocks()[1:], ("", "")]
    for (language, text), (following, quoted) in zip(blocks(), after, strict=True):
        if language == "bash":
            lines = tuple(quoted.splitlines()) if following == "text" else ()
            found.append(Step(tuple(text.splitlines()), lines))
    return found


STEPS = steps()


def do(line: str) -> tuple[int, str, str]:
    """Status, stdout and stderr of a command line of the page, run in this process and the working folder."""
    out, err = io.StringIO(), io.StringIO()
    verb, *words = shlex.split(line)
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        if verb == "noiseproof":
            return run(words), out.getvalue(), err.getvalue()
        assert verb == "python", f"the page runs only python and noiseproof, not {verb}"
        before = set(sys.modules)
        sys.path.insert(0, str(Path.cwd()))
        try:
            runpy.run_path(words[0], run_name="__main__")
        finally:
            sys.path.remove(str(Path.cwd()))
            for name in set(sys.modules) - before:
                if Path(f"{name}.py").exists():  # the page's own
                    del sys.modules[name]
    return 0, out.getvalue(), err.getvalue()


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("tutorial")


@pytest.fixture(scope="module")
def said(folder) -> dict[str, tuple[int, str, str]]:
    """What every line of the page gave, by line; the lines that need an absent package are not there."""
    with contextlib.chdir(folder):
        found = {}
        for language, text in blocks():
            if language == "python":
                Path(re.findall(r"\A# (\w+\.py)\n", text)[0]).write_text(text)
            for line in text.splitlines() if language == "bash" else ():
                package = _NEEDED.get(line.split()[1])
                if package is None or importlib.util.find_spec(package):
                    found[line] = do(line)
    return found


def masked(line: str) -> str:
    """A line without its numbers, times and widths of columns: those are another machine's."""
    without = re.sub(r"\d[\d,]*(\.\d+)?( (s|min|h)\b)?", "#", " ".join(line.split()))
    return re.sub(r"-{3,}", "---", without)


@pytest.mark.parametrize("step", STEPS, ids=[step.lines[0][:70] for step in STEPS])
def test_it_says_so(step: Step, said):
    absent = [line for line in step.lines if line not in said]
    if absent:
        pytest.importorskip(_NEEDED[absent[0].split()[1]])
    status, out, err = zip(*(said[line] for line in step.lines), strict=True)
    errors = [line for line in step.quoted if line.startswith(_ERROR)]
    if errors:
        got = [line for text in err for line in text.splitlines()]
        assert len(got) == len(errors) == len(step.lines)
        for line, quoted in zip(got, errors, strict=True):
            assert re.fullmatch(re.escape(quoted).replace(r"\.\.\.", ".*"), line), f"{line!r} is not {quoted!r}"
        assert all(status)
        return
    refused = any(line.startswith("refused") for line in step.quoted)
    assert status == (int(refused),) * len(status)
    given, at = [masked(line) for text in out for line in text.splitlines()], 0
    for line in step.quoted:
        if line not in ("", "..."):
            assert masked(line) in given[at:], f"not there, or not in this order: {line}"
            at = given.index(masked(line), at) + 1


def test_the_numbers_behind_its_sentences(said):
    def found(line: str, pattern: str) -> list[float]:
        text = next(out for asked, (_, out, _) in said.items() if asked.startswith(line))
        return [float(number.replace(",", "")) for number in re.search(pattern, text, re.M).groups()]

    under_noise, clean = found("noiseproof doctor --model mine.py:plain", r"([\d.]+)% under one .* ([\d.]+)% without")
    assert under_noise < 55 < 85 < clean
    assert found("noiseproof doctor --model mine.py:noisy", r"([\d.]+)% under one") > [80]
    (fixed,) = found("noiseproof plan", r"^certify .*exactly +([\d,]+)")
    (decide,) = found("noiseproof plan", r"^decide +[\d,]+ +[\d,]+ to [\d,]+ +([\d,]+)")
    assert fixed == 160 * 100_100
    assert fixed > 30 * decide  # "a hundred times cheaper", on this machine's model
    certified = found("noiseproof certify --model mine.py:noisy", r"^c +[\d.]+ +[\d.]+ +([\d.]+)")
    assert certified > [50]


def test_a_refusal_stores_nothing(said, folder):
    assert any("--out runs/bad" in line for line in said)
    assert [path.name for path in (folder / "runs").glob("bad/*") if path.name != "lock"] == []


def test_the_page_names_no_block_that_is_not_run():
    assert {language for language, _ in blocks()} == {"", "python", "bash", "text"}
    assert [text for language, text in blocks() if language == ""] == ["pip install .\n"]
    assert len(STEPS) > 15
