"""The viewer over a real connection."""

from __future__ import annotations

import json
import os
import re
import socket
import sys
from collections.abc import Callable
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from urllib.parse import quote

import pytest

from noiseproof.cli.main import run as command
from noiseproof.errors import RunError
from noiseproof.store import RunFolder, read_run
from noiseproof.store.folder import JOURNAL
from noiseproof.store.whole import Selection
from noiseproof.viewer.serve import serve
from tests.serving import RADII, served

pytestmark = pytest.mark.needs("starlette", "uvicorn")

TOPS = (0.999, 0.95, 0.8, 0.2)


def ask(port: int, path: str, method: str = "GET", **headers: str) -> HTTPResponse:
    connection = HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request(method, path, headers={"Host": "127.0.0.1", **headers})
    return connection.getresponse()


def text(port: int, path: str, **headers: str) -> str:
    answer = ask(port, path, **headers)
    assert answer.status == 200, answer.read()
    return answer.read().decode()


def event(answer: HTTPResponse) -> dict[str, object]:
    """The next server-sent event."""
    while not (line := answer.readline()).startswith(b"data: "):
        assert line
    return json.loads(line.removeprefix(b"data: "))


def finished(make_run: Callable[..., Path], name: str, **more: object) -> Path:
    run = make_run(name, TOPS, **more)
    with RunFolder(run, read_run(run).manifest) as folder:
        folder.seal(Selection(1, 0, None, len(TOPS)))
    return run


def test_the_table_the_pages_and_comparisons(make_run, tmp_path):
    finished(make_run, "low/a b?", sigma=0.25)
    finished(make_run, "high", sigma=0.5)
    with served(tmp_path) as port:
        table = text(port, "/")
        assert 'href="run/low/a%20b%3F.html"' in table
        assert table.count("finished, verified") >= 2
        page = text(port, "/run/low/a%20b%3F.html")
        assert "✓ a b? verified" in page
        assert 'href="../../"' in page
        both = text(port, f"/compare?run={quote('low/a b?')}&run=high")
        assert "The best sigma at each radius" in both
        assert "Do the runs differ?" in both
        # made once as long as nothing changes
        assert text(port, "/run/high.html") == text(port, "/run/high.html")
        answer = ask(port, "/")
        headers = {name.lower(): value for name, value in answer.getheaders()}
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"


def test_only_what_the_index_knows_is_answered_and_nothing_is_changed(make_run, tmp_path):
    finished(make_run, "x/a")
    finished(make_run, "secret")
    before = sorted(path.stat().st_mtime_ns for path in tmp_path.rglob("*"))
    with served(tmp_path / "x") as port:
        for path in ("/run/../secret.html", "/run/%2e%2e/secret.html", "/run//etc/passwd.html", "/live/../secret"):
            assert ask(port, path).status == 404
        assert ask(port, "/compare?run=a&run=../secret").status == 404
        assert ask(port, "/compare").status == 404
        assert ask(port, "/changes?after=x").status == 400
        assert ask(port, "/run/a.html").status == 200
        for method in ("POST", "PUT", "DELETE"):
            assert ask(port, "/", method).status == 405
    assert sorted(path.stat().st_mtime_ns for path in tmp_path.rglob("*")) == before


def test_a_page_elsewhere_does_not_reach_it_by_a_name_of_its_own(make_run, tmp_path):
    finished(make_run, "a")
    with served(tmp_path) as port:
        assert ask(port, "/", Host="evil.example").status == 400
        assert ask(port, "/", Host="localhost:1").status == 200


def test_a_token_is_asked_for_and_then_kept_out_of_the_address(make_run, tmp_path):
    finished(make_run, "a")
    with served(tmp_path, token="right") as port:
        for path in ("/", "/?token=wrong", "/run/a.html", "/changes"):
            assert ask(port, path).status == 401
        answer = ask(port, "/run/a.html?token=right")
        assert (answer.status, answer.getheader("location")) == (303, "/run/a.html")
        cookie = str(answer.getheader("set-cookie"))
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert ask(port, "/run/a.html", Cookie=cookie.partition(";")[0]).status == 200


