"""Make the screenshots of the studio in the documentation: the real studio with mini, in a browser.

    python recipes/make_screenshots.py [--output docs/images] [--states DIR]

Needs pip install "analogen[demo]" playwright, and Chromium (apt install chromium, or set CHROMIUM to its path).
"""

from __future__ import annotations

import argparse
import io
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw
from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "shared"))

import studio_pages as pages
from studio_server import TREE, served

WIDE, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}
LARGE = {"width": 1920, "height": 1080}
TIMEOUT_MS = 300_000
FILM, FILM_PX, GAP_PX = ("first", "reading", "create", "edit"), 300, 10  # before the poster


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--states", type=Path, metavar="DIR", help="Also write Create in each state and size to DIR.")
    parser.add_argument("--output", type=Path, default=TREE / "docs" / "images")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    if options.states:
        options.states.mkdir(parents=True, exist_ok=True)
    browser_path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    with tempfile.TemporaryDirectory() as folder, served(Path(folder)) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        page = browser.new_page(viewport=WIDE)
        page.set_default_timeout(TIMEOUT_MS)
        page.goto(address)
        page.wait_for_selector("#tabs")
        steps = (
            ("first", lambda page: None), ("reading", reading), ("create", create), ("card", card), ("edit", edit),
            ("explore", pages.search_gallery), ("space", space), ("batch", batch),
            ("compare", pages.compare_with_two),
        )  # fmt: skip
        for name, step in steps:
            step(page)
            save(page, options.output / f"studio_{name}.webp")
        pages.open_tab(page, "History").locator("button.primary").first.click()
        page.locator("#history-cards .an-card").first.wait_for()
        save(page, options.output / "studio_history.webp")

        # The same pictures in dark mode, and on a phone.
        kept = page.context.storage_state()
        for name, size, scheme in (("dark", WIDE, "dark"), ("phone", PHONE, "light")):
            context = browser.new_context(viewport=size, color_scheme=scheme, storage_state=kept)
            context.set_default_timeout(TIMEOUT_MS)
            other = context.new_page()
            other.goto(f"{address}?__theme={scheme}")
            other.locator("#results .an-card").first.wait_for()
            other.locator("#references img").first.wait_for()
            save(other, options.output / f"studio_{name}.webp")
            context.close()
        for name, step in STATES.items() if options.states else ():
            for size, scheme in ((WIDE, "light"), (LARGE, "light"), (PHONE, "dark")):
                context = browser.new_context(viewport=size, color_scheme=scheme)
                context.set_default_timeout(TIMEOUT_MS)
                other = context.new_page()
                other.goto(address)
                other.wait_for_selector("#tabs")
                step(other, Path(folder))
                save(other, options.states / f"{name}_{size['width']}_{scheme}.webp")
                context.close()
        browser.close()
        posters = sorted(Path(folder).glob("downloads/set-*.png"))
        film([*(options.output / f"studio_{name}.webp" for name in FILM), *posters[-1:]], options.output)


def film(frames: list[Path], output: Path) -> None:
    """The way from a reference to a poster as one strip."""
    images = [Image.open(path).convert("RGB") for path in frames]
    widths = [round(image.width * FILM_PX / image.height) for image in images]
    strip = Image.new("RGB", (sum(widths) + GAP_PX * (len(images) - 1), FILM_PX), "white")
    left = 0
    for image, width in zip(images, widths, strict=True):
        strip.paste(image.resize((width, FILM_PX), Image.Resampling.LANCZOS), (left, 0))
        left += width + GAP_PX
    strip.save(output / "studio_film.webp", "WEBP", quality=80, method=6)


def unsure(page: Any, folder: Path) -> None:
    """A reference without any logic."""
    rng, picture = np.random.default_rng(3), Image.new("RGB", (600, 450), "#88a0b0")
    draw = ImageDraw.Draw(picture)
    for number in range(9):
        x, y, side = (int(value) for value in rng.integers((40, 40, 15), (520, 380, 70)))
        shape = draw.ellipse if number % 2 else draw.rectangle
        shape((x, y, x + side, y + side), fill=tuple(int(value) for value in rng.integers(0, 255, 3)))
    picture.save(folder / "scattered.png")
    pages.give_reference(page, folder / "scattered.png")


def refused(page: Any, _: Path) -> None:
    page.locator("#generate").click()
    page.locator("#problem .an-problem").wait_for()


def making(page: Any, _: Path) -> None:
    page.locator("#first .fp-pair").first.click()
    page.locator("#reading .se[data-ready]").wait_for()
    page.locator("#generate").click()
    page.locator("#large .cv-making").wait_for()


def stopped(page: Any, _: Path) -> None:
    making(page, _)
    page.locator("#stop").click()
    page.locator("#large >> text=Stopped.").wait_for()


# States of Create for --states; those of the documentation are in `main`.
STATES = {
    "first": lambda page, folder: None,
    "unsure": unsure,
    "refused": refused,
    "making": making,
    "stopped": stopped,
}


def save(page: Any, path: Path) -> None:
    page.mouse.move(0, 0)
    page.wait_for_timeout(1500)
    with Image.open(io.BytesIO(page.screenshot())) as image:
        image.convert("RGB").save(path, "WEBP", quality=82, method=6)
    print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


def reading(page: Any) -> None:
    pages.give_reference(page, pages.OWLS)
    page.locator("#reading .se[data-ready]").wait_for()


def edit(page: Any) -> None:
    page.locator("#edit").click()
    editor = page.locator("#picture-editor .se[data-ready]")
    editor.wait_for()
    editor.locator("summary").click()
    editor.locator(".se-list button").first.click()
    editor.locator("summary").click()
    editor.locator(".se-check input").uncheck()
    editor.locator(".se-text").fill("owl")
    editor.locator(".se-text").press("Enter")
    page.wait_for_timeout(1500)


def create(page: Any) -> None:
    page.locator("#subjects textarea").fill("bicycle\nteapot")
    page.get_by_role("button", name="More settings").click()
    page.locator("#seed input").fill("5")
    page.locator("#seed input").blur()
    page.get_by_role("button", name="More settings").click()
    pages.generate(page)
    page.evaluate("scrollTo(0, 0)")


def card(page: Any) -> None:
    page.locator("#results .an-card").first.click()
    page.locator("#large .cv-words").wait_for()
    page.locator("#make-set").click()
    page.locator("#sheets a").first.wait_for()
    page.locator("#large .st-slide").fill("55")


def space(page: Any) -> None:
    page.get_by_role("tab", name="Similarity space").click()
    page.locator("#explore-space .an-point").first.wait_for()


def batch(page: Any) -> None:
    pages.start_batch(page, [pages.OWLS, pages.BOOKS], ["bicycle", "teapot", "kite"])
    pages.wait_for_batch(page, pictures=6)
    page.evaluate("scrollTo(0, 0)")


if __name__ == "__main__":
    main()
