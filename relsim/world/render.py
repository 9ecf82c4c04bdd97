"""The renderer: draws a scene as pixels, for training pictures and for results.

`svg.py` writes the same picture as layered SVG: both take props from `props.py`, backgrounds from
`backgrounds.py`, and looks from `effects.py`.
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, Protocol, cast

import numpy as np
import skia
from numpy.typing import NDArray

from analogen.relsim.world import effects
from analogen.relsim.world.art import ArtLibrary
from analogen.relsim.world.backgrounds import draw_background
from analogen.relsim.world.bounded_cache import BoundedCache
from analogen.relsim.world.icon import Art, Pixels
from analogen.relsim.world.lighting import light_shapes, lighting_of
from analogen.relsim.world.palette import resolve
from analogen.relsim.world.picture import held_bytes
from analogen.relsim.world.props import BLEEDING, prop_shapes
from analogen.relsim.world.scene import Element, Scene
from analogen.relsim.world.shapes import Shape, draw_shapes, skia_path

SIDES_PX = (64, 4096)
_CACHE_BYTES = 192 * 2**20
_LEVELS_PX = (48, 96, 192, 384, 768, 1536, 3072)
_SHADOW_PX = 96  # side of the image that a shadow is blurred in
_OVERHANG = 0.8  # how far a prop may reach beyond its box, in sizes: a lens by its handle
_SMOOTH = skia.SamplingOptions(skia.FilterMode.kLinear, skia.MipmapMode.kLinear)
_BLOCKS = skia.SamplingOptions(skia.FilterMode.kNearest)


class ArtSource(Protocol):
    """Art by name and style, such as art.ArtLibrary."""

    def icon(self, name: str, style: str) -> Art:
        """Raises ValueError for unknown names."""


@dataclass(frozen=True)
class NamedArt:
    """Art that is loaded from its source when needed, since the renderer's cache usually has its image."""

    source: ArtSource
    name: str
    style: str

    def pixels(self, side: int, standing: bool = False) -> Pixels:
        return self.source.icon(self.name, self.style).pixels(side, standing)

    def document(self, side: int = 512, standing: bool = False) -> str | None:
        return self.source.icon(self.name, self.style).document(side, standing)


@dataclass(frozen=True)
class SceneArt:
    """The art of a scene's two things: the user's art (hashable, immutable), or else the source's art by name."""

    source: ArtSource
    subject: Art | None = None
    other: Art | None = None

    def art(self, scene: Scene, thing: Element) -> Art:
        """The art of a thing of the scene; a thing with a noun of its own takes the source's."""
        if thing.noun:
            return NamedArt(self.source, thing.noun, scene.style)
        own = self.subject if thing.kind == "subject" else self.other
        return own or NamedArt(self.source, scene.subject if thing.kind == "subject" else scene.other, scene.style)


def as_scene_art(art: ArtSource | SceneArt | None) -> SceneArt:
    """Wraps a source of art in SceneArt; None means the shipped library."""
    if isinstance(art, SceneArt):
        return art
    if art is None:
        art = ArtLibrary.shipped()
    return SceneArt(art)


def render(scene: Scene, width: int, height: int | None = None, art: ArtSource | SceneArt | None = None) -> Pixels:
    """Draws the scene: (height, width, 3) uint8 RGB.

    height: None gives a square. art: the source of the things' pictures; None means the shipped library.
    Raises ValueError if a side is not within SIDES_PX.
    """
    width, height = check_size(width, height)
    return _drawn(scene, width, height, as_scene_art(art), ground=True)[..., :3].copy()


def render_layer(
    scene: Scene, width: int, height: int | None = None, art: ArtSource | SceneArt | None = None
) -> Pixels:
    """Draws the elements without the background: (height, width, 4) uint8 RGBA, premultiplied, to lay over any ground.

    Colours that contrast with the ground still depend on `scene.background`. See `render` for the arguments.
    """
    width, height = check_size(width, height)
    return _drawn(scene, width, height, as_scene_art(art), ground=False)


