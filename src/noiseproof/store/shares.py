"""A large journal verified by several processes: each checks the inputs whose keys fall to it, and their lines' hashes.

All read the whole journal, but a line of an input is looked at by the one process that its key falls to, and what is
no input's by all. So every hash is checked to follow from the one before it, every input is checked whole, and what
concerns several, that no index is there twice and that the index beside the journal is right, is put together at the
end. Whatever is not plainly in order is left to be read line by line in one process.
"""

from __future__ import annotations

import os
import subprocess
import sys
from copy import copy
from dataclasses import replace
from pathlib import Path
from zlib import crc32

import msgspec

from noiseproof.errors import RunError
from noiseproof.store.folder import JOURNAL
from noiseproof.store.index import Held, IndexHead, head_of, in_text
from noiseproof.store.journal import HASH, Mark, follows, text_of
from noiseproof.store.lines import Entry, RangeLine, RecordLine, converted, decoded
from noiseproof.store.manifest import Manifest, read_manifest
from noiseproof.store.recounted import Recounted, Verification
from noiseproof.store.run import empty_state

ENOUGH = 1 << 24
"""Bytes of a journal that are worth a process: to start one takes as long as to verify half of them."""

MOST = 8
"""Processes at once: each takes some 65 MB, and reads all of the journal."""

_RANGE, _RECORD = b'{"is":"range","key":"', b'{"is":"record","key":"'
_START = "import sys; sys.path[:] = sys.argv[1].split(sys.argv[2]); from noiseproof.store.shares import main; main()"


class _UnclearError(Exception):
    """Something is not plainly in order."""


NOT_PLAIN = (OSError, RunError, ValueError, msgspec.MsgspecError, RecursionError, _UnclearError)
"""What comes out where a share does not hold, or cannot tell."""


class Share(msgspec.Struct):
    """What one process found; all of it holds.

    Attributes:
        meaning_hash: of the run it read.
        lines: that it read.
        last_hash: of the last of them.
        verification: its inputs.
        indices: of its finished inputs.
        index: the first line of the index that it looked at.
        head: what that should say, of its inputs.
    """

    meaning_hash: str
    lines: int
    last_hash: str
    verification: Verification
    indices: list[int]
    index: IndexHead | None
    head: IndexHead | None


