"""Promises of cut-outs, grounds and photographs of scenes."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from numpy.random import default_rng
from PIL import Image, ImageDraw

from analogen.relsim.world.art import ArtLibrary
from analogen.relsim.world.cutouts import CutOut, CutOuts, name_of
from analogen.relsim.world.dataset import Selection, draw_sample
from analogen.relsim.world.grounds import SURFACES, Grounds
from analogen.relsim.world.icon import Pixels
from analogen.relsim.world.photographs import photograph
from analogen.relsim.world.relations import RELATIONS
from analogen.relsim.world.render import SceneArt, render, render_layer
from analogen.relsim.world.scene import Element, Scene

SIDE = 96
RED_SQUARE = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 10 10"><rect width="8" height="8" fill="#f00"/></svg>'
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three things and two files that are none; pictures of grounds beside them."""
    folder = tmp_path_factory.mktemp("material")
    things = folder / "things"
    (things / "more").mkdir(parents=True)
    for name, color in (("red_ball-2.png", (220, 30, 30)), ("more/green ball.webp", (20, 200, 40))):
        thing = Image.new("RGBA", (80, 60))
        ImageDraw.Draw(thing).ellipse((10, 5, 70, 55), (*color, 255))
        thing.save(things / name)
    (things / "Square.svg").write_text(RED_SQUARE)
    (things / "broken.png").write_bytes(b"\x89PNG no more of it")
    Image.fromarray(default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(things / "no_alpha.png")
    places = folder / "places"
    places.mkdir()
    Image.fromarray(default_rng(1).integers(0, 256, (90, 120, 3), dtype=np.uint8)).save(places / "noise.jpg")
    (places / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    return folder


@pytest.fixture(scope="module")
def cast(folder: Path) -> SceneArt:
    return SceneArt(ArtLibrary.shipped(), *CutOuts.from_folder(folder / "things").draw(default_rng(3)))


def test_things_are_found_named_and_bad_ones_listed(folder: Path) -> None:
    things = CutOuts.from_folder(folder / "things")
    assert things.names == ("green ball", "red ball", "square")
    assert len(things) == 3
    assert {path.name: bool(reason) and "\n" not in reason for path, reason in things.skipped} == {
        "broken.png": True,
        "no_alpha.png": True,
    }
    assert len({hash(thing) for thing in things}) == 3
    assert [a.name != b.name for a, b in (things.draw(default_rng(s)) for s in range(9))] == [True] * 9


def test_a_thing_is_art(folder: Path) -> None:
    for thing in CutOuts.from_folder(folder / "things"):
        for standing in (False, True):
            pixels = thing.pixels(64, standing)
            assert pixels.shape == (64, 64, 4)
            assert pixels.dtype == np.uint8
            assert np.ptp(np.nonzero(pixels[..., 3])[1]) >= 61
            assert not standing or pixels[-1, :, 3].max() > 200
        assert (thing.document() is None) == (thing.path.suffix != ".svg")


def test_names_are_plain() -> None:
    assert [name_of(Path(f"x/{stem}.png")) for stem in ("Red_Fox-2", "old  boot", "3")] == ["red fox", "old boot", "3"]


@pytest.mark.parametrize("make", [CutOuts.from_folder, Grounds.from_folder])
def test_a_bad_folder_is_told_in_one_line(make: object, tmp_path: Path) -> None:
    with pytest.raises(NotADirectoryError, match=r"^no folder .*none: give one of [^\n]*$"):
        make(tmp_path / "none")  # type: ignore[operator]
    (tmp_path / "broken.png").write_bytes(b"\x89PNG")
    with pytest.raises(ValueError, match=r"^.* has no [^\n]*; of 1 files the first: [^\n]*$"):
        make(tmp_path)  # type: ignore[operator]


def test_more_things_than_names_are_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match="4 different things are wanted, there are 3"):
        CutOuts.from_folder(folder / "things").draw(default_rng(0), 4)


@pytest.mark.parametrize("surface", SURFACES, ids=lambda s: s.__name__)
def test_surfaces_are_made_by_rules(surface: object) -> None:
    one, two, other = (surface(default_rng(seed), SIDE) for seed in (1, 1, 2))  # type: ignore[operator]
    assert one.shape == (SIDE, SIDE, 3)
    assert np.array_equal(one, two)
    assert not np.array_equal(one, other)
    assert one.std() > 0.5
    assert one.min() > -80
    assert one.max() < 400


def test_grounds_come_from_the_folder_and_from_rules(folder: Path) -> None:
    grounds = Grounds.from_folder(folder / "places", made=0.0)
    assert [path.name for path in grounds.pictures] == ["noise.jpg"]
    assert [path.name for path, _ in grounds.skipped] == ["broken.jpg"]
    for source in (grounds, Grounds()):
        one, two, other = (source.draw(SIDE, default_rng(seed)) for seed in (1, 1, 2))
        assert one.shape == (SIDE, SIDE, 3)
        assert one.dtype == np.uint8
        assert np.array_equal(one, two)
        assert not np.array_equal(one, other)


def test_a_layer_on_the_background_is_the_drawing(few_selection: Selection) -> None:
    for relation in ("ring", "before_after", "peeking"):
        scene = draw_sample(RELATIONS[relation], few_selection, default_rng(1)).scene
        scene = dataclasses.replace(scene, background=dataclasses.replace(scene.background, kind="plain"))
        layer = render_layer(scene, 128, 96).astype(float)
        assert layer.shape == (96, 128, 4)
        assert (layer[..., :3] <= layer[..., 3:]).all()
        color = [int(scene.background.color[k : k + 2], 16) for k in (1, 3, 5)]
        laid = layer[..., :3] + (1 - layer[..., 3:] / 255) * np.array(color)
        assert np.abs(laid - render(scene, 128, 96)).max() <= 4


def photographs_of(scene: Scene, cast: SceneArt, seed: int) -> Pixels:
    rng = default_rng(seed)
    return photograph(scene, cast, Grounds().draw(SIDE, rng), rng, SIDE)


def test_every_relation_is_photographed(few_selection: Selection, cast: SceneArt) -> None:
    for number, relation in enumerate(RELATIONS.values()):
        scene = draw_sample(relation, few_selection, default_rng(number), hard=bool(number % 2)).scene
        picture = photographs_of(scene, cast, number)
        assert picture.shape == (SIDE, SIDE, 3), relation.id
        assert picture.dtype == np.uint8
        assert picture.std() > 3, relation.id


def test_equal_generators_give_equal_photographs(few_selection: Selection, cast: SceneArt) -> None:
    scene = draw_sample(RELATIONS["ring"], few_selection, default_rng(2)).scene
    one, two, other = (photographs_of(scene, cast, seed) for seed in (5, 5, 6))
    assert np.array_equal(one, two)
    assert not np.array_equal(one, other)


def test_things_stay_where_they_are_drawn(cast: SceneArt) -> None:
    """The thing's place, on the average over lights and grounds, is that of the drawing."""
    scene = Scene((Element("subject", 0.4, -0.3, 0.4),))
    alone = render_layer(scene, SIDE, SIDE, cast)[..., 3] > 128
    with_thing = np.mean([photographs_of(scene, cast, seed).astype(float) for seed in range(60)], 0)
    without = np.mean([photographs_of(Scene(()), cast, seed).astype(float) for seed in range(60)], 0)
    changed = np.abs(with_thing - without).max(-1)
    assert changed[alone].mean() > 4 * changed[~alone].mean()


def test_things_stand_out_from_a_ground_of_their_colour(folder: Path) -> None:
    red = next(thing for thing in CutOuts.from_folder(folder / "things") if thing.name == "red ball")
    scene = Scene((Element("subject", 0, 0, 1.0),))
    ground = np.full((SIDE, SIDE, 3), (220, 30, 30), np.uint8)
    thing = render_layer(scene, SIDE, SIDE, SceneArt(ArtLibrary.shipped(), red, red))[..., 3] > 250
    apart = []
    for seed in range(12):
        picture = photograph(scene, SceneArt(ArtLibrary.shipped(), red, red), ground, default_rng(seed), SIDE).astype(
            float
        )
        apart.append(np.abs(picture[thing].mean(0) - picture[:12].mean((0, 1))).max())
    assert min(apart) > 25


def test_a_standing_thing_casts_a_shadow_from_its_foot(cast: SceneArt) -> None:
    """Beside what plays a shadow itself it casts none."""
    from analogen.relsim.world import photographs

    standing = Element("subject", 0, 0, 0.8, standing=True)
    assert list(photographs._bases(Scene((standing,)))) == [0.4]
    assert photographs._may_cast(Scene((standing,)))
    assert not photographs._may_cast(Scene((standing, Element("other", 0, 0, 0.5, silhouette=1.0))))
    alpha = np.asarray(render_layer(Scene((standing,)), SIDE, SIDE, cast)[..., 3] / 255, np.float32)
    shadow = photographs._shadow(Scene((standing,)), cast, alpha, -1.0, default_rng(0), SIDE)
    foot = shadow[int(0.66 * SIDE) : int(0.74 * SIDE)]
    assert foot.max() > 0.2
    assert shadow.max() <= 1


def test_a_ground_of_another_size_is_refused(cast: SceneArt) -> None:
    with pytest.raises(ValueError, match=r"the ground is \(8, 8, 3\); \(96, 96, 3\) was expected"):
        photograph(Scene(()), cast, np.zeros((8, 8, 3), np.uint8), default_rng(0), SIDE)


def test_what_is_no_picture_any_more_is_told_when_drawn(tmp_path: Path) -> None:
    path = tmp_path / "gone.png"
    Image.new("RGBA", (30, 30), (9, 9, 9, 255)).save(path)
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(ValueError, match=r"gone\.png cannot be read as a picture"):
        CutOut("gone", path).pixels(32)
