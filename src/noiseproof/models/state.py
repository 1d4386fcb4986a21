"""Weights out of a file into a module that somebody else has made."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from noiseproof.errors import ModelError, one_line
from noiseproof.models.checkpoint import SUFFIXES, load_checkpoint
from noiseproof.models.weights import load_weights

_PARALLEL = "module."


def fill(module: nn.Module, path: Path, name: str) -> None:
    """Put the weights of a file into a module; every key and shape must be the module's.

    Args:
        module: of the right architecture.
        path: a .safetensors file, or a checkpoint of ``torch.save`` with a ``state_dict``; nothing in it is run.
        name: what the module is called, for the errors.

    Raises:
        ModelError: there is no such file, it is damaged, or holds other weights.
    """
    tensors = _read(path)
    check_fit(
        tensors,
        module.state_dict(),
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


def _check_keys(about: str, missing: Iterable[str], unexpected: Iterable[str], remedy: str) -> None:
    parts = [
        f"{len(keys)} keys {what}, the first {keys[0]}"
        for what, keys in (("missing", sorted(missing)), ("unexpected", sorted(unexpected)))
        if keys
    ]
    if parts:
        raise ModelError(f"{about}: {'; '.join(parts)}; {remedy}")


def _read(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise ModelError(f"no such file: {path}; expected weights in a .safetensors file or a checkpoint")
    if path.suffix == ".safetensors":
        tensors, _ = load_weights(path)
    elif path.name.endswith((*SUFFIXES, ".bin")):
        tensors, _ = load_checkpoint(path)
    else:
        raise ModelError(f"cannot load weights from {path}; expected .safetensors or {', '.join(SUFFIXES)}")
    if all(key.startswith(_PARALLEL) for key in tensors):
        tensors = {key.removeprefix(_PARALLEL): tensor for key, tensor in tensors.items()}
    return tensors


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
