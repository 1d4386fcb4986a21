"""Parquet, through pyarrow, which is an extra: everything else works without it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from noiseproof.errors import NoiseproofError, RunError, pip_install

if TYPE_CHECKING:
    from noiseproof.store.exchange.columns import Column


def write_parquet(table: dict[str, Column], path: Path) -> None:
    """Write columns as a Parquet file, whole or not at all.

    Raises:
        NoiseproofError: pyarrow is not installed.
        RunError: the file cannot be written.
    """
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        raise NoiseproofError(f"parquet needs pyarrow: {pip_install('parquet')}") from None
    part = path.with_name(path.name + ".part")
    try:
        parquet.write_table(pa.table(table), part)
        part.replace(path)
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror or error}; choose another --out") from None