def verified_in_shares(path: Path, manifest: Manifest, recounted: Recounted) -> Verification | None:
    """What a large journal holds, if it all does; None for one that is small, or not plainly in order."""
    end = (path / JOURNAL).stat().st_size
    of = min(_cores(), end // ENOUGH, MOST)
    if of < 2 or not sys.executable or getattr(sys, "frozen", False):
        return None
    others: list[subprocess.Popen[bytes]] = []
    try:
        for share in range(1, of):
            told = [os.pathsep.join(sys.path), os.pathsep, str(path), str(share), str(of), str(end)]
            others.append(
                subprocess.Popen(
                    [sys.executable, "-c", _START, *told], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
                )
            )
        shares = [checked(path, manifest, copy(recounted), 0, of, end)]
        for other in others:
            said, _ = other.communicate()
            shares.append(msgspec.json.decode(said, type=Share))
        return together(manifest, shares)
    except NOT_PLAIN:
        return None
    finally:
        for other in others:
            other.kill()
            other.wait()


def main() -> None:
    """Check one share, and print what was found; fails where it does not hold."""
    path, share, of, end = Path(sys.argv[3]), *map(int, sys.argv[4:])
    manifest = read_manifest(path)
    found = checked(path, manifest, Recounted(path, manifest), share, of, end)
    sys.stdout.buffer.write(msgspec.json.encode(found))


def checked(path: Path, manifest: Manifest, recounted: Recounted, share: int, of: int, end: int) -> Share:
    """Check one share of the first bytes of a journal.

    Raises:
        RunError, ValueError, _UnclearError: something does not hold, or is not plainly in order.
    """
    state, held = replace(empty_state(path, manifest), keep=False), Held(path, manifest)
    index, head, indices = held.head, None, []
    stop = index.lines if index else 0
    number, at, last = 0, 0, manifest.meaning_hash.encode()
    ranges, records = len(_RANGE), len(_RECORD)
    with (path / JOURNAL).open("rb", buffering=1 << 20) as file:
        for raw in file:
            if at + len(raw) > end or not raw.endswith(b"\n"):
                break  # torn, or written since
            number, at = number + 1, at + len(raw)
            kind: type[RangeLine | RecordLine] | None = None
            entry: Entry | None = None
            if raw.startswith(_RANGE):
                key, kind = raw[ranges : raw.find(b'"', ranges)], RangeLine
            elif raw.startswith(_RECORD):
                key, kind = raw[records : raw.find(b'"', records)], RecordLine
            else:
                key = b""
            mine = kind is None or crc32(key) % of == share
            if mine:
                if not follows(raw, last):
                    raise _UnclearError
                entry = decoded(text_of(raw))
                if isinstance(entry, dict):
                    entry = converted(entry)
                if kind is None and isinstance(entry, RangeLine | RecordLine):  # in another form than ours
                    mine = crc32(entry.key.encode()) % of == share
                elif kind is not None and (type(entry) is not kind or entry.key.encode() != key):
                    raise _UnclearError  # others took it for what it looks like
            if mine:
                assert entry is not None, "it was read above"
                record = state.apply(entry)
                if record is not None:
                    recounted.check(record)
                    indices.append(record.index)
                    if number <= stop:
                        held.check_row(record)
            elif kind is RecordLine or isinstance(entry, RecordLine):
                state.sealed = False
                if number <= stop:
                    held.pass_row()
            last = raw[HASH]
            if number == stop:
                head = head_of(manifest, state, Mark(number, at, last.decode()))
                head.records = len(indices)
    recounted.check_under_way(state)
    if number >= stop and index is not None and held.more_rows():
        raise _UnclearError
    return Share(manifest.meaning_hash, number, last.decode(), recounted.found, indices, index, head)


def together(manifest: Manifest, shares: list[Share]) -> Verification:
    """What all processes found.

    Raises:
        _UnclearError: they do not fit together, or not to the index beside the journal.
    """
    first = shares[0]
    read = {(each.meaning_hash, each.lines, each.last_hash) for each in shares}
    indices = [index for each in shares for index in each.indices]
    if len(read) > 1 or first.meaning_hash != manifest.meaning_hash or len(set(indices)) < len(indices):
        raise _UnclearError
    heads = [each.head for each in shares]
    if any(each.index != first.index for each in shares) or (first.index is not None and None in heads):
        raise _UnclearError
    if first.index is not None:
        _check_heads(first.index, [head for head in heads if head is not None])
    found = [each.verification for each in shares]
    return Verification(
        records=sum(each.records for each in found),
        draws=sum(each.draws for each in found),
        void=sum(each.void for each in found),
        unfinished=sum(each.unfinished for each in found),
        arithmetic=found[0].arithmetic,
        skipped=sum(each.skipped for each in found),
    )


def _check_heads(index: IndexHead, heads: list[IndexHead]) -> None:
    """Hold an index against what all processes say it should be: each of its own inputs, and all of the sessions."""
    apart = {"open": {}, "drawn_in": {}, "records": 0, "sha256": index.sha256}
    common = {in_text(msgspec.structs.replace(head, **apart)) for head in heads}
    whole = msgspec.structs.replace(
        heads[0],
        open={key: value for head in heads for key, value in head.open.items()},
        drawn_in={key: value for head in heads for key, value in head.drawn_in.items()},
        records=sum(head.records for head in heads),
        sha256=index.sha256,
    )
    if len(common) > 1 or in_text(whole) != in_text(index):
        raise _UnclearError


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
