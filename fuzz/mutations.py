"""Valid files made wrong: bits, chunks, and the numbers and words of text formats."""

from __future__ import annotations

import random
import re
import struct
from collections.abc import Sequence

Step = tuple[int, float, int]
"""What is done, where (as a share of the length), and with what."""

WORDS = (
    b"NaN", b"-Infinity", b"1e400", b"-1", b"0", b"9223372036854775808", b"1" + b"0" * 30, b"9" * 5000, b"1.5",
    b"null", b"true", b'""', b'"x"', b'"\\ud800"', b"[]", b"{}", b"[[]]", b"{\"a\":1}", b"[" * 3000 + b"]" * 3000,
    b"[" * 100_000, b'{"a":' * 3000 + b"1" + b"}" * 3000, b"\xff\xfe", b"\xed\xa0\x80", b"1e308", b"nan", b"inf",
    b"5e-324", b"\x00", b"-0.0", b"2147483648", b"10000000", b'"12"', b"a.b",
)  # fmt: skip
"""What stands in for a number, a string or a name."""

NUMBERS = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 1 << 40, (1 << 63) - 1, (1 << 64) - 1)
"""What stands in for the numbers of a binary header."""

_TOKEN = re.compile(rb'"[^"\n]{0,64}"|-?\d[\d.eE+-]*|[A-Za-z_]\w{0,32}')
_FORMS = ("<B", "<H", ">H", "<I", ">I", "<Q", ">Q")

KINDS = 10
"""How many things a step can do."""


def mutated(chance: random.Random, seeds: Sequence[bytes]) -> bytes:
    """One of the seeds after a few random steps."""
    steps = [
        (chance.randrange(KINDS), chance.random() ** chance.choice((1, 3)), chance.randrange(1 << 32))
        for _ in range(1 + int(chance.expovariate(0.6)))
    ]
    return apply(chance.choice(seeds), steps)


def apply(raw: bytes, steps: Sequence[Step]) -> bytes:
    """The bytes after these steps."""
    for step in steps:
        raw = _applied(raw, *step)
    return raw


def _applied(raw: bytes, kind: int, share: float, what: int) -> bytes:
    at = min(int(share * len(raw)), max(len(raw) - 1, 0))
    length = 1 + what % 61
    match kind:
        case 0 if raw:  # a bit
            return raw[:at] + bytes([raw[at] ^ (1 << what % 8)]) + raw[at + 1 :]
        case 1:  # the end is gone
            return raw[:at]
        case 2:  # a chunk twice
            return raw[: at + length] + raw[at:]
        case 3:  # a chunk is gone
            return raw[:at] + raw[at + length :]
        case 4:  # a number of a binary header
            form = _FORMS[what % len(_FORMS)]
            number = NUMBERS[what // 8 % len(NUMBERS)] % (1 << 8 * struct.calcsize(form))
            new = struct.pack(form, number)
            return raw[:at] + new + raw[at + len(new) :]
        case 5 | 6:  # a number, a string or a name of a text
            tokens = list(_TOKEN.finditer(raw, max(at - 64, 0), at + 4096))
            if tokens:
                token = tokens[what % min(len(tokens), 8)]
                return raw[: token.start()] + WORDS[what // 64 % len(WORDS)] + raw[token.end() :]
            return raw
        case 7:  # a line twice, or moved
            lines = raw.splitlines(keepends=True)
            if len(lines) > 1:
                line = lines[int(share * len(lines)) % len(lines)]
                lines.insert(what % len(lines), line)
            return b"".join(lines)
        case 8:  # a line is gone
            lines = raw.splitlines(keepends=True)
            if lines:
                del lines[int(share * len(lines)) % len(lines)]
            return b"".join(lines)
        case _:  # bytes put between
            return raw[:at] + what.to_bytes(8, "little")[: 1 + what % 5] + raw[at:]
