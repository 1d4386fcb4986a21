"""Settings as TOML: whatever a user writes comes back."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noiseproof.errors import RunError
from noiseproof.store.settings import read_toml, to_toml

SCALARS = st.text() | st.integers() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False)


@given(value=SCALARS | st.lists(st.text(max_size=5), max_size=3))
def test_round_trip(value):
    assert tomllib.loads(to_toml({"name": value})) == {"name": value}


@pytest.mark.parametrize("text", ["\x7f", "\U0001f600", "a\tb\nc\\d\"e'", "\x00", "\u2028"])
def test_awkward_text(text):
    assert tomllib.loads(to_toml({"root": Path("/") / text if text != "\x00" else text})) in (
        {"root": f"/{text}"},
        {"root": text},
    )


def test_a_path_that_is_no_unicode_still_gives_a_file(tmp_path):
    text = to_toml({"root": "/data/\udcff", "sigma": 0.5})
    (tmp_path / "settings.toml").write_text(text, encoding="utf-8")
    assert read_toml(tmp_path / "settings.toml") == {"root": "/data/?", "sigma": 0.5}


def test_none_is_left_out():
    assert to_toml({"limit": None, "n": 1}) == "n = 1\n"


def test_what_is_no_toml_is_said(tmp_path):
    with pytest.raises(RunError, match=r"cannot read .*none\.toml: No such file"):
        read_toml(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("sigma = ")
    with pytest.raises(RunError, match=r"bad\.toml is not TOML: Invalid value"):
        read_toml(tmp_path / "bad.toml")
    (tmp_path / "bad.toml").write_bytes(b"\xff")
    with pytest.raises(RunError, match=r"bad\.toml is not TOML"):
        read_toml(tmp_path / "bad.toml")


def test_a_byte_order_mark_is_no_part_of_the_first_name(tmp_path):
    (tmp_path / "s.toml").write_text("sigma = 0.25\n", encoding="utf-8-sig")
    assert read_toml(tmp_path / "s.toml") == {"sigma": 0.25}
