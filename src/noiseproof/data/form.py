"""Files of one's own as a data set: how a spec names them, and what else it says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from noiseproof.arguments import expanded
from noiseproof.errors import unknown

if TYPE_CHECKING:
    from pathlib import Path

    from noiseproof.data.dataset import DataSet


@dataclass(frozen=True)
class Form:
    """A kind of files that a spec names by where they lie.

    Attributes:
        written: how the spec is written, for lists: ``folder:PATH``.
        holds: what is there, in a few words.
        takes: whether a spec is of this form.
        load: the data set of a spec and a split, which only forms with splits heed.
        extra: of the package, where it needs one.
    """

    written: str
    holds: str
    takes: Callable[[str], bool]
    load: Callable[[str, str], DataSet]
    extra: str = ""


@dataclass(frozen=True)
class Wanted:
    """What a spec asks for: ``PATH`` or ``PATH:COLUMN,COLUMN,SETTING=VALUE``.

    Attributes:
        spec: as it is written.
        head: the path as it is written, with its prefix.
        path: the file or folder.
        columns: names without a value, in their order: what holds the inputs, then what holds the labels.
        settings: the others.
    """

    spec: str
    head: str
    path: Path
    columns: tuple[str, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)

    def number(self, name: str, *, least: int, most: int) -> int | None:
        """A setting that is a whole number; None where it is not set.

        Raises:
            ValueError: it is none, or out of range.
        """
        text = self.settings.get(name)
        if text is None:
            return None
        if not text.isdecimal() or not least <= int(text) <= most:
            raise ValueError(f"{name} must be a whole number in [{least}, {most}], got {text!r} in {self.spec}")
        return int(text)

    def naming(self, *columns: str) -> str:
        """The spec with these columns named."""
        said = [*columns, *(f"{name}={value}" for name, value in self.settings.items())]
        return f"{self.head}:{','.join(said)}" if said else self.head

    def setting(self, **values: object) -> str:
        """The spec with these settings besides."""
        said = [*self.columns, *(f"{name}={value}" for name, value in {**self.settings, **values}.items())]
        return f"{self.head}:{','.join(said)}"


def parted(spec: str) -> tuple[str, str]:
    """The path of a spec, with its prefix, and what stands behind it; a path that is there is taken whole.

    >>> parted("data.npz:x,y"), parted("data.npz"), parted("folder:pets:resize=32x32"), parted("folder:pets")
    (('data.npz', 'x,y'), ('data.npz', ''), ('folder:pets', 'resize=32x32'), ('folder:pets', ''))
    """
    prefix, colon, path = spec.partition(":")
    if not colon or "." in prefix or "/" in prefix:
        prefix, path = "", spec
    lead = prefix + ":" if prefix else ""
    path_alone, colon, rest = path.rpartition(":")
    if not colon or expanded(path).exists():
        return spec, ""
    return lead + path_alone, rest


def wanted(spec: str, known: Sequence[str], *, prefix: str = "", columns: int = 0) -> Wanted:
    """What a spec asks for.

    Args:
        spec: as it is written.
        known: the settings there are.
        prefix: what stands before the path, with its colon.
        columns: how many may be named.

    Raises:
        ValueError: a setting is unknown or said twice, or other columns are named.
    """
    head, rest = parted(spec)
    named: list[str] = []
    settings: dict[str, str] = {}
    for part in filter(None, rest.split(",")):
        name, equals, value = part.partition("=")
        if not equals:
            named.append(part)
            continue
        if name not in known:
            raise ValueError(unknown(f"setting of {head}", name, known))
        if name in settings:
            raise ValueError(f"{name} is said twice in {spec}; say it once")
        settings[name] = value
    if len(named) not in (0, columns):
        asked = f"name {columns} columns or none" if columns else "it has no columns to name"
        raise ValueError(f"{spec} names {', '.join(named)}; {asked}")
    return Wanted(spec, head, expanded(head.removeprefix(prefix)), tuple(named), settings)
