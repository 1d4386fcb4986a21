"""The plan of the house, as a stranger meets it: what imports what, and what the package offers."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import noiseproof

UPPER = [
    "arguments",
    "errors",
    "foreign",
    "progress",
    "types",
    "stats",
    "noises",
    "procedures",
    "store",
    "analysis",
    "reports",
]

WALK_WITHOUT_TORCH = """
import importlib, pkgutil, sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "torchvision", "safetensors"}:
            raise ImportError(f"{name} is not installed")

sys.meta_path.insert(0, Blocker())
import noiseproof
walked = []
for room in sys.argv[1:]:
    module = importlib.import_module(f"noiseproof.{room}")
    walked.append(module.__name__)
    for found in pkgutil.walk_packages(getattr(module, "__path__", []), module.__name__ + "."):
        importlib.import_module(found.name)
        walked.append(found.name)
print(*walked)
"""


PACKAGE = Path(noiseproof.__file__).parent
MODULES = {
    ".".join(("noiseproof", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}


def python(code: str, *arguments: str) -> str:
    """Run code in a fresh interpreter; returns what it printed."""
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_upper_half_runs_without_torch():
    walked = python(WALK_WITHOUT_TORCH, *UPPER).split()
    assert {"noiseproof.stats.bounds", "noiseproof.noises.gaussian", "noiseproof.procedures.certify"} <= set(walked)
    assert {name.split(".")[1] for name in walked} == set(UPPER)


def test_the_lower_half_is_stopped_by_the_same_walk():
    with pytest.raises(AssertionError, match="torch is not installed"):
        python(WALK_WITHOUT_TORCH, "engine")


def test_importing_the_package_costs_nothing():
    loaded = python("import sys; before = set(sys.modules); import noiseproof; print(*(set(sys.modules) - before))")
    assert not {"numpy", "scipy", "torch"} & {name.partition(".")[0] for name in loaded.split()}


@pytest.mark.parametrize("verb", [[], ["certify"], ["doctor"], ["report"], ["verify"]])
def test_help_imports_nothing_heavy(verb: list[str]):
    code = f"import sys; from noiseproof.cli.main import run; run([*{verb!r}, '--help']); print(*sys.modules)"
    said = python(code)
    assert "Usage" in said
    modules = {name.partition(".")[0] for name in said.splitlines()[-1].split()}
    assert "cyclopts" in modules
    assert not {"scipy", "torch", "matplotlib", "PIL", "safetensors"} & modules
    assert verb or "numpy" not in modules


@pytest.mark.parametrize("name", noiseproof.__all__)
def test_every_name_the_package_offers_is_there(name: str):
    value = getattr(noiseproof, name)
    assert value is not None
    if isinstance(value, type) or callable(value):
        assert value.__module__.startswith("noiseproof.")
        assert value.__doc__


def test_the_package_lists_what_it_offers():
    assert sorted(noiseproof.__all__) == list(noiseproof.__all__)
    assert set(noiseproof.__all__) == set(noiseproof._HOMES) <= set(dir(noiseproof))
    with pytest.raises(AttributeError, match="module 'noiseproof' has no attribute 'certfy'"):
        _ = noiseproof.certfy
    for room in set(noiseproof._HOMES.values()):
        importlib.import_module(f"noiseproof.{room}")


def imported(node: ast.AST) -> Iterator[str]:
    """What is imported anywhere below a node, functions included; what only type checkers see is not."""
    for_checkers = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    if isinstance(node, ast.ImportFrom):
        inner = {f"{node.module}.{alias.name}" for alias in node.names}
        yield from inner & MODULES.keys()
        if not inner <= MODULES.keys():
            yield node.module or ""
    for child in node.orelse if for_checkers else ast.iter_child_nodes(node):
        yield from imported(child)


def test_no_module_imports_one_that_imports_it():
    imports = {name: {*imported(ast.parse(path.read_text()))} & MODULES.keys() for name, path in MODULES.items()}
    assert "noiseproof.models.diffusion" in imports["noiseproof.models.denoised"]  # in a function
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        pytest.fail(" <- ".join(error.args[1]))


def classes(body: list[ast.stmt]) -> Iterator[str]:
    """The public classes and type aliases of a module."""
    for node in body:
        if isinstance(node, ast.If):
            yield from classes(node.body)
        elif isinstance(node, ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            yield node.targets[0].id


def test_no_two_things_have_one_name():
    homes: dict[str, list[str]] = {}
    for module, path in MODULES.items():
        if module.startswith("noiseproof.cli."):
            continue  # an option is called what it gives
        for name in {*classes(ast.parse(path.read_text()).body)}:
            if name[0].isupper() and not name.isupper():
                homes.setdefault(name, []).append(module)
    assert homes["Progress"] == ["noiseproof.progress"]
    assert not {name: modules for name, modules in homes.items() if len(modules) > 1}
