"""The renderer keeps what scene.py promises, and SVG shows the same picture."""

from __future__ import annotations

import dataclasses
import io
import math
from itertools import pairwise
from xml.etree import ElementTree

import numpy as np
import pytest
import resvg_py
from numpy.typing import NDArray
from PIL import Image

from analogen.relsim.world import effects
from analogen.relsim.world.icon import Art, Icon
from analogen.relsim.world.props import DEFAULTS
from analogen.relsim.world.render import SceneArt, render
from analogen.relsim.world.scene import BACKGROUNDS, CLIPS, PATTERNS, PROPS, Background, Clip, Element, Frame, Scene
from analogen.relsim.world.svg import to_svg

WHITE = Background("plain", "#ffffff", "#ffffff")
_HOUSE = (
    '<defs><linearGradient id="a"><stop stop-color="#e03030"/><stop offset="1" stop-color="#802020"/></linearGradient>'
    '</defs><path id="p" d="M0 40L50 0L100 40V80H0Z" fill="url(#a)"/><rect x="60" y="45" width="25" height="35" '
    'fill="#2040c0"/><circle cx="25" cy="55" r="12" fill="#ffd040"/>'
)
_SQUARE = '<rect id="p" width="100" height="100" fill="#d02020"/>'


class Shelf:
    """A stand-in for the library: "square" fills its box, everything else is a lopsided house."""

    def icon(self, name: str, style: str) -> Art:
        if name == "square":
            return Icon(name, style, _SQUARE, (0.0, 0.0, 100.0, 100.0))
        return Icon(name, style, _HOUSE, (0.0, 0.0, 100.0, 80.0))


SHELF = Shelf()


def draw(*elements: Element, px: int = 96, height: int | None = None, **rest: object) -> NDArray[np.int64]:
    scene = dataclasses.replace(Scene(elements, WHITE, subject="square", other="house"), **rest)  # type: ignore[arg-type]
    return render(scene, px, height, art=SHELF).astype(np.int64)


def dark(picture: NDArray[np.int64]) -> NDArray[np.bool_]:
    return picture.sum(axis=-1) < 600


def centre(picture: NDArray[np.int64]) -> tuple[float, float]:
    """x, y of what is drawn, in half sides from the middle."""
    y, x = np.nonzero(dark(picture))
    return float((x.mean() + 0.5) / picture.shape[1] * 2 - 1), float((y.mean() + 0.5) / picture.shape[0] * 2 - 1)


def raster(svg: str) -> NDArray[np.int64]:
    return np.array(Image.open(io.BytesIO(resvg_py.svg_to_bytes(svg_string=svg))).convert("RGB")).astype(np.int64)


def difference(scene: Scene, px: int = 128, height: int | None = None) -> float:
    return float(np.abs(render(scene, px, height, SHELF) - raster(to_svg(scene, px, height, SHELF))).mean())


@pytest.mark.parametrize("prop", PROPS)
def test_svg_shows_every_prop_as_pixels_do(prop: str) -> None:
    aspect = {"line": 9.0, "rope": 9.0, "beam": 9.0, "crack": 4.0}.get(prop, 1.3)
    scene = Scene((Element(prop, -0.1, -0.1, 1.0, aspect, turn=8),), Background("gradient", turn=60))
    assert difference(scene) < 3
    assert np.abs(render(scene, 128).astype(int) - render(Scene((), scene.background), 128)).max() > 8


@pytest.mark.parametrize("clip", CLIPS)
def test_svg_shows_every_clip_as_pixels_do(clip: str) -> None:
    shown = Clip(clip, 0.5, -0.4, 0.4)
    elements = (Element("other", 0, 0, 1.4, turn=12, clip=shown), Element("heart", 0.5, 0.5, 0.6, clip=shown))
    assert difference(Scene(elements)) < 3


@pytest.mark.parametrize(
    "look",
    [
        {"sketch": 1.0}, {"sketch": 0.6, "opacity": 0.5}, {"pixel": 0.5}, {"pixel": 0.9, "aspect": 1.6}, {"hue": 120.0},
        {"silhouette": 1.0}, {"silhouette": 0.5, "palette": "accent"}, {"saturation": 0.2, "brightness": 1.5},
        {"opacity": 0.4}, {"turn": 30.0, "mirror": True, "aspect": 1.6, "standing": True},
        *({"silhouette": 1.0, "pattern": pattern, "palette": "primary"} for pattern in PATTERNS),
    ],
)  # fmt: skip
def test_svg_shows_every_look_as_pixels_do(look: dict[str, object]) -> None:
    element = Element("other", 0, 0, 1.4, **look)  # type: ignore[arg-type]
    assert difference(Scene((element, Element("star", 0.6, 0.6, 0.5, hue=40, opacity=0.7)))) < 4


