from __future__ import annotations

import pytest

from noiseproof.errors import RunError
from noiseproof.reports import Table
from noiseproof.reports.files import make_folder, write_tables

ONE, TWO = Table(("a", "b"), (("x", "1"),), ("said.",)), Table(("c",), (("y",),), ())


def test_tables_are_written_in_three_forms(tmp_path):
    written = write_tables([ONE, TWO], make_folder(tmp_path / "deep" / "down"), "name")
    assert [path.relative_to(tmp_path).as_posix() for path in written] == [
        f"deep/down/name.{form}" for form in ("txt", "md", "tex")
    ]
    text, markdown, latex = (path.read_text() for path in written)
    assert text == f"{ONE.text()}\n\n{TWO.text()}\n"
    assert markdown == f"{ONE.markdown()}\n\n{TWO.markdown()}\n"
    assert latex == f"{ONE.latex()}\n\n{TWO.latex()}\n"


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"^cannot make the folder .*file/out: Not a directory; choose another --out$"):
        make_folder(tmp_path / "file" / "out")
