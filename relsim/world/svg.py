"""Writes scenes as layered SVG that looks like the rendered picture, with a named group for each element.

Plain SVG 1.1 with xlink, so that resvg, browsers, Inkscape and Illustrator read it; nothing lies outside the
file. Groups are Inkscape layers. Drawings of things are shared: each is defined once and used by its copies.
"""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterable
from xml.sax.saxutils import quoteattr

from PIL import Image

from analogen.relsim.world import effects
from analogen.relsim.world.backgrounds import TEXTURED, background_shapes, texture
from analogen.relsim.world.icon import Pixels, prefixed_ids
from analogen.relsim.world.lighting import light_shapes
from analogen.relsim.world.render import (
    ArtSource,
    SceneArt,
    as_scene_art,
    check_size,
    colors_of,
    element_matrix,
    flat_color,
    lay_out,
    raster_side,
    shadow_of,
    shapes_of,
    sketch_shares,
)
from analogen.relsim.world.scene import Element, Scene
from analogen.relsim.world.shapes import Linear, Radial, Shape

_PICTURE_PX = 1024  # of art that is a picture of pixels
_HEAD = (
    '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
    'xmlns:inkscape="http://www.inkscape.org/namespaces/inkscape" version="1.1" '
    'width="{w}" height="{h}" viewBox="0 0 {w} {h}">'
)
_SRGB = 'color-interpolation-filters="sRGB"'


def to_svg(
    scene: Scene,
    width: int,
    height: int | None = None,
    art: ArtSource | SceneArt | None = None,
    ground: bool = True,
) -> str:
    """The scene as an SVG document of this size in pixels. See `render.render` for the arguments and errors.

    ground: whether to draw the background.

    Layers: "background", then one group per element in drawing order, named "<kind>-<number from 01>".
    """
    width, height = check_size(width, height)
    writer = _Writer(scene, width, height, as_scene_art(art))
    layers = [_layer("background", writer.background())] if ground else []
    for number, element in enumerate(scene.elements, start=1):
        layers.append(_layer(f"{element.kind}-{number:02d}", writer.element(element)))
    return "\n".join(
        [_HEAD.format(w=width, h=height), "<defs>", *writer.definitions(), "</defs>", *layers, "</svg>", ""]
    )


def _layer(name: str, content: str) -> str:
    return f'<g id="{name}" inkscape:groupmode="layer" inkscape:label="{name}">\n{content}\n</g>'


