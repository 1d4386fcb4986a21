"""``python -m noiseproof``."""

from noiseproof.cli.main import main

main()
