"""The Compare tab: how much logic and how much of their looks a reference and other pictures share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from analogen import Likeness, Reading, UserError, compare_images, load_encoder, pick_device, read_logic
from analogen.demos.components import bar, client_endpoint, empty_state, error_box, escaped, inline_image, jpeg
from analogen.demos.messages import error_message
from analogen.demos.tab_interface import PageContext, StudioInterface
from analogen.demos.uploads import checked_files, picture_upload, read_upload

MAX_OTHERS = 64
# Larger than the input of the encoder, and small enough that 64 photographs fit into memory.
READ_PX = 768


@dataclass(frozen=True)
class ComparedPicture:
    """A picture and its similarity to the reference.

    similarity: None for the reference itself; thumbnail: JPEG bytes.
    """

    name: str
    reading: Reading
    similarity: Likeness | None
    thumbnail: bytes


def compare(reference: str | None, others: Sequence[str] | None, encoder: Any) -> list[ComparedPicture]:
    """Compare pictures with a reference. Returns the reference, then the others by falling similarity of their logic.

    reference, others: paths of uploads. Raises UserError if a file cannot be used, or if one side is missing.
    """
    paths = checked_files(others, MAX_OTHERS)
    if reference is None:
        raise UserError("no reference was given: add the picture that the others are compared with")
    if not paths:
        raise UserError("no pictures to compare with were given: add one or more")
    given = [Path(reference), *map(Path, paths)]
    images = [read_upload(path, READ_PX) for path in given]
    similarities = compare_images(images[0], images[1:], encoder)
    first, *rest = [
        ComparedPicture(Path(path).name, reading, similarity, jpeg(image, 320))
        for path, image, reading, similarity in zip(
            given, images, read_logic(images, encoder), [None, *similarities], strict=True
        )
    ]
    return [first, *sorted(rest, key=lambda one: -one.similarity.relation if one.similarity else 0)]


def in_words(similarity: Likeness) -> str:
    """Two cosines in words, roughly."""
    logic = "the same logic" if similarity.relation > 0.7 else "a related logic" if similarity.relation > 0.4 else None
    looks = "alike looks" if similarity.attribute > 0.8 else "other looks"
    return f"{logic or 'another logic'}, {looks}"


def comparison(found: Sequence[ComparedPicture], order: str = "logic") -> str:
    """The comparison as HTML: two pictures side by side, or a table of more. order: "logic" or "looks" first."""
    reference, *others = found
    if len(others) == 1:
        return _pair(reference, others[0])
    key = (lambda one: -one.similarity.relation) if order == "logic" else (lambda one: -one.similarity.attribute)
    rows = "".join(_row(one) for one in sorted(others, key=key))
    return (
        f'<figure class="an-big an-lead">{_figure(reference, "the reference")}</figure>'
        '<div class="an-scroll"><table class="an-table an-stack"><thead><tr><th scope="col">Picture</th>'
        '<th scope="col">Name</th><th scope="col">Shared</th><th scope="col">What it shows</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _pair(reference: ComparedPicture, other: ComparedPicture) -> str:
    assert other.similarity is not None, "only the reference has none"
    scores = bar("logic", other.similarity.relation) + bar("looks", other.similarity.attribute)
    return (
        f'<div class="an-note"><strong>{in_words(other.similarity).capitalize()}.</strong>{scores}</div>'
        f'<div class="an-pair" style="margin-top:16px"><figure class="an-big">{_figure(reference, "the reference")}'
        f'</figure><figure class="an-big">{_figure(other, "the other picture")}</figure></div>'
    )


def _figure(one: ComparedPicture, role: str) -> str:
    return (
        inline_image(one.thumbnail, f"{role}, {one.name}: {_caption(one)}")
        + f"<figcaption><strong>{escaped(one.name)}</strong> ({role})<br>{escaped(_caption(one))}<br>"
        f"confidence {100 * one.reading.confidence:.0f} %</figcaption>"
    )


def _row(one: ComparedPicture) -> str:
    assert one.similarity is not None, "only the reference has none"
    return (
        f"<tr><td>{inline_image(one.thumbnail, f'{one.name}: {_caption(one)}')}</td><td>{escaped(one.name)}<br>"
        f"{in_words(one.similarity)}</td><td>{bar('logic', one.similarity.relation)}"
        f"{bar('looks', one.similarity.attribute)}</td><td>{escaped(_caption(one))}</td></tr>"
    )


def _caption(one: ComparedPicture) -> str:
    return one.reading.captions[0].caption


def build(studio: StudioInterface, context: PageContext) -> None:
    """Build the tab."""
    CompareTab(studio.device).build()


class CompareTab:
    """The components and callbacks of the tab. device: of the encoder."""

    def __init__(self, device: str = "auto") -> None:
        self._device = device

    @property
    def encoder(self) -> Any:
        return load_encoder("mini", pick_device(self._device))

    def build(self) -> None:
        """Add the components to the open Blocks."""
        with gr.Row():
            with gr.Column(scale=2, min_width=280):
                reference = picture_upload(label="Reference", height=260)
                others = gr.File(
                    label=f"Pictures to compare it with (1 to {MAX_OTHERS})",
                    file_count="multiple",
                    file_types=["image", ".heic", ".heif", ".hif"],
                    height=180,
                )
                order = gr.Radio(
                    [("Same logic first", "logic"), ("Same looks first", "looks")], value="logic", label="Order"
                )
                button = gr.Button("Compare", variant="primary", elem_id="compare-go")
            with gr.Column(scale=3, min_width=300):
                result = gr.HTML(NO_COMPARISON, elem_id="compare-result")
        kept = gr.State(None)
        button.click(self._show, [reference, others, order], [result, kept], api_visibility="private")
        order.change(
            lambda found, order: comparison(found, order) if found else gr.skip(),
            [kept, order],
            result,
            api_visibility="private",
            show_progress="hidden",
        )
        answer, trigger = gr.JSON(visible=False), gr.Button(visible=False)
        trigger.click(self.similarity, [reference, others], answer, api_name="similarity")
        answer, trigger = gr.JSON(visible=False), gr.Button(visible=False)
        trigger.click(self.caption, [others], answer, api_name="caption")

    def _show(
        self, reference: str | None, others: list[str] | None, order: str
    ) -> tuple[str, list[ComparedPicture] | None]:
        try:
            found = compare(reference, others, self.encoder)
        except Exception as error:
            return error_box(error_message(error)), None
        return comparison(found, order), found

    @client_endpoint
    def similarity(self, reference: str, images: list[str]) -> dict[str, Any]:
        """The similarity of each picture to the reference, in logic (relation) and in looks (attribute).

        Args:
            reference: The picture that the others are compared with.
            images: One picture or more, at most 64.

        Returns:
            The encoder, and for each picture its name, relation, attribute and caption, the most similar first.
        """
        first, *rest = compare(reference, images, self.encoder)
        return {
            "encoder": "mini",
            "reference": {"name": first.name, **_reading(first.reading)},
            "scores": [
                {
                    "name": one.name,
                    "relation": round(one.similarity.relation, 4),
                    "attribute": round(one.similarity.attribute, 4),
                    **_reading(one.reading),
                }
                for one in rest
                if one.similarity is not None
            ],
        }

    @client_endpoint
    def caption(self, images: list[str]) -> dict[str, Any]:
        """The relational logic of each picture, in anonymous words.

        Args:
            images: One picture or more, at most 64.

        Returns:
            For each picture its name, the three nearest captions with their scores, and the confidence.
        """
        paths = checked_files(images, MAX_OTHERS)
        if not paths:
            raise UserError("no picture was given: add one or more")
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


NO_COMPARISON = empty_state(
    "Do they share an idea?",
    "Give a reference and one picture or more. You see how much of their logic and of their looks they share, and what "
    "each of them shows.",
)


def _reading(reading: Reading) -> dict[str, Any]:
    return {"caption": reading.captions[0].caption, "confidence": round(reading.confidence, 4)}
