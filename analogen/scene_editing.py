"""Pictures whose scene was edited by hand: draws them without composing, and records the scene so that recall can.

The record of an edited picture is that of the picture it began as, with the key `edited`, {"scene": the scene as
drawn}. It has no scores, because nothing was ranked.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps

from analogen.art_selection import ArtSelection, select_art
from analogen.errors import UserError, user_errors
from analogen.files import write_atomic
from analogen.metadata import png_bytes, read_metadata, scene_text
from analogen.relsim.mini.encoder import MiniEncoder
from analogen.relsim.world.art import ArtLibrary
from analogen.relsim.world.palette import MADE_IN, palette_of
from analogen.relsim.world.render import SceneArt, render, render_layer, straight_alpha
from analogen.relsim.world.scene import Scene, from_json
from analogen.relsim.world.scene import to_json as scene_to_json
from analogen.relsim.world.subject_names import subject_finder
from analogen.relsim.world.svg import to_svg
from analogen.reproduce import check_subject_image
from analogen.scene_reference import MAX_SCENE_BYTES, check_drawable
from analogen.types import Candidate, Request

__all__ = [
    "EditedPicture",
    "checked_scene",
    "drawing_names",
    "drawing_picture",
    "find_drawing",
    "on_ground",
    "palette_colors",
    "palettes",
    "read_edited",
    "scene_art_of",
    "scene_to_json",
    "selection_of",
]


@dataclass(frozen=True)
class EditedPicture:
    """A picture to draw.

    record  Of the picture that it began as, None to write none.
    art     The drawings of its things, None for those of the library, see `scene_art_of`.
    ground  What the things lie on in place of the scene's ground: a picture, or "none" for a cut-out.
    """

    scene: Scene
    width: int
    height: int
    record: Mapping[str, Any] | None = None
    art: SceneArt | None = None
    ground: Image.Image | str | None = None

    def draw(self, width: int | None = None, height: int | None = None) -> Image.Image:
        """The picture as RGB, by default at its own size; RGBA without a ground.

        Raises ValueError for a size that cannot be drawn.
        """
        size = (width or self.width, height or self.height)
        if self.ground is None:
            return Image.fromarray(render(self.scene, *size, self.art))
        layer = Image.fromarray(straight_alpha(render_layer(self.scene, *size, self.art)))
        if isinstance(self.ground, str):
            return layer
        picture = ImageOps.fit(self.ground.convert("RGB"), size, Image.Resampling.LANCZOS)
        picture.paste(layer, mask=layer)
        return picture

    def svg(self) -> str:
        """The picture as a layered SVG, without a ground if it is another than the scene's."""
        return to_svg(self.scene, self.width, self.height, self.art, ground=self.ground is None)

    def save(self, path: Path, svg: bool = True) -> None:
        """Write the PNG and, with `svg`, the SVG beside it; each file whole or not at all. Raises RunError."""
        if svg:
            write_atomic(path.with_suffix(".svg"), self.svg().encode("utf-8"))
        write_atomic(path, png_bytes(self.draw(), self._new_record()))

    def _new_record(self) -> dict[str, Any] | None:
        if self.record is None:
            return None
        settings = {**self.record["settings"], "width": self.width, "height": self.height}
        edited = {"scene": json.loads(scene_to_json(self.scene))}
        return {**self.record, "settings": settings, "scores": {}, "edited": edited}


def checked_scene(text: str, selection: ArtSelection | None = None) -> Scene:
    """A scene in JSON, checked so that it can be drawn. Raises UserError with one line.

    selection: the drawings of its request; the names of own ones need not be the library's.
    """
    if len(text) > MAX_SCENE_BYTES:
        raise UserError(f"the scene has {len(text)} characters, at most {MAX_SCENE_BYTES} are read: give a smaller one")
    try:
        scene = from_json(text)
        check_drawable(scene, () if selection is None else own_names(selection))
    except ValueError as error:
        raise UserError(str(error)) from error
    return scene


def own_names(selection: ArtSelection) -> tuple[str, ...]:
    """The names of drawings that are the user's own, and not the library's."""
    own = (selection.subject,) if selection.art is not None else ()
    others = selection.others if selection.other_art is not None else ()
    return (*own, *others, *selection.own_others)


def selection_of(request: Request, encoder: MiniEncoder) -> ArtSelection:
    """The drawings of a request; the encoder finds those of words. Raises UserError for art that cannot be used."""
    with user_errors():
        return select_art(request, ArtLibrary.shipped(), encoder)


