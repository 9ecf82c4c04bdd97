"""HTML of one picture on the canvas: over its reference with a slider, its scores in words, and what it was made of."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from analogen import Job
from analogen.demos.components import escaped
from analogen.demos.job_values import references_of, subject_of
from analogen.demos.score_words import MEANINGS, plain_caption, told
from analogen.demos.studio import Studio
from analogen.demos.tabs import picture_cards

NOTHING = '<img alt="" src="data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA=">'


def canvas(studio: Studio, number: int | None, beside: int | None = None) -> str:
    """The picture of a card; an empty string if there is no such card.

    beside: the card that lies under the slider in place of the reference.
    """
    found = picture_cards.find(studio, number)
    if found is None:
        return ""
    job, image = found
    path, name = studio.files.pictures / image["path"], subject_of(job)
    under, what = _underneath(studio, job, beside if beside != number else None)
    picture = f'<img src="{escaped(studio.files.url(path))}" alt="{escaped(name)}, large">'
    slider = "" if under is None else _slider(what)
    below = NOTHING
    if under is not None:
        below = f'<img src="{escaped(studio.files.url(under))}" alt="{escaped(what.capitalize())}">'
    return (
        f'<figure class="cv" style="--ratio:{_ratio(job)}"><div class="st-compare">{below}{picture}</div>{slider}'
        f"<figcaption>{words(image, under is not None)}{_made_of(studio, job, image)}"
        f"{_files(studio, path, image)}{_numbers(job, image)}</figcaption></figure>"
    )


def words(image: Mapping[str, Any], has_reference: bool = True) -> str:
    """The scores of a picture as a line of words, with numbers on hover; first what the reader does not confirm."""
    if image.get("edited"):
        return '<p class="cv-words">Edited by hand, so it has no scores.</p>'
    read = image.get("read", "")
    level = "poor" if "not " in read or "no " in read else "fair"
    parts = [f'<span data-level="{level}" title="What the scene reader counts">{escaped(read)}</span>'] if read else []
    parts += [
        f'<span data-level="{one.level}" title="{one.number:.2f}: {escaped(MEANINGS[one.what])}">'
        f"{one.what}: {one.words}</span>"
        for one in told(image["scores"], has_reference)
    ]
    return f'<p class="cv-words">{"".join(parts)}</p>'


def rank_reason(job: Job, image: Mapping[str, Any]) -> str:
    """One sentence on the rank of a picture: its best score among the pictures of the same job."""
    kept = [one for one in (job.result["images"] if job.result else [image]) if not one.get("edited")]
    best = [
        words
        for name, sign, words in (
            ("relation", 1, "keeps the logic most closely"),
            ("structure", 1, "is built most like the reference"),
            ("subject", 1, "shows the subject most clearly"),
            ("copy", -1, "borrows least from the reference's looks"),
        )
        if len(kept) > 1
        and image["scores"].get(name)
        and all(sign * image["scores"][name] >= sign * one["scores"].get(name, 0.0) for one in kept)
    ]
    place = "It is ranked first" if image["rank"] == 0 else f"It is number {image['rank'] + 1} of {len(kept)}"
    reason = f"it {' and '.join(best)}" if best else "its parts fit together well and its scores are near the others'"
    # Pictures are ranked by how well-formed the scene is first, and by the score second.
    if any(one["rank"] < image["rank"] and one["scores"]["total"] < image["scores"]["total"] for one in kept):
        reason += "; it stands behind lower scores because its parts sit together less cleanly"
    return f"{place}: {reason}."


def _underneath(studio: Studio, job: Job, beside: int | None) -> tuple[Path | None, str]:
    """The picture under the slider, and what it is."""
    other = picture_cards.find(studio, beside)
    if other is not None:
        return studio.files.pictures / other[1]["path"], f"the kept picture of {subject_of(other[0])}"
    for name in references_of(job):
        if (studio.output / name).is_file():
            return studio.output / name, "the reference"
    return None, ""


def _slider(what: str) -> str:
    move = (
        "const box = this.previousElementSibling; box.style.setProperty('--x', this.value + '%'); "
        "box.classList.toggle('is-split', this.value < 100)"
    )
    return (
        '<input class="st-slide" type="range" min="0" max="100" value="100" '
        f'aria-label="From {escaped(what)} to the picture" oninput="{move}">'
        f'<div class="st-ends" aria-hidden="true"><span>the picture</span><span>{escaped(what)}</span></div>'
    )


def _ratio(job: Job) -> float:
    values = job.payload["values"]
    return round((values.get("width") or 1) / (values.get("height") or 1), 4)


def _made_of(studio: Studio, job: Job, image: Mapping[str, Any]) -> str:
    """The reference and the words that made the picture."""
    thumbs = "".join(
        f'<img src="{escaped(studio.files.url(studio.files.thumbnail(studio.output / name)))}" alt="Its reference">'
        for name in references_of(job)
        if (studio.output / name).is_file()
    )
    own = job.payload["values"].get("relation")
    caption = own or ((job.result or {}).get("relation") or {}).get("caption", "")
    return f'<p class="cv-made">{thumbs}<span>{escaped(plain_caption(caption))}<br>Seed {image["seed"]}.</span></p>'


def _files(studio: Studio, path: Path, image: Mapping[str, Any]) -> str:
    links = [("Download PNG", path)]
    drawing = path.with_suffix(".svg")
    if image.get("svg") and drawing.is_file():
        links.append(("Download SVG", drawing))
    return '<p class="cv-files">' + "".join(
        f'<a href="{escaped(studio.files.url(file))}" download="{escaped(file.name)}">{label}</a>'
        for label, file in links
    ) + "</p>"  # fmt: skip


def _numbers(job: Job, image: Mapping[str, Any]) -> str:
    """The reason for the rank and the numbers behind the words, for whoever cannot hover."""
    if image.get("edited"):
        return ""
    rows = "".join(
        f"<dt>{one.what} <b>{one.number:.2f}</b></dt><dd>{escaped(MEANINGS[one.what].capitalize())}.</dd>"
        for one in told(image["scores"])
    )
    return (
        f'<details class="an-legend"><summary>Why this place</summary><p>{escaped(rank_reason(job, image))}</p>'
        f"<dl>{rows}</dl></details>"
    )
