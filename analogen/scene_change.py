"""Makes the change between two pictures to the subject's own one: A is to A' as B is to what?"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.random import Generator
from PIL import Image

from analogen.errors import UserError
from analogen.pipelines.composer.settle import settle
from analogen.relsim.images import read_image
from analogen.relsim.mini.encoder import MiniEncoder
from analogen.relsim.mini.reading import SceneReading, read_scenes, reading_of
from analogen.relsim.mini.reading.change_sentence import change_sentence
from analogen.relsim.world.changes import Change, apply_change, change_between
from analogen.relsim.world.icon import Pixels
from analogen.relsim.world.scene import NO_CLIP, Element, Scene
from analogen.relsim.world.subject_image import read_subject_pixels, visible_box
from analogen.types import MadeScene, Request

# Grounds on which a cut-out is read, and the margin around it as a share of its longer side.
LIGHT, DARK = (244, 239, 230), (38, 42, 56)
MARGIN = 0.15
SURE = 0.5  # confidence from which on a prop is there
BRIGHT = 150  # mean of a cut-out's channels above which it is read on the dark ground


def make_changed_scene(request: Request, encoder: MiniEncoder) -> MadeScene:
    """Read both pictures and the subject's own, find the change, and make it.

    request: with `becomes`. Raises UserError in one line where nothing can be read in one of them, or nothing changes;
    ValueError or FileNotFoundError for a file that cannot be read, or an encoder that cannot read scenes.
    """
    assert request.becomes is not None, "called for requests with `becomes`"
    (before_path,) = request.references
    paths = {"--reference": before_path, "--becomes": request.becomes}
    before, after = read_scenes([read_image(path).image for path in paths.values()], encoder)
    for (flag, path), reading in zip(paths.items(), (before, after), strict=True):
        if not reading.count:
            raise UserError(f"{flag} {path}: {_why(reading)}: give a picture whose things can be told apart")
    own, part, made_to = before, None, f"{before_path.name} with the subject in it"
    if request.subject_image is not None:
        own, part = read_own_scene(request.subject_image, encoder)
        made_to = f"{request.subject_image.name}, which shows {own.sentence}"
    change, scene = changed_scene(before, after, own, np.random.default_rng(request.seed))
    if change.is_none:
        raise UserError(
            f"--becomes {request.becomes}: no change from {before_path.name} is seen, both show {after.sentence}: give "
            "two pictures of which one differs in number, place, turn, size, kind, looks or setting"
        )
    note = f"{before_path.name} becomes {request.becomes.name}: {change_sentence(change)}; this is made to {made_to}"
    return MadeScene(reading_of(scene, own.size), note, part)


def changed_scene(before: SceneReading, after: SceneReading, own: SceneReading, rng: Generator) -> tuple[Change, Scene]:
    """What changes from one reading to the next, and `own` after the same change. Each reading has things."""
    first, second = _surely_seen(before), _surely_seen(after)
    change = change_between(first, second, before.rule.arrangement, after.rule.arrangement)
    made = _within(apply_change(change, _surely_seen(own), own.rule.arrangement, rng), own.size)
    return change, Scene(tuple(settle(made.elements)))


def _why(reading: SceneReading) -> str:
    """Why nothing can be composed of a reading: "nothing to read: ..."."""
    return reading.sentence if not reading.scene.elements else f"nothing to read: {reading.sentence}"


def read_own_scene(path: Path, encoder: MiniEncoder) -> tuple[SceneReading, tuple[float, ...] | None]:
    """The scene of the user's own picture, and which part of it is the subject, as `MadeScene.subject_part`.

    A picture in which nothing is made out shows one thing, since something is seen before its ground. Raises
    FileNotFoundError or ValueError for a file that is none, or shows nothing.
    """
    rgba = read_subject_pixels(path)
    framed, margin = _framed(rgba)
    (reading,) = read_scenes([_on_plain_ground(framed)], encoder)
    if not reading.count:
        reading = reading_of(Scene((_all_of(path, framed),)), (framed.shape[1], framed.shape[0]))
    if reading.count == 1:
        return reading, None
    clearest = max(
        (pair for pair in zip(reading.scene.elements, reading.confidences, strict=True) if pair[0].kind == "subject"),
        key=lambda pair: _clearness(*pair),
    )[0]
    return reading, _part(clearest, reading, margin, rgba.shape[:2])


def _all_of(path: Path, rgba: Pixels) -> Element:
    """The whole cut-out as one thing."""
    height, width = rgba.shape[:2]
    left, top, right, bottom = visible_box(path.name, rgba[..., 3])
    unit = min(width, height) / 2
    size = max(right - left, bottom - top) / unit
    return Element("subject", (left + right - width) / 2 / unit, (top + bottom - height) / 2 / unit, size)


def _surely_seen(reading: SceneReading) -> Scene:
    """The scene without props that may not be there."""
    pairs = zip(reading.scene.elements, reading.confidences, strict=True)
    return replace(reading.scene, elements=tuple(e for e, sure in pairs if e.is_thing or sure >= SURE))


def _within(scene: Scene, size: tuple[int, int]) -> Scene:
    """The scene made smaller and moved where its things would leave the picture. size: of that, in any unit."""
    if not scene.things:
        return scene
    half = np.array(size) / min(size)
    low = np.array([(e.x - e.width / 2, e.y - e.height / 2) for e in scene.things]).min(0)
    high = np.array([(e.x + e.width / 2, e.y + e.height / 2) for e in scene.things]).max(0)
    scale = float(min(1.0, (2 * half / np.maximum(high - low, 1e-6)).min()))
    middle = (low + high) / 2
    reach = half - (high - low) / 2 * scale
    goal = np.clip(middle, -reach, reach)
    if scale == 1 and np.allclose(goal, middle):
        return scene
    moved = [
        replace(
            e, x=float(goal[0] + scale * (e.x - middle[0])), y=float(goal[1] + scale * (e.y - middle[1])),
            size=e.size * scale,
        )
        for e in scene.elements
    ]  # fmt: skip
    return replace(scene, elements=tuple(moved))


def _framed(rgba: Pixels) -> tuple[Pixels, int]:
    """With a margin around what reaches the border, as in cut-outs; and how wide that is, in pixels."""
    alpha = rgba[..., 3]
    if not max(alpha[0].max(), alpha[-1].max(), alpha[:, 0].max(), alpha[:, -1].max()):
        return rgba, 0
    margin = math.ceil(MARGIN * max(rgba.shape))
    return np.pad(rgba, ((margin, margin), (margin, margin), (0, 0))), margin


def _on_plain_ground(rgba: Pixels) -> Image.Image:
    seen = rgba[..., 3] > 0
    bright = float(rgba[seen][:, :3].mean()) > BRIGHT if seen.any() else False
    ground = Image.new("RGBA", (rgba.shape[1], rgba.shape[0]), (*(DARK if bright else LIGHT), 255))
    return Image.alpha_composite(ground, Image.fromarray(rgba)).convert("RGB")


def _clearness(e: Element, confidence: float) -> float:
    """Higher for large, upright things whose looks are not altered."""
    altered = (
        e.mirror + e.silhouette + e.sketch + e.pixel + (e.clip != NO_CLIP) + (e.opacity < 1) + (e.saturation != 1)
        + (e.brightness != 1) + (e.hue != 0) + abs(math.log(e.aspect)) + min(e.turn, 360 - e.turn) / 90
    )  # fmt: skip
    return confidence * e.size / (1 + altered)


def _part(e: Element, reading: SceneReading, margin: int, shape: tuple[int, int]) -> tuple[float, ...]:
    """The box of a thing in the picture before the margin: `shape` is its (height, width)."""
    unit = min(reading.size) / 2
    left, top, right, bottom = reading.crop
    x = (left + right) / 2 + e.x * unit - margin
    y = (top + bottom) / 2 + e.y * unit - margin
    across, down = e.width * unit / 2, e.height * unit / 2
    height, width = shape
    turn = e.turn if e.turn <= 180 else e.turn - 360
    return (
        round((x - across) / width, 4), round((y - down) / height, 4), round((x + across) / width, 4),
        round((y + down) / height, 4), round(turn, 1),
    )  # fmt: skip
