"""``noiseproof models``."""

from __future__ import annotations

from noiseproof.errors import pip_install
from noiseproof.screen import fold


def models() -> None:
    """What --model takes: every source of models, what it needs, and whether that is installed here."""
    from noiseproof.models.catalogue import SOURCES

    for source in SOURCES:
        if source.extra is None:
            state = "ready"
        elif missing := source.missing:
            state = f"needs {', '.join(missing)}: {pip_install(source.extra)}"
        else:
            state = f"ready ({', '.join(source.packages)})"
        print(fold(f"{source.spec:28} {source.what:66} {state}"))
