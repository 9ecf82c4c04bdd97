"""Turns mini's scenes into the layout for a large model: a starting picture, or the control image of a ControlNet."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from analogen.relsim.world.render import SceneArt, render
from analogen.relsim.world.scene import Background, Scene

CONTROLS = ("scribble", "canny", "depth")
# Published ControlNets by kind of pipeline and of control image.
KNOWN = {
    ("sd15", "scribble"): "lllyasviel/control_v11p_sd15_scribble",
    ("sd15", "canny"): "lllyasviel/control_v11p_sd15_canny",
    ("sd15", "depth"): "lllyasviel/control_v11f1p_sd15_depth",
    ("sdxl", "scribble"): "xinsir/controlnet-scribble-sdxl-1.0",
    ("sdxl", "canny"): "diffusers/controlnet-canny-sdxl-1.0",
    ("sdxl", "depth"): "diffusers/controlnet-depth-sdxl-1.0",
    ("sd3", "canny"): "stabilityai/stable-diffusion-3.5-large-controlnet-canny",
    ("sd3", "depth"): "stabilityai/stable-diffusion-3.5-large-controlnet-depth",
    ("flux", "canny"): "Shakker-Labs/FLUX.1-dev-ControlNet-Union-Pro",
    ("flux", "depth"): "Shakker-Labs/FLUX.1-dev-ControlNet-Union-Pro",
    ("qwen-image", "canny"): "InstantX/Qwen-Image-ControlNet-Union",
    ("qwen-image", "depth"): "InstantX/Qwen-Image-ControlNet-Union",
}
# What a union of several is told that its picture is, where its call wants a number: FLUX' by InstantX' table, SDXL's
# by that of xinsir/controlnet-union-sdxl-1.0.
MODES = {
    ("flux", "canny"): 0,
    ("flux", "depth"): 2,
    ("sdxl", "depth"): 1,
    ("sdxl", "scribble"): 2,
    ("sdxl", "canny"): 3,
}
_LONGEST_PX = 768  # of the maps that are computed; they are smooth enough to be enlarged
_NEAREST, _FARTHEST = 255, 90  # depth of the last and of the first element; the ground is 0


def known_control(kind: str, control: str) -> str:
    """The published ControlNet for a kind of pipeline. Raises ValueError where none is known."""
    if (kind, control) not in KNOWN:
        others = [name for family, name in KNOWN if family == kind]
        hint = f"take --control {' or '.join(others)}, or " if others else ""
        raise ValueError(f"--control {control}: no published ControlNet of {kind} is known: {hint}give --control-model")
    return KNOWN[kind, control]


def start_picture(scene: Scene, cast: SceneArt | None, width: int, height: int) -> Image.Image:
    """The scene as mini draws it, (height, width) RGB, for image-to-image."""
    return Image.fromarray(render(scene, width, height, art=cast))


def control_picture(scene: Scene, cast: SceneArt | None, width: int, height: int, control: str) -> Image.Image:
    """The scene as a control image, RGB: white lines or nearness on black.

    scribble: the outlines of the elements. canny: all edges of the drawing. depth: later elements are nearer.
    Raises ValueError for another kind.
    """
    if control not in CONTROLS:
        raise ValueError(f"control is {control!r}: expected one of {', '.join(CONTROLS)}")
    scale = min(1.0, _LONGEST_PX / max(width, height))
    small = max(64, round(width * scale)), max(64, round(height * scale))
    if control == "canny":
        drawn = Image.fromarray(render(dataclasses.replace(scene, shadow=0.0), *small, art=cast))
        pixels = _edges(np.asarray(drawn.filter(ImageFilter.GaussianBlur(1))).astype(np.float32))
    elif control == "scribble":
        pixels = _dilated(_outlines(_order(scene, cast, *small)))
    else:
        order = _order(scene, cast, *small)
        count = max(1, len(scene.elements) - 1)
        ramp = _FARTHEST + (order - 1) / count * (_NEAREST - _FARTHEST)
        pixels = np.where(order > 0, ramp, 0).astype(np.uint8)
    picture = Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC)
    return picture.convert("RGB")


def with_placeholder_discs(scene: Scene) -> Scene:
    """The scene with plain discs in place of its things, for subjects that the library cannot draw."""
    plain = [
        dataclasses.replace(
            element, kind="ellipse", palette="primary" if element.kind == "subject" else "secondary", standing=False,
            sketch=0.0, pixel=0.0, silhouette=0.0,
        )
        if element.is_thing
        else element
        for element in scene.elements
    ]  # fmt: skip
    return dataclasses.replace(scene, elements=tuple(plain))


def _order(scene: Scene, cast: SceneArt | None, width: int, height: int) -> NDArray[np.int32]:
    """(height, width): the number of the element that is seen, from 1; 0 = the ground."""
    order = np.zeros((height, width), np.int32)
    for number, element in enumerate(scene.elements, start=1):
        # What covers shows the same on white and on black.
        white, black = (
            render(
                dataclasses.replace(scene, elements=(element,), background=Background("plain", ground), shadow=0.0),
                width, height, art=cast,
            ).astype(np.int16)
            for ground in ("#ffffff", "#000000")
        )  # fmt: skip
        order[(white - black).mean(axis=-1) < 128] = number
    return order


def _outlines(order: NDArray[np.int32]) -> NDArray[np.uint8]:
    """(height, width): 255 where a neighbour shows another element."""
    lines = np.zeros(order.shape, bool)
    lines[:, 1:] |= order[:, 1:] != order[:, :-1]
    lines[1:] |= order[1:] != order[:-1]
    return (lines * 255).astype(np.uint8)


def _dilated(lines: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Lines three pixels wide, as scribble models were trained on."""
    return np.asarray(Image.fromarray(lines).filter(ImageFilter.MaxFilter(3)))


def _edges(pixels: NDArray[np.float32]) -> NDArray[np.uint8]:
    """(height, width, 3) -> (height, width): thin edges where the colour changes, by the strongest channel."""
    down, right = (np.diff(pixels, axis=axis, append=pixels.take([-1], axis)) for axis in (0, 1))
    strength = np.hypot(down, right).max(axis=-1)
    # Kept where stronger than both neighbours along the steeper direction: lines of one pixel.
    along = np.abs(down).max(-1) > np.abs(right).max(-1)
    padded = np.pad(strength, 1)
    vertical = np.maximum(padded[:-2, 1:-1], padded[2:, 1:-1])
    horizontal = np.maximum(padded[1:-1, :-2], padded[1:-1, 2:])
    ridge = strength >= np.where(along, vertical, horizontal)
    return ((ridge & (strength > 12)) * 255).astype(np.uint8)