def scene_art_of(selection: ArtSelection, scene: Scene) -> SceneArt:
    """The drawings of a scene that was made for a request: own ones, painted ones, and the library's."""
    return selection.scene_art(ArtLibrary.shipped(), scene.other, scene.style)


def on_ground(
    request: Request, candidate: Candidate, selection: ArtSelection, ground: Image.Image | str | None
) -> Candidate:
    """The candidate of mini drawn on another ground than its palette's.

    ground: as of `EditedPicture`; None changes nothing.
    """
    if ground is None or candidate.scene is None:
        return candidate
    art = scene_art_of(selection, candidate.scene)
    picture = EditedPicture(candidate.scene, request.width, request.height, art=art, ground=ground)
    return replace(candidate, image=picture.draw(), svg=picture.svg() if candidate.svg is not None else None)


def palette_colors(scene: Scene) -> dict[str, str]:
    """The colours of a scene's palette by the names that elements use, such as {"accent": "#e4572e"}."""
    return palette_of(scene.palette)._asdict()


def drawing_names() -> tuple[str, ...]:
    """The names of all drawings of the art library, sorted."""
    return ArtLibrary.shipped().nouns()


def drawing_picture(noun: str, style: str, side_px: int) -> Image.Image:
    """A drawing of the art library, RGBA, in a style or in the nearest one that has it.

    Raises ValueError for an unknown noun.
    """
    return Image.fromarray(ArtLibrary.shipped().pixels(noun, style, side_px))


def palettes() -> dict[str, tuple[str, ...]]:
    """The palettes that pictures are made in, with their colours from light to dark."""
    return {name: tuple(colors) for name, colors in MADE_IN.items()}


def find_drawing(text: str, encoder: MiniEncoder) -> tuple[str, str]:
    """The name of the drawing for a text, found by name or by meaning, and a note if it is another than was asked for.

    Raises UserError for an empty text.
    """
    text = " ".join(text.split())[:200]
    if not text:
        raise UserError("no name was given: say what to draw, for example: owl")
    match = subject_finder().find(text, lambda texts: encoder.embed_text(texts))
    if match.name is None:
        if not match.nearest:
            raise UserError(f"no drawing is near {text!r}: name a thing that can be drawn, for example: owl")
        return match.nearest[0], f"no drawing is near {text!r}: {match.nearest[0]!r} stands in"
    # A colour is not painted here: elements have colours of their own.
    return match.name, "" if match.how == "name" and not match.left_out else f"{text!r} is drawn as {match.name!r}"


def read_edited(
    path: Path, encoder: MiniEncoder, subject_image: Path | None = None, art: Path | None = None
) -> EditedPicture:
    """The edited picture that a PNG records, to draw it again.

    Records are not trusted: everything is checked. encoder: finds the drawings of words; subject_image, art: the user's
    own drawings, if the record names any. Raises UserError or FileNotFoundError with one line.
    """
    record = read_metadata(path)
    text = scene_text(record)
    if not isinstance(record.get("edited"), dict) or text is None:
        raise UserError(
            f"{path}: its record says that it was edited, and has no scene: take the picture as it was saved"
        )
    check_subject_image(path, record, subject_image)
    if record.get("art") is not None and art is None:
        raise UserError(f"{path} was made with --art {str(record['art'])[:80]}: give that folder too")
    names = {name: record["settings"].get(name) for name in ("subject", "other", "style")}
    if not all(value is None or isinstance(value, str) for value in names.values()):
        raise UserError(f"{path}: its record is not proper: take the picture as it was saved")
    request = Request(relation="edited", subject_image=subject_image, art=art, **names)
    selection = selection_of(request, encoder)
    sides = [record["settings"].get(name) for name in ("width", "height")]
    if not all(isinstance(side, int) and not isinstance(side, bool) and 64 <= side <= 4096 for side in sides):
        raise UserError(f"{path}: its record has the size {sides!r:.60}, expected 64 to 4096: take it as it was saved")
    try:
        scene = checked_scene(text, selection)
    except UserError as error:
        raise UserError(
            f"{path}: its edited scene cannot be drawn ({error}): take the picture as it was saved"
        ) from error
    return EditedPicture(scene, sides[0], sides[1], record, scene_art_of(selection, scene))
