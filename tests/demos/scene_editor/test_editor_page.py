"""Tests of the scene editor in a browser: boxes and pictures edited by mouse, by keys and by the list."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from studio_pages import OWLS, generate, give_reference
from studio_server import axe, served

from analogen import read_metadata
from analogen.cli import main

pytest.importorskip("gradio", reason='the studio needs Gradio: pip install "analogen[demo]"')
sync_api = pytest.importorskip("playwright.sync_api", reason="pages are tested by Playwright")
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt install chromium, or set CHROMIUM")

SECONDS = 60_000


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """One page for all tests, which build on each other: a reading, then pictures made from it."""
    with served(tmp_path_factory.mktemp("studio")) as address, sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        context = browser.new_context(viewport={"width": 1280, "height": 800}, accept_downloads=True)
        context.set_default_timeout(SECONDS)
        page = context.new_page()
        page.asked = []  # type: ignore[attr-defined]
        page.on("request", lambda request: page.asked.append(request.url))
        page.goto(address)
        page.wait_for_selector("#tabs")
        give_reference(page, OWLS)
        page.locator("#reading .se[data-ready]").wait_for()
        yield page
        browser.close()


def wait_for_sentence(page: Any, words: str) -> None:
    page.locator("#reading .se-sentence", has_text=words).wait_for()


def drag(page: Any, stage: Any, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Drag from one place of a stage to another, both as shares of its width and height."""
    stage.scroll_into_view_if_needed()
    box = stage.bounding_box()
    for number, (x, y) in enumerate((start, end)):
        page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"], steps=1 + 5 * number)
        page.mouse.down() if number == 0 else page.mouse.up()


def findings(page: Any) -> list[str]:
    """The serious and critical findings of axe-core in the editors."""
    script = axe()
    if script is None:
        pytest.skip("no axe-core here: npm install --no-save axe-core, or set AXE_CORE to its axe.min.js")
    if not page.evaluate("Boolean(window.axe)"):
        page.evaluate(script.read_text())
    found = page.evaluate("axe.run('.se-host', {resultTypes: ['violations']})")["violations"]
    return [f"{one['id']}: {[node['target'] for node in one['nodes'][:3]]}" for one in found]


def test_the_reading_is_shown_as_boxes_and_one_sentence(page: Any) -> None:
    assert page.locator("#reading .se-sentence").inner_text().startswith("I see thirteen things in a ring")
    assert page.locator("#reading .se-sure").inner_text() in ("sure", "fairly sure", "unsure")
    assert page.locator("#reading .se-list li").count() == 13
    assert findings(page) == []


def test_a_dragged_box_changes_what_is_understood_and_undo_takes_it_back(page: Any) -> None:
    stage = page.locator("#reading .se-stage")
    drag(page, stage, (0.53, 0.14), (0.5, 0.5))
    wait_for_sentence(page, "scattered")
    page.locator("#reading .se-follows").wait_for()
    page.locator("#reading").get_by_role("button", name="Undo").click()
    wait_for_sentence(page, "thirteen things in a ring")
    assert page.locator("#reading .se-follows").is_hidden()
    page.locator("#reading").get_by_role("button", name="Redo").click()
    wait_for_sentence(page, "scattered")
    page.locator("#reading").get_by_role("button", name="Back to what was read").click()
    wait_for_sentence(page, "thirteen things in a ring")


def test_boxes_are_edited_by_keys_alone(page: Any) -> None:
    stage = page.locator("#reading .se-stage")
    page.locator("#reading .se-tools button:not([disabled])").first.focus()
    page.keyboard.press("Shift+Tab")
    assert stage.evaluate("element => element === document.activeElement")
    page.keyboard.press("Tab")
    chosen = page.locator("#reading .se-list [aria-pressed=true]")
    assert chosen.count() == 1
    before = chosen.text_content()
    page.keyboard.press("Tab")
    assert chosen.text_content() != before
    page.keyboard.press("o")
    wait_for_sentence(page, "one of them different")
    page.keyboard.press("Control+z")
    wait_for_sentence(page, "all alike")
    page.keyboard.press("Delete")
    wait_for_sentence(page, "twelve things")
    page.keyboard.press("Control+y")  # nothing to redo
    page.keyboard.press("a")
    wait_for_sentence(page, "thirteen things")
    for _ in range(2):
        page.keyboard.press("Control+z")
    page.keyboard.press("?")
    page.locator("#reading .se-keys").get_by_text("undo and redo").wait_for()
    page.keyboard.press("?")
    wait_for_sentence(page, "thirteen things in a ring")
    for _ in range(13):
        page.keyboard.press("Tab")
    assert not stage.evaluate("element => element === document.activeElement"), "Tab does not leave the boxes"


