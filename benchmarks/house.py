"""How much of the house is written again: ``python benchmarks/house.py [CHECKOUT ...]``, a column a checkout.

Counts what an option or a noise costs that is not its own line. Needs Python alone; nothing of the checkout is run.
``--pairs "COMMAND"`` adds what a finder of duplicates, run in src/, says of it: a line a pair ("D1 ...").
"""

from __future__ import annotations

import argparse
import ast
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

HANDED_ON = re.compile(r"^\s+(\w+)=\1,$", re.MULTILINE)
NAMES = ("skip_bad", "acr_loss", "consensus")
LONGEST = 400


def counts(checkout: Path, pairs: str | None) -> dict[str, str]:
    """What is counted, each with its number."""
    src = checkout / "src"
    texts = {path.relative_to(src): path.read_text(encoding="utf-8") for path in sorted(src.rglob("*.py"))}
    if not texts:
        raise SystemExit(f"{checkout} has no src/ with Python files")
    lines = {path: text.count("\n") for path, text in texts.items()}
    found = {"files in src/": f"{len(texts):,}", "lines in src/": f"{sum(lines.values()):,}"}
    for room in ("cli", "runners"):
        found[f"lines in {room}/"] = f"{sum(n for path, n in lines.items() if room in path.parts):,}"
    handed_on = {path: len(HANDED_ON.findall(text)) for path, text in texts.items()}
    found["lines x=x,"] = _places(handed_on)
    for name in NAMES:
        found[f"files that name {name}"] = str(sum(name in text for text in texts.values()))
    outside = {path: ast.parse(text) for path, text in texts.items() if "noises" not in path.parts}
    found["sites Gaussian(...) or isinstance, outside noises/"] = _places(
        {path: sum(_nails(node) for node in ast.walk(tree)) for path, tree in outside.items()}
    )
    found["sites naming Gaussian in code, outside noises/"] = _places(
        {path: sum(_is_gaussian(node) for node in ast.walk(tree)) for path, tree in outside.items()}
    )
    long = [f"{path.name} {lines[path]}" for path in texts if lines[path] > LONGEST]
    found[f"files above {LONGEST} lines"] = " ".join([str(len(long)), *([f"({', '.join(long)})"] if long else [])])
    if pairs is not None:
        said = subprocess.run(shlex.split(pairs), cwd=src, capture_output=True, text=True, check=True).stdout
        found.update(_pairs(said))
    return found


def _places(each: dict[Path, int]) -> str:
    return f"{sum(each.values())} in {sum(map(bool, each.values()))} files"


def _is_gaussian(node: ast.AST) -> bool:
    return (isinstance(node, ast.Name) and node.id == "Gaussian") or (
        isinstance(node, ast.Attribute) and node.attr == "Gaussian"
    )


def _nails(node: ast.AST) -> bool:
    """Whether a call makes Gaussian noise, or asks whether something is it."""
    if not isinstance(node, ast.Call):
        return False
    asks = isinstance(node.func, ast.Name) and node.func.id == "isinstance" and len(node.args) > 1
    return _is_gaussian(node.func) or (asks and any(map(_is_gaussian, ast.walk(node.args[1]))))


def _pairs(said: str) -> Iterator[tuple[str, str]]:
    rows = re.findall(r"^D\d+ (\S+) ~ (\S+)(.*)$", said, re.MULTILINE)
    asked = ("cli/", "runners/", "records")
    yield "pairs of places alike", str(len(rows))
    yield "  of them to the letter", str(sum("shape" not in rest for *_, rest in rows))
    within = [(one, other) for one, other, _ in rows if any(a in one for a in asked) and any(a in other for a in asked)]
    yield "  of them between verbs, runners and records", str(len(within))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkout", nargs="*", type=Path, default=[Path(__file__).resolve().parents[1]])
    parser.add_argument("--pairs", metavar="COMMAND", help="what finds duplicates")
    asked = parser.parse_args()
    columns = [counts(checkout, asked.pairs) for checkout in asked.checkout]
    table = [["", *map(str, asked.checkout)], *([name, *(c[name] for c in columns)] for name in columns[0])]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        first, *rest = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print("  ".join([first, *rest]).rstrip())


if __name__ == "__main__":
    main()
