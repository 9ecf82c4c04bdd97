"""The one renderer: draws a scene as pixels, for training pictures and results alike.

`svg.py` writes the same picture as layered SVG: both take props from `props.py`, backgrounds from
`backgrounds.py`, and looks from `effects.py`.
"""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import skia
from numpy.typing import NDArray

from analogen.relsim.world import effects
from analogen.relsim.world.art import Art, ArtLibrary, Pixels
from analogen.relsim.world.backgrounds import draw_background
from analogen.relsim.world.palette import resolve
from analogen.relsim.world.props import BLEEDING, prop_shapes
from analogen.relsim.world.scene import Element, Scene
from analogen.relsim.world.shapes import Shape, draw_shapes, skia_path

SIDES_PX = (64, 4096)
_CACHE_BYTES = 192 * 2**20
_LEVELS_PX = (48, 96, 192, 384, 768, 1536, 3072)
_SHADOW_PX = 96  # side of the image that a shadow is blurred in
SHADOW_BLUR = 0.04  # standard deviation, in sizes
_OVERHANG = 0.8  # how far a prop may reach beyond its box, in sizes: a lens by its handle
_SMOOTH = skia.SamplingOptions(skia.FilterMode.kLinear, skia.MipmapMode.kLinear)
_BLOCKS = skia.SamplingOptions(skia.FilterMode.kNearest)


class ArtSource(Protocol):
    """Art by name and style, such as art.ArtLibrary."""

    def icon(self, name: str, style: str) -> Art:
        """Raises ValueError for unknown names."""


@dataclass(frozen=True)
class NamedArt:
    """Art of a source, fetched when it is needed: most of the time its image is in the renderer's cache."""

    source: ArtSource
    name: str
    style: str

    def pixels(self, side: int, standing: bool = False) -> Pixels:
        return self.source.icon(self.name, self.style).pixels(side, standing)

    def document(self, side: int = 512, standing: bool = False) -> str | None:
        return self.source.icon(self.name, self.style).document(side, standing)


@dataclass(frozen=True)
class SceneArt:
    """Who plays the two things: the user's own art (hashable, its pixels never change), or else the source's
    art of the scene's names."""

    source: ArtSource
    subject: Art | None = None
    other: Art | None = None

    def art(self, scene: Scene, kind: str) -> Art:
        """kind: "subject" or "other"."""
        own = self.subject if kind == "subject" else self.other
        return own or NamedArt(self.source, scene.subject if kind == "subject" else scene.other, scene.style)


def as_scene_art(art: ArtSource | SceneArt | None) -> SceneArt:
    """None: the shipped art."""
    if isinstance(art, SceneArt):
        return art
    if art is None:
        art = ArtLibrary.shipped()
    return SceneArt(art)


def render(scene: Scene, width: int, height: int | None = None, art: ArtSource | SceneArt | None = None) -> Pixels:
    """Draw the scene: (height, width, 3) uint8 RGB.

    height: None = square. art: where the things' pictures come from; None = the shipped library.
    Raises ValueError if a side is not within SIDES_PX.
    """
    width, height = check_size(width, height)
    return _drawn(scene, width, height, as_scene_art(art), ground=True)[..., :3].copy()


def render_layer(
    scene: Scene, width: int, height: int | None = None, art: ArtSource | SceneArt | None = None
) -> Pixels:
    """The scene's elements without its background: (height, width, 4) uint8 RGBA, premultiplied, to be laid on any
    ground. Colours that have to stand out from the ground still go by `scene.background`. Otherwise as `render`."""
    width, height = check_size(width, height)
    return _drawn(scene, width, height, as_scene_art(art), ground=False)


def _drawn(scene: Scene, width: int, height: int, cast: SceneArt, *, ground: bool) -> Pixels:
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
    painter = _Painter(canvas, scene, cast, unit, (width / unit / 2, height / unit / 2))
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
    """(3, 3): from the element's own frame (see Layout) to the canvas, in half short sides from its centre."""
    frame = scene.frame
    placed = effects.affine(frame.x, frame.y, frame.turn, frame.mirror, frame.scale)
    return placed @ effects.affine(element.x, element.y, element.turn, element.mirror, element.size)


def level_of(scene: Scene, element: Element, unit: float, side: float) -> int:
    """The side in pixels that art is rasterised at, for a side in units of the element's size."""
    needed = side * element.size * scene.frame.scale * unit
    return next((level for level in _LEVELS_PX if level >= needed), _LEVELS_PX[-1])


@dataclass(frozen=True)
class Layout:
    """How an element lies in its own frame, whose unit is its size and whose origin is its centre.

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
    """The element's colour matrix; the scene's own hue turns things only."""
    hue = element.hue + (scene.frame.hue if element.is_thing else 0)
    return effects.color_matrix(
        hue, element.saturation, element.brightness, flat_color(scene, element), element.silhouette
    )


def flat_color(scene: Scene, element: Element) -> str:
    return resolve(scene.palette, element.palette, scene.background)


def shadow_of(scene: Scene, element: Element) -> tuple[float, float, float]:
    """Offset down and standard deviation (half short sides), and opacity of an element's drop shadow."""
    size = element.size * scene.frame.scale
    return 0.04 * size, SHADOW_BLUR * size, 0.42 * min(scene.shadow, 1.0)


