from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from noiseproof.cli.main import run

DATA = ["--data", "fashion-mnist-small"]


def test_it_draws_a_row_a_size_and_a_column_a_sigma(tmp_path, capsys):
    def shape(name, *more):
        assert run(["noise-images", *DATA, *more, "--out", str(tmp_path / name)]) == 0
        return np.asarray(Image.open(tmp_path / name)).shape

    one = shape("one.png", "--index", "3", "--sigma", "0,0.25,0.5,1")
    more = shape("more.png", "--index", "3,5", "--size", "1,2", "--sigma", "0,0.25,0.5,1,2")
    assert more[0] > 3 * one[0]
    assert more[1] > one[1]
    said = capsys.readouterr().out
    assert f"written: {tmp_path / 'one.png'}\n" in said
    assert "clipped for display only" in said


@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [
        (["--index", "0,x"], 2, "index must be whole numbers separated by commas, got '0,x'"),
        (["--sigma", "0;1"], 2, "sigma must be numbers such as 1,1.5,2, got '0;1'"),
        (["--index", "1000"], 2, "index must be in [0, 1000) for fashion-mnist-small:test, got 1000"),
        (["--index", "-1"], 2, "index must be in [0, 1000) for fashion-mnist-small:test, got -1"),
        (["--size", "0"], 2, "size must be >= 1, got 0"),
        (["--data", "mnits"], 2, "did you mean 'mnist'?"),
    ],
)
def test_what_a_user_gets_wrong_is_one_line(arguments, status, text, capsys, tmp_path):
    data = [] if "--data" in arguments else DATA
    assert run(["noise-images", *data, "--out", str(tmp_path / "a.png"), *arguments]) == status
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert text in said.err
    assert not list(tmp_path.iterdir())
