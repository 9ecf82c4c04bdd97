"""What Create shows before anything was made: six pairs of a reference and a result, one click each."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from analogen.demos.components import data_url, escaped

EXAMPLES = Path(__file__).parents[1] / "examples"
TABLE = EXAMPLES / "examples.json"  # by recipes/make_studio_examples.py: name, told, subject and seed of each


@cache
def examples() -> tuple[dict[str, Any], ...]:
    """The examples in the order of the page."""
    return tuple(json.loads(TABLE.read_text(encoding="utf-8"))["examples"])


def reference_of(example: dict[str, Any]) -> Path:
    return EXAMPLES / f"{example['name']}.webp"


def first_page() -> str:
    """The pairs as buttons with data-pick, the number of the example."""
    cards = [
        f'<li><button type="button" class="fp-pair" data-pick="{number}">'
        f'<span class="fp-pictures">{_picture(reference_of(one))}<i aria-hidden="true">→</i>'
        f"{_picture(EXAMPLES / (one['name'] + '_result.webp'))}</span>"
        f"<span>{escaped(one['told'])} → <b>{escaped(one['subject'])}</b></span></button></li>"
        for number, one in enumerate(examples())
    ]
    return (
        '<section class="fp" aria-label="Examples"><h2>Start with an example, or drop a picture of your own</h2>'
        f"<ul>{''.join(cards)}</ul></section>"
    )


@cache
def _picture(path: Path) -> str:
    return f'<img src="{data_url(path.read_bytes(), "webp")}" alt="" width="180" height="180">'
