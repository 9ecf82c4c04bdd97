"""Writes what a diffusion model is told, and chooses what it is shown: prompts, instructions, layouts, pictures.

`generate --dry-run` uses the same functions, so that it shows the very words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from PIL import Image

from analogen.art_selection import ArtSelection
from analogen.conditioning import Conditioning
from analogen.errors import UserError
from analogen.layout_composer import LayoutComposer
from analogen.models import Model
from analogen.pipelines.diffusion.flattened import flattened
from analogen.pipelines.diffusion.layout_boxes import Box, boxes_of, layout_words, moved, written
from analogen.pipelines.diffusion.model_defaults import PipelineKind
from analogen.read_back import SURE
from analogen.reference_reader import ReferenceReader
from analogen.relsim.encoder import load_reader
from analogen.relsim.english import with_article
from analogen.relsim.images import read_image, read_reference
from analogen.relsim.mini.encoder import LOW_CONFIDENCE
from analogen.relsim.mini.reading import SceneReading, read_scene
from analogen.relsim.vlm.prompts import fill
from analogen.relsim.world.scene import Scene
from analogen.scene_change import make_changed_scene
from analogen.scene_reference import draw_reading, read_scene_file
from analogen.stages import Prepared
from analogen.types import Request

REFERENCE_PX = 1024  # longest side of a picture in memory; no model here reads more
# What a model sees of the reference: nothing, mini's drawing of a scene, flat greys, or the reference itself.
Shown = Literal["nothing", "layout", "flattened", "original"]
# Each says what the first picture is; none asks to keep anything of how it looks.
_INSTRUCTIONS = {
    "layout": "The {first} is a rough drawing that only says where things stand. Make a finished picture of this idea: "
    "{idea}. Put each {subject} where the drawing has one, as large and turned as it is there. Take neither colours "
    "nor style from the drawing.",
    "flattened": "The {first} shows flat grey shapes that only say where things stand. Make a finished picture of this "
    "idea: {idea}. Put a {subject} where each of the shapes is, as large and turned as it is. Take nothing else from "
    "the shapes.",
    "original": "Make a new picture with the same idea as the {first}: {idea}. Replace the things that it shows by "
    "{subject}; keep how they are arranged, and none of their looks.",
}
_STYLE = (
    " The {nth} picture says only how it is to look: take its colours, materials and way of painting, not its things."
)
_THING = " The {nth} picture shows the {subject} that is meant: show this one."
_NTH = ("first", "second", "third", "fourth")


@dataclass(frozen=True)
class PreparedPrompt(Prepared):
    """A request whose references have been read.

    subject    The subject's name in the prompt.
    selection  The art of the layout, None without one.
    reading    Of the request's scene, None without one.
    style      The picture of the role "style", thing: that of the role "subject"; None without.
    """

    subject: str
    selection: ArtSelection | None
    reading: SceneReading | None = None
    style: Image.Image | None = None
    thing: Image.Image | None = None


@dataclass(frozen=True)
class Told:
    """What a model is told and shown for one candidate. style: for an IP-Adapter; boxes: for models that take them as
    arguments."""

    prompt: str
    picture: Image.Image | None = None
    more: tuple[Image.Image, ...] = ()
    style: Image.Image | None = None
    boxes: tuple[Box, ...] = ()


class Prompting:
    """Prompts and pictures for models of one kind. layouts: None where no request needs one."""

    def __init__(self, kind: PipelineKind, reader: ReferenceReader, layouts: LayoutComposer | None) -> None:
        self.kind, self.reader, self.layouts = kind, reader, layouts

    def shown(self, one: PreparedPrompt, found: Conditioning) -> Shown:
        """What the model sees of the reference, by `Request.reference_as`.

        By default it is mini's drawing, which has nothing of the reference's looks; the flattened reference where mini
        is not sure of the relation, since its drawing would be of another one.
        """
        request = one.request
        if self.kind.takes == "words" or request.layout is True:
            return "nothing"
        seen = one.references or one.thing or one.style
        if self.kind.takes == "either" and request.reference_as == "auto" and (request.layout == "boxes" or not seen):
            return "nothing"
        if request.reference_as != "auto":
            return request.reference_as  # type: ignore[return-value]
        unsure = found.found.confidence < LOW_CONFIDENCE and one.reading is None
        return "flattened" if unsure and one.references else "layout"

    def scenes(self, one: PreparedPrompt, found: Conditioning) -> list[Scene | None]:
        """The layout of each candidate, None for requests that need none."""
        wanted = bool(one.request.layout) or self.shown(one, found) == "layout"
        if not wanted or self.layouts is None or one.selection is None:
            return [None for _ in one.request.candidate_seeds]
        return list(self.layouts.compose(one.request, found, one.selection, one.reading))

    def told(
        self,
        prepared: Sequence[PreparedPrompt],
        found: Sequence[Conditioning],
        scenes: Sequence[Sequence[Scene | None]],
    ) -> list[list[Told]]:
        """What each candidate of each request is made from."""
        ideas = self._ideas(prepared, found)
        seen = [self._seen(*pair) for pair in zip(prepared, found, strict=True)]
        return [
            [self._told(one, conditioning, idea, scene, there) for scene in own]
            for one, conditioning, idea, own, there in zip(prepared, found, ideas, scenes, seen, strict=True)
        ]

    def _seen(self, one: PreparedPrompt, found: Conditioning) -> tuple[Box, ...]:
        """The boxes of the things of the reference that the model sees, for one that is told which of them move where;
        empty where that is not so, or mini is not sure of what it reads."""
        shows = one.request.layout == "boxes" and self.shown(one, found) in ("flattened", "original")
        if self.kind.boxes != "flux3" or not shows or not one.references or self.layouts is None:
            return ()
        picture = one.references[edited(one.request)]
        reading = read_scene(picture, self.layouts.encoder)
        if reading.certainty < SURE or not reading.count:
            return ()
        return tuple(
            _uncropped(box, reading.crop, picture.size) for box in boxes_of(reading.scene, *reading.size, "thing")
        )

    def _ideas(self, prepared: Sequence[PreparedPrompt], found: Sequence[Conditioning]) -> list[str]:
        """The caption of each request with its subject. A model that sees a picture is told it in an instruction."""
        subjects, others = [one.subject for one in prepared], [one.request.other for one in prepared]
        if prepared[0].request.relation_scale == 0:
            return [with_article(subject) for subject in subjects]
        ideas = [
            fill(one.found.caption, subject, other) for one, subject, other in zip(found, subjects, others, strict=True)
        ]
        alone = [
            place for place, pair in enumerate(zip(prepared, found, strict=True)) if self.shown(*pair) == "nothing"
        ]
        if alone:
            prompts = self.reader.prompts(
                [found[place] for place in alone],
                [subjects[place] for place in alone],
                [others[place] for place in alone],
            )
            for place, prompt in zip(alone, prompts, strict=True):
                ideas[place] = prompt
        return ideas

    def _told(
        self, one: PreparedPrompt, found: Conditioning, idea: str, scene: Scene | None, seen: tuple[Box, ...]
    ) -> Told:
        request, shown = one.request, self.shown(one, found)
        boxes: tuple[Box, ...] = ()
        gone: tuple[Box, ...] = ()
        if scene is not None and request.layout == "boxes":
            other = request.other or scene.other
            boxes, gone = moved(boxes_of(scene, request.width, request.height, one.subject, other), seen)
            if not self.kind.boxes:
                idea = f"{idea}: {layout_words(scene, one.subject, other)}"
        pictures = self._pictures(one, shown, scene)
        prompt = self._instruction(one, shown, idea) if pictures else idea
        if request.style:
            prompt = f"{prompt} In this style: {request.style}." if pictures else f"{prompt}, {request.style}"
        if boxes and self.kind.boxes not in ("", "regions"):
            prompt = written(self.kind.boxes, prompt, boxes, bool(pictures), gone)
        regions = boxes if self.kind.boxes == "regions" else ()
        style = one.style if self.kind.takes == "words" else None
        return Told(prompt, pictures[0] if pictures else self._start(one, scene), tuple(pictures[1:]), style, regions)

    def _pictures(self, one: PreparedPrompt, shown: Shown, scene: Scene | None) -> list[Image.Image]:
        """What an edit model sees, in order: the reference as it is shown, the style, the thing."""
        request = one.request
        first: Image.Image | None = None
        if shown == "layout" and scene is not None and self.layouts is not None and one.selection is not None:
            first = self.layouts.drawn(scene, one.selection, request.width, request.height)
        elif shown in ("flattened", "original") and one.references:
            first = one.references[edited(request)]
            first = flattened(first) if shown == "flattened" else first
        if self.kind.takes == "words":
            return []
        return [picture for picture in (first, one.style, one.thing) if picture is not None]

    def _instruction(self, one: PreparedPrompt, shown: Shown, idea: str) -> str:
        roles = [role for role, here in (
            (shown, shown != "nothing"), ("style", one.style is not None), ("thing", one.thing is not None)
        ) if here]  # fmt: skip
        if one.request.relation_scale == 0:
            text = f"Make a picture of {idea}."
        elif shown == "nothing":
            text = f"Make a picture of this idea: {idea}."
        else:
            first = "picture" if len(roles) == 1 else "first picture"
            text = _INSTRUCTIONS[shown].format(first=first, idea=idea, subject=one.subject)
        for role, sentence in (("style", _STYLE), ("thing", _THING)):
            if role in roles:
                text += sentence.format(nth=_NTH[roles.index(role)], subject=one.subject)
        return text

    def _start(self, one: PreparedPrompt, scene: Scene | None) -> Image.Image | None:
        """The starting picture or control image of --layout."""
        request = one.request
        if scene is None or request.layout is not True or self.layouts is None or one.selection is None:
            return None
        return self.layouts.drawn(scene, one.selection, request.width, request.height, request.control)


def _uncropped(box: Box, crop: tuple[int, int, int, int], size: tuple[int, int]) -> Box:
    """The box of a part of a picture in the whole one. crop: left, top, right, bottom in pixels; size: of the whole."""
    left, top, right, bottom = crop
    (x0, x1), (y0, y1) = (
        [(start + side * (end - start)) / whole for side in sides]
        for start, end, whole, sides in (
            (left, right, size[0], (box.left, box.right)), (top, bottom, size[1], (box.top, box.bottom))
        )
    )  # fmt: skip
    return replace(box, top=y0, left=x0, bottom=y1, right=x1)


def edited(request: Request) -> int:
    """The index of the reference that an edit model works on."""
    weights = request.reference_weights
    return weights.index(max(weights)) if weights else 0


def prepare_prompt(
    request: Request, kind: PipelineKind, layouts: LayoutComposer | None, images: dict[Path, Image.Image]
) -> PreparedPrompt:
    """Read the pictures of a request. images: those that earlier requests have read, by path; new ones are added.

    Raises the errors of `read_reference`, and UserError for a model that needs a picture and is given none.
    """
    drawn = request.reference_as in ("auto", "layout")
    if kind.takes == "picture" and not request.references and not drawn:
        raise UserError(
            f"{kind.title} sees a reference, and none was given: name a picture with --reference, or leave "
            "--reference-as out"
        )
    for path in request.references:
        if path not in images:
            images[path] = _reduced(read_reference(path).image)
    references = tuple(images[path] for path in request.references)
    reading = None if request.scene is None else read_scene_file(request.scene)
    made = None if request.becomes is None else make_changed_scene(request, load_reader("mini", "cpu"))
    if made is not None:
        reading, request = made.reading, replace(request, subject_part=made.subject_part)
    if reading is not None:
        references = (draw_reading(reading),)
    selection = None if layouts is None else layouts.select_art(request)
    style = None if request.style_image is None else _reduced(read_image(request.style_image).image)
    thing = None
    own = request.subject_image
    if own is not None and kind.pictures > 1 and request.layout is not True and own.suffix.lower() != ".svg":
        thing = _reduced(read_image(own).image)
    if sum(picture is not None for picture in (style, thing)) + 1 > kind.pictures > 0:
        raise UserError(
            f"{kind.title} takes {kind.pictures} pictures, and one says where things stand: leave --style-image or "
            "--subject-image out, or take another of `analogen models`"
        )
    subject = request.subject or (selection.subject if selection else "")
    return PreparedPrompt(request, references, subject, selection, reading, style, thing, made=made)


def _reduced(image: Image.Image) -> Image.Image:
    image.thumbnail((REFERENCE_PX, REFERENCE_PX), Image.Resampling.LANCZOS)
    return image


def needs_layouts(request: Request, model: Model, kind: PipelineKind | None = None) -> bool:
    """Whether mini has to be loaded to compose for such a request. kind: of the model, once it is known."""
    sees = model.sees_pictures or (kind is not None and kind.takes != "words")
    return bool(request.layout) or (sees and request.reference_as in ("auto", "layout"))