def straight_alpha(layer: Pixels) -> Pixels:
    """A layer of `render_layer` as image files keep it: (height, width, 4) uint8 RGBA, colours not premultiplied."""
    alpha = layer[..., 3:].astype(np.float32)
    colors = layer[..., :3].astype(np.float32) * 255 / np.maximum(alpha, 1)
    return np.concatenate([np.clip(np.rint(colors), 0, 255).astype(np.uint8), layer[..., 3:]], axis=-1)


def _drawn(scene: Scene, width: int, height: int, scene_art: SceneArt, *, ground: bool) -> Pixels:
    pixels = np.zeros((height, width, 4), dtype=np.uint8)
    surface = skia.Surface(
        pixels, colorType=skia.ColorType.kRGBA_8888_ColorType, alphaType=skia.AlphaType.kPremul_AlphaType
    )
    canvas = surface.getCanvas()
    if ground:
        draw_background(canvas, scene.background, width, height)
    unit = min(width, height) / 2
    canvas.translate(width / 2, height / 2)
    canvas.scale(unit, unit)
    if ground:
        draw_shapes(canvas, light_shapes(scene.style, width / unit / 2, height / unit / 2))
    painter = _Painter(canvas, scene, scene_art, unit, (width / unit / 2, height / unit / 2))
    for element in scene.elements:
        painter.draw(element)
    return pixels


def check_size(width: int, height: int | None) -> tuple[int, int]:
    height = width if height is None else height
    for side, what in ((width, "width"), (height, "height")):
        if not SIDES_PX[0] <= side <= SIDES_PX[1]:
            raise ValueError(f"{what} is {side} px; it must lie in [{SIDES_PX[0]}, {SIDES_PX[1]}]")
    return width, height


def element_matrix(scene: Scene, element: Element) -> NDArray[np.float64]:
    """(3, 3) matrix from the element's own frame (see Layout) to the canvas, in half short sides from its centre."""
    frame = scene.frame
    placed = effects.affine(frame.x, frame.y, frame.turn, frame.mirror, frame.scale)
    return placed @ effects.affine(element.x, element.y, element.turn, element.mirror, element.size)


def raster_side(scene: Scene, element: Element, unit: float, side: float) -> int:
    """The side in pixels at which art is rasterised, for a side in units of the element's size."""
    needed = side * element.size * scene.frame.scale * unit
    return next((level for level in _LEVELS_PX if level >= needed), _LEVELS_PX[-1])


@dataclass(frozen=True)
class Layout:
    """The geometry of an element in its own frame, with its size as the unit and its centre as the origin.

    width, height   Of the box.
    art             x, y, width, height of the whole art (or prop); larger than the box under window and lens.
    clip            Path data of the visible part, "" = all.
    """

    width: float
    height: float
    art: tuple[float, float, float, float]
    clip: str


def lay_out(element: Element) -> Layout:
    width, height = math.sqrt(element.aspect), 1 / math.sqrt(element.aspect)
    clip = effects.clip_path(element.clip, width, height)
    if element.clip.kind in ("window", "lens"):
        side = 1 / element.clip.amount
        art = (-(1 + element.clip.u) * side / 2, -(1 + element.clip.v) * side / 2, side, side)
    else:
        art = (-width / 2, -height / 2, width, height)
    return Layout(width, height, art, clip)


def colors_of(scene: Scene, element: Element) -> list[float] | None:
    """The element's colour matrix; the scene's hue changes things only."""
    hue = element.hue + (scene.frame.hue if element.is_thing else 0)
    return effects.color_matrix(
        hue, element.saturation, element.brightness, flat_color(scene, element), element.silhouette
    )


def flat_color(scene: Scene, element: Element) -> str:
    return resolve(scene.palette, element.palette, scene.background)


def shadow_of(scene: Scene, element: Element) -> tuple[float, float, float]:
    """Offset down and standard deviation (half short sides), and opacity of an element's drop shadow."""
    size, lighting = element.size * scene.frame.scale, lighting_of(scene.style)
    return lighting.drop * size, lighting.blur * size, lighting.opacity * min(scene.shadow, 1.0)