def test_generate_follows_the_edited_boxes(page: Any, tmp_path: Path) -> None:
    page.locator("#reading .se-stage").focus()
    page.locator("#reading .se-details summary").click()
    page.locator("#reading .se-list button").nth(2).click()
    page.locator("#reading").get_by_role("button", name="Delete").click()
    wait_for_sentence(page, "twelve things")
    page.get_by_role("button", name="More settings").click()
    for name, value in {"steps": 2, "side": 256, "candidates": 2}.items():
        field = page.locator(f"#{name} input[type=number]").first
        field.fill(str(value))
        field.blur()
    page.locator("#subjects textarea").fill("bicycle")
    page.locator("#subjects textarea").blur()
    generate(page)
    page.locator("#results .an-card").first.click()
    record = read_metadata(download(page, "Download PNG", tmp_path / "made.png"))
    assert len(record["scene"]["elements"]) == 12


def download(page: Any, name: str, path: Path) -> Path:
    with page.expect_download() as found:
        page.locator("#large").get_by_text(name).click()
    found.value.save_as(path)
    return path


def redraws(page: Any, more_than: int) -> int:
    """How often the picture was drawn again, once that is more often than `more_than`."""
    condition = "count => Number(document.querySelector('#picture-editor .se').dataset.redraws ?? 0) > count"
    page.wait_for_function(condition, arg=more_than)
    return int(page.locator("#picture-editor .se").get_attribute("data-redraws"))


def test_a_picture_is_edited_redrawn_saved_and_recalled(page: Any, tmp_path: Path) -> None:
    page.locator("#edit").click()
    editor = page.locator("#picture-editor .se[data-ready]")
    editor.wait_for()
    names = editor.locator(".se-list button")
    count = names.count()
    editor.locator("summary").click()
    names.first.click()
    done = 0
    # By keys: move, grow, turn; by fields: another drawing, another colour.
    editor.locator(".se-stage").focus()
    for key in ("Shift+ArrowDown", "+", "]"):
        page.keyboard.press(key)
        done = redraws(page, done)
    hue = editor.get_by_label("Hue").input_value()
    editor.locator(".se-check input").uncheck()
    editor.locator(".se-text").fill("owl")
    editor.locator(".se-text").press("Enter")
    done = redraws(page, done)
    assert names.first.text_content().startswith("owl 1")
    editor.get_by_label("Hue").fill("90")
    done = redraws(page, done)
    assert findings(page) == []
    # Undone and redone.
    editor.get_by_role("button", name="Undo").click()
    assert editor.get_by_label("Hue").input_value() == hue
    editor.get_by_role("button", name="Redo").click()
    assert editor.get_by_label("Hue").input_value() == "90"
    editor.locator(".se-stage").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Delete")
    redraws(page, done)
    assert names.count() == count - 1
    editor.get_by_role("button", name="Save as a new picture").click()
    page.locator("#large >> text=Edited by hand").wait_for()
    path = download(page, "Download PNG", tmp_path / "edited.png")
    scene = read_metadata(path)["edited"]["scene"]
    assert (scene["elements"][0]["noun"], scene["elements"][0]["hue"]) == ("owl", 90)
    assert "<svg" in download(page, "Download SVG", tmp_path / "edited.svg").read_text()[:300]
    assert main(["generate", "--recall", str(path), "--output", str(tmp_path / "again.png")]) == 0
    assert (tmp_path / "again.png").read_bytes() == path.read_bytes()
    page.locator("#results .an-card", has_text="edited").wait_for()


def test_the_editor_loads_nothing_from_other_servers(page: Any) -> None:
    home = page.url.split("/")[2]
    asked = [url for url in page.asked if url.startswith("http")]
    assert any("konva.min.js" in url for url in asked)
    assert [url for url in asked if url.split("/")[2] != home] == []


def test_quick_repetitions_of_an_edit_are_one_step_of_undo(page: Any) -> None:
    from analogen.demos.scene_editor.component import PAGE as editor_page  # of the package that serves the page

    steps = page.evaluate(
        """async (folder) => {
          const { History } = await import(new URL(`gradio_api/file=${folder}/history.js`, document.baseURI));
          const history = new History(0);
          history.add(1, 'move 3', 1000);
          history.add(2, 'move 3', 1300);
          history.add(3, 'move 3', 5000);
          history.add(4, null, 5100);
          history.add(5, null, 5200);
          const undone = [];
          while (history.canUndo) undone.push(history.undo());
          const redone = history.redo();
          history.add(9, null, 6000);
          return [undone, redone, history.canRedo];
        }""",
        str(editor_page),
    )
    assert steps == [[4, 3, 2, 0], 2, False]


def test_on_a_phone_the_editor_fits_and_a_touch_selects(page: Any) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    stage = page.locator("#reading .se-stage")
    stage.scroll_into_view_if_needed()
    page.wait_for_function("document.documentElement.scrollWidth <= 390")
    assert stage.bounding_box()["width"] <= 390
