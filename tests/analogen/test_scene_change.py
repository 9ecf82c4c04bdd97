"""Tests of `--becomes`: the change between two pictures made to the subject's own one. Readings are given."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from analogen import scene_change
from analogen.cli import main
from analogen.errors import UserError
from analogen.generator import Generator
from analogen.metadata import file_fingerprint, read_metadata
from analogen.relsim.mini.reading import SceneReading, reading_from_json, reading_of
from analogen.relsim.mini.reading.scene_reading import unread
from analogen.relsim.world.render import render
from analogen.relsim.world.scene import Background, Element, Scene
from analogen.relsim.world.subject_image import cut_part, read_subject_image
from analogen.types import Request

pytestmark = pytest.mark.usefixtures("tiny_shipped")

SMALL = ("--steps", "2", "--width", "64", "--height", "64", "--device", "cpu", "--candidates", "2", "--seed", "3")
ROW = [Element("subject", x, 0.0, 0.4) for x in (-0.6, 0.0, 0.6)]
TURNED = [replace(e, turn=90.0) for e in ROW]
PAIR = [Element("subject", -0.5, 0.1, 0.6), Element("subject", 0.5, 0.1, 0.6)]
SCENES = {"before": ROW, "after": TURNED, "same": ROW, "mine": PAIR, "one": [Element("subject", 0.0, 0.0, 1.0)]}


@pytest.fixture
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """Files of SCENES, and a blank one. The tiny encoder cannot read; readings are those of the drawn scenes."""
    paths = {}
    grounds = {}
    for number, (name, things) in enumerate(SCENES.items()):
        ground = f"#{240 + number:02x}efe6"
        scene = Scene(tuple(things), background=Background("plain", ground, ground), subject="teapot")
        paths[name] = tmp_path / f"{name}.png"
        Image.fromarray(render(scene, 120, 120)).save(paths[name])
        grounds[240 + number] = reading_of(Scene(tuple(things)), (120, 120))
    paths["blank"] = tmp_path / "blank.png"
    Image.new("RGB", (90, 90), "black").save(paths["blank"])
    own = {"mine": grounds[243], "one": grounds[244]}

    def read(images: Sequence[Image.Image], encoder: object) -> list[SceneReading]:
        found = []
        for image in images:
            red, green, _ = image.convert("RGB").getpixel((0, 0))  # type: ignore[misc]
            if len(images) == 1:  # the subject's own picture stands on another ground
                found.append(own["mine" if not _is_seen_in_the_middle(image) else "one"])
            elif green == 0xEF:
                found.append(grounds[red])
            else:
                found.append(unread("it is blank", (90, 90), (0, 0, 90, 90), ()))
        return found

    monkeypatch.setattr(scene_change, "read_scenes", read)
    return paths


def _is_seen_in_the_middle(image: Image.Image) -> bool:
    pixels = np.asarray(image, np.int16)
    return bool(np.abs(pixels[50:70, 50:70] - pixels[0, 0]).max() > 30)


def generate(*options: str | Path) -> int:
    return main(["generate", *map(str, options)])


def test_the_change_is_made_to_the_subjects_own_picture(
    pictures: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = tmp_path / "made.png"
    before, after, mine = (pictures[name] for name in ("before", "after", "mine"))
    assert generate("--reference", before, "--becomes", after, "--subject-image", mine, *SMALL, "--output", made) == 0
    note = "before.png becomes after.png: each thing is turned by about 90 degrees; this is made to mine.png, which "
    assert f"note: {note}shows two things side by side, all alike" in capsys.readouterr().err
    record = read_metadata(made)
    assert record["references"] == [file_fingerprint(before)]
    assert record["becomes"] == file_fingerprint(after)
    scene = reading_from_json(json.dumps(record["scene"])).scene
    assert [(e.x, e.turn) for e in scene.things] == [(-0.5, 90.0), (0.5, 90.0)]


def test_it_is_made_again_without_the_two_pictures(pictures: dict[str, Path], tmp_path: Path) -> None:
    made, again = tmp_path / "made.png", tmp_path / "again.png"
    before, after, mine = (pictures[name] for name in ("before", "after", "mine"))
    assert generate("--reference", before, "--becomes", after, "--subject-image", mine, *SMALL, "--output", made) == 0
    for path in (before, after):
        path.unlink()
    recalled = ("--recall", made, "--device", "cpu", "--subject-image", mine)
    assert generate(*recalled, "--output", again) == 0
    with Image.open(made) as first, Image.open(again) as second:
        assert first.tobytes() == second.tobytes()
    assert generate(*recalled, "--reference", mine, "--output", again) == 2
    # The picture that was made again can be made again too.
    third = tmp_path / "third.png"
    assert generate("--recall", again, "--device", "cpu", "--subject-image", mine, "--output", third) == 0
    assert third.read_bytes() == again.read_bytes()


def test_a_subject_by_name_takes_the_place_of_the_things_in_the_reference(pictures: dict[str, Path]) -> None:
    request = Request(references=(pictures["before"],), becomes=pictures["after"], subject="apple", width=64, height=64)
    result = Generator(device="cpu").run(request)
    assert result.made is not None
    for candidate in result.candidates:
        assert candidate.scene is not None
        assert candidate.scene.subject == "apple"
        assert candidate.scene.elements == result.made.reading.scene.elements
        assert [e.turn for e in candidate.scene.things] == [90.0] * 3


def test_of_several_things_the_clearest_is_cut_out_and_of_one_nothing(pictures: dict[str, Path]) -> None:
    options = {"references": (pictures["before"],), "becomes": pictures["after"], "width": 64, "height": 64}
    generator = Generator(device="cpu")
    several = generator.prepare(Request(**options, subject_image=pictures["mine"]))  # type: ignore[arg-type]
    assert several.made is not None
    assert several.made.subject_part is not None
    part, whole = several.selection.art, read_subject_image(pictures["mine"])
    assert part.rgba.shape[1] < 0.6 * whole.rgba.shape[1]  # type: ignore[union-attr]
    one = generator.prepare(Request(**options, subject_image=pictures["one"]))  # type: ignore[arg-type]
    assert one.made is not None
    assert one.made.subject_part is None


def test_a_thing_is_cut_out_whole_and_upright() -> None:
    picture = np.zeros((100, 200, 4), np.uint8)
    picture[20:80, 30:70] = 255
    picture[40:60, 120:190] = (255, 0, 0, 255)  # a bar that lies on its side
    alone = cut_part(picture, (0.1, 0.15, 0.4, 0.85, 0.0))
    assert (alone[..., 3] > 0).sum() == 60 * 40
    upright = cut_part(picture, (0.58, 0.1, 0.97, 0.9, 90.0))
    rows, columns = np.nonzero(upright[..., 3] > 128)
    assert np.ptp(rows) > 2.5 * np.ptp(columns)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--reference", "before", "--becomes", "same"), "no change from before.png is seen"),
        (("--reference", "before", "--becomes", "blank"), "blank.png: nothing to read: it is blank"),
        (("--reference", "blank", "--becomes", "after"), "blank.png: nothing to read: it is blank"),
        (("--reference", "before", "--becomes", "gone"), "no such file"),
        (("--becomes", "after"), "one reference becomes, and none was given"),
        (("--reference", "before", "--reference", "same", "--becomes", "after"), "becomes, and 2 were given"),
        (("--scene", "before", "--becomes", "after"), "--scene was given too"),
        (("--relation", "{subject} in a row", "--becomes", "after"), "--relation was given too"),
        (("--reference", "before", "--becomes", "after", "--becomes", "same"), "--becomes was given 2 times"),
    ],
)  # fmt: skip
def test_what_cannot_be_compared_is_refused_in_one_line(
    options: Sequence[str], message: str, pictures: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {name: str(path) for name, path in pictures.items()} | {"gone": str(tmp_path / "gone.png")}
    given = [files.get(option, option) for option in options]
    assert generate(*given, "--subject", "apple", *SMALL, "--output", tmp_path / "x.png") == 2
    refusals = [line for line in capsys.readouterr().err.splitlines() if message in line]
    assert len(refusals) == 1
    assert not (tmp_path / "x.png").exists()


def test_an_own_picture_that_shows_nothing_is_refused(
    pictures: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--reference", pictures["before"], "--becomes", pictures["after"], "--subject-image", pictures["blank"])
    assert generate(*options, *SMALL, "--output", tmp_path / "x.png") == 2
    assert "blank.png" in capsys.readouterr().err


def test_models_that_see_the_reference_are_told_that_there_is_a_scene(pictures: dict[str, Path]) -> None:
    with pytest.raises(UserError, match="--becomes makes a scene of its own"):
        Request(
            references=(pictures["before"],), becomes=pictures["after"], subject="apple", model="klein",
            reference_as="original",
        )  # fmt: skip


def test_a_batch_takes_the_column_becomes(pictures: dict[str, Path], tmp_path: Path) -> None:
    manifest = tmp_path / "rows.csv"
    manifest.write_text("id,reference,becomes,subject\na,before.png,after.png,apple\n")
    assert main(["batch", str(manifest), "--output", str(tmp_path / "out"), *SMALL]) == 0
    assert read_metadata(tmp_path / "out" / "a-0.png")["becomes"]["name"] == "after.png"
    manifest.write_text("id,reference,becomes,subject\na,before.png,gone.png,apple\n")
    assert main(["batch", str(manifest), "--output", str(tmp_path / "other"), *SMALL]) == 2
