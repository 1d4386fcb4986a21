"""Code of others in this process: it finds the command line of a script, and the global generators as they were."""

from __future__ import annotations

import difflib
import hashlib
import importlib.util
import os
import random
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from types import ModuleType
from typing import Any

from noiseproof.errors import NoiseproofError, one_line


@contextmanager
def generators_kept() -> Iterator[None]:
    """Afterwards the global generators of Python, NumPy and torch are as they were; of those that are loaded."""
    with ExitStack() as after:
        after.callback(random.setstate, random.getstate())
        if numpy := sys.modules.get("numpy"):
            after.callback(numpy.random.set_state, numpy.random.get_state())
        if (torch := sys.modules.get("torch")) and hasattr(torch, "set_rng_state"):
            after.callback(torch.set_rng_state, torch.get_rng_state())
            if torch.cuda.is_initialized():
                after.callback(torch.cuda.set_rng_state_all, torch.cuda.get_rng_state_all())
        yield


def executed(path: Path, source: bytes, *, kind: str, error: type[NoiseproofError]) -> ModuleType:
    """A Python file, run as a module under a name of its own; what it draws at random is the same at each call.

    Args:
        path: of the file.
        source: what is in it.
        kind: what is sought in it, part of the module's name.
        error: what to raise.

    Raises:
        NoiseproofError: of the type ``error``: it cannot be run, or ends the program.
    """
    title = f"noiseproof_{kind}_{hashlib.sha256(os.fsencode(path.resolve()) + source).hexdigest()[:16]}"
    spec = importlib.util.spec_from_file_location(title, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[title] = module  # dataclasses and pickle look their module up by name
    _outcome(lambda: spec.loader.exec_module(module), path, f"{path} cannot be run", error)  # type: ignore[union-attr]  # a file has one
    return module


def called(
    function: Callable[[], Any], path: Path, about: str, error: type[NoiseproofError], *, seeded: bool = True
) -> Any:  # noqa: ANN401  # anything
    """What a function out of a file gives; see ``executed``.

    Args:
        function: of nothing.
        path: of the file.
        about: how the error begins.
        error: what to raise.
        seeded: draw the same numbers at each call; else from the global generators, which move.
    """
    return _outcome(function, path, f"{about} failed", error, seeded=seeded)


def defined(module: ModuleType, name: str, spec: str, error: type[NoiseproofError]) -> Any:  # noqa: ANN401  # anything
    """What a module has under a name.

    Raises:
        NoiseproofError: of the type ``error``: nothing; the text suggests the nearest name.
    """
    found = getattr(module, name, None) if name else None
    if found is None:
        near = difflib.get_close_matches(name, [each for each in vars(module) if not each.startswith("_")], n=1)
        raise error(f"{spec}: the file defines no {name!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
    return found


def _outcome(
    call: Callable[[], Any], path: Path, failed: str, error: type[NoiseproofError], *, seeded: bool = True
) -> Any:  # noqa: ANN401  # anything
    line = sys.argv
    with generators_kept() if seeded else nullcontext():
        if seeded:
            _seed()
        sys.argv = [str(path)]  # one that reads the command line would read ours
        try:
            return call()
        except SystemExit as end:  # a script that ends itself would end us, as if all were done
            remedy = "; let it end the program, or read the command line, under `if __name__ == '__main__':` only"
            raise error(f"{failed}: SystemExit: {end}{remedy}") from end
        except Exception as cause:
            said = f"{type(cause).__name__}: {one_line(cause, 500)}" if str(cause) else type(cause).__name__
            remedy = "; install it, or put its folder on PYTHONPATH" if isinstance(cause, ModuleNotFoundError) else ""
            raise error(f"{failed}: {said}{remedy}") from cause
        finally:
            sys.argv = line


def _seed() -> None:
    random.seed(0)
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed(0)
    if (torch := sys.modules.get("torch")) and hasattr(torch, "set_rng_state"):
        torch.default_generator.manual_seed(0)  # of the CPU alone: weights are made there
