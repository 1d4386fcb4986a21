"""The explorer as a visitor has it: in a browser, at two widths, light and dark, with the keyboard, without scripts.

Chromium is Debian's (apt-get install chromium), or the file that NOISEPROOF_CHROMIUM names; without it they skip.
"""

from __future__ import annotations

import io
import re
import threading
from typing import Any

import numpy as np
import pytest

from noiseproof.store import read_run
from tests.in_browser import DESKTOP, SCREENS, no_fault

pytestmark = pytest.mark.extra("playwright", "axe_playwright_python")


def chosen(page: Any, index: int) -> Any:
    page.locator("#chosen button").nth(index).click()
    page.locator("#verdict").get_by_text(re.compile("^(Certified|Abstains)")).wait_for()
    return page.locator("#verdict").inner_text()


@pytest.mark.parametrize(("screen", "scheme"), SCREENS)
def test_what_is_shown_is_what_was_answered(serve, opened, screen, scheme):
    with serve() as client:
        page = opened(f"http://127.0.0.1:{client.port}/", screen, scheme)
        no_fault(page)
        verdict = chosen(page, 2)
        no_fault(page)
        (run,) = [path.parent for path in client.out.rglob("manifest.json")]
        (record,) = read_run(run).records
        votes = np.sum([each.votes for each in record.answers if each.stage == "estimate"], axis=0)
        shown = page.locator("#bars li").all_inner_texts()
        assert [int(re.search(r"([\d,]+) \(", line)[1].replace(",", "")) for line in shown] == votes.tolist()
        radius = int(record.outcome.radius * 1000) / 1000
        assert f"length below {radius:.3f}" in verdict
        assert page.locator("#drawn").inner_text().endswith(f"kept as {run.parent.name}/{run.name}")
        assert page.locator("#copies img").count() == 6
        assert page.locator("#edge").inner_text() == f"certified: {radius:.3f}"
        # the mark stands where the slider's value is the radius
        share = page.evaluate("parseFloat(document.getElementById('edge').style.width) / 100")
        assert share * float(page.locator("#far").get_attribute("max")) == pytest.approx(
            record.outcome.radius, rel=1e-3
        )


def test_it_is_marked_as_running_until_the_certificate_comes(serve, opened):
    with serve() as client:
        page = opened(f"http://127.0.0.1:{client.port}/")
        page.get_by_role("combobox").select_option("100000")
        page.locator("#chosen button").first.click()
        page.locator("#verdict").get_by_text(
            re.compile(r"Running: no certificate yet\. So far p_A is at least 0\.\d+")
        ).wait_for()
        first = page.locator("#rise .curve").get_attribute("d")
        page.wait_for_function(
            "before => document.querySelector('#rise .curve').getAttribute('d') !== before", arg=first
        )
        assert not page.locator("#ball").is_visible()
        assert page.locator("#far").is_disabled()
        page.get_by_role("button", name="Stop").click()
        page.locator("#verdict").get_by_text("Stopped before the end: nothing is certified.").wait_for()
        waited = threading.Event()
        for _ in range(100):
            if not client.service.places.under_way:
                break
            waited.wait(0.1)
        assert client.service.places.under_way == 0
        assert not page.locator("#ball").is_visible()


def test_both_classifiers_react_to_a_perturbation(serve, opened):
    with serve() as client:
        page = opened(f"http://127.0.0.1:{client.port}/")
        chosen(page, 2)
        slider = page.locator("#far")
        slider.focus()
        page.keyboard.press("ArrowRight")  # with the keyboard alone
        page.locator("#g").get_by_text("votes").wait_for()
        assert "inside the certified ball: g cannot change" in page.locator("#where").inner_text()
        assert "inside the certified ball" in slider.get_attribute("aria-valuetext")
        page.get_by_label(re.compile("the worst that")).check()
        page.keyboard.press("Tab")
        slider.focus()
        page.keyboard.press("End")
        page.locator("#g").get_by_text("- changed").wait_for()
        assert "outside the certified ball: nothing is promised" in page.locator("#where").inner_text()
        runs = [read_run(path.parent) for path in client.out.rglob("manifest.json")]
        assert {run.manifest.kind for run in runs} == {"certify", "predict"}


def test_a_dropped_picture_is_scaled_and_certified(serve, opened, tmp_path):
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(np.full((40, 80, 3), (255, 0, 0), dtype=np.uint8)).save(file, "PNG")
    (tmp_path / "red.png").write_bytes(file.getvalue())
    (tmp_path / "no.png").write_text("no picture")
    with serve() as client:
        page = opened(f"http://127.0.0.1:{client.port}/")
        page.locator("#file").set_input_files(tmp_path / "no.png")
        page.locator("#verdict").get_by_text("This is no picture that your browser reads").wait_for()
        page.locator("#file").set_input_files(tmp_path / "red.png")
        page.locator("#verdict").get_by_text(re.compile("^(Certified|Abstains)")).wait_for()
        (sent,) = client.out.rglob("input.npy")
        assert (np.load(sent) == 76).all()  # .299 of 255
        assert page.locator("#under").inner_text() == "red.png"


def test_what_the_service_refuses_is_said(serve, opened):
    with serve(at_once=1, waiting=0) as client:
        page = opened(f"http://127.0.0.1:{client.port}/", DESKTOP, "light", complains=True)
        client.service.ending = True
        page.locator("#chosen button").first.click()
        page.locator("#verdict").get_by_text("the service ends; send it again when it is back").wait_for()


def test_without_scripts_it_says_what_to_do(serve, opened):
    with serve() as client:
        page = opened(f"http://127.0.0.1:{client.port}/", scripts=False)
        assert page.get_by_text("turn it on for this address, or ask by hand").is_visible()
        assert not page.locator("#explorer").is_visible()
