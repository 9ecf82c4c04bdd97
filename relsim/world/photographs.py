"""Composes a photograph-like picture of a scene: cut-outs on a ground, with light, shadows and camera effects.

    cutouts, grounds = CutOuts.from_folder("things"), Grounds.from_folder("places")
    cast = SceneArt(ArtLibrary.shipped(), *cutouts.draw(rng))
    picture = photograph(scene, cast, grounds.draw(208, rng), rng, 208)

Everything stays where `render` draws it, so that whatever is known of a scene's places is true of its photograph.
"""

from __future__ import annotations

import dataclasses
import io

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from analogen.relsim.world.grounds import axes, grain
from analogen.relsim.world.icon import Pixels
from analogen.relsim.world.props import BLEEDING
from analogen.relsim.world.render import SceneArt, element_matrix, render_layer
from analogen.relsim.world.scene import Element, Scene

MAX_BASES = 6  # lines on which standing things rest: each one's shadow is drawn by itself
_SHADOW_PX = 104  # side that cast shadows are drawn at: they are soft
_FLAT = 0.6  # from this silhouette on a thing may itself play a shadow
_UNSEEN = 14.0  # difference from the ground, of 255, below which a pixel of a thing does not stand out
Plane = NDArray[np.float32]  # (side, side), 0 to 1
Light = NDArray[np.float32]  # (side, side, 3), 0 to 255


def photograph(scene: Scene, cast: SceneArt, ground: Pixels, rng: Generator, side: int) -> Pixels:
    """The scene as photographed with these things on this ground: (side, side, 3) uint8.

    cast: who plays the things, such as two of `CutOuts`. ground: (side, side, 3) uint8, such as `Grounds.draw` gives.
    Equal generators give equal pictures. Raises ValueError for another ground, and as `render` does.
    """
    if ground.shape != (side, side, 3):
        raise ValueError(f"the ground is {ground.shape}; ({side}, {side}, 3) was expected")
    shown = ground.astype(np.float32)
    color = "#" + "".join(f"{int(value):02x}" for value in shown.mean((0, 1)))
    background = dataclasses.replace(scene.background, kind="plain", color=color, color2=color)
    # The frame's turn of hues makes a drawing hard, and a photograph wrong.
    scene = dataclasses.replace(
        scene, background=background, shadow=0.0, frame=dataclasses.replace(scene.frame, hue=0.0)
    )
    behind, front = _split(scene)
    if behind.elements:
        backdrop, cover = _taken_apart(render_layer(behind, side, side, cast))
        shown = backdrop * (0.92 + 0.16 * _texture(ground))[..., None] + (1 - cover)[..., None] * shown
    things, alpha = _taken_apart(render_layer(front, side, side, cast))
    if rng.random() < 0.5:  # in focus or not quite
        things, alpha = _blurred(things, alpha, float(rng.uniform(0.2, 0.7)) * side / 208)
    shown = _apart(shown, things, alpha)
    light = rng.uniform(-np.pi, 0)  # where the light comes from: above
    shown = shown * (1 - _shadow(front, cast, alpha, light, rng, side))[..., None]
    things = things * np.float32(rng.uniform(0.86, 1.12))
    picture = things + (1 - alpha)[..., None] * shown
    return _seen(picture, light, rng)


def _split(scene: Scene) -> tuple[Scene, Scene]:
    """The bands that a picture begins with, such as the floor, and what lies before them."""
    count = 0
    while count < len(scene.elements) and scene.elements[count].kind in BLEEDING:
        count += 1
    return (
        dataclasses.replace(scene, elements=scene.elements[:count]),
        dataclasses.replace(scene, elements=scene.elements[count:]),
    )


def _taken_apart(layer: Pixels) -> tuple[Light, Plane]:
    pixels = layer.astype(np.float32)
    return pixels[..., :3], pixels[..., 3] * np.float32(1 / 255)


def _texture(ground: Pixels) -> Plane:
    """The ground's detail about 0, for a band that is drawn over it."""
    grey = Image.fromarray(ground).convert("L")
    detail = np.asarray(grey, np.float32) - np.asarray(grey.filter(ImageFilter.BoxBlur(6)), np.float32)
    return np.clip(detail / 24, -1, 1)


def _blurred(things: Light, alpha: Plane, radius: float) -> tuple[Light, Plane]:
    layer = np.concatenate([things, 255 * alpha[..., None]], -1).astype(np.uint8)
    # As four bands: Pillow would premultiply nothing, and nothing is needed here, since the layer is premultiplied.
    image = Image.fromarray(layer, "RGBA").filter(ImageFilter.GaussianBlur(radius))
    return _taken_apart(np.asarray(image))


