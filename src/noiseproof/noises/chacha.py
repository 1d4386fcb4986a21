"""The keystream of ChaCha20 as random words: a cryptographic source, for whoever must not trust another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from noiseproof.errors import UnsupportedError, pip_install

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BLOCK = 64
"""Bytes a counter value yields."""

_SEGMENT = 2**32 * _BLOCK
"""Bytes after which the 32-bit counter would begin anew; the nonce numbers such segments."""


def chacha_words(key: bytes, first: int, count: int) -> NDArray[np.uint64]:
    """Words ``first`` to ``first + count - 1`` of the keystream, little endian: uint64 ``[count]``.

    Args:
        key: 32 bytes.
        first: index of the first word, >= 0.
        count: how many.

    Raises:
        UnsupportedError: the package cryptography is not installed.

    Source: Bernstein 2008; RFC 8439.
    """
    try:
        from cryptography.hazmat.primitives.ciphers import Cipher
        from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20
    except ImportError:
        raise UnsupportedError(f"rng chacha20 needs the package cryptography: {pip_install('chacha20')}") from None
    at, end, parts = 8 * first, 8 * (first + count), []
    while at < end:
        segment, within = divmod(at, _SEGMENT)
        much = min(end - at, _SEGMENT - within)
        block, skip = divmod(within, _BLOCK)
        nonce = block.to_bytes(4, "little") + segment.to_bytes(12, "little")
        stream = Cipher(ChaCha20(key, nonce), mode=None).encryptor().update(bytes(skip + much))
        parts.append(stream[skip:])
        at += much
    return np.frombuffer(b"".join(parts), dtype="<u8").astype(np.uint64, copy=False)
