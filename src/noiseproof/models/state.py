"""Weights out of a file into a module that somebody else has made."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from itertools import takewhile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from noiseproof.errors import ModelError, one_line
from noiseproof.models.checkpoint import SUFFIXES, load_checkpoint, split_entry
from noiseproof.models.weights import load_weights

_WRAPPERS = ("_orig_mod", "module", "model", "net", "network", "1")
"""What stands before the names of a network that was compiled, parallel, averaged, or behind a normalisation."""


def fill(module: nn.Module, path: Path, name: str) -> None:
    """Put the weights of a file into a module; every key and shape must be the module's.

    Args:
        module: of the right architecture.
        path: a .safetensors file, or a checkpoint (see ``load_checkpoint``); nothing in it is run.
        name: what the module is called, for the errors.

    Raises:
        ModelError: there is no such file, it is damaged, or holds other weights.
    """
    wanted = module.state_dict()
    tensors = renamed(read_tensors(path)[0], wanted)
    check_fit(
        tensors,
        wanted,
        f"{path} does not fit {name}",
        names="give the name it was saved from",
        sizes="give the right num_classes",
    )
    module.load_state_dict(tensors)


def check_fit(
    tensors: Mapping[str, Tensor], wanted: Mapping[str, Tensor], about: str, *, names: str, sizes: str
) -> None:
    """Every key and shape must be as wanted.

    Args:
        tensors: as they are.
        wanted: as a module has them.
        about: how the error begins.
        names: what helps where there are other keys.
        sizes: what helps where there are other shapes.

    Raises:
        ModelError: they are not.
    """
    _check_keys(about, wanted.keys() - tensors.keys(), tensors.keys() - wanted.keys(), names)
    for key, tensor in sorted(wanted.items()):
        if tensor.shape != tensors[key].shape:
            found = tuple(tensors[key].shape)
            raise ModelError(f"{about}: {key} has shape {found}, expected {tuple(tensor.shape)}; {sizes}")


def check_loaded(spec: str, network: str, loaded: Mapping[str, Any]) -> None:
    """Refuse what a package loaded in part only: the rest is drawn at random.

    Args:
        spec: what was asked for.
        network: what it was loaded into.
        loaded: the package's own account: ``missing_keys``, ``unexpected_keys``, ``mismatched_keys``.

    Raises:
        ModelError: it is not whole.
    """
    about = f"{spec} holds other weights than those of {network}, the rest would be random"
    names = f"give what save_pretrained of a trained {network} writes"
    _check_keys(about, loaded["missing_keys"], loaded["unexpected_keys"], names)
    if mismatched := sorted(str(each[0] if isinstance(each, tuple) else each) for each in loaded["mismatched_keys"]):
        raise ModelError(f"{about}: {len(mismatched)} keys of another shape, the first {mismatched[0]}; {names}")


def _check_keys(about: str, missing: Collection[str], unexpected: Collection[str], remedy: str) -> None:
    parts = [
        f"{len(keys)} keys {what}, the first {keys[0]}"
        for what, keys in (("missing", sorted(missing)), ("unexpected", sorted(unexpected)))
        if keys
    ]
    if parts:
        more = "" if missing else ", or leave out of the file what is no part of the network"
        raise ModelError(f"{about}: {'; '.join(parts)}; {remedy}{more}")


def renamed(tensors: Mapping[str, Tensor], wanted: Collection[str]) -> dict[str, Tensor]:
    """The tensors under the names wanted, where no more than wrappers (``module.``, ``_orig_mod.``, ...) is between.

    In any order, and inside names too; so is one name that all stand behind (``classifier.``). As they are where two
    names would become one. The counters of batch-norm that old releases did not have are filled in, and the counter
    of an average is left out.

    >>> list(renamed({"module._orig_mod.fc.bias": torch.zeros(1)}, ["model.fc.bias"]))
    ['model.fc.bias']
    """
    names: dict[str, str] = {}
    for name in wanted:
        names.setdefault(_bare(name), name)
    made = {name if name in wanted else names.get(_bare(name), name): tensor for name, tensor in tensors.items()}
    if not made.keys() & set(wanted) and (prefix := _prefix(made, wanted)):
        made = {name.removeprefix(prefix): tensor for name, tensor in made.items()}
    if len(names) < len(wanted) or len(made) < len(tensors):
        made = dict(tensors)
    if "n_averaged" not in wanted:
        made.pop("n_averaged", None)
    for name in wanted:
        norm, _, counter = name.rpartition(".")
        if counter == "num_batches_tracked" and f"{norm}.running_mean" in made:
            made.setdefault(name, torch.tensor(0))
    return made


def _prefix(given: Iterable[str], wanted: Collection[str]) -> str:
    """What stands before every name, where without it some are wanted: of a module that was a part of another."""
    names = [name.split(".") for name in given]
    common = list(takewhile(lambda parts: len(set(parts)) == 1, zip(*names, strict=False)))
    for count in range(1, len(common) + 1):
        if any(".".join(parts[count:]) in wanted for parts in names):
            return ".".join(names[0][:count]) + "."
    return ""


def _bare(name: str) -> str:
    parts = [part for part in name.split(".") if part not in _WRAPPERS[:2]]
    while len(parts) > 1 and parts[0] in _WRAPPERS:
        parts.pop(0)
    return ".".join(parts)


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and metadata of a file of weights.

    Raises:
        ModelError: there is none, or it is damaged.
    """
    file, _ = split_entry(path)
    if not file.is_file():
        raise ModelError(f"no such file: {file}; expected weights in a .safetensors file or a checkpoint")
    if file.suffix == ".safetensors":
        return load_weights(file)
    if file.name.endswith(SUFFIXES):
        return load_checkpoint(path)
    raise ModelError(f"cannot load weights from {file}; expected .safetensors or {', '.join(SUFFIXES)}")


def made(spec: str, make: Callable[[], object]) -> nn.Module:
    """What a package makes and loads; its own errors in one line.

    Raises:
        ModelError: it failed, or loaded the weights of some parts only.
    """
    told: list[tuple[nn.Module, Any]] = []
    load_state_dict = nn.Module.load_state_dict

    def telling(module: nn.Module, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401  # torch's own
        told.append((module, load_state_dict(module, *arguments, **options)))
        return told[-1][1]

    try:
        nn.Module.load_state_dict = telling  # type: ignore[assignment, method-assign]  # packages do not say what it said
        module = make()
    except ModelError:
        raise
    except Exception as error:
        raise ModelError(f"{spec} cannot be loaded: {type(error).__name__}: {one_line(error, 300)}") from error
    finally:
        nn.Module.load_state_dict = load_state_dict  # type: ignore[method-assign]
    if not isinstance(module, nn.Module):
        raise ModelError(f"{spec} is no module, got {type(module).__name__}")
    for into, said in told:
        if into is module:
            _check_keys(
                f"{spec} holds other weights than those of {type(module).__name__}, the rest would be random",
                said.missing_keys,
                said.unexpected_keys,
                "give weights of the whole classifier",
            )
    return module