@pytest.mark.parametrize("kind", BACKGROUNDS)
def test_svg_shows_every_background_frame_and_shadow_as_pixels_do(kind: str) -> None:
    things = (
        Element("subject", 0, 0, 0.8),
        Element("water", 0, 0.75, math.sqrt(1.0), 4.0),
        Element("other", 0, 0.5, 0.7),
    )
    background = Background(kind, "#8cb4d8", "#d8c9a3", 35, 0.3, 5)
    frame = Frame(0.1, 0.05, 0.8, 10, mirror=True, hue=60)
    assert difference(Scene(things, background, frame, shadow=0.7), 160, 112) < 4


def test_svg_has_one_named_layer_per_element_and_unique_ids() -> None:
    elements = (Element("water", 0, 0.6, 1.0), Element("subject", 0, 0, 1.0), Element("other", 0.5, 0, 0.5),
                Element("other", -0.5, 0, 0.5, standing=True))  # fmt: skip
    svg = to_svg(Scene(elements, shadow=0.5), 200, art=SHELF)
    root = ElementTree.fromstring(svg)
    layers = [g.get("id") for g in root if g.tag.endswith("}g")]
    assert layers == ["background", "water-01", "subject-02", "other-03", "other-04"]
    ids = [node.get("id") for node in root.iter() if node.get("id")]
    assert len(ids) == len(set(ids))
    targets = {node.get("{http://www.w3.org/1999/xlink}href", "#").split("#")[-1] for node in root.iter()} - {""}
    assert targets <= set(ids)


def test_svg_refers_to_nothing_outside() -> None:
    scene = Scene((Element("subject", 0, 0, 1, sketch=0.5), Element("other", 0, 0, 1, pixel=0.5)), Background("noise"))
    root = ElementTree.fromstring(to_svg(scene, 128, art=SHELF))
    for node in root.iter():
        for name, value in node.attrib.items():
            if name.endswith("href"):
                assert value.startswith(("#", "data:image/png;base64,"))


def test_a_box_lands_where_it_says() -> None:
    shown = dark(draw(Element("subject", 0.25, -0.25, 0.5, aspect=4.0), px=200))
    y, x = np.nonzero(shown)
    assert (x.min(), x.max() + 1) == pytest.approx((75, 175), abs=1)
    assert (y.min(), y.max() + 1) == pytest.approx((62.5, 87.5), abs=1)


def test_standing_art_rests_on_the_lower_edge() -> None:
    bottoms = [np.nonzero(dark(draw(Element("other", 0, 0, 1.0, standing=s), px=200)))[0].max() for s in (False, True)]
    assert bottoms == pytest.approx([139, 149], abs=2)


def test_turns_are_clockwise() -> None:
    x, y = centre(draw(Element("subject", 0.6, 0, 0.4), frame=Frame(turn=90)))
    assert (x, y) == pytest.approx((0, 0.6), abs=0.03)


def test_mirrored_frame_mirrors_the_picture() -> None:
    elements = (Element("other", 0.3, 0.2, 0.8, turn=20), Element("arrow", -0.5, 0, 0.5))
    plain, mirrored = (draw(*elements, frame=Frame(mirror=mirror)) for mirror in (False, True))
    assert np.abs(plain[:, ::-1] - mirrored).mean() < 1


def test_frame_hue_turns_things_and_leaves_props() -> None:
    elements = (Element("subject", -0.5, 0, 0.5), Element("heart", 0.5, 0, 0.5))
    plain, turned = (draw(*elements, frame=Frame(hue=hue)) for hue in (0.0, 120.0))
    assert np.abs(plain[:, :48] - turned[:, :48]).mean() > 10
    assert np.array_equal(plain[:, 48:], turned[:, 48:])


@pytest.mark.parametrize(("width", "height"), [(128, 128), (192, 96), (96, 192)])
def test_water_runs_on_to_the_edges_of_the_canvas(width: int, height: int) -> None:
    water = Element("water", 0, 0.75, math.sqrt(2 * 0.5), 4.0)
    picture = draw(water, px=width, height=height, frame=Frame(scale=0.7))
    assert dark(picture)[-1].all()
    assert not dark(picture)[0].any()


def test_water_inside_the_frame_ends_with_its_box() -> None:
    shown = dark(draw(Element("water", 0, 0.2, 0.6, 2.0)))
    assert not shown[:, :10].any()
    assert not shown[-10:].any()


@pytest.mark.parametrize("direction", [(1.0, 0.0), (0.7, -0.7), (0.0, 1.0)])
def test_bites_take_about_their_share_and_never_give_back(direction: tuple[float, float]) -> None:
    amounts = np.linspace(0, 1, 11)
    shown = [dark(draw(Element("subject", 0, 0, 1.8, clip=Clip("bite", *direction, a)))) for a in amounts]
    for before, after in pairwise(shown):
        assert not (after & ~before).any()
    left = np.array([s.sum() / shown[0].sum() for s in shown])
    assert np.abs(left - (1 - amounts)).max() < 0.12


