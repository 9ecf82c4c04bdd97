"""The studio's screenshots in the documents: the real app with mini, driven in a browser.

    python recipes/make_screenshots.py [--output docs/images]

Needs pip install "analogen[demo]" playwright, and Chromium (apt install chromium, or its path in CHROMIUM).
"""

from __future__ import annotations

import argparse
import io
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "examples"
OWLS, BOOKS = EXAMPLES / "ring_of_owls.png", EXAMPLES / "tower_of_books.png"
WIDE, PHONE = {"width": 1280, "height": 860}, {"width": 390, "height": 844}
SECONDS = 120_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "images")
    given = parser.parse_args()
    given.output.mkdir(parents=True, exist_ok=True)
    browser_path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    with tempfile.TemporaryDirectory() as folder, served(Path(folder)) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        page = browser.new_page(viewport=WIDE)
        page.set_default_timeout(SECONDS)
        page.goto(address)
        page.wait_for_selector("#tabs")
        shows = (
            ("create", create), ("card", card), ("explore", explore), ("space", space), ("batch", batch),
            ("compare", compare),
        )  # fmt: skip
        for name, show in shows:
            show(page)
            save(page, given.output / f"studio_{name}.webp")
        page.get_by_role("tab", name="History", exact=True).click()
        page.locator("#tab-history button.primary").click()
        page.locator("#history-cards .an-card").first.wait_for()
        save(page, given.output / "studio_history.webp")

        # What this browser made is there again in the dark, and on a phone.
        kept = page.context.storage_state()
        for name, size, scheme in (("dark", WIDE, "dark"), ("phone", PHONE, "light")):
            context = browser.new_context(viewport=size, color_scheme=scheme, storage_state=kept)
            context.set_default_timeout(SECONDS)
            other = context.new_page()
            other.goto(f"{address}?__theme={scheme}")
            other.locator("#results .an-card").first.wait_for()
            other.locator("#references img").first.wait_for()
            save(other, given.output / f"studio_{name}.webp")
            context.close()
        browser.close()


@contextmanager
def served(output: Path) -> Iterator[str]:
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    from analogen.demos.app import launch
    from analogen.demos.studio import Studio

    studio = Studio(output, device="cpu")
    for path in EXAMPLES.glob("*.png"):
        shutil.copyfile(path, studio.pictures / path.name)
    studio.start()
    page = launch(studio, block=False)
    try:
        yield str(page.local_url)
    finally:
        page.close(verbose=False)
        studio.close()


def save(page: Any, path: Path) -> None:
    page.mouse.move(0, 0)
    page.wait_for_timeout(1500)
    with Image.open(io.BytesIO(page.screenshot())) as image:
        image.convert("RGB").save(path, "WEBP", quality=82, method=6)
    print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


def tab(page: Any, name: str) -> Any:
    page.get_by_role("tab", name=name, exact=True).click()
    return page.locator(f"#tab-{name.lower()}")


def upload(panel: Any, *paths: Path, which: int = 0) -> None:
    panel.locator("input[type=file]").nth(which).set_input_files([str(path) for path in paths])


def create(page: Any) -> None:
    upload(page.locator("#tab-create"), OWLS)
    page.wait_for_function("document.querySelector('#caption textarea').value.includes('{subject}')")
    page.locator("#subjects textarea").fill("bicycle\nteapot")
    page.locator("#seed input").fill("5")
    page.locator("#seed input").blur()
    page.locator("#generate").click()
    page.locator("#results >> text=Done, the best first.").wait_for()
    page.evaluate("scrollTo(0, 0)")


def card(page: Any) -> None:
    page.locator("#results .an-card").first.click()
    page.locator("#large >> text=It is ranked first").wait_for()
    slider = page.locator("#large .st-slide")
    slider.fill("55")


def explore(page: Any) -> None:
    panel = tab(page, "Explore")
    page.locator("#explore-index").click()
    page.locator("#explore-status >> text=new pictures").wait_for()
    upload(panel, OWLS)
    panel.locator("img").first.wait_for()
    page.locator("#explore-go").click()
    page.locator("#explore-results .an-card").first.wait_for()


def space(page: Any) -> None:
    page.get_by_role("tab", name="Similarity space").click()
    page.locator("#explore-space .an-point").first.wait_for()


def batch(page: Any) -> None:
    panel = tab(page, "Batch")
    upload(panel, OWLS, BOOKS)
    subjects = page.locator("#batch-subjects textarea")
    subjects.fill("bicycle\nteapot\nkite")
    subjects.blur()
    page.locator("#batch-check >> text=6 rows").wait_for()
    page.locator("#batch-start:not([disabled])").click()
    page.locator("#batch-status >> text=Done").wait_for()
    page.locator("#batch-results img").nth(5).wait_for()
    page.evaluate("scrollTo(0, 0)")


def compare(page: Any) -> None:
    panel = tab(page, "Compare")
    upload(panel, OWLS)
    panel.locator("img").first.wait_for()
    upload(panel, BOOKS, EXAMPLES / "growing_cactus.png", which=-1)
    panel.locator(".file-preview tr").nth(1).wait_for()
    page.locator("#compare-go").click()
    page.locator("#compare-result .an-bar").first.wait_for()


if __name__ == "__main__":
    main()
