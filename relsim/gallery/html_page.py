"""Writes a contact sheet as one HTML file with embedded thumbnails, escaped names and no external resources."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_STYLE = """
:root { color-scheme: light dark; --ink: #1d1c1a; --soft: #6d6a64; --ground: #f6f3ee; --card: #fffdf9; --line: #e3ddd3;
  --mark: #b4552d; }
@media (prefers-color-scheme: dark) { :root { --ink: #efeae2; --soft: #a49e94; --ground: #191816; --card: #232120;
  --line: #38342f; --mark: #e08a5f; } }
* { box-sizing: border-box; }
body { margin: 0; padding: 2.5rem clamp(1rem, 4vw, 4rem); font: 15px/1.45 system-ui, sans-serif; color: var(--ink);
  background: var(--ground); }
h1 { font-size: 1.5rem; font-weight: 600; margin: 0 0 .25rem; }
h2 { font-size: 1.05rem; font-weight: 600; margin: 2.5rem 0 .75rem; }
p { margin: 0 0 1.5rem; color: var(--soft); }
.asked, .found { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(170px, 1fr)); }
.asked { grid-template-columns: repeat(auto-fill, minmax(120px, 150px)); margin-bottom: 1rem; }
figure { margin: 0; background: var(--card); border: 1px solid var(--line); border-radius: 10px; overflow: hidden; }
.asked figure { border-color: var(--mark); }
figure img { display: block; width: 100%; aspect-ratio: 1; object-fit: contain; background: var(--ground); }
figcaption { padding: .6rem .7rem .7rem; font-size: 13px; overflow-wrap: anywhere; }
figcaption b { font-weight: 600; display: -webkit-box; -webkit-line-clamp: 2; -webkit-box-orient: vertical;
  overflow: hidden; }
.bar { height: 4px; border-radius: 2px; background: var(--line); margin-top: .45rem; overflow: hidden; }
.bar i { display: block; height: 100%; background: var(--mark); }
.what { color: var(--soft); display: block; margin-top: .3rem; }
"""


@dataclass(frozen=True)
class PageImage:
    """A picture on the page. thumbnail: JPEG; share: length of the bar below it, [0, 1], or None for no bar."""

    thumbnail: bytes
    name: str
    note: str = ""
    share: float | None = None


def write_page(
    title: str, about: str, asked: Sequence[PageImage], sections: Sequence[tuple[str, Sequence[PageImage]]]
) -> str:
    """Returns the page. asked: the pictures of the query; sections: headline ("" for none) and pictures."""
    parts = [f"<h1>{html.escape(title)}</h1><p>{html.escape(about)}</p>"]
    if asked:
        parts.append(f'<div class="asked">{"".join(map(_figure, asked))}</div>')
    for headline, shown in sections:
        if headline:
            parts.append(f"<h2>{html.escape(headline)}</h2>")
        parts.append(f'<div class="found">{"".join(map(_figure, shown))}</div>')
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; style-src '
        "'unsafe-inline'\">"
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style></head><body>{''.join(parts)}</body></html>\n"
    )


def _figure(shown: PageImage) -> str:
    data = base64.b64encode(shown.thumbnail).decode()
    name = html.escape(Path(shown.name).name.encode("utf-8", "replace").decode())
    bar = "" if shown.share is None else f'<div class="bar"><i style="width:{_percent(shown.share)}%"></i></div>'
    note = f'<span class="what">{html.escape(shown.note)}</span>' if shown.note else ""
    return (
        f'<figure><img src="data:image/jpeg;base64,{data}" alt="{name}" loading="lazy">'
        f'<figcaption><b title="{name}">{name}</b>{note}{bar}</figcaption></figure>'
    )


def _percent(share: float) -> int:
    return round(100 * min(1.0, max(0.0, share)))
