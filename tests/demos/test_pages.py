"""Tests of the pages in a browser: the tabs from upload to download, by keyboard too, and their accessibility."""

from __future__ import annotations

import os
import shutil
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from studio_pages import (
    BOOKS,
    OWLS,
    compare_with_two,
    generate,
    give_reference,
    open_tab,
    picture_of,
    search_gallery,
    start_batch,
    upload,
    wait_for_batch,
    wait_for_value,
)
from studio_server import axe, served

from analogen import read_metadata

pytest.importorskip("gradio", reason='the studio needs Gradio: pip install "analogen[demo]"')
pytest.importorskip("analogen.demos.app", reason="the tabs are served by the studio's app")
sync_api = pytest.importorskip("playwright.sync_api", reason="pages are tested by Playwright")
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt install chromium, or set CHROMIUM")

WIDE, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
TABS = ("Create", "Explore", "Batch", "Compare", "History")
SECONDS = 60_000  # for a click's effect, on a machine that does other things


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(tmp_path_factory.mktemp("studio")) as found:
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def opened(
    browser: Any, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., Any]]:
    """A function that opens pages; screenshots of their end go to the folder SCREENSHOTS, else to pytest's own."""
    kept = Path(os.environ.get("SCREENSHOTS") or tmp_path_factory.getbasetemp() / "screenshots")
    kept.mkdir(parents=True, exist_ok=True)
    contexts: list[Any] = []

    def open_(address: str, **options: Any) -> Any:
        context = browser.new_context(**{"viewport": WIDE, "accept_downloads": True, **options})
        contexts.append(context)
        context.set_default_timeout(SECONDS)
        page = context.new_page()
        page.goto(address)
        page.wait_for_selector("#tabs")
        return page

    yield open_
    for number, context in enumerate(contexts):
        name = "".join(letter if letter.isalnum() else "_" for letter in request.node.name)
        context.pages[0].screenshot(path=str(kept / f"{name}-{number}.png"), full_page=True)
        context.close()


@pytest.fixture
def page(opened: Callable[..., Any], address: str) -> Any:
    return opened(address)


def fill(page: Any, **values: object) -> None:
    """Fill in sliders and texts of Create, by their names.

    While a busy page is still building a field, a value that is typed into it can get lost; a user would type it
    again, and so does this function, at most three times.
    """
    wanted = {name: str(value) for name, value in values.items()}
    for _ in range(3):
        for name, value in wanted.items():
            field_of(page, name).fill(value)
            field_of(page, name).blur()
        page.wait_for_timeout(200)  # until a lost value is no longer shown
        wanted = {name: value for name, value in wanted.items() if field_of(page, name).input_value() != value}
        if not wanted:
            return
    raise AssertionError(f"the page does not keep {wanted}")


def field_of(page: Any, name: str) -> Any:
    return page.locator(f"#{name} textarea, #{name} input[type=number], #{name} input[type=text]").first


def more_settings(page: Any, **values: object) -> None:
    if not page.locator("#steps").is_visible():
        page.get_by_role("button", name="More settings").click()
    fill(page, **values)


def findings(page: Any, name: str) -> list[str]:
    """The serious and critical findings of axe-core on the current page."""
    script = axe()
    if script is None:
        pytest.skip("no axe-core here: npm install --no-save axe-core, or set AXE_CORE to its axe.min.js")
    page.wait_for_timeout(500)  # until elements have faded in: before that they have less contrast
    if not page.evaluate("Boolean(window.axe)"):
        page.evaluate(script.read_text())
    found = page.evaluate("axe.run({resultTypes: ['violations']})")["violations"]
    return [
        f"{name}: {one['id']} ({one['impact']}): {[node['target'][0] for node in one['nodes'][:4]]}"
        for one in found
        if one["impact"] in ("serious", "critical")
    ]


# This test comes first, while the tabs are still empty.
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_an_empty_tab_has_no_serious_finding_of_axe(opened: Callable[..., Any], address: str, scheme: str) -> None:
    page = opened(address, color_scheme=scheme)
    found = []
    for name in TABS:
        open_tab(page, name)
        found += findings(page, f"{name}, empty")
    assert found == []


