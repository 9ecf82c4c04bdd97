"""Scenes in place of references: reads the file of `--scene`, and draws the picture that stands in for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from PIL import Image

from analogen.errors import UserError, user_errors
from analogen.metadata import read_metadata, scene_text
from analogen.relsim.images import open_checked
from analogen.relsim.mini.reading import SceneReading, described, reading_from_json
from analogen.relsim.world.art import ArtLibrary
from analogen.relsim.world.palette import palette_of
from analogen.relsim.world.render import SIDES_PX, render
from analogen.relsim.world.scene import Background, Element, Scene

MAX_SCENE_BYTES = 128 * 1024  # 64 elements take about 30 KiB; the whole scene becomes part of a picture's record
PICTURE_PX = 448  # short side of the picture that stands in for a scene
# The things of the first, second, ... kind in that picture: plain drawings with a top and a front.
STAND_INS = ("duck", "key", "teapot", "car", "fish", "house", "rabbit", "snail")
PAPER = Background("plain", "#f4efe6")


def read_scene_file(path: Path) -> SceneReading:
    """The reading in a file of `analogen read --output`, edited or not, or in the record of a picture made from one.

    Raises UserError or FileNotFoundError with one line for any other file, for a scene without things, and for names
    that the art library does not have.
    """
    try:
        with open_checked(path) as file:
            is_png = file.read(8) == b"\x89PNG\r\n\x1a\n"
        return checked_reading(_recorded_text(path) if is_png else _read_text(path))
    except FileNotFoundError:
        raise
    except ValueError as error:
        named = str(error) if str(error).startswith(str(path)) else f"{path}: {error}"
        raise UserError(named) from error


def checked_reading(text: str) -> SceneReading:
    """A reading in JSON, checked so that it can be drawn; rule and sentence are those of the elements as they are.

    Raises UserError with one line.
    """
    with user_errors():
        if len(text) > MAX_SCENE_BYTES:
            raise UserError(
                f"has {len(text)} characters, at most {MAX_SCENE_BYTES} are read: give a file of analogen read"
            )
        reading = reading_from_json(text)
        if not reading.scene.things:
            raise UserError("holds no thing to compose with: add an element of the kind subject")
        check_drawable(reading.scene)
        return described(reading)


def check_drawable(scene: Scene, own: Sequence[str] = ()) -> None:
    """Raises ValueError with one line for a name of a noun, style or palette that is not known.

    own: names of the user's own drawings, which subject and other may have.
    """
    library = ArtLibrary.shipped()
    named = {scene.subject, scene.other} - set(own)
    for noun in named | {thing.noun for thing in scene.things if thing.noun}:
        library.first_noun(noun)
    if scene.style not in library.styles:
        raise ValueError(f"unknown style {scene.style!r:.40}: expected one of {', '.join(library.styles)}")
    palette_of(scene.palette)


def draw_reading(reading: SceneReading) -> Image.Image:
    """The picture that stands in for a reading, as long as composers are conditioned on pictures only.

    It shows every element plainly where it is, things of one group as the same drawing, in the shape of the picture
    that was read. A composer that takes elements is given `reading.scene.elements` instead, and needs no picture.
    """
    scene = reading.scene
    elements = tuple(
        replace(element, noun=STAND_INS[group % len(STAND_INS)]) if element.is_thing else element
        for element, group in zip(scene.elements, _groups(reading), strict=True)
    )
    scale = PICTURE_PX / min(reading.size)
    width, height = (min(SIDES_PX[1], round(side * scale)) for side in reading.size)
    plain = Scene(elements, background=PAPER, frame=scene.frame)
    return Image.fromarray(render(plain, width, height))


def _groups(reading: SceneReading) -> list[int]:
    """The group of each element; a thing whose kind and group disagree, after an edit, goes by its kind."""
    return [_group(element, group) for element, group in zip(reading.scene.elements, reading.groups, strict=True)]


def _group(element: Element, group: int) -> int:
    if element.kind == "subject":
        return 0
    return max(group, 1) if element.is_thing else group


def _recorded_text(path: Path) -> str:
    try:
        text = scene_text(read_metadata(path))
    except UserError:
        text = None
    if text is None:
        raise UserError(
            f"{path}: is a picture without a recorded scene: give the file of analogen read --output for it"
        )
    return text


def _read_text(path: Path) -> str:
    with open_checked(path, MAX_SCENE_BYTES) as file:
        try:
            return file.read().decode("utf-8")
        except UnicodeDecodeError as error:
            raise ValueError(
                "is neither JSON in UTF-8 nor a PNG with a scene: give a file of analogen read --output"
            ) from error