def _apart(ground: Light, things: Light, alpha: Plane) -> Light:
    """The ground made lighter or darker where most of the things would be lost on it."""
    step = max(1, len(alpha) // 52)
    solid = alpha[::step, ::step] > 0.6
    if not solid.any():
        return ground
    there, below = things[::step, ::step][solid], ground[::step, ::step][solid]
    if float((np.abs(there - below).max(-1) < 2 * _UNSEEN).mean()) < 0.35:
        return ground
    darker = there.mean() > 110
    return ground * np.float32(0.45) if darker else 255 - (255 - ground) * np.float32(0.45)


def _shadow(scene: Scene, cast: SceneArt, alpha: Plane, light: float, rng: Generator, side: int) -> Plane:
    """How much light is taken from each pixel of the ground: near the things, and where their shadows fall."""
    strength, unit = float(rng.uniform(0.3, 0.75)), side / 208
    contact = _soft(alpha, float(rng.uniform(1.5, 3)) * unit)
    dark = strength * 0.6 * _moved(contact, 0.0, 1.2 * unit)
    bases = _bases(scene) if _may_cast(scene) else {}
    if bases and len(bases) <= MAX_BASES:
        lean, depth = float(-np.cos(light) * rng.uniform(0.4, 1.3)), float(rng.choice((-1, 1)) * rng.uniform(0.18, 0.5))
        cast_shadow = np.zeros((_SHADOW_PX, _SHADOW_PX), np.float32)
        for base, elements in bases.items():
            alone = dataclasses.replace(scene, elements=tuple(elements))
            upright = Image.fromarray(render_layer(alone, _SHADOW_PX, _SHADOW_PX, cast)[..., 3])
            line = (base + 1) * _SHADOW_PX / 2 - 1
            # Where a point at height h above the line goes: h * lean to the side, h * depth up.
            terms = (1, lean / depth, -lean * line / depth, 0, 1 / depth, line - line / depth)
            fallen = upright.transform(upright.size, Image.Transform.AFFINE, terms, Image.Resampling.BILINEAR)
            cast_shadow = np.maximum(cast_shadow, np.asarray(fallen, np.float32) / 255)
        softened = _soft(cast_shadow, float(rng.uniform(0.6, 2.2)))
        whole = Image.fromarray(softened).resize((side, side), Image.Resampling.BILINEAR)
        dark = np.maximum(dark, strength * 0.85 * np.asarray(whole))
    else:  # things lie flat, seen from above: a shadow beside them
        far = float(rng.uniform(1, 5)) * unit
        spread = _soft(alpha, float(rng.uniform(1.5, 5)) * unit)
        dark = np.maximum(dark, strength * 0.8 * _moved(spread, -np.cos(light) * far, -np.sin(light) * far))
    return np.asarray(dark, np.float32)


def _may_cast(scene: Scene) -> bool:
    """Not beside what plays a shadow itself: that one has to stay the only one."""
    return not any(e.kind == "shadow" or (e.is_thing and e.silhouette >= _FLAT) for e in scene.elements)


def _bases(scene: Scene) -> dict[float, list[Element]]:
    """The standing things by the height of the line on which they rest, in half sides from the centre."""
    found: dict[float, list[Element]] = {}
    for element in scene.elements:
        if element.is_thing and element.standing and abs(element.turn) < 20:
            foot = element_matrix(scene, element) @ (0, 0.5 / np.sqrt(element.aspect), 1)
            found.setdefault(round(float(foot[1]) * 40) / 40, []).append(element)
    return found


def _soft(plane: Plane, radius: float) -> Plane:
    image = Image.fromarray((plane * 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(radius))
    return np.asarray(image, np.float32) * np.float32(1 / 255)


def _moved(plane: Plane, right: float, down: float) -> Plane:
    """The plane moved by whole pixels; nothing comes in."""
    dx, dy = round(right), round(down)
    moved = np.zeros_like(plane)
    height, width = plane.shape
    moved[max(dy, 0) : height + min(dy, 0), max(dx, 0) : width + min(dx, 0)] = plane[
        max(-dy, 0) : height + min(-dy, 0), max(-dx, 0) : width + min(-dx, 0)
    ]
    return moved


def _seen(picture: Light, light: float, rng: Generator) -> Pixels:
    """What a camera makes of it: falling light, dark corners, a cast of colour, exposure, grain, JPEG."""
    side = len(picture)
    x, y = axes(side)
    falling = 1 + rng.uniform(0, 0.3) * (x * np.cos(light) + y * np.sin(light))
    falling = falling - rng.uniform(0, 0.3) * (x * x + y * y) / 2
    tint = (rng.uniform(0.85, 1.25) * (1 + rng.uniform(-0.09, 0.09, 3))).astype(np.float32)
    shown = picture * (falling.astype(np.float32)[..., None] * tint)
    if rng.random() < 0.4:  # a stronger or a softer curve
        bent = np.float32(rng.uniform(0.8, 1.25))
        shown = 255 * (np.clip(shown, 0, 255) / 255) ** bent
    if rng.random() < 0.7:
        strength = np.float32(rng.uniform(0.5, 8))
        shown = shown + strength * grain(rng, side)[..., None]
        if rng.random() < 0.5:  # each colour's own
            shown = shown + 0.5 * strength * np.stack([grain(rng, side) for _ in range(3)], -1)
    image = Image.fromarray(np.clip(shown, 0, 255).astype(np.uint8))
    if rng.random() < 0.25:
        image = image.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.3, 0.8)) * side / 208))
    if rng.random() < 0.5:
        with io.BytesIO() as file:
            image.save(file, "JPEG", quality=int(rng.integers(35, 95)))
            with Image.open(file) as found:
                image = found.convert("RGB")
    return np.asarray(image)
