from __future__ import annotations

import json
import re
from dataclasses import replace
from urllib.parse import unquote

import pytest

from noiseproof.cli.main import run as command
from noiseproof.errors import RunError
from noiseproof.store.folder import JOURNAL
from noiseproof.viewer.bundle import comparable, site
from noiseproof.viewer.pages import MOST_COMPARED
from noiseproof.viewer.rows import FAILED, RunRow

TOPS = (0.999, 0.95, 0.8, 0.2)


def links(path) -> list[str]:
    return re.findall(r'href="([^"#][^"]*)"', path.read_text(encoding="utf-8"))


def test_a_site_is_files_that_link_to_one_another(make_run, tmp_path, capsys):
    for name in ("deep/a b", "c"):
        make_run(f"runs/{name}", TOPS)
    out = tmp_path / "site"
    assert command(["view", "bundle", str(tmp_path / "runs"), "--out", str(out)]) == 0
    assert f"written: {out / 'index.html'}" in capsys.readouterr().out
    pages = list(out.rglob("*.html"))
    assert len(pages) == 4  # the table, a page a run, and both side by side
    for page in pages:
        assert links(page)
        for link in links(page):
            assert (page.parent / unquote(link)).resolve() in [each.resolve() for each in pages]
        assert "connect-src" not in page.read_text()
        assert "data-live" not in page.read_text().partition("<script")[0]
    assert [row["name"] for row in json.loads((out / "runs.json").read_text())] == ["c", "deep/a b"]
    assert command(["view", "bundle", str(tmp_path / "runs"), "--out", str(out)]) == 0  # again, in the same place


def test_runs_on_the_same_data_stand_side_by_side(make_run, tmp_path):
    for name, data in (("a", "grey:test"), ("b", "grey:test"), ("alone", "other:test"), ("failed", "grey:test")):
        run = make_run(f"runs/{name}", TOPS, data=data)
    (run / JOURNAL).write_text((run / JOURNAL).read_text().replace('"n"', '"m"', 1))
    index, _ = site(tmp_path / "runs", out=tmp_path / "site", radii=(0.0,))
    assert re.findall(r'<a href="(compare[^"]*)">([^<]*)', index.read_text()) == [
        ("compare/1.html", "2 runs on grey:test")
    ]
    page = (tmp_path / "site/compare/1.html").read_text()
    assert "Do the runs differ?" in page
    assert '<a href="../index.html">All runs</a>' in page
    verdicts = re.search(r'<ul class="verdicts">(.*?)</ul>', page, re.DOTALL)[1]
    assert re.findall(r"<b>✓ (\w+) verified</b>", verdicts) == ["a", "b"]
    rows = [RunRow(str(i), data="d", certified=(0.5,)) for i in range(MOST_COMPARED + 1)]
    assert comparable(rows) == {}  # a page of so many would be read by nobody
    assert comparable(rows[1:]) == {"d": [row.name for row in rows[1:]]}
    assert comparable([rows[0], replace(rows[1], state=FAILED)]) == {}


def test_a_run_that_fails_is_on_the_site_and_in_the_status(make_run, tmp_path, capsys):
    run = make_run("runs/a", TOPS)
    lines = (run / JOURNAL).read_text().splitlines(keepends=True)
    (run / JOURNAL).write_text("".join([lines[0], *lines[2:]]))
    assert command(["view", "bundle", str(tmp_path / "runs"), "--out", str(tmp_path / "site")]) == 1
    assert "a: journal.jsonl, line 2: the hash does not follow" in capsys.readouterr().err
    assert "✗ a does not hold" in (tmp_path / "site/run/a.html").read_text()


def test_other_files_are_not_overwritten_and_no_run_is_no_site(make_run, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "index.html").write_text("mine")
    make_run("runs/a", TOPS)
    with pytest.raises(RunError, match="mine holds other files and is not such a site; choose another --out"):
        site(tmp_path / "runs", out=tmp_path / "mine", radii=(0.0,))
    with pytest.raises(RunError, match="has no run folders below it; give one that has"):
        site(tmp_path / "mine", out=tmp_path / "new", radii=(0.0,))
    assert (tmp_path / "mine" / "index.html").read_text() == "mine"
    assert not (tmp_path / "new").exists()