def shapes_of(scene: Scene, element: Element, reach: tuple[float, float]) -> tuple[Shape, ...]:
    """The prop's shapes, in its own frame. reach: half the canvas, in half short sides."""
    # A band that touches the frame's edge runs on to the canvas's, however the frame is placed.
    far = (math.hypot(*reach) + math.hypot(scene.frame.x, scene.frame.y)) / max(scene.frame.scale, 0.05)
    return prop_shapes(element, scene.palette, scene.background, far)


class _Cache:
    """Least recently used images, within a budget of bytes; safe to share between threads."""

    def __init__(self, budget: int) -> None:
        self._budget, self._held = budget, 0
        self._images: OrderedDict[Hashable, skia.Image] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], skia.Image]) -> skia.Image:
        with self._lock:
            image = self._images.get(key)
            if image is not None:
                self._images.move_to_end(key)
                return image
        image = make()
        with self._lock:
            if key not in self._images:
                self._images[key] = image
                self._held += _bytes(image)
            while self._held > self._budget and len(self._images) > 1:
                self._held -= _bytes(self._images.popitem(last=False)[1])
        return image


def _bytes(image: skia.Image) -> int:
    return int(image.width() * image.height() * 4 * 4 // 3)


_IMAGES = _Cache(_CACHE_BYTES)


def _image(pixels: Pixels) -> skia.Image:
    """Mipmapped; premultiplied beforehand, since filtering straight alpha bleeds hidden colours in."""
    alpha = pixels[..., 3:].astype(np.uint16)
    pixels = np.concatenate([((pixels[..., :3] * alpha + 127) // 255).astype(np.uint8), pixels[..., 3:]], axis=-1)
    image = skia.Image.fromarray(
        np.ascontiguousarray(pixels), skia.ColorType.kRGBA_8888_ColorType, skia.AlphaType.kPremul_AlphaType
    )
    return image.withDefaultMipmaps()


class _Painter:
    def __init__(
        self, canvas: skia.Canvas, scene: Scene, cast: SceneArt, unit: float, reach: tuple[float, float]
    ) -> None:
        self._canvas, self._scene, self._cast, self._unit, self._reach = canvas, scene, cast, unit, reach

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
        """Blurred small, once, and scaled up: blurring in place would take most of a picture's time."""
        drop, _, opacity = shadow_of(self._scene, element)
        half = max(element.aspect, 1 / element.aspect) ** 0.5 / 2 + 3 * SHADOW_BLUR
        # Colours do not matter here, nor do drawings and blocks, whose outline is about the same.
        # The size chooses the art's level only: little is enough to blur.
        plain = Element(element.kind, 0, 0, 0.1, element.aspect, standing=element.standing, clip=element.clip)
        art = self._cast.art(self._scene, element.kind)
        image = _IMAGES.get((art, "shadow", plain), lambda: self._blurred(plain, half))
        canvas = self._canvas
        canvas.save()
        canvas.translate(0, drop)
        canvas.concat(skia.Matrix.MakeAll(*matrix[:2].ravel(), 0, 0, 1))
        linear = skia.SamplingOptions(skia.FilterMode.kLinear)
        alpha = skia.Paint(Alphaf=opacity * element.opacity)
        canvas.drawImageRect(image, skia.Rect.MakeLTRB(-half, -half, half, half), linear, alpha)
        canvas.restore()

    def _blurred(self, element: Element, half: float) -> skia.Image:
        surface = skia.Surface(_SHADOW_PX, _SHADOW_PX)
        canvas = surface.getCanvas()
        canvas.scale(_SHADOW_PX / (2 * half), _SHADOW_PX / (2 * half))
        canvas.translate(half, half)
        paint = _paint(effects.color_matrix(0, 1, 1, "#000000", 1), 1.0)
        paint.setImageFilter(skia.ImageFilters.Blur(SHADOW_BLUR, SHADOW_BLUR))
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
        art, standing = self._cast.art(self._scene, element.kind), element.standing
        if element.pixel > 0:
            columns, rows = effects.block_counts(element)
            key: Hashable = (art, standing, columns, rows)
            blocks = _IMAGES.get(key, lambda: _image(effects.pixelate(art.pixels(192, standing), columns, rows)))
            return blocks, _BLOCKS
        level = level_of(self._scene, element, self._unit, side)
        return _IMAGES.get((art, standing, level), lambda: _image(art.pixels(level, standing))), _SMOOTH

    def _sketch(self, element: Element, side: float) -> skia.Image:
        art, standing = self._cast.art(self._scene, element.kind), element.standing
        level = min(level_of(self._scene, element, self._unit, side), effects.SKETCH_PX)
        key = (art, standing, "sketch", level)
        return _IMAGES.get(key, lambda: _image(effects.sketch(art.pixels(level, standing))))


def sketch_shares(sketch: float) -> tuple[float, float]:
    """Opacities of the coloured art and of the drawing laid over it."""
    return min(1.0, 2 * (1 - sketch)), sketch


def _paint(matrix: list[float] | None, opacity: float) -> skia.Paint:
    paint = skia.Paint(Alphaf=opacity)
    if matrix is not None:
        paint.setColorFilter(skia.ColorFilters.Matrix(matrix))
    return paint
