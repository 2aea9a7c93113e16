"""The survey in a real browser, with the keyboard alone; runs where Chromium and Playwright are."""

import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from spikewright.redteam.survey import SurveyServer

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("needs Chromium")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as made:
        browser = made.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


def walk(page: Any, server: SurveyServer) -> None:
    """From the first page to the last with digits and Enter."""
    page.goto(server.address)
    page.keyboard.press("Enter")
    page.wait_for_url("**/practice*")
    page.keyboard.press("4")
    page.keyboard.press("Enter")
    page.wait_for_url("**/practised*")
    page.keyboard.press("Enter")
    page.wait_for_url("**/question")
    for number in range(1, 5):
        assert page.get_by_text(f"Question {number} of 4").is_visible()
        page.keyboard.press(str(number))
        assert page.locator("input:checked").get_attribute("value") == str(number)
        if number == 2:
            page.reload()  # nothing is lost, and nothing is sent twice
            assert page.get_by_text("Question 2 of 4").is_visible()
            page.keyboard.press("2")
        with page.expect_navigation():
            page.keyboard.press("Enter")
    page.wait_for_url("**/done")
    assert page.get_by_role("heading", name="Thank you!").is_visible()


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (360, 740)])
def test_a_survey_by_keyboard(server: SurveyServer, chromium: Any, width: int, height: int) -> None:
    context = chromium.new_context(viewport={"width": width, "height": height})
    said: list[str] = []
    page = context.new_page()
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    walk(page, server)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert said == []  # no script failed, and the policy blocked nothing
    context.close()
    places = {each.place + 1 for each in server.store.answers()}
    assert places == {1, 2, 3, 4}


def test_without_a_script_tab_arrows_and_enter_do(server: SurveyServer, chromium: Any) -> None:
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(server.address)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url("**/practice*")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url("**/practised?place=2")
    context.close()


def test_the_focus_is_seen_and_every_picture_loads_and_has_words(server: SurveyServer, chromium: Any) -> None:
    context = chromium.new_context(viewport={"width": 360, "height": 740}, reduced_motion="reduce")
    page = context.new_page()
    page.goto(server.address)
    page.keyboard.press("Enter")
    page.wait_for_url("**/practice*")
    page.wait_for_load_state("networkidle")
    pictures = page.evaluate("[...document.images].map(i => [i.complete && i.naturalWidth > 0, i.alt])")
    assert len(pictures) == 18
    assert all(loaded and words for loaded, words in pictures)
    page.keyboard.press("3")
    style = "getComputedStyle(document.querySelector('label:has(:checked)'))"
    assert page.evaluate(f"{style}.outlineStyle") == "solid"
    assert page.evaluate(f"{style}.transitionDuration") == "0s"
    sizes = page.evaluate("[...document.querySelectorAll('label')].map(l => l.getBoundingClientRect().height)")
    assert min(sizes) >= 44  # large enough for a finger
    context.close()
