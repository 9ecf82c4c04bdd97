"""Compare: how much logic and how much of their looks pictures share, one against one or against many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from analogen import Likeness, Reading, UserError, compare_images, load_encoder, pick_device, read_logic
from analogen.demos.components import bar, empty, escaped, for_clients, jpeg, picture, problem, told
from analogen.demos.tab_interface import Host, Inbox
from analogen.demos.uploads import checked_files, picture_upload, read_upload

MAX_OTHERS = 64
# No larger than the encoder looks at, with room: so that 64 photographs do not fill the memory.
READ_PX = 768
ORDERS = ("logic", "looks")


@dataclass(frozen=True)
class Compared:
    """One picture beside the reference. likeness: None for the reference itself; thumbnail: JPEG."""

    name: str
    reading: Reading
    likeness: Likeness | None
    thumbnail: bytes


def compare(reference: str | None, others: Sequence[str] | None, encoder: Any) -> list[Compared]:
    """The reference first, then the others, those of the most alike logic first.

    Raises UserError if a file cannot be used, or if there is nothing to compare.
    """
    paths = checked_files(others, MAX_OTHERS)
    if reference is None:
        raise UserError("no reference came: give the picture that the others are compared with")
    if not paths:
        raise UserError("nothing to compare with came: give one picture or more")
    given = [Path(reference), *map(Path, paths)]
    images = [read_upload(path, READ_PX) for path in given]
    likenesses = compare_images(images[0], images[1:], encoder)
    first, *rest = [
        Compared(Path(path).name, reading, likeness, jpeg(image, 320))
        for path, image, reading, likeness in zip(
            given, images, read_logic(images, encoder), [None, *likenesses], strict=True
        )
    ]
    return [first, *sorted(rest, key=lambda one: -one.likeness.relation if one.likeness else 0)]


def in_words(likeness: Likeness) -> str:
    """What two cosines mean, roughly."""
    logic = "the same logic" if likeness.relation > 0.7 else "a related logic" if likeness.relation > 0.4 else None
    looks = "alike looks" if likeness.attribute > 0.8 else "other looks"
    return f"{logic or 'another logic'}, {looks}"


def shown(found: Sequence[Compared], order: str = "logic") -> str:
    """The comparison as HTML: two pictures side by side, or a table of many."""
    reference, *others = found
    if len(others) == 1:
        return _pair(reference, others[0])
    key = (lambda one: -one.likeness.relation) if order == "logic" else (lambda one: -one.likeness.attribute)
    rows = "".join(_row(one) for one in sorted(others, key=key))
    return (
        f'<figure class="an-big an-lead">{_figure(reference, "the reference")}</figure>'
        '<div class="an-scroll"><table class="an-table an-stack"><thead><tr><th scope="col">Picture</th>'
        '<th scope="col">Name</th><th scope="col">Shared</th><th scope="col">What it shows</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _pair(reference: Compared, other: Compared) -> str:
    assert other.likeness is not None, "only the reference has none"
    scores = bar("logic", other.likeness.relation) + bar("looks", other.likeness.attribute)
    return (
        f'<div class="an-note"><strong>{in_words(other.likeness).capitalize()}.</strong>{scores}</div>'
        f'<div class="an-pair" style="margin-top:16px"><figure class="an-big">{_figure(reference, "the reference")}'
        f'</figure><figure class="an-big">{_figure(other, "the other picture")}</figure></div>'
    )


def _figure(one: Compared, role: str) -> str:
    return (
        picture(one.thumbnail, f"{role}, {one.name}: {_caption(one)}")
        + f"<figcaption><strong>{escaped(one.name)}</strong> ({role})<br>{escaped(_caption(one))}<br>"
        f"confidence {100 * one.reading.confidence:.0f} %</figcaption>"
    )


def _row(one: Compared) -> str:
    assert one.likeness is not None, "only the reference has none"
    return (
        f"<tr><td>{picture(one.thumbnail, f'{one.name}: {_caption(one)}')}</td><td>{escaped(one.name)}<br>"
        f"{in_words(one.likeness)}</td><td>{bar('logic', one.likeness.relation)}"
        f"{bar('looks', one.likeness.attribute)}</td><td>{escaped(_caption(one))}</td></tr>"
    )


def _caption(one: Compared) -> str:
    return one.reading.captions[0].caption


def build(studio: Host, desk: Inbox) -> None:
    """The tab."""
    Compare(studio.device).build()


class Compare:
    """The page. device: where the encoder runs."""

    def __init__(self, device: str = "auto") -> None:
        self._device = device

    @property
    def encoder(self) -> Any:
        return load_encoder("mini", pick_device(self._device))

    def build(self) -> None:
        """Lay the tab out inside the open Blocks."""
        with gr.Row():
            with gr.Column(scale=2, min_width=280):
                reference = picture_upload(label="Reference", height=260)
                others = gr.File(
                    label=f"Pictures to compare it with (1 to {MAX_OTHERS})",
                    file_count="multiple",
                    file_types=["image"],
                    height=180,
                )
                order = gr.Radio(
                    [("Same logic first", "logic"), ("Same looks first", "looks")], value="logic", label="Order"
                )
                button = gr.Button("Compare", variant="primary", elem_id="compare-go")
            with gr.Column(scale=3, min_width=300):
                result = gr.HTML(NOTHING, elem_id="compare-result")
        kept = gr.State(None)
        button.click(self._show, [reference, others, order], [result, kept], api_visibility="private")
        order.change(
            lambda found, order: shown(found, order) if found else gr.skip(),
            [kept, order],
            result,
            api_visibility="private",
            show_progress="hidden",
        )
        answer, go = gr.JSON(visible=False), gr.Button(visible=False)
        go.click(self.similarity, [reference, others], answer, api_name="similarity")
        answer, go = gr.JSON(visible=False), gr.Button(visible=False)
        go.click(self.caption, [others], answer, api_name="caption")

    def _show(self, reference: str | None, others: list[str] | None, order: str) -> tuple[str, list[Compared] | None]:
        try:
            found = compare(reference, others, self.encoder)
        except Exception as error:
            return problem(told(error)), None
        return shown(found, order), found

    @for_clients
    def similarity(self, reference: str, images: list[str]) -> dict[str, Any]:
        """How much logic (relation) and looks (attribute) each picture shares with the reference.

        Args:
            reference: The picture that the others are compared with.
            images: One picture or more, at most 64.

        Returns:
            The encoder, and for each picture its name, relation, attribute and anonymous caption, most alike first.
        """
        first, *rest = compare(reference, images, self.encoder)
        return {
            "encoder": "mini",
            "reference": {"name": first.name, **_plain(first.reading)},
            "scores": [
                {
                    "name": one.name,
                    "relation": round(one.likeness.relation, 4),
                    "attribute": round(one.likeness.attribute, 4),
                    **_plain(one.reading),
                }
                for one in rest
                if one.likeness is not None
            ],
        }

    @for_clients
    def caption(self, images: list[str]) -> dict[str, Any]:
        """What relational logic each picture shows, in anonymous words.

        Args:
            images: One picture or more, at most 64.

        Returns:
            For each picture its name, the three nearest captions with their scores, and how sure that is.
        """
        paths = checked_files(images, MAX_OTHERS)
        if not paths:
            raise UserError("no picture came: give one or more")
        readings = read_logic([read_upload(path, READ_PX) for path in paths], self.encoder, top_k=3)
        return {
            "images": [
                {
                    "name": path.name,
                    "confidence": round(reading.confidence, 4),
                    "captions": [{"caption": c.caption, "score": round(c.score, 4)} for c in reading.captions],
                }
                for path, reading in zip(paths, readings, strict=True)
            ]
        }


NOTHING = empty(
    "Do they share an idea?",
    "Give a reference and one picture or more. You see how much of their logic and of their looks they share, and what "
    "each of them shows.",
)


def _plain(reading: Reading) -> dict[str, Any]:
    return {"caption": reading.captions[0].caption, "confidence": round(reading.confidence, 4)}
