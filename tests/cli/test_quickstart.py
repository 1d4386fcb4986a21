"""``noiseproof quickstart`` at its smallest: it goes to its end, which names the page it wrote."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

pytest.importorskip("torch")

from noiseproof.cli.main import run


def test_it_ends_with_the_page_to_look_at(tmp_path, capsys):
    out = tmp_path / "a folder"
    assert run(["quickstart", "--out", str(out), "--epochs", "1", "--inputs", "4", "--n", "50"]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    said, _, address = last.rpartition(" ")
    assert said == "Look at it in a browser:"
    page = Path(unquote(urlsplit(address).path))
    assert page == out / "report.html"
    assert "run verified" in page.read_text(encoding="utf-8")
    assert (out / "report" / "curves.pdf").exists()
