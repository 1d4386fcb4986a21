import io
import pickle
from collections import OrderedDict

import pytest

from noiseproof.pickles import check_pickle


def check(raw, **options):
    check_pickle(io.BytesIO(raw), len(raw), **options)


@pytest.mark.parametrize("protocol", range(6))
def test_what_pickle_writes_passes(protocol):
    shared = ["a"]
    thing = {
        "text": "x" * 3000, "tuple": (1, (2, (3, (4, 5, 6, 7)))), "empty": (), "list": [1.5, None, True, b"raw", 2**80],
        "set": {1, 2}, "frozen": frozenset({1}), "ordered": OrderedDict(a=1), "shared": [shared, shared], "none": [],
    }  # fmt: skip
    check(pickle.dumps(thing, protocol))


def test_several_pickles_in_one_stream():
    stream = io.BytesIO(pickle.dumps(1) + pickle.dumps([2]) + b"rest")
    check_pickle(stream, 100)
    check_pickle(stream, 100)
    assert stream.read() == b"rest"


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"\x80\x02Nr\xff\xff\xff\x1f.", "keeps something at place 536870911 in a file of 9 bytes"),
        (b"Np99999999\n.", "keeps something at place 99999999"),
        (b"\x80\x02N" + b"\x85" * 101 + b".", "more than 100 tuples inside each other"),
        (b"\x80\x02" + b"(" * 101 + b"N" + b"t" * 101 + b".", "more than 100 tuples inside each other"),
        # kept before it is put into the next, and below something that is thrown away
        (b"\x80\x02N" + b"\x85q\x00]0h\x00\x85" * 60 + b".", "more than 16 containers that are used again"),
        (b"\x80\x02N" + b"2\x86" * 60 + b".", "more than 16 containers that are used again"),
        (b"\x80\x02]" + b"q\x00](h\x00h\x00e" * 60 + b".", "more than 16 containers that are used again"),
        (b"\x80\x04\x8e" + b"\xff" * 7 + b"\x00abc.", "bytes8"),
        (b"\x80\x020.", "it takes from an empty stack"),
        (b"\x80\x02N", "exhausted before seeing STOP"),
    ],
)
def test_what_no_reader_survives_is_refused(raw, text):
    with pytest.raises(ValueError, match=text):
        check(raw)


def test_a_long_text_is_refused_where_that_is_wanted():
    raw = pickle.dumps({"a" * 300: 1})
    check(raw, longest=300)
    with pytest.raises(ValueError, match="a text of 300 letters"):
        check(raw, longest=299)
