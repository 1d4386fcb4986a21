"""Variants by name: those of the package, those that are registered, and those that other packages bring along."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any, TypeVar

from noiseproof.errors import unknown

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

T = TypeVar("T")


class Registry(Mapping[str, T]):
    """A mapping from names to variants that can be extended from outside: by ``register``, or by an entry point.

    A package that is installed may name variants in an entry point group. They are looked for when a name is asked for
    that is not here, so that what nobody uses costs nothing; as a mapping it has those that were registered or loaded.

    >>> fruits = Registry("fruit", str.lower, ["Apple", "Pear"], group="noiseproof.fruits")
    >>> fruits["apple"], fruits.register("Plum"), list(fruits)
    ('Apple', 'Plum', ['apple', 'pear', 'plum'])
    >>> fruits.find("aple")
    Traceback (most recent call last):
        ...
    ValueError: unknown fruit 'aple'; did you mean 'apple'?
    """

    def __init__(self, kind: str, named: Callable[[T], str], variants: Iterable[T], *, group: str) -> None:
        """A registry of the package's own variants.

        Args:
            kind: what one is called, as in "unknown noise".
            named: the name of a variant.
            variants: those of the package.
            group: the entry point group of others.
        """
        self.kind = kind
        self._named, self._group = named, group
        self._known = {named(variant): variant for variant in variants}

    def __getitem__(self, name: str) -> T:
        """The variant of this name, loaded where another package has it; KeyError where none has."""
        if name not in self._known:
            entry = self._entries()[name]
            try:
                variant = entry.load()
                found = self._named(variant)
            except Exception as error:
                said = f"{type(error).__name__}: {error}"
                raise ValueError(f"the {self.kind} {name!r} of {entry.value} cannot be loaded ({said})") from error
            if found != name:
                raise ValueError(f"the {self.kind} {name!r} of {entry.value} calls itself {found!r}")
            self._known[name] = variant
        return self._known[name]

    def __iter__(self) -> Iterator[str]:
        """The names of those that are here."""
        return iter(self._known)

    def __len__(self) -> int:
        """How many are here."""
        return len(self._known)

    def names(self) -> list[str]:
        """Every name that can be asked for, those of other packages included."""
        return list(dict.fromkeys([*self._known, *self._entries()]))

    def register(self, variant: T) -> T:
        """Add one, and give it back, so that it can decorate a class.

        Raises:
            ValueError: another variant has its name.
        """
        name = self._named(variant)
        if self._known.setdefault(name, variant) is not variant:
            raise ValueError(f"a {self.kind} named {name!r} is there already; give yours another name")
        return variant

    def find(self, name: str) -> T:
        """The variant of this name.

        Raises:
            ValueError: there is none; the text suggests the nearest. Or it cannot be loaded.
        """
        if name not in self:
            raise ValueError(unknown(self.kind, name, self.names()))
        return self[name]

    def _entries(self) -> dict[str, EntryPoint]:
        from importlib.metadata import entry_points

        return {entry.name: entry for entry in entry_points(group=self._group)}


def made_from(registry: Registry[type[T]], config: Mapping[str, Any], *, by: str) -> T:
    """What a plain table describes: a variant's name under ``by``, and the settings of its dataclass.

    Raises:
        ValueError: the name or one of the settings is unknown.
    """
    settings = dict(config)
    name = str(settings.pop(by, ""))
    made = registry.find(name)
    known = [each.name for each in fields(made)]  # type: ignore[arg-type]  # every variant is a dataclass
    for setting in settings:
        if setting not in known:
            raise ValueError(unknown(f"setting of the {registry.kind} {name}", setting, known))
    return made(**settings)
