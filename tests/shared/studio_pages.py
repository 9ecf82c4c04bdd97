"""Actions on the studio's pages in a browser, for tests and for the screenshots of the documentation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from studio_server import EXAMPLES

OWLS, BOOKS, CACTUS = (EXAMPLES / f"{name}.png" for name in ("ring_of_owls", "tower_of_books", "growing_cactus"))


def open_tab(page: Any, name: str) -> Any:
    """Open a tab. Returns its panel."""
    page.get_by_role("tab", name=name, exact=True).click()
    panel = page.locator(f"#tab-{name.lower()}")
    panel.locator("button.primary").first.wait_for()
    return panel


def upload(panel: Any, *paths: Path, shown: Any, which: int = 0) -> None:
    """Choose files in a panel's upload field, and wait until the page shows `shown`, a locator.

    On a busy machine a page that is still being built can miss the choice. A user would choose again, and so does this
    function, at most three times.
    """
    from playwright.sync_api import TimeoutError  # imported here, because tests of pages are skipped without it

    for left in (2, 1, 0):
        panel.locator("input[type=file]").nth(which).set_input_files([str(path) for path in paths])
        try:
            shown.wait_for()
            return
        except TimeoutError:
            if not left:
                raise


def picture_of(panel: Any) -> Any:
    """The locator of a panel's first picture."""
    return panel.locator("img").first


def give_reference(page: Any, picture: Path) -> None:
    """Upload a reference in Create, and wait until its caption is shown."""
    panel = page.locator("#tab-create")
    upload(panel, picture, shown=panel.locator("#references img").first)
    wait_for_value(page, "#caption textarea", "value.includes('{subject}')")


def wait_for_value(page: Any, field: str, condition: str) -> None:
    """Wait until `condition` holds for the field's `value`; Gradio may still create the field, or replace it."""
    held = f"(value => value !== undefined && {condition})(document.querySelector(field)?.value)"
    page.wait_for_function(f"field => {held}", arg=field)


def generate(page: Any) -> None:
    """Press Generate in Create, and wait until the run is done."""
    page.locator("#generate").click()
    page.locator("#results >> text=Done, the best first.").wait_for()


def search_gallery(page: Any) -> None:
    """Index the studio's pictures in Explore, and search them by the picture of owls."""
    panel = open_tab(page, "Explore")
    page.locator("#explore-index").click()
    page.locator("#explore-status >> text=new pictures").wait_for()
    upload(panel, OWLS, shown=picture_of(panel))
    page.locator("#explore-go").click()
    page.locator("#explore-results .an-card").first.wait_for()


def start_batch(page: Any, references: Sequence[Path], subjects: Sequence[str]) -> None:
    """Start a batch of every reference with every subject."""
    upload(open_tab(page, "Batch"), *references, shown=page.locator("#batch-check >> text=Now write the subjects"))
    field = page.locator("#batch-subjects textarea")
    field.fill("\n".join(subjects))
    field.blur()
    page.locator(f"#batch-check >> text={len(references) * len(subjects)} rows").wait_for()
    page.locator("#batch-start:not([disabled])").click()


def wait_for_batch(page: Any, pictures: int = 1) -> None:
    page.locator("#batch-status >> text=Done").wait_for()
    page.locator("#batch-results img").nth(pictures - 1).wait_for()


def compare_with_two(page: Any) -> None:
    """Compare the owls with the books and the cactus."""
    panel = open_tab(page, "Compare")
    upload(panel, OWLS, shown=picture_of(panel))
    upload(panel, BOOKS, CACTUS, shown=panel.locator(".file-preview tr").nth(1), which=-1)
    page.locator("#compare-go").click()
    page.locator("#compare-result .an-bar").first.wait_for()