@pytest.mark.parametrize("kind", ["fragment", "wedge"])
def test_sectors_show_their_share(kind: str) -> None:
    whole = dark(draw(Element("subject", 0, 0, 1.6))).sum()
    share = dark(draw(Element("subject", 0, 0, 1.6, clip=Clip(kind, 1.0, 0.0, 0.25)))).sum() / whole
    assert share == pytest.approx(0.25 if kind == "fragment" else 0.75, abs=0.06)


def test_fragments_of_equal_shares_fit_together() -> None:
    angles = [math.radians(20 + 72 * i) for i in range(5)]
    pieces = [Element("subject", 0, 0, 1.6, clip=Clip("fragment", math.cos(a), math.sin(a), 0.2)) for a in angles]
    whole = draw(Element("subject", 0, 0, 1.6))
    assert np.abs(draw(*pieces) - whole).mean() < 4
    shown = sum(dark(draw(piece)).sum() for piece in pieces)
    assert shown == pytest.approx(dark(whole).sum(), rel=0.05)


def test_half_keeps_its_side() -> None:
    x, _ = centre(draw(Element("subject", 0, 0, 1.6, clip=Clip("half", 1, 0, 0))))
    assert x == pytest.approx(0.4, abs=0.03)
    assert not dark(draw(Element("subject", 0, 0, 1.6, clip=Clip("half", 1, 0, 1.0)))).any()


def test_window_magnifies_its_point() -> None:
    seen = draw(Element("other", 0, 0, 0.6, clip=Clip("window", 0.45, 0.5, 0.1)))  # the house's blue door
    red, _, blue = seen[48, 48]
    assert blue > 150
    assert red < 80


def test_silhouettes_are_flat_and_whole() -> None:
    picture = draw(Element("other", 0, 0, 1.4, silhouette=1.0, palette="primary"))
    inside = picture[dark(picture)]
    assert np.abs(inside - np.median(inside, axis=0)).mean() < 6


def test_pixel_shows_the_stated_number_of_blocks() -> None:
    assert effects.block_counts(Element("other", 0, 0, 1.0, pixel=1.0)) == (3, 3)
    assert effects.block_counts(Element("other", 0, 0, 1.0, 2.0, pixel=0.5)) == (12, 6)
    row = draw(Element("other", 0, 0, 2.0, pixel=1.0), px=96)[60]
    changes = np.nonzero(np.abs(np.diff(row, axis=0)).sum(axis=-1) > 6)[0]
    assert set(changes) <= {31, 63}


def test_sketch_draws_dark_lines_on_pale_paper() -> None:
    drawing = effects.sketch(SHELF.icon("house", "").pixels(192))
    opaque = drawing[drawing[..., 3] > 200][:, :3].mean(axis=-1)
    assert (opaque > 200).mean() > 0.5
    assert 0.04 < (opaque < 110).mean() < 0.45


def test_no_change_of_colour_needs_no_matrix() -> None:
    assert effects.color_matrix(0, 1, 1, "#123456", 0) is None
    matrix = effects.color_matrix(0, 1, 1, "#ff0000", 1)
    assert matrix is not None
    assert np.allclose(np.array(matrix).reshape(4, 5)[:3, 4], (1, 0, 0))


def test_same_scene_gives_the_same_picture() -> None:
    scene = Scene((Element("other", 0, 0, 1, sketch=0.5),), Background("noise", seed=7), shadow=0.5)
    assert np.array_equal(render(scene, 96, art=SHELF), render(scene, 96, art=SHELF))
    other = dataclasses.replace(scene, background=Background("noise", seed=8))
    assert not np.array_equal(render(scene, 96, art=SHELF), render(other, 96, art=SHELF))


def test_a_picture_of_the_user_replaces_the_subject() -> None:
    class Green:
        name = "mine"

        def pixels(self, side: int, standing: bool = False) -> NDArray[np.uint8]:
            return np.tile(np.array([0, 200, 0, 255], dtype=np.uint8), (side, side, 1))

        def document(self, side: int = 512, standing: bool = False) -> str | None:
            return None

    cast = SceneArt(SHELF, subject=Green())
    scene = Scene((Element("subject", 0, 0, 1.0),), WHITE)
    for picture in (render(scene, 96, art=cast), raster(to_svg(scene, 96, art=cast))):
        assert tuple(picture[48, 48]) == (0, 200, 0)


def test_every_prop_has_a_default_colour() -> None:
    assert set(DEFAULTS) == set(PROPS)


def test_shape_and_type() -> None:
    picture = render(Scene(()), 80, 64, SHELF)
    assert picture.shape == (64, 80, 3)
    assert picture.dtype == np.uint8


@pytest.mark.parametrize("size", [(63, None), (5000, 128), (128, 10)])
def test_sizes_out_of_range_are_refused(size: tuple[int, int | None]) -> None:
    for function in (render, to_svg):
        with pytest.raises(ValueError, match=r"must lie in \[64, 4096\]"):
            function(Scene(()), *size, art=SHELF)
