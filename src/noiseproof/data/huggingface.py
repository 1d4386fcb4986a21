"""Parquet and Arrow files as Hugging Face ``datasets`` writes them, read by pyarrow alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from noiseproof.data.dataset import DataSet
from noiseproof.data.encoded import Encoded
from noiseproof.data.folder import some
from noiseproof.data.form import Form, Wanted, parted, wanted
from noiseproof.data.labels import labelled
from noiseproof.data.objects import INPUTS, LABELS
from noiseproof.errors import DataError, one_line, pip_install

PREFIX = "hf:"
_SETTINGS = ("split", "resize", "classes")
_SPLITS = {"test": ("test", "validation", "val"), "train": ("train",)}
_SUFFIXES = (".parquet", ".arrow")


def _load(spec: str, split: str) -> DataSet:
    """The pictures of a file, or of all files of a split in a folder.

    The columns are found by their names, ``image`` and ``label`` and the like, or by what they hold, or named:
    ``FILE.parquet:IMAGE,LABEL``. The file's own schema says the names of the classes.
    """
    prefix = PREFIX if spec.startswith(PREFIX) else ""
    asked = wanted(spec, _SETTINGS, prefix=prefix, columns=2)
    chosen = asked.settings.get("split", "")
    files = _files(asked, chosen or split, named=bool(chosen))
    schema = read_schema(files[0])
    features = _features(schema)
    image, label = asked.columns or (_image(asked, schema, features), _label(asked, schema))
    for name in (image, label):
        if name not in schema.names:
            raise DataError(f"{asked.head}: no column {name!r}, it has {some(schema.names)}; name two of these")
    rows = _together([read_columns(file, [image, label]) for file in files], asked)
    found = rows.column(label).to_pylist()
    if None in found:
        raise DataError(f"{asked.spec}: row {found.index(None)} has no {label}; give every picture a label")
    labels, classes = labelled(np.array(found), asked, what=f"the column {label}", known=_names(features, label))
    names, column = [f"{asked.spec}: row {index}" for index in range(len(found))], rows.column(image)
    pictures = Encoded.of(names, lambda index: _bytes(names[index], column[index].as_py()), asked)
    return DataSet(spec, classes, pictures.shape, labels, pictures)


def _bytes(name: str, value: object) -> bytes:
    """Of a picture: alone, or beside its path."""
    if isinstance(value, dict):
        if value.get("bytes") is None and value.get("path"):
            raise DataError(
                f"{name}: the picture is not in the file but at {str(value['path'])[:200]}; save the data set with "
                "its pictures"
            )
        value = value.get("bytes")
    if not isinstance(value, bytes):
        raise DataError(f"{name}: expected the bytes of a picture, found none; take the row out")
    return value


def _files(asked: Wanted, split: str, *, named: bool) -> list[Path]:
    """The files of a split, in the order of their names: all of a folder that has no splits."""
    path = asked.path
    if path.is_file():
        if named:
            raise ValueError(f"split is for a folder of several, {asked.head} is a file; leave it out")
        return [path]
    if not path.is_dir():
        raise DataError(f"{asked.head}: expected a file or folder of Parquet or Arrow, found none; give its path")
    found = sorted(each for each in path.rglob("*") if each.suffix in _SUFFIXES and "cache-" not in each.name)
    of = {file: _split_of(file, path) for file in found}
    there = sorted(filter(None, set(of.values())))
    wanted_names = (split,) if named else _SPLITS.get(split, (split,))
    chosen = next((name for name in wanted_names if name in there), None)
    if found and (chosen is None and (there or named)):
        raise DataError(
            f"{asked.head}: no split {split!r}, it has {some(there) or 'none'}"
            + (f"; say which: {asked.setting(split=there[0])}" if there else "; leave it out")
        )
    files = [file for file in found if of[file] == (chosen or "")]
    if not files:
        raise DataError(f"{asked.head}: expected .parquet or .arrow files, found none; save a data set there")
    return files


def _split_of(file: Path, root: Path) -> str:
    """The split that a file belongs to: its folder of a saved ``DatasetDict``, or how its name begins."""
    if file.parent != root and file.suffix == ".arrow":
        return file.parent.name
    return next((name for name in ("train", "test", "validation", "val") if file.name.startswith(name)), "")


def read_schema(file: Path) -> Any:  # noqa: ANN401  # pyarrow has no types
    """What columns a Parquet or Arrow file has.

    Raises:
        DataError: pyarrow is not installed, or the file is damaged.
    """
    return _read(file, lambda parquet: _legible(parquet.read_schema(file)), lambda reader: _legible(reader.schema))


def read_columns(file: Path, columns: list[str] | None) -> Any:  # noqa: ANN401  # likewise
    """These columns of a Parquet or Arrow file as a table of pyarrow; all where none are named.

    Raises:
        DataError: pyarrow is not installed, or the file is damaged.
    """
    return _read(
        file,
        lambda parquet: _valid(parquet.read_table(file, columns=columns)),
        lambda reader: _valid(reader.read_all() if columns is None else reader.read_all().select(columns)),
    )


def _legible(schema: Any) -> Any:  # noqa: ANN401  # likewise
    fields, names = [*schema], []
    while fields:
        field = fields.pop()
        names.append(field.name)  # fails here, where it is no text
        fields += [field.type.field(number) for number in range(field.type.num_fields)]
    return schema


def _valid(table: Any) -> Any:  # noqa: ANN401  # likewise
    _legible(table.schema)
    table.validate(full=True)  # offsets of a damaged file lead anywhere, and pyarrow follows them
    return table


def _read(file: Path, of_parquet: Callable[[Any], Any], of_arrow: Callable[[Any], Any]) -> Any:  # noqa: ANN401  # pyarrow
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise DataError(f"{file} needs pyarrow, which is not installed: {pip_install('parquet')}") from error
    try:
        if file.suffix == ".parquet":
            return of_parquet(pq)
        source = pa.memory_map(str(file))
        try:
            reader = pa.ipc.open_stream(source)
        except pa.ArrowInvalid:
            source.seek(0)
            reader = pa.ipc.open_file(source)
        return of_arrow(reader)
    except Exception as error:  # damaged files fail in any way
        found = "no such file" if isinstance(error, FileNotFoundError) else one_line(error)
        raise DataError(
            f"{file}: expected a whole {file.suffix[1:]} file, found: {found}; get or save it again"
        ) from error


def _together(tables: list[Any], asked: Wanted) -> Any:  # noqa: ANN401  # likewise
    import pyarrow as pa

    try:
        return pa.concat_tables(table.replace_schema_metadata(None) for table in tables)
    except pa.ArrowInvalid as error:
        raise DataError(
            f"{asked.head}: its files do not have the same columns ({one_line(error)}); give the files of one data set"
        ) from error


def _features(schema: Any) -> dict[str, Any]:  # noqa: ANN401  # likewise
    """What ``datasets`` wrote of the columns: {name: {"_type": "Image"}, ...}; empty where it did not."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
    except (KeyError, TypeError, ValueError, RecursionError):
        return {}
    said = features.items() if isinstance(features, dict) else ()
    return {name: each for name, each in said if isinstance(each, dict)}


