"""``noiseproof completion``."""

from __future__ import annotations

from typing import Literal


def completion(shell: Literal["bash", "zsh", "fish"], /) -> None:
    """A script that completes lines: source <(noiseproof completion bash).

    Args:
        shell: Which shell's.
    """
    from noiseproof.cli.main import app_of_all

    print(app_of_all().generate_completion(prog_name="noiseproof", shell=shell))
