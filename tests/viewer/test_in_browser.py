"""The pages as a reader has them: in a browser, at two widths, light and dark, with and without scripts.

Chromium is Debian's (apt-get install chromium), or the file that NOISEPROOF_CHROMIUM names; without it they skip.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from noiseproof.reports.report import report
from noiseproof.store import RunFolder, read_run
from noiseproof.store.folder import JOURNAL
from noiseproof.store.whole import Selection
from noiseproof.viewer.bundle import site
from tests.in_browser import SCREENS, no_fault
from tests.serving import served

pytestmark = pytest.mark.extra("playwright", "axe_playwright_python")

TOPS = (0.999, 0.95, 0.8, 0.6, 0.52, 0.2)


def tables(page: Any) -> list[list[list[str]]]:
    """What stands in the tables, as a reader sees it."""
    read = """() => [...document.querySelectorAll('table')].map(t => [...t.rows].map(r =>
        [...r.cells].map(c => c.innerText.trim().replace(/★$/, ''))))"""
    found: list[list[list[str]]] = page.evaluate(read)
    return found


@pytest.mark.parametrize(("screen", "scheme"), SCREENS)
def test_what_is_shown_is_what_report_prints(make_run, tmp_path, opened, screen, scheme):
    runs = [make_run("a", TOPS, sigma=0.25), make_run("b", TOPS, sigma=0.5)]
    html = tmp_path / "page.html"
    report(runs, html=html, out=tmp_path / "out", radii="0,0.25,0.5")
    page = opened(html.as_uri(), screen, scheme)
    no_fault(page)
    shown = tables(page)
    for printed in (tmp_path / "out/table.txt").read_text().split("\n\n"):
        lines = printed.split("\n")
        end = next(i for i in range(2, len(lines)) if lines[i].startswith("---"))
        assert [re.split(r" {2,}", line.strip()) for line in [lines[0], *lines[2:end]]] in shown


def test_values_are_read_off_with_the_keyboard_and_with_the_pointer(make_run, tmp_path, opened):
    run, html = make_run("a", TOPS), tmp_path / "page.html"
    written = report([run], html=html, radii="0,0.25,0.5")
    page = opened(html.as_uri())
    slider = page.get_by_label("Read off at radius")
    slider.focus()
    slider.fill("0.25")
    share = f"{100 * written.summaries[0].certified[1]:.1f} %"
    value = page.locator("#chart-curves .legend output").inner_text()
    assert value.startswith(f"{share} (")
    assert slider.get_attribute("aria-valuetext").startswith(f"radius 0.25 (63.8/255): a: {share} (")
    page.keyboard.press("ArrowRight")
    assert slider.input_value() > "0.25"
    page.locator("#chart-curves .plot").hover(position={"x": 100, "y": 100})
    assert 0 < float(slider.input_value()) < 0.25
    seen = "getComputedStyle(document.querySelector('#chart-curves .cross')).visibility"
    assert page.evaluate(seen) == "visible"


def test_without_scripts_tables_and_figures_still_read(make_run, tmp_path, opened):
    html = tmp_path / "page.html"
    report([make_run("a", TOPS)], html=html)
    page = opened(html.as_uri(), scripts=False)
    assert page.locator("#chart-curves .plot .curve").is_visible()
    assert page.locator("table").first.is_visible()
    assert not page.locator("#chart-curves .reader").is_visible()
    page.locator("summary").first.click()
    assert page.locator("details table").first.is_visible()


def test_on_paper_there_is_everything_but_what_can_be_pressed(make_run, tmp_path, opened):
    html = tmp_path / "page.html"
    report([make_run("a", TOPS)], html=html)
    page = opened(html.as_uri(), scheme="dark")
    page.emulate_media(media="print")
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert not page.locator("nav").is_visible()
    assert not page.locator("#chart-curves .reader").is_visible()
    assert page.locator(".card").is_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


def finish(run: Path) -> None:
    with RunFolder(run, read_run(run).manifest) as folder:
        folder.seal(Selection(1, 0, None, len(TOPS)))


@pytest.mark.parametrize(("screen", "scheme"), SCREENS)
def test_the_table_of_runs(make_run, tmp_path, opened, screen, scheme):
    for name, sigma in (("low", 0.25), ("high", 0.5), ("broken", 1.0)):
        finish(make_run(name, TOPS, sigma=sigma))
    lines = (tmp_path / "broken" / JOURNAL).read_text().splitlines(keepends=True)
    (tmp_path / "broken" / JOURNAL).write_text("".join([*lines[:3], *lines[4:]]))
    with served(tmp_path) as port:
        page = opened(f"http://127.0.0.1:{port}/", screen, scheme)
        no_fault(page)
        names = page.locator("tbody th")
        assert names.all_inner_texts() == ["broken", "high", "low"]
        page.get_by_role("button", name="ACR").click()
        assert names.all_inner_texts() == ["high", "low", "broken"]
        page.get_by_role("searchbox").fill("finished gaussian")
        assert names.all_inner_texts() == ["high", "low"]
        assert "q=finished+gaussian" in page.url
        assert "sort=acr" in page.url
        page.reload()  # the address says it all
        assert names.all_inner_texts() == ["high", "low"]
        page.get_by_label("Certified at radius").select_option("0")
        at_0 = page.locator("tbody tr").first.locator("td").nth(2).inner_text()
        assert at_0 == "66.7 %"
        for name in ("high", "low"):
            page.get_by_label(f"compare {name}").check()
        page.get_by_role("button", name="Compare the ticked").click()
        page.get_by_role("heading", name="The best sigma at each radius").wait_for()
        page.get_by_role("link", name="All runs").click()
        page.get_by_role("link", name="broken").click()
        page.get_by_text("line 4: the hash does not follow from the line before").wait_for()


def test_runs_side_by_side_on_a_static_site(make_run, tmp_path, opened):
    (tmp_path / "runs").mkdir()
    for name, sigma in (("low", 0.25), ("high", 0.5)):
        finish(make_run(f"runs/{name}", TOPS, sigma=sigma))
    site(tmp_path / "runs", out=tmp_path / "site", radii=(0.0, 0.25))
    page = opened((tmp_path / "site" / "index.html").as_uri())
    no_fault(page)
    page.get_by_role("link", name=re.compile("^2 runs on ")).click()
    page.get_by_role("heading", name="The best sigma at each radius").wait_for()
    no_fault(page)


def test_a_run_under_way_fills_its_curve_before_the_readers_eyes(make_run, tmp_path, opened):
    run = make_run("a", TOPS)
    whole = (run / JOURNAL).read_bytes()
    lines = whole.splitlines(keepends=True)
    begun = b"".join(lines[: len(lines) // 2])
    (run / JOURNAL).write_bytes(begun)
    with served(tmp_path) as port:
        page = opened(f"http://127.0.0.1:{port}/run/a.html")
        page.get_by_text(re.compile(r"under way: [123] inputs")).wait_for()
        before = page.locator("#chart-curves .curve").first.get_attribute("d")
        with (run / JOURNAL).open("ab") as journal:
            journal.write(whole[len(begun) :])
        page.get_by_text(re.compile("under way: 6 inputs")).wait_for()
        assert page.locator("#chart-curves .curve").first.get_attribute("d") != before
        finish(run)
        page.get_by_text("✓ a verified all 6 outcomes").wait_for()
        assert page.locator("#live").count() == 0
