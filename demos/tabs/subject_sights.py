"""Subjects by sight: what each line of the subjects is drawn as, and suggestions for the line that is being typed."""

from __future__ import annotations

import io
from functools import lru_cache
from pathlib import Path

from PIL import Image

from analogen import UserError, drawing_names, drawing_picture, find_drawing, open_art
from analogen.demos.components import data_url, escaped
from analogen.demos.studio import Studio

THUMBNAIL_PX = 56
SUGGESTIONS = 8
SHOWN_ART = 40  # things of the user's own
IDEAS = ("bicycle", "lighthouse", "cat", "teapot", "rocket", "pear", "key", "penguin")  # before anything is typed
FIRST_STYLE = "fluent-flat"

# JavaScript: a click on an element with data-noun becomes the event `pick` with its name, on data-remove with a number.
SIGHT_SCRIPT = """
element.addEventListener('click', (event) => {
  const noun = event.target.closest('[data-noun]'), removed = event.target.closest('[data-remove]');
  if (noun) trigger('pick', {noun: noun.dataset.noun});
  if (removed) trigger('pick', {remove: Number(removed.dataset.remove)});
});
"""


def sights(studio: Studio, text: str, style: str) -> str:
    """A chip for each subject with its drawing, and drawings to add or to complete the last line with."""
    lines = [" ".join(line.split()) for line in (text or "").splitlines()]
    named = [line for line in lines if line]
    chips = [_chip(studio, number, line, style or FIRST_STYLE) for number, line in enumerate(named)]
    buttons = [
        f'<button type="button" class="sg-more" data-noun="{escaped(noun)}">{_thumbnail(noun, style or FIRST_STYLE)}'
        f"<span>{escaped(noun)}</span></button>"
        for noun in suggestions(text or "")
    ]
    shown = f'<div class="sg-chips">{"".join(chips)}</div>' if chips else ""
    return f'{shown}<div class="sg-row" role="group" aria-label="Drawings to choose from">{"".join(buttons)}</div>'


def art_row(folder: Path) -> str:
    """The things of a folder of the user's own art, to choose from."""
    buttons = []
    for thing in open_art(folder).things[:SHOWN_ART]:
        buffer = io.BytesIO()
        Image.fromarray(thing.pixels(THUMBNAIL_PX)).save(buffer, "WEBP", quality=80, method=2)
        picture = f'<img src="{data_url(buffer.getvalue(), "webp")}" alt="" width="28" height="28">'
        buttons.append(
            f'<button type="button" class="sg-more" data-noun="{escaped(thing.name)}">{picture}'
            f"<span>{escaped(thing.name)}</span></button>"
        )
    return f'<div class="sg-row" role="group" aria-label="Your own art to choose from">{"".join(buttons)}</div>'


def suggestions(text: str) -> list[str]:
    """Names of drawings for the line that is being typed, the nearest first; some ideas before anything is typed."""
    lines = text.split("\n")
    begun = " ".join(lines[-1].lower().split())
    taken = {" ".join(line.lower().split()) for line in lines}
    if not begun or begun in drawing_names():
        return [noun for noun in IDEAS if noun not in taken]
    starts = [noun for noun in drawing_names() if noun.startswith(begun)]
    within = [noun for noun in drawing_names() if begun in noun and not noun.startswith(begun)]
    return [noun for noun in (*sorted(starts, key=len), *within) if noun not in taken][:SUGGESTIONS]


def with_noun(text: str, noun: str) -> str:
    """The lines with a picked drawing: it completes the last line if that has begun its name, else it is a new one."""
    lines = [line for line in (text or "").splitlines() if line.strip()]
    begun = lines[-1].strip().lower() if lines else ""
    if begun and begun in noun and begun not in drawing_names():
        lines.pop()
    return "\n".join([*lines, noun])


def without_line(text: str, number: int) -> str:
    """The lines without one of them, counted from 0."""
    named = [line for line in (text or "").splitlines() if line.strip()]
    return "\n".join(line for place, line in enumerate(named) if place != number)


def style_sheet(studio: Studio, text: str, styles: tuple[str, ...]) -> str:
    """A <style> that shows the first subject in each style, as backgrounds of the labels of #style."""
    named = [line for line in (text or "").splitlines() if line.strip()]
    noun, _ = _drawn_as(studio, named[0]) if named else (IDEAS[0], "")
    rules = [
        f"#style label:nth-of-type({place}) {{--sight: url({_source(noun or IDEAS[0], style)})}}"
        for place, style in enumerate(styles, start=1)
        if style
    ]
    return f"<style>{' '.join(rules)}</style>"


def _chip(studio: Studio, number: int, line: str, style: str) -> str:
    noun, note = _drawn_as(studio, line)
    picture = _thumbnail(noun, style) if noun else ""
    told = f'<small title="{escaped(note)}">as {escaped(noun)}</small>' if note and noun else ""
    return (
        f'<span class="sg-chip">{picture}<span>{escaped(line)}{told}</span>'
        f'<button type="button" data-remove="{number}" aria-label="Remove {escaped(line)}">×</button></span>'
    )


def _drawn_as(studio: Studio, line: str) -> tuple[str, str]:
    """The drawing for a subject, and a note if it is another; "" for own art and for what has no drawing."""
    if line in studio.art_names:
        return "", ""
    if line.lower() in drawing_names():
        return line.lower(), ""
    return _found(studio, line)


@lru_cache(maxsize=512)
def _found(studio: Studio, line: str) -> tuple[str, str]:
    try:
        return find_drawing(line, studio.reader())
    except UserError:
        return "", ""


def _thumbnail(noun: str, style: str) -> str:
    return f'<img src="{_source(noun, style)}" alt="" width="28" height="28">'


@lru_cache(maxsize=2048)
def _source(noun: str, style: str) -> str:
    """A drawing as a data URL, small enough to send on every key."""
    buffer = io.BytesIO()
    drawn: Image.Image = drawing_picture(noun, style, THUMBNAIL_PX)
    drawn.save(buffer, "WEBP", quality=80, method=2)
    return data_url(buffer.getvalue(), "webp")