def _names(features: dict[str, Any], label: str) -> tuple[str, ...]:
    names = features.get(label, {}).get("names", ())
    names = names if isinstance(names, list) else ()
    return tuple(names) if all(isinstance(name, str) for name in names) else ()


def _image(asked: Wanted, schema: Any, features: dict[str, Any]) -> str:  # noqa: ANN401  # likewise
    """The column of pictures: the one the file calls so, or the first that could be by name and kind."""
    import pyarrow.types as kinds

    def holds(name: str) -> bool:
        kind = schema.field(name).type
        if kinds.is_struct(kind):
            return "bytes" in [kind.field(number).name for number in range(kind.num_fields)]
        return bool(kinds.is_binary(kind) or kinds.is_large_binary(kind))

    said = [name for name in schema.names if features.get(name, {}).get("_type") == "Image"]
    able = [name for name in schema.names if holds(name)]
    usual = [name for name in INPUTS if name in able]
    for names in (said, usual, able):
        if len(names) == 1 or (names and names is usual):
            return names[0]
    columns = ", ".join(f"{name} ({schema.field(name).type})"[:60] for name in schema.names[:20])
    if not able:
        table = asked.setting(spread="TRAIN.parquet")
        raise DataError(
            f"{asked.head}: no column holds pictures; it has {columns}; give a file that has, or, as a table of "
            f"numbers, {table}"
        )
    raise DataError(
        f"{asked.head}: several columns hold pictures; it has {columns}; name two: {asked.naming(able[0], 'LABEL')}"
    )


def _label(asked: Wanted, schema: Any) -> str:  # noqa: ANN401  # likewise
    found = next((name for name in LABELS if name in schema.names), None)
    if found is None:
        raise DataError(
            f"{asked.head}: no column is called {', '.join(LABELS[:3])} or the like; it has {some(schema.names)}; "
            f"name the columns: {asked.naming('IMAGE', 'LABEL')}"
        )
    return found


def _takes(spec: str) -> bool:
    path, rest = parted(spec)
    return spec.startswith(PREFIX) or (
        Path(path).suffix in _SUFFIXES and not any(word in rest for word in ("spread=", "range="))
    )


HUGGING_FACE = Form(
    "hf:PATH", "pictures in .parquet or .arrow files (FILE.parquet too)", _takes, _load, extra="parquet"
)
