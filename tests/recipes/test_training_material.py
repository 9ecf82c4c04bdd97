"""Promises of recipes/training_material.py: what it takes, and what it never takes."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

RECIPE = Path(__file__).resolve().parents[2] / "recipes" / "training_material.py"


@pytest.fixture(scope="module")
def recipe() -> dict[str, Any]:
    return runpy.run_path(str(RECIPE))


def thing(path: Path, side: int = 120, color: tuple[int, int, int] = (200, 60, 40)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.new("RGBA", (side, side))
    ImageDraw.Draw(image).ellipse((5, 5, side - 6, side - 6), (*color, 255))
    image.save(path)
    return path


@pytest.mark.parametrize(
    "name",
    [
        "stamps/animals/frog-1.png", "stamps/cats/cartoon/lion.png", "stamps/cats/lion-2_mirror.png",
        "stamps/equines/zebra2.svg", "stamps/nuts/walnut_shelled.png", "stamps/ship/walnutBoat.png",
        "stamps/fruit/apple_red.png", "stamps/christmas/Roast_turkey.png", "stamps/emergency/fire_truck.png",
        "stamps/tools/Hammer2.svg", "svg/animals/leone_architetto_01.svg", "svg/animals/rana_verde.svg",
        "wallpapers/Path/contents/images/1024x768.jpg", "wallpapers/BytheWater/contents/images/1024x768.jpg",
        "wallpapers/FallenLeaf/contents/screenshot.jpg", "node_modules/twemoji/assets/cat.png",
        "OpenMoji-color/cat.png",
    ],
)  # fmt: skip
def test_what_the_tests_are_made_of_is_kept(name: str, recipe: dict[str, Any]) -> None:
    assert recipe["is_kept"](Path(name))


@pytest.mark.parametrize("name", ["donkey", "rosella", "lionfish", "keyboard", "monkey", "pineCone", "duckling-house"])
def test_names_that_only_contain_them_are_free(name: str, recipe: dict[str, Any]) -> None:
    assert not recipe["is_kept"](Path(f"stamps/{name}.png"))


def test_stamps_without_signs_and_kept_ones(tmp_path: Path, recipe: dict[str, Any]) -> None:
    files = [
        thing(tmp_path / name)
        for name in ("animals/donkey.png", "animals/frog.png", "symbols/plus.png", "cartoon/cow_3.png", "a/key_old.png")
    ]
    found = list(recipe["stamps"](files))
    assert [(f.path.name, f.folder, f.name) for f in found] == [
        ("donkey.png", "tuxpaint", "donkey"),
        ("cow_3.png", "tuxpaint-drawings", "cow"),
    ]


def test_clip_art_is_chosen_by_folder_name_and_subject(tmp_path: Path, recipe: dict[str, Any]) -> None:
    def drawing(name: str, subject: str, maker: str = "Ann Smithson") -> Path:
        path = tmp_path / "svg" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        told = f"<dc:title>x</dc:title><dc:title>{maker}</dc:title><rdf:li>{subject}</rdf:li>"
        path.write_text(f"<svg>{told}</svg>")
        return path

    files = [
        drawing("animals/orso_bruno_ann_smith_01.svg", "animal"), drawing("animals/leone_01.svg", "animal"),
        drawing("animals/beast.svg", "lion"), drawing("food/pie.svg", "dessert"), drawing("food/menu_card.svg", "food"),
        drawing("flags/france.svg", "flag"), drawing("transportation/tunnel.svg", "roadsign"),
    ]  # fmt: skip
    assert [f.name for f in recipe["clip_art"](files)] == ["bear bruno", "pie"]


def test_emoji_are_named_by_their_code_points(tmp_path: Path, recipe: dict[str, Any]) -> None:
    names = {"1f3ba": "trumpet", "1f42f": "tiger", "2693-fe0f": "anchor"}
    for stem in (*names, "1f600", "1f44d", "1f981", "1f3c3-1f3fb", "1f1e6-1f1e8", "1f511", "readme", "ffff"):
        thing(tmp_path / f"{stem}.webp")
    assert {f.path.stem: f.name for f in recipe["emoji"](tmp_path)} == names


def test_flaws_of_drawings_are_found(recipe: dict[str, Any]) -> None:
    def flaw(draw: Any) -> str | None:
        image = Image.new("RGBA", (128, 128))
        draw(ImageDraw.Draw(image))
        found: str | None = recipe["flaw_of"](np.asarray(image))
        return found

    def cake(d: ImageDraw.ImageDraw) -> None:
        d.ellipse((4, 4, 124, 124), (220, 180, 90, 255))
        for k, color in enumerate(((250, 240, 220), (150, 30, 40), (40, 90, 40), (20, 20, 20))):
            d.rectangle((30 + 16 * k, 40, 42 + 16 * k, 90), (*color, 255))

    assert flaw(cake) is None
    assert flaw(lambda d: d.rectangle((0, 0, 128, 128), (9, 99, 9, 255))) == "it covers 100% of its box"
    assert flaw(lambda d: d.ellipse((4, 4, 124, 124), (0, 0, 0, 255))) == "it is a silhouette"
    apart = [(0, 0, 50, 128), (78, 0, 128, 128)]
    assert flaw(lambda d: [d.rectangle(box, (255, 0, 0, 255)) for box in apart]) == "it has several parts"


def test_things_are_saved_small_with_their_table(tmp_path: Path, recipe: dict[str, Any]) -> None:
    found = [
        recipe["Found"](thing(tmp_path / "a" / "big.png", 600), "photos", "big thing"),
        recipe["Found"](thing(tmp_path / "a" / "tiny.png", 40), "photos", "tiny"),
        recipe["Found"](thing(tmp_path / "a" / "other.png", 200, (9, 9, 200)), "photos", "big thing"),
        recipe["Found"](thing(tmp_path / "b" / "again.png", 600), "photos", "again"),
    ]
    rows, reasons = recipe["save_things"](found, tmp_path / "out", "GPL-2", measured=False)
    assert [row.file for row in rows] == ["photos/big_thing.png", "photos/big_thing-2.png"]
    assert reasons == {"it is too small": 1, "it is there already": 1}
    assert max(Image.open(tmp_path / "out" / "photos" / "big_thing.png").size) == 256
    recipe["write_table"](rows, tmp_path / "out" / "names.csv")
    assert (tmp_path / "out" / "names.csv").read_text().splitlines()[:2] == [
        "file,name,source,licence", f"photos/big_thing.png,big thing,{found[0].path},GPL-2",
    ]  # fmt: skip


def test_each_wallpaper_is_taken_once(tmp_path: Path, recipe: dict[str, Any]) -> None:
    files = []
    for name, sizes in (("Hills", ("320x200", "800x600", "2560x1600")), ("Path", ("800x600",))):
        for size in sizes:
            path = tmp_path / "wallpapers" / name / "contents" / "images" / f"{size}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.linear_gradient("L").resize((900, 600)).convert("RGB").save(path)
            files.append(path)
    broken, plain = tmp_path / "gnome" / "broken.jpg", tmp_path / "gnome" / "plain_by_Ann.png"
    broken.parent.mkdir()
    broken.write_bytes(b"\xff\xd8\xff")
    Image.new("RGB", (900, 600), (40, 90, 160)).save(plain)
    found = list(recipe["wallpapers"]([*files, broken, plain]))
    assert [(path.stem, name) for path, name in found] == [
        ("broken", "broken"), ("plain_by_Ann", "plain"), ("800x600", "Hills"),
    ]  # fmt: skip
    rows = recipe["save_grounds"](found, tmp_path / "out", "some-package", "GPL-2+")
    assert [row.file for row in rows] == ["some-package/Hills.jpg"]
    assert Image.open(tmp_path / "out" / "some-package" / "Hills.jpg").size == (640, 427)


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["recipe", *arguments])
    runpy.run_path(str(RECIPE), run_name="__main__")


def test_bad_input_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    folders = ("--cutouts", str(tmp_path / "c"), "--grounds", str(tmp_path / "g"))
    with pytest.raises(SystemExit, match="2"):
        run(monkeypatch, *folders, "--emoji-3d", str(tmp_path / "none"))
    assert "none: npm pack @lobehub/fluent-emoji-3d" in capsys.readouterr().err
    monkeypatch.setenv("PATH", str(tmp_path))  # no dpkg here
    with pytest.raises(SystemExit, match="2"):
        run(monkeypatch, *folders)
    assert "is not installed: apt-get install" in capsys.readouterr().err