def shapes_of(scene: Scene, element: Element, reach: tuple[float, float]) -> tuple[Shape, ...]:
    """The prop's shapes, in its own frame. reach: half the canvas, in half short sides."""
    # A band that touches the edge of the frame extends to the edge of the canvas, wherever the frame is.
    far = (math.hypot(*reach) + math.hypot(scene.frame.x, scene.frame.y)) / max(scene.frame.scale, 0.05)
    return prop_shapes(element, scene.palette, scene.background, far)


def _bytes(key: Hashable, image: skia.Image) -> int:
    """Of an image with its smaller copies, and of the art that its key keeps alive."""
    art = cast(tuple[Any, ...], key)[0]
    return int(image.width() * image.height() * 4 * 4 // 3) + held_bytes(art)


_IMAGES: BoundedCache[skia.Image] = BoundedCache(_CACHE_BYTES, _bytes)


def _image(pixels: Pixels) -> skia.Image:
    """Creates a mipmapped image with premultiplied alpha; filtering straight alpha would mix in hidden colours."""
    alpha = pixels[..., 3:].astype(np.uint16)
    pixels = np.concatenate([((pixels[..., :3] * alpha + 127) // 255).astype(np.uint8), pixels[..., 3:]], axis=-1)
    image = skia.Image.fromarray(
        np.ascontiguousarray(pixels), skia.ColorType.kRGBA_8888_ColorType, skia.AlphaType.kPremul_AlphaType
    )
    return image.withDefaultMipmaps()


class _Painter:
    def __init__(
        self, canvas: skia.Canvas, scene: Scene, scene_art: SceneArt, unit: float, reach: tuple[float, float]
    ) -> None:
        self._canvas, self._scene, self._scene_art, self._unit, self._reach = canvas, scene, scene_art, unit, reach

    def draw(self, element: Element) -> None:
        if element.opacity <= 0:
            return
        matrix = element_matrix(self._scene, element)
        if element.is_thing and self._scene.shadow > 0:
            self._drop_shadow(element, matrix)
        self._draw(self._canvas, element, matrix)

    def _draw(self, canvas: skia.Canvas, element: Element, matrix: NDArray[np.float64]) -> None:
        canvas.save()
        canvas.concat(skia.Matrix.MakeAll(*matrix[:2].ravel(), 0, 0, 1))
        layout = lay_out(element)
        if layout.clip:
            canvas.clipPath(skia_path(layout.clip), True)
        if element.is_thing:
            self._draw_thing(canvas, element, layout)
        else:
            self._draw_prop(canvas, element, layout)
        canvas.restore()

    def _drop_shadow(self, element: Element, matrix: NDArray[np.float64]) -> None:
        """The shadow, blurred at a small size and enlarged, because a blur at full size would take most of the time."""
        drop, _, opacity = shadow_of(self._scene, element)
        blur = lighting_of(self._scene.style).blur
        half = max(element.aspect, 1 / element.aspect) ** 0.5 / 2 + 3 * blur
        # Colours do not matter, nor do ink drawings and blocks, whose outlines are about the same.
        # The size only selects the resolution of the art; a low one is enough for a blur.
        plain = Element(
            element.kind, 0, 0, 0.1, element.aspect, standing=element.standing, clip=element.clip, noun=element.noun
        )  # fmt: skip
        art = self._scene_art.art(self._scene, element)
        image = _IMAGES.get((art, "shadow", blur, plain), lambda: self._blurred(plain, half, blur))
        canvas = self._canvas
        canvas.save()
        canvas.translate(0, drop)
        canvas.concat(skia.Matrix.MakeAll(*matrix[:2].ravel(), 0, 0, 1))
        linear = skia.SamplingOptions(skia.FilterMode.kLinear)
        alpha = skia.Paint(Alphaf=opacity * element.opacity)
        canvas.drawImageRect(image, skia.Rect.MakeLTRB(-half, -half, half, half), linear, alpha)
        canvas.restore()

    def _blurred(self, element: Element, half: float, blur: float) -> skia.Image:
        surface = skia.Surface(_SHADOW_PX, _SHADOW_PX)
        canvas = surface.getCanvas()
        canvas.scale(_SHADOW_PX / (2 * half), _SHADOW_PX / (2 * half))
        canvas.translate(half, half)
        paint = _paint(effects.color_matrix(0, 1, 1, "#000000", 1), 1.0)
        paint.setImageFilter(skia.ImageFilters.Blur(blur, blur))
        canvas.saveLayer(None, paint)
        self._draw(canvas, element, np.eye(3))
        canvas.restore()
        return surface.makeImageSnapshot()

    def _draw_prop(self, canvas: skia.Canvas, element: Element, layout: Layout) -> None:
        matrix = colors_of(self._scene, element)
        layered = matrix is not None or element.opacity < 1
        if layered:
            room = skia.Rect.MakeXYWH(*layout.art).makeOutset(_OVERHANG, _OVERHANG)
            canvas.saveLayer(None if element.kind in BLEEDING else room, _paint(matrix, element.opacity))
        if element.clip.kind in ("window", "lens"):
            x, y, side, _ = layout.art
            canvas.translate(x + side / 2, y + side / 2)
            canvas.scale(side, side)
        draw_shapes(canvas, shapes_of(self._scene, element, self._reach))
        if layered:
            canvas.restore()

    def _draw_thing(self, canvas: skia.Canvas, element: Element, layout: Layout) -> None:
        scene = self._scene
        x, y, width, height = layout.art
        place = skia.Rect.MakeXYWH(x, y, width, height)
        patterned = element.pattern != "none" and element.silhouette > 0
        layered = element.opacity < 1 and (patterned or element.sketch > 0)
        if layered:
            canvas.saveLayer(place, _paint(None, element.opacity))
        opacity = 1.0 if layered else element.opacity
        color_share, sketch_share = sketch_shares(element.sketch)
        if color_share > 0:
            if patterned:
                canvas.saveLayer(place, skia.Paint(Alphaf=opacity * color_share))
            image, sampling = self._art(element, max(width, height))
            paint = _paint(colors_of(scene, element), 1.0 if patterned else opacity * color_share)
            canvas.drawImageRect(image, place, sampling, paint)
            if patterned:
                canvas.saveLayer(place, skia.Paint(Alphaf=element.silhouette, BlendMode=skia.BlendMode.kSrcATop))
                color = flat_color(scene, element)
                draw_shapes(canvas, effects.pattern_shapes(element.pattern, color, layout.width, layout.height))
                canvas.restore()
                canvas.restore()
        if sketch_share > 0:
            image = self._sketch(element, max(width, height))
            canvas.drawImageRect(image, place, _SMOOTH, skia.Paint(Alphaf=opacity * sketch_share))
        if layered:
            canvas.restore()

    def _art(self, element: Element, side: float) -> tuple[skia.Image, skia.SamplingOptions]:
        art, standing = self._scene_art.art(self._scene, element), element.standing
        if element.pixel > 0:
            columns, rows = effects.block_counts(element)
            key: Hashable = (art, standing, columns, rows)
            blocks = _IMAGES.get(key, lambda: _image(effects.pixelate(art.pixels(192, standing), columns, rows)))
            return blocks, _BLOCKS
        level = raster_side(self._scene, element, self._unit, side)
        return _IMAGES.get((art, standing, level), lambda: _image(art.pixels(level, standing))), _SMOOTH

    def _sketch(self, element: Element, side: float) -> skia.Image:
        art, standing = self._scene_art.art(self._scene, element), element.standing
        level = min(raster_side(self._scene, element, self._unit, side), effects.SKETCH_PX)
        key = (art, standing, "sketch", level)
        return _IMAGES.get(key, lambda: _image(effects.sketch(art.pixels(level, standing))))


def sketch_shares(sketch: float) -> tuple[float, float]:
    """The opacities of the coloured art and of the ink drawing over it."""
    return min(1.0, 2 * (1 - sketch)), sketch


def _paint(matrix: list[float] | None, opacity: float) -> skia.Paint:
    paint = skia.Paint(Alphaf=opacity, AntiAlias=True)
    if matrix is not None:
        paint.setColorFilter(skia.ColorFilters.Matrix(matrix))
    return paint