def test_create_goes_from_an_upload_to_a_downloaded_picture(page: Any, tmp_path: Path) -> None:
    give_reference(page, OWLS)
    assert "sure" in page.locator("#confidence").inner_text()
    more_settings(page, steps=4, side=256)
    more_settings(page, candidates=3, seed=5)
    fill(page, subjects="bicycle\nteapot")
    generate(page)
    cards = page.locator("#results .an-card")
    assert cards.count() == 6
    large = page.locator("#large")
    large.locator(".cv-words").wait_for()  # the best comes onto the canvas by itself
    told = large.locator(".cv-words span").all_inner_texts()
    assert [words.split(":")[0] for words in told if ":" in words] == ["same idea", "subject", "looks"]
    assert large.locator(".cv-words span[title]").count() == len(told)
    large.get_by_text("Why this place").click()
    large.get_by_text("less is better").wait_for()
    with page.expect_download() as found:
        large.get_by_text("Download PNG").click()
    found.value.save_as(tmp_path / "made.png")
    record = read_metadata(tmp_path / "made.png")
    assert (record["subject"], record["settings"]["steps"]) == ("bicycle", 4)
    with page.expect_download() as drawing:
        large.get_by_text("Download SVG").click()
    assert "<svg" in Path(drawing.value.path()).read_text()[:300]

    # A picture is the start of further ones.
    fill(page, subjects="something else")
    more_settings(page, seed=1)
    page.get_by_role("button", name="Recall its settings").click()
    wait_for_value(page, "#subjects textarea", "value === 'bicycle'")
    assert page.locator("#seed input").input_value() == str(record["seed"])
    page.get_by_role("button", name="More like this").click()
    wait_for_value(page, "#seed input", "value === ''")
    before = page.locator("#references img").first.get_attribute("src")
    page.get_by_role("button", name="Use as reference").click()
    page.wait_for_function(
        "before => document.querySelector('#references img')?.getAttribute('src') !== before", arg=before
    )


def test_an_example_works_in_one_click(page: Any) -> None:
    page.locator("#first .fp-pair", has_text="owls").click()
    wait_for_value(page, "#caption textarea", "value.includes('{subject}')")
    assert page.locator("#subjects textarea").input_value() == "bicycle"


def test_the_canvas_is_worked_by_keys_alone(page: Any) -> None:
    make_small(page, "cat")
    strip = page.locator("#results .an-card")
    strip.first.focus()
    page.keyboard.press("2")
    page.locator("#results .an-card[aria-pressed=true]", has_text="2 · ").wait_for()
    page.keyboard.press("ArrowLeft")
    page.locator("#results .an-card[aria-pressed=true]", has_text="1 · ").wait_for()
    page.keyboard.press("s")
    strip.first.locator(".an-star").wait_for()
    page.locator("#star", has_text="Starred").wait_for()
    page.keyboard.press("Delete")
    page.wait_for_function("document.querySelectorAll('#results .an-card').length === 1")
    page.locator("#undo").click()
    page.wait_for_function("document.querySelectorAll('#results .an-card').length === 2")
    page.keyboard.press("?")
    page.locator("#keys[open]").get_by_text("compare with the reference").wait_for()
    page.keyboard.press("Escape")
    page.locator("#note textarea, textarea#note, #note input").first.fill("for s, 1 and ?")
    assert page.locator("#keys[open]").count() == 0


def test_a_subject_and_looks_are_chosen_by_sight(page: Any) -> None:
    fill(page, subjects="lighth")
    page.locator("#sights [data-noun=lighthouse]").click()
    wait_for_value(page, "#subjects textarea", "value === 'lighthouse'")
    page.locator("#sights .sg-chip", has_text="lighthouse").locator("img").wait_for()
    page.locator("#sights [data-noun=cat]").click()
    wait_for_value(page, "#subjects textarea", "value === 'lighthouse\\ncat'")
    page.get_by_role("button", name="Remove lighthouse").click()
    wait_for_value(page, "#subjects textarea", "value === 'cat'")
    page.locator("#style label", has_text="Noto").click()
    page.locator("#palette label").nth(3).click()
    page.locator("#shape label", has_text="16:9").click()
    page.locator("#ground label", has_text="None").click()
    fill(page, caption="many {subject} arranged in a circle")
    more_settings(page, steps=2, side=256, candidates=1)
    generate(page)
    with page.expect_download() as found:
        page.locator("#large").get_by_text("Download PNG").click()
    record = read_metadata(Path(found.value.path()))
    assert (record["settings"]["style"], record["settings"]["width"], record["settings"]["height"]) == (
        "noto",
        256,
        144,
    )
    assert record["settings"]["palette"]
    with Image.open(found.value.path()) as picture:
        assert picture.mode == "RGBA"
        assert picture.getpixel((0, 0))[3] == 0


