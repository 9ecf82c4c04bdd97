"""The studio's pages, driven as a person would, for tests and for the screenshots of the documents."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from studio_server import EXAMPLES

OWLS, BOOKS, CACTUS = (EXAMPLES / f"{name}.png" for name in ("ring_of_owls", "tower_of_books", "growing_cactus"))


def open_tab(page: Any, name: str) -> Any:
    """Bring a tab to the front. Returns its panel."""
    page.get_by_role("tab", name=name, exact=True).click()
    panel = page.locator(f"#tab-{name.lower()}")
    panel.locator("button.primary").first.wait_for()
    return panel


def upload(panel: Any, *paths: Path, which: int = 0) -> None:
    panel.locator("input[type=file]").nth(which).set_input_files([str(path) for path in paths])


def give_reference(page: Any, picture: Path) -> None:
    """Upload it in Create, and wait until it is understood."""
    upload(page.locator("#tab-create"), picture)
    wait_for_value(page, "#caption textarea", "value.includes('{subject}')")


def wait_for_value(page: Any, field: str, condition: str) -> None:
    """Until `condition` holds of the field's `value`; Gradio may still have to put the field there, or anew."""
    held = f"(value => value !== undefined && {condition})(document.querySelector(field)?.value)"
    page.wait_for_function(f"field => {held}", arg=field)


def generate(page: Any) -> None:
    """Press Generate in Create, and wait for the end."""
    page.locator("#generate").click()
    page.locator("#results >> text=Done, the best first.").wait_for()


def search_gallery(page: Any) -> None:
    """Index the studio's pictures in Explore, and search them by the owls."""
    panel = open_tab(page, "Explore")
    page.locator("#explore-index").click()
    page.locator("#explore-status >> text=new pictures").wait_for()
    upload(panel, OWLS)
    panel.locator("img").first.wait_for()
    page.locator("#explore-go").click()
    page.locator("#explore-results .an-card").first.wait_for()


def start_batch(page: Any, references: Sequence[Path], subjects: Sequence[str]) -> None:
    """Every reference with every subject, in Batch."""
    upload(open_tab(page, "Batch"), *references)
    field = page.locator("#batch-subjects textarea")
    field.fill("\n".join(subjects))
    field.blur()
    page.locator(f"#batch-check >> text={len(references) * len(subjects)} rows").wait_for()
    page.locator("#batch-start:not([disabled])").click()


def wait_for_batch(page: Any, pictures: int = 1) -> None:
    page.locator("#batch-status >> text=Done").wait_for()
    page.locator("#batch-results img").nth(pictures - 1).wait_for()


def compare_with_two(page: Any) -> None:
    """The owls beside books and cactus, in Compare."""
    panel = open_tab(page, "Compare")
    upload(panel, OWLS)
    panel.locator("img").first.wait_for()
    upload(panel, BOOKS, CACTUS, which=-1)
    panel.locator(".file-preview tr").nth(1).wait_for()
    page.locator("#compare-go").click()
    page.locator("#compare-result .an-bar").first.wait_for()
