"""A network of one's own as an architecture: ``FILE.py:NAME``, made for a number of classes and a shape."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from noiseproof.errors import ModelError, one_line
from noiseproof.foreign import called, defined, executed, generators_kept
from noiseproof.models.neighbours import importable, neighbours, text_of


@dataclass(frozen=True)
class OwnArchitecture:
    """What a name in a Python file makes: a module, a class of modules, or a function that makes one.

    A class or a function is given ``num_classes`` and ``shape``, those of the two that it takes. The file is run, and
    may import those beside it.

    Attributes:
        path: of the file.
        name: in it.
    """

    path: Path
    name: str

    @classmethod
    def of(cls, arch: str) -> OwnArchitecture | None:
        """The one that ``FILE.py:NAME`` means; None for a name of ours.

        Raises:
            ModelError: there is no such file, or no name behind it.
        """
        file, _, name = arch.rpartition(":")
        if arch.endswith(".py"):
            raise ModelError(f"arch {arch} is a Python file; say which network in it: {arch}:NAME")
        if not file.endswith(".py"):
            return None
        if not Path(file).is_file():
            raise ModelError(f"no such file: {file}; give arch as FILE.py:NAME, a module class in a Python file")
        return cls(Path(file), name)

    @classmethod
    def trained(cls, folder: Path, metadata: Mapping[str, str]) -> OwnArchitecture | None:
        """The one that a training was given, where it still is where it was, and as it was; None for one of ours.

        Args:
            folder: of the training.
            metadata: of its weights.

        Raises:
            ModelError: the file is not there, or has changed.
        """
        file, name = metadata.get("architecture_file"), metadata.get("architecture", "").rpartition(":")[2]
        if file is None:
            return None
        found = cls(Path(file), name)
        if not found.path.is_file():
            raise ModelError(
                f"{folder} holds weights of {file}:{name}, no such file; give arch (--arch FILE.py:{name})"
            )
        if found.text != metadata.get("architecture_sha256"):
            raise ModelError(
                f"{folder} holds weights of {file}:{name}, which has changed since; give the file as it was, or arch "
                f"(--arch {file}:{name}) for these weights in the network of now"
            )
        return found

    @property
    def spec(self) -> str:
        """As the user wrote it."""
        return f"{self.path}:{self.name}"

    @property
    def label(self) -> str:
        """What the architecture is called, wherever the file lies."""
        return f"{self.path.name}:{self.name}"

    @property
    def text(self) -> str:
        """SHA-256 (hex) of the file and of those beside it that it imports."""
        source, folder = self.path.read_bytes(), self.path.resolve().parent
        beside = text_of(neighbours(source, folder), folder)
        return hashlib.sha256(hashlib.sha256(source).hexdigest().encode() + beside.encode()).hexdigest()

    def build(self, *, num_classes: int | None, shape: tuple[int, ...]) -> nn.Module:
        """A new network, tried on two black pictures; its weights are drawn from torch's global generator.

        Args:
            num_classes: length of the scores; None for a denoiser, which returns pictures.
            shape: of one input.

        Raises:
            ModelError: the file cannot be run, or what it makes does not take such pictures, or gives other scores.
        """
        source, folder = self.path.read_bytes(), self.path.resolve().parent
        with importable(neighbours(source, folder), folder):
            found = defined(
                executed(self.path, source, kind="network", error=ModelError), self.name, self.spec, ModelError
            )
            if not isinstance(found, nn.Module):
                known = {"shape": tuple(shape)} | ({} if num_classes is None else {"num_classes": num_classes})
                given = self._given(found, known)
                make, about = found, f"{self.spec}: {self.name}({', '.join(f'{k}={v}' for k, v in given.items())})"
                found = called(lambda: make(**given), self.path, about, ModelError, seeded=False)
        if not isinstance(found, nn.Module):
            raise ModelError(f"{self.spec} must be or make an nn.Module, got {type(found).__name__}")
        self._try(found, num_classes, tuple(shape))
        return found

    def _given(self, make: Any, known: dict[str, Any]) -> dict[str, Any]:  # noqa: ANN401 (whatever stands there)
        if not callable(make):
            raise ModelError(f"{self.spec} must be or make an nn.Module, got {type(make).__name__}")
        parameters = inspect.signature(make).parameters.values()
        needed = [
            each.name
            for each in parameters
            if each.default is each.empty
            and each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)
            and (each.name not in known or each.kind is each.POSITIONAL_ONLY)
        ]
        if needed:
            raise ModelError(
                f"{self.spec} needs {', '.join(needed)}; it is given {' and '.join(sorted(known))}, as far as it takes "
                f"them: name a function of these that calls {self.name}"
            )
        names = [each.name for each in parameters]
        return {name: value for name, value in known.items() if name in names}

    def _try(self, module: nn.Module, num_classes: int | None, shape: tuple[int, ...]) -> None:
        """Two inputs: what does not fit is known before an epoch; layers that wait for a first input get it."""
        try:
            with torch.no_grad(), generators_kept():
                found = module.eval()(torch.zeros((2, *shape)))
        except Exception as error:
            raise ModelError(
                f"{self.spec} fails on inputs of shape {shape} ({type(error).__name__}: {one_line(error)}); "
                "give data of its shape, or let it take shape"
            ) from error
        module.train()
        wanted = (2, *shape) if num_classes is None else (2, num_classes)
        if not isinstance(found, Tensor) or found.shape != wanted:
            got = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
            what = "pictures" if num_classes is None else "scores"
            remedy = (
                "return pictures" if num_classes is None else f"let it take num_classes, which is {num_classes} here"
            )
            raise ModelError(
                f"{self.spec} must give {what} of shape {wanted} for 2 inputs of shape {shape}, got {got}; {remedy}"
            )


def name_for_fingerprint(arch: str) -> str:
    """What an architecture adds to a fingerprint: its name; of one's own, the text of the file too."""
    own = OwnArchitecture.of(arch)
    return arch if own is None else f"{own.label} {own.text}"