def test_stop_ends_a_run_and_keeps_the_page_ready(page: Any) -> None:
    fill(page, caption="{subject} in a ring", subjects="bicycle\ncat\nowl")
    more_settings(page, steps=60, side=256, candidates=8)
    page.locator("#generate").click()
    page.locator("#results >> text=/Composing|Working|Starting|Loading/").wait_for()
    page.locator("#stop").click()
    page.locator("#results >> text=Stopped.").wait_for()
    assert page.locator("#stop").is_disabled()
    assert page.locator("#generate").is_enabled()


def test_a_job_continues_without_its_page_and_the_form_is_restored(page: Any) -> None:
    give_reference(page, BOOKS)
    fill(page, caption="a high pile of {subject}", subjects="penguin")
    more_settings(page, steps=24, side=256, candidates=4, seed=77)
    page.locator("#metadata input").uncheck()
    page.locator("#generate").click()
    page.locator("#results .st-run").wait_for()
    page.reload()
    page.locator("#results >> text=Done, the best first.").wait_for()
    wait_for_value(page, "#subjects textarea", "value === 'penguin'")
    wait_for_value(page, "#caption textarea", "value === 'a high pile of {subject}'")
    page.get_by_role("button", name="More settings").click()
    assert page.locator("#seed input").input_value() == "77"
    assert not page.locator("#metadata input").is_checked()
    page.locator("#references img").first.wait_for()
    open_tab(page, "History").get_by_label("Search").fill("penguin pile")
    page.locator("#tab-history button.primary").click()
    page.locator("#history-cards .an-card").first.click()
    page.locator("#history-large >> text=Seed ").wait_for()
    page.get_by_role("button", name="Open in Create").click()
    page.locator("#tab-create-button[aria-selected=true]").wait_for()
    page.locator("#large .cv").wait_for()
    page.locator("#results .an-card[aria-pressed=true]").wait_for()


def test_a_restarted_server_finishes_its_jobs(opened: Callable[..., Any], tmp_path: Path) -> None:
    with served(tmp_path) as address:
        page = opened(address)
        fill(page, caption="{subject} in a ring", subjects="kite\nrobot\nkey")
        more_settings(page, steps=30, side=256, candidates=2)
        page.locator("#generate").click()
        page.locator("#results >> text=/Composing|Working|Starting|Loading/").wait_for()
    with served(tmp_path) as address:
        page.goto(address)
        open_tab(page, "History")
        for subject in ("kite", "robot", "key"):
            card = page.locator("#history-cards .an-card", has_text=subject).first
            for _ in range(60):
                page.locator("#tab-history button.primary").click()
                page.wait_for_timeout(1000)
                if card.is_visible():
                    break
            assert card.is_visible(), subject
        page.goto("about:blank")


def test_create_refuses_a_corrupt_upload_in_one_sentence(page: Any, tmp_path: Path) -> None:
    bad = tmp_path / "bad.png"
    bad.write_bytes(OWLS.read_bytes()[:2000])
    problem = page.locator("#problem [role=alert]")
    upload(page.locator("#tab-create"), bad, shown=problem)
    assert "damaged or truncated" in problem.inner_text()
    assert "Traceback" not in page.content()
    page.locator("#generate").click()
    page.locator("#problem >> text=damaged or truncated").wait_for()


def test_explore_indexes_searches_and_sends_to_create(page: Any) -> None:
    search_gallery(page)
    first = page.locator("#explore-results .an-card").first
    assert "ring_of_owls.png" in first.inner_text()
    first.focus()
    page.keyboard.press("Enter")
    detail = page.locator("#explore-detail img")
    detail.wait_for()
    assert "ring_of_owls.png" in detail.get_attribute("alt")
    page.get_by_role("tab", name="Similarity space").click()
    assert page.locator("#explore-space .an-point").count() >= 8
    page.get_by_role("button", name="Use in Create").click()
    page.locator("#tab-create-button[aria-selected=true]").wait_for()


