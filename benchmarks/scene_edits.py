"""Benchmark of the studio's editors: reading a reference, the sentence after an edit, drawing an edited picture again.

python benchmarks/scene_edits.py [--repeats 9] [--browser]

--browser also measures in Chromium: the first page, from a drop to the reading, and from an edit by a key to the moment
at which the new picture is shown; it needs playwright and Chromium (apt install chromium, or set CHROMIUM).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

from machine import describe
from table import Row, as_text, side_by_side

TREE = Path(__file__).parents[1]
REFERENCE = TREE / "examples" / "ring_of_owls.png"


def measure(repeats: int = 9, steps: int | None = None) -> list[Row]:
    """The calls of the editor on the server, against composing one candidate."""
    from analogen.demos.scene_editor.service import SceneService
    from analogen.demos.studio import Studio

    with tempfile.TemporaryDirectory() as folder:
        studio = Studio(folder, device="cpu")
        service = SceneService(studio)
        studio.start()
        try:
            name = studio.files.save_reference(REFERENCE)
            job = _made(studio, name, steps)
            scene = json.dumps(service.reading_of(name)["scene"])
            drawn = json.dumps(service.picture_of(job, 0)["scene"])
            calls = {
                "read": lambda: service.reading_of(name),
                "describe": lambda: service.describe(scene),
                "redraw": lambda: service.preview(job, 0, drawn),
                "compose": lambda: _made(studio, name, steps),
            }
            seconds = side_by_side(calls, repeats)
        finally:
            studio.close()
    what, baseline = "one candidate, composed and drawn", seconds["compose"]
    return [
        Row("a reference read for the editor", seconds["read"], what, baseline),
        Row("the sentence after an edit", seconds["describe"], what, baseline),
        Row("an edited picture drawn again, 768 px", seconds["redraw"], what, baseline),
    ]


def _made(studio: object, name: str, steps: int | None) -> int:
    """Make one picture of the reference. Returns its job."""
    settings = {"candidates": 1, "num_images": 1, "seed": 7, "steps": steps}
    run = studio.submit(settings, [name], ["bicycle"])  # type: ignore[attr-defined]
    while not (status := studio.status(run)).ended:  # type: ignore[attr-defined]
        time.sleep(0.01)
    if status.state != "done":
        raise RuntimeError(status.jobs[0].error)
    return int(status.jobs[0].id)


def measure_browser(repeats: int) -> list[Row]:
    """The page until it can be used, from a drop to its reading, from a key to the new picture, in Chromium."""
    from playwright.sync_api import sync_playwright

    sys.path.insert(0, str(TREE / "tests" / "shared"))
    import studio_pages as pages
    from studio_server import served

    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    with tempfile.TemporaryDirectory() as folder, served(Path(folder)) as address, sync_playwright() as playwright:
        page = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"]).new_page()
        page.set_default_timeout(180_000)
        opened, read = [], []
        for _ in range(repeats):
            started = time.perf_counter()
            page.goto(address)
            page.locator("#first .fp-pair").first.wait_for()
            opened.append(time.perf_counter() - started)
            page.wait_for_timeout(1500)  # until the fields take files
            started = time.perf_counter()
            pages.give_reference(page, REFERENCE)
            page.locator("#reading .se[data-ready]").wait_for()
            read.append(time.perf_counter() - started)
        page.get_by_role("button", name="More settings").click()
        page.locator("#candidates input[type=number]").first.fill("1")
        page.locator("#subjects textarea").fill("bicycle")
        page.locator("#subjects textarea").blur()
        pages.generate(page)
        page.locator("#results .an-card").first.click()
        page.locator("#edit").click()
        editor = page.locator("#picture-editor .se[data-ready]")
        editor.wait_for()
        editor.locator(".se-stage").focus()
        page.keyboard.press("Tab")
        found = []
        for number in range(repeats):
            page.keyboard.press("ArrowRight")
            page.wait_for_function(
                "count => document.querySelector('#picture-editor .se').dataset.redraws > count", arg=number
            )
            found.append(int(editor.get_attribute("data-redraw-ms") or 0) / 1000)
    return [
        Row("the first page with its examples, in Chromium", statistics.median(opened)),
        Row("from a drop to the reading, in Chromium", statistics.median(read)),
        Row("from a key to the new picture, in Chromium", statistics.median(found)),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--browser", action="store_true")
    options = parser.parse_args()
    rows = measure(options.repeats)
    if options.browser:
        rows += measure_browser(options.repeats)
    print(f"{describe()}, load {os.getloadavg()[0]:.1f}")
    print(as_text(rows))


if __name__ == "__main__":
    main()