def test_what_changes_is_sent_as_it_changes(make_run, tmp_path):
    finished(make_run, "a")
    with served(tmp_path) as port:
        answer = ask(port, "/changes?after=-1")
        assert str(answer.getheader("content-type")).startswith("text/event-stream")
        first = event(answer)
        assert [row["name"] for row in first["rows"]] == ["a"]  # type: ignore[index, union-attr]
        os.truncate(tmp_path / "a" / JOURNAL, (tmp_path / "a" / JOURNAL).stat().st_size - 9)
        changed = event(answer)
        assert changed["version"] > first["version"]  # type: ignore[operator]
        assert changed["rows"][0]["state"] in ("running", "stopped")  # type: ignore[index]


def test_a_run_under_way_fills_its_curve_and_ends(make_run, tmp_path):
    run = make_run("a", TOPS)
    whole = (run / JOURNAL).read_bytes()
    lines = whole.splitlines(keepends=True)
    begun = b"".join(lines[: len(lines) // 2])
    (run / JOURNAL).write_bytes(begun)
    with served(tmp_path) as port:
        page = text(port, "/run/a.html")
        assert 'data-live="../live/a"' in page
        assert "connect-src &#39;self&#39;" in page
        answer = ask(port, "/live/a")
        before = event(answer)
        assert re.match(r"under way: [12] inputs, [\d,]+ draws", str(before["said"]))
        with (run / JOURNAL).open("ab") as journal:  # as a writer does it: it is never shorter than it was
            journal.write(whole[len(begun) :])
        after = event(answer)
        assert str(after["said"]).startswith("under way: 4 inputs, 4,400 draws")
        assert str(after["svg"]).startswith("<svg")
        assert after["svg"] != before["svg"]
        with RunFolder(run, read_run(run).manifest) as folder:
            folder.seal(Selection(1, 0, None, len(TOPS)))
        while "ended" not in (last := event(answer)):
            assert str(last["said"]).startswith("under way: 4 inputs")
        assert "data-live" not in text(port, "/run/a.html")


def test_a_port_in_use_is_said_in_a_line(make_run, tmp_path, capsys):
    finished(make_run, "a")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert command(["view", str(tmp_path), "--port", str(port)]) == 1
    assert f"cannot listen on 127.0.0.1, port {port}: Address already in use; give another --port" in (
        capsys.readouterr().err
    )
    assert command(["view", str(tmp_path / "none"), "--port", "0"]) == 1
    assert command(["view", str(tmp_path), "--port", "70000"]) == 2


def test_without_its_packages_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(RunError, match=r"view needs the package uvicorn.*\[view\]"):
        serve(tmp_path, host="127.0.0.1", port=0, radii=RADII, said=print)


@pytest.mark.parametrize(("host", "token"), [("127.0.0.1", False), ("0.0.0.0", True)])
def test_the_address_that_is_printed_has_a_token_beyond_this_machine(tmp_path, monkeypatch, host, token):
    import uvicorn

    monkeypatch.setattr(uvicorn.Server, "run", lambda self, sockets: None)
    said: list[str] = []
    serve(tmp_path, host=host, port=0, radii=RADII, said=said.append)
    assert re.fullmatch(rf"http://{host}:\d+/" + (r"\?token=[\w-]{32}" if token else ""), said[0])


def test_ten_thousand_rows_are_one_page(tmp_path):
    from noiseproof.viewer.pages import MOST_ROWS, table_page
    from noiseproof.viewer.rows import RunRow

    rows = [RunRow(f"r{i}", certified=(0.5, 0.25, 0.125), acr=0.1, state="finished") for i in range(10_000)]
    page = table_page(rows, title="x", radii=RADII, live=True)
    assert page.count("<tr>") == 1 + MOST_ROWS
    assert len(page) < 6_000_000
    facts = json.loads(page.partition('id="data">')[2].partition("</script>")[0])
    assert len(facts["rows"]) == 10_000