def test_a_batch_is_started_followed_after_a_reload_and_downloaded(page: Any, tmp_path: Path) -> None:
    start_batch(page, [OWLS, BOOKS], ["bicycle", "teapot"])
    page.locator("#batch-status [role=progressbar]").wait_for()
    page.reload()
    open_tab(page, "Batch")
    wait_for_batch(page)
    page.locator("#batch-pack").click()
    page.locator("#batch-download").wait_for()
    with page.expect_download() as found:
        page.locator("#batch-download").click()
    found.value.save_as(tmp_path / "batch.zip")
    with zipfile.ZipFile(tmp_path / "batch.zip") as file:
        assert sum(name.endswith(".png") for name in file.namelist()) == 4


def test_problems_of_a_manifest_are_listed_and_start_stays_off(page: Any, tmp_path: Path) -> None:
    table = tmp_path / "assets.csv"
    table.write_text("reference,subject\nmissing.png,cat\nring_of_owls.png,\n")
    panel = open_tab(page, "Batch")
    problem = page.locator("#batch-check [role=alert]")
    upload(panel, table, OWLS, shown=problem)
    assert "line 2" in problem.inner_text()
    assert "line 3" in problem.inner_text()
    assert page.locator("#batch-start").is_disabled()


def test_a_corrupt_upload_is_one_sentence(page: Any, tmp_path: Path) -> None:
    bad = tmp_path / "bad.png"
    bad.write_bytes(OWLS.read_bytes()[:2000])
    panel = open_tab(page, "Compare")
    upload(panel, OWLS, shown=picture_of(panel))
    upload(panel, bad, shown=panel.get_by_text("bad.png").first, which=-1)
    page.locator("#compare-go").click()
    problem = page.locator("#compare-result [role=alert]")
    problem.wait_for()
    assert "damaged" in problem.inner_text()
    assert "Traceback" not in page.content()


def make_small(page: Any, subject: str) -> None:
    """A short run of Create from words."""
    fill(page, caption="many {subject} arranged in a circle", subjects=subject)
    more_settings(page, steps=2, side=256, candidates=2)
    generate(page)
    page.locator("#results .an-card").first.click()
    page.locator("#large .cv-words").wait_for()


def fill_explore(page: Any) -> None:
    search_gallery(page)
    page.locator("#explore-results .an-card").first.click()
    page.locator("#explore-detail img").wait_for()


def fill_batch(page: Any) -> None:
    start_batch(page, [OWLS], ["bicycle"])
    wait_for_batch(page)


def fill_history(page: Any) -> None:
    page.locator("#history-cards .an-card").first.click()
    page.locator("#history-large >> text=Seed ").wait_for()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_filled_tab_has_no_serious_finding_of_axe(opened: Callable[..., Any], address: str, scheme: str) -> None:
    page = opened(address, color_scheme=scheme)
    fills = {
        "Create": lambda page: make_small(page, "teapot"), "Explore": fill_explore, "Batch": fill_batch,
        "Compare": compare_with_two, "History": fill_history,
    }  # fmt: skip
    found = []
    for name in TABS:
        open_tab(page, name)
        fills[name](page)
        found += findings(page, name)
    assert found == []


def test_everything_is_reached_on_a_phone_without_sideways_scrolling(opened: Callable[..., Any], address: str) -> None:
    page = opened(address, viewport=PHONE, has_touch=True)
    fills: dict[str, Any] = {"Create": lambda page: make_small(page, "cat"), "History": fill_history}
    for name in TABS:
        button = page.locator(f"#tab-{name.lower()}-button")
        assert button.is_visible(), f"{name} is on the bar, not in a menu"
        button.click()
        page.locator(f"#tab-{name.lower()} button.primary").first.wait_for()
        fills.get(name, lambda page: None)(page)
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, name
        small = page.evaluate(
            "[...document.querySelectorAll('*')].filter(e => e.offsetWidth && parseFloat(getComputedStyle(e).fontSize)"
            " < 12 && [...e.childNodes].some(n => n.nodeType == 3 && n.textContent.trim())).map(e => e.textContent)"
        )
        assert small == [], name


def test_the_page_is_dark_where_the_system_is(opened: Callable[..., Any], address: str) -> None:
    for scheme, is_dark in (("dark", True), ("light", False)):
        page = opened(address, color_scheme=scheme)
        shade = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).slice(0, 3).map(Number)")
        assert (max(shade) < 64) is is_dark, (scheme, shade)
