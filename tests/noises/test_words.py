from __future__ import annotations

import hashlib
import itertools
import struct
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noiseproof.errors import UnsupportedError
from noiseproof.noises.chacha import chacha_words
from noiseproof.noises.words import Words, whole_blocks

WORDS = Words(seed=7, key="picture-0", stage="estimate")
MASK = 2**64 - 1


def philox(counter: int, key: tuple[int, int]) -> list[int]:
    """Philox4x64-10 in plain integers, from the paper (Salmon et al. 2011, section 3.3): the slow truth."""
    x = [counter >> shift & MASK for shift in (0, 64, 128, 192)]
    k0, k1 = key
    for _ in range(10):
        low, high = 0xD2E7470EE14C6C93 * x[0], 0xCA5A826395121157 * x[2]
        x = [(high >> 64) ^ x[1] ^ k0, high & MASK, (low >> 64) ^ x[3] ^ k1, low & MASK]
        k0, k1 = (k0 + 0x9E3779B97F4A7C15) & MASK, (k1 + 0xBB67AE8584CAA73B) & MASK
    return x


def slow_words(words: Words, first: int, n: int, per_draw: int, page: int = 0) -> list[list[int]]:
    """What ``take`` is documented to return; numpy's stream begins at counter 1."""
    text = f"noiseproof words 1\0{words.seed}\0{words.key}\0{words.stage}\0{page}"
    key = struct.unpack("<2Q", hashlib.sha256(text.encode()).digest()[:16])
    blocks = per_draw // 4
    return [
        list(itertools.chain.from_iterable(philox(1 + draw * blocks + block, key) for block in range(blocks)))
        for draw in range(first, first + n)
    ]


def test_the_slow_philox_gives_the_published_test_vectors():
    # kat_vectors of Random123: philox 4x64, 10 rounds
    assert philox(0, (0, 0)) == [0x16554D9ECA36314C, 0xDB20FE9D672D0FDC, 0xD7E772CEE186176B, 0x7E68B68AEC7BA23B]
    ones = [0x87B092C3013FE90B, 0x438C3C67BE8D0224, 0x9CC7D7C69CD777B6, 0xA09CAEBF594F0BA0]
    assert philox(2**256 - 1, (MASK, MASK)) == ones


@pytest.mark.parametrize("first", [0, 1, 1000, 10**9])
@pytest.mark.parametrize("per_draw", [4, 12])
@pytest.mark.parametrize("page", [0, 3])
def test_words_are_philox_at_absolute_positions(first: int, per_draw: int, page: int):
    taken = WORDS.take(first, 5, per_draw, page=page)
    assert taken.dtype == np.uint64
    assert taken.tolist() == slow_words(WORDS, first, 5, per_draw, page)


def test_words_are_one_stream_of_numpys_philox():
    key = np.frombuffer(
        hashlib.sha256(b"noiseproof words 1\0007\0picture-0\0estimate\0000").digest()[:16], dtype="<u8"
    ).astype(np.uint64)
    stream = np.random.Philox(key=key).random_raw(50 * 8)
    assert np.array_equal(WORDS.take(0, 50, 8).ravel(), stream)
    assert np.array_equal(WORDS.take(31, 4, 8).ravel(), stream[31 * 8 : 35 * 8])


@given(st.lists(st.integers(0, 9), max_size=8), st.integers(0, 10**6), st.sampled_from([4, 8, 20]))
def test_any_split_of_a_range_gives_the_same_words(parts: list[int], first: int, per_draw: int):
    pieces, at = [], first
    for part in parts:
        pieces.append(WORDS.take(at, part, per_draw))
        at += part
    whole = WORDS.take(first, sum(parts), per_draw)
    assert whole.shape == (sum(parts), per_draw)
    assert np.array_equal(np.concatenate([whole[:0], *pieces]), whole)


def test_seeds_keys_stages_and_pages_never_share_words():
    blocks = {}
    seeds = [0, 1, -1, 5, 5 + 2**32, 2**64, 2**64 + 5, -(2**70)]
    for seed, key, stage, page in itertools.product(seeds, ["a", "b", "a1"], ["select", "estimate"], [0, 1, 11]):
        blocks[seed, key, stage, page] = tuple(Words(seed, key, stage).take(0, 1, 4, page=page)[0].tolist())
    assert len(set(itertools.chain.from_iterable(blocks.values()))) == 4 * len(blocks)


def test_a_word_does_not_depend_on_what_was_taken_before():
    words = Words(seed=7, key="picture-0", stage="estimate")
    words.take(5, 3, 8)
    words.take(0, 1, 4, page=2)
    assert np.array_equal(words.take(2, 2, 8), WORDS.take(0, 4, 8)[2:])


def test_whole_blocks():
    assert [whole_blocks(words) for words in (0, 1, 3, 4, 5, 8, 9)] == [0, 4, 4, 4, 8, 8, 12]


# the cryptographic source


def test_chacha_is_the_cipher_of_rfc_8439():
    """The keystream of section 2.3.2 (its nonce, block 1), as words of the segment it names."""
    pytest.importorskip("cryptography")
    from cryptography.hazmat.primitives.ciphers import Cipher
    from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20

    key = bytes(range(32))
    nonce = bytes.fromhex("01000000000000090000004a00000000")
    block = Cipher(ChaCha20(key, nonce), mode=None).encryptor().update(bytes(64))
    assert block[:16].hex() == "10f1e7e4d13b5915500fdd1fa32071c4"  # the library is the cipher
    stream = Cipher(ChaCha20(key, bytes(16)), mode=None).encryptor().update(bytes(8 * 40))
    assert chacha_words(key, 0, 40).tobytes() == stream
    for first, count in ((1, 5), (7, 1), (8, 8), (3, 30)):
        assert chacha_words(key, first, count).tobytes() == stream[8 * first : 8 * (first + count)]


def test_chacha_goes_on_beyond_its_counter():
    """2^32 blocks of 64 bytes are 2^35 words: the next segment has another nonce, and nothing is repeated."""
    pytest.importorskip("cryptography")
    key, edge = bytes(32), 2**35
    across = chacha_words(key, edge - 4, 12)
    assert across[:4].tolist() == chacha_words(key, edge - 4, 4).tolist()
    assert across[4:].tolist() == chacha_words(key, edge, 8).tolist()
    assert not set(across[4:].tolist()) & set(chacha_words(key, 0, 100).tolist())


def test_chacha_words_do_not_depend_on_grouping_and_are_others():
    pytest.importorskip("cryptography")
    words = Words(5, "k-0", "estimate", "chacha20")
    whole = words.take(0, 50, 12)
    assert np.array_equal(whole[7:19], words.take(7, 12, 12))
    for other in (
        Words(6, "k-0", "estimate", "chacha20"),
        Words(5, "k-1", "estimate", "chacha20"),
        Words(5, "k-0", "select", "chacha20"),
        Words(5, "k-0", "estimate"),
    ):
        assert not np.isin(other.take(0, 50, 12), whole).any()
    assert not np.isin(words.take(0, 50, 12, page=1), whole).any()


def test_a_missing_package_is_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.ciphers", None)
    with pytest.raises(UnsupportedError, match=r"^rng chacha20 needs the package cryptography: .*pip install"):
        Words(5, "k-0", "estimate", "chacha20").take(0, 1, 4)