def _png(pixels: Pixels) -> str:
    """Pixels as a data URI."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _image(pixels: Pixels, place: tuple[float, float, float, float], rest: str = "") -> str:
    x, y, width, height = place
    return (
        f'<image x="{x:.6g}" y="{y:.6g}" width="{width:.6g}" height="{height:.6g}" preserveAspectRatio="none" '
        f'{rest}xlink:href="{_png(pixels)}"/>'
    )


class _Writer:
    def __init__(self, scene: Scene, width: int, height: int, scene_art: SceneArt) -> None:
        self._scene, self._width, self._height, self._scene_art = scene, width, height, scene_art
        self._unit = min(width, height) / 2
        self._reach = (width / 2 / self._unit, height / 2 / self._unit)
        self._defined: dict[object, tuple[str, str]] = {}  # what is defined: its id, its markup

    def definitions(self) -> list[str]:
        return [markup for _, markup in self._defined.values()]

    def _define(self, key: object, name: str, markup: str) -> str:
        """Adds a definition once and returns its id; `markup` has {id} in its place."""
        if key not in self._defined:
            self._defined[key] = (name, markup.replace("{id}", name, 1))
        return self._defined[key][0]

    def _fresh(self, what: str) -> str:
        return f"{what}{len(self._defined) + 1}"

    def background(self) -> str:
        ground = self._scene.background
        light = self._shapes(light_shapes(self._scene.style, *self._reach))
        image = ""
        if ground.kind in TEXTURED:
            image = _image(texture(ground, self._width, self._height), (0, 0, self._width, self._height))
            shapes = light
        else:
            shapes = self._shapes(background_shapes(ground, *self._reach)) + light
        canvas = effects.affine(self._width / 2, self._height / 2, 0, False, self._unit)
        return image + (f'<g transform="{effects.svg_matrix(canvas)}">{shapes}</g>' if shapes else "")

    def element(self, element: Element) -> str:
        scene = self._scene
        canvas = effects.affine(self._width / 2, self._height / 2, 0, False, self._unit)
        layout = lay_out(element)
        if element.is_thing:
            content = self._thing(element, layout.art, (layout.width, layout.height))
        else:
            x, y, width, height = layout.art
            content = self._shapes(shapes_of(scene, element, self._reach))
            if element.clip.kind in ("window", "lens"):
                zoom = effects.affine(x + width / 2, y + height / 2, 0, False, width)
                content = f'<g transform="{effects.svg_matrix(zoom)}">{content}</g>'
            content = self._colored(element, content, None)
        if element.opacity < 1:
            content = f'<g opacity="{element.opacity:.4g}">{content}</g>'
        if layout.clip:
            content = f'<g clip-path="url(#{self._clip(layout.clip)})">{content}</g>'
        content = f'<g transform="{effects.svg_matrix(canvas @ element_matrix(scene, element))}">{content}</g>'
        if element.is_thing and scene.shadow > 0:
            content = f'<g filter="url(#{self._shadow(element)})">{content}</g>'
        return content

    def _thing(self, element: Element, place: tuple[float, float, float, float], box: tuple[float, float]) -> str:
        color_share, sketch_share = sketch_shares(element.sketch)
        parts = []
        if color_share > 0:
            art = self._art(element, place)
            content = self._colored(element, art, place)
            if element.pattern != "none" and element.silhouette > 0:
                content += self._pattern(element, art, place, box)
            parts.append(content if color_share == 1 else f'<g opacity="{color_share:.4g}">{content}</g>')
        if sketch_share > 0:
            parts.append(self._sketch(element, place, sketch_share))
        return "".join(parts)

    def _art(self, element: Element, place: tuple[float, float, float, float]) -> str:
        art, name = self._scene_art.art(self._scene, element), f"art-{_art_name(element)}"
        standing = element.standing
        if element.pixel > 0:
            columns, rows = effects.block_counts(element)
            blocks = effects.pixelate(art.pixels(192, standing), columns, rows)
            # The attribute is for resvg and Inkscape, the style for browsers.
            return _image(blocks, place, 'image-rendering="optimizeSpeed" style="image-rendering:pixelated" ')
        name += "-standing" if standing else ""
        if ("art", name) not in self._defined:
            document = art.document(standing=standing)
            if document is None:
                body = _image(art.pixels(_PICTURE_PX, standing), (0, 0, 1, 1))
            else:
                body = prefixed_ids(_nested(document), f"{name}-")
            self._define(("art", name), name, f'<g id="{{id}}">{body}</g>')
        return _use(name, place)

    def _sketch(self, element: Element, place: tuple[float, float, float, float], share: float) -> str:
        art = self._scene_art.art(self._scene, element)
        level = min(raster_side(self._scene, element, self._unit, max(place[2:])), effects.SKETCH_PX)
        name = f"sketch-{_art_name(element)}-{level}" + ("-standing" if element.standing else "")
        if ("sketch", name) not in self._defined:
            drawing = _image(effects.sketch(art.pixels(level, element.standing)), (0, 0, 1, 1))
            self._define(("sketch", name), name, f'<g id="{{id}}">{drawing}</g>')
        return f'<g opacity="{share:.4g}">{_use(name, place)}</g>'

    def _colored(self, element: Element, content: str, place: tuple[float, float, float, float] | None) -> str:
        matrix = colors_of(self._scene, element)
        if matrix is None:
            return content
        return f'<g filter="url(#{self._matrix_filter(matrix, place)})">{content}</g>'

    def _matrix_filter(self, matrix: list[float], place: tuple[float, float, float, float] | None) -> str:
        values = " ".join(f"{v:.5g}" for v in matrix)
        region = _region(place) if place else 'x="-0.2" y="-0.2" width="1.4" height="1.4"'
        markup = f'<filter id="{{id}}" {region} {_SRGB}><feColorMatrix type="matrix" values="{values}"/></filter>'
        return self._define(("matrix", values, place), self._fresh("colors"), markup)

    def _pattern(
        self, element: Element, art: str, place: tuple[float, float, float, float], box: tuple[float, float]
    ) -> str:
        white = [0.0] * 20
        white[4] = white[9] = white[14] = white[18] = 1.0
        outline = f'<g filter="url(#{self._matrix_filter(white, place)})">{art}</g>'
        markup = f'<mask id="{{id}}" {_region(place, "mask")}>{outline}</mask>'
        mask = self._define(("mask", art), self._fresh("mask"), markup)
        color = flat_color(self._scene, element)
        shapes = self._shapes(effects.pattern_shapes(element.pattern, color, *box))
        return f'<g mask="url(#{mask})" opacity="{element.silhouette:.4g}">{shapes}</g>'

    def _shadow(self, element: Element) -> str:
        drop, sigma, opacity = shadow_of(self._scene, element)
        drop, sigma = drop * self._unit, sigma * self._unit
        markup = (
            f'<filter id="{{id}}" x="-0.3" y="-0.3" width="1.6" height="1.6" {_SRGB}>'
            f'<feGaussianBlur in="SourceAlpha" stdDeviation="{sigma:.5g}"/><feOffset dx="0" dy="{drop:.5g}"/>'
            f'<feComponentTransfer result="shadow"><feFuncA type="linear" slope="{opacity:.4g}"/></feComponentTransfer>'
            '<feMerge><feMergeNode in="shadow"/><feMergeNode in="SourceGraphic"/></feMerge></filter>'
        )
        return self._define(("shadow", drop, sigma, opacity), self._fresh("shadow"), markup)

    def _clip(self, data: str) -> str:
        return self._define(("clip", data), self._fresh("clip"), f'<clipPath id="{{id}}"><path d="{data}"/></clipPath>')

    def _shapes(self, shapes: Iterable[Shape]) -> str:
        return "".join(self._shape(shape) for shape in shapes)

    def _shape(self, shape: Shape) -> str:
        paint = shape.paint if isinstance(shape.paint, str) else f"url(#{self._gradient(shape.paint)})"
        attributes = [f"d={quoteattr(shape.data)}"]
        if shape.width > 0:
            attributes.append(
                f'fill="none" stroke="{paint}" stroke-width="{shape.width:.5g}" stroke-linecap="round" '
                'stroke-linejoin="round"'
            )
        else:
            attributes.append(f'fill="{paint}"')
        if shape.even_odd:
            attributes.append('fill-rule="evenodd"')
        if shape.opacity < 1:
            attributes.append(f'opacity="{shape.opacity:.4g}"')
        if shape.blur > 0:
            markup = (
                f'<filter id="{{id}}" x="-0.5" y="-0.5" width="2" height="2" {_SRGB}>'
                f'<feGaussianBlur stdDeviation="{shape.blur:.5g}"/></filter>'
            )
            attributes.append(f'filter="url(#{self._define(("blur", shape.blur), self._fresh("blur"), markup)})"')
        path = f"<path {' '.join(attributes)}/>"
        return f'<g clip-path="url(#{self._clip(shape.clip)})">{path}</g>' if shape.clip else path

    def _gradient(self, paint: Linear | Radial) -> str:
        stops = "".join(
            f'<stop offset="{offset:.5g}" stop-color="{color}"'
            + (f' stop-opacity="{alpha:.4g}"/>' if alpha < 1 else "/>")
            for offset, color, alpha in paint.stops
        )
        if isinstance(paint, Linear):
            spread = ' spreadMethod="repeat"' if paint.repeat else ""
            ends = f'x1="{paint.x1:.5g}" y1="{paint.y1:.5g}" x2="{paint.x2:.5g}" y2="{paint.y2:.5g}"'
            markup = (
                f'<linearGradient id="{{id}}" gradientUnits="userSpaceOnUse" {ends}{spread}>{stops}</linearGradient>'
            )
        else:
            place = f"matrix({paint.rx:.5g} 0 0 {paint.ry:.5g} {paint.x:.5g} {paint.y:.5g})"
            markup = (
                '<radialGradient id="{id}" gradientUnits="userSpaceOnUse" cx="0" cy="0" r="1" '
                f'gradientTransform="{place}">{stops}</radialGradient>'
            )
        return self._define(paint, self._fresh("paint"), markup)


def _art_name(element: Element) -> str:
    """The part of an id that says whose drawing it is: its kind, or the noun of its own."""
    return re.sub(r"[^a-z0-9]+", "-", f"{element.kind} {element.noun}".lower()).strip("-")


def _region(place: tuple[float, float, float, float], what: str = "filter") -> str:
    x, y, width, height = place
    return (
        f'{what}Units="userSpaceOnUse" x="{x - 0.01 * width:.5g}" y="{y - 0.01 * height:.5g}" '
        f'width="{1.02 * width:.5g}" height="{1.02 * height:.5g}"'
    )


def _use(name: str, place: tuple[float, float, float, float]) -> str:
    x, y, width, height = place
    matrix = f"matrix({width:.6g} 0 0 {height:.6g} {x:.6g} {y:.6g})"
    return f'<use xlink:href="#{name}" transform="{matrix}"/>'


def _nested(document: str) -> str:
    """A standalone square document as an <svg> that fills the unit square of another one."""
    start = document.index("<svg")
    end = document.index(">", start)
    tag = re.sub(r'\s(?:width|height|x|y)="[^"]*"', "", document[start:end])
    return f'{tag} x="0" y="0" width="1" height="1"{document[end:]}'.strip()
