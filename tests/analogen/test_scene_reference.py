"""Tests of `--scene`: a reading in place of a reference, pictures made again from their record, errors of one line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from analogen.cli import main
from analogen.errors import UserError
from analogen.metadata import read_metadata
from analogen.relsim.mini.reading import described, reading_from_json, reading_of, reading_to_json
from analogen.relsim.world.scene import Element, Scene
from analogen.scene_reference import draw_reading, read_scene_file
from analogen.types import Request

pytestmark = pytest.mark.usefixtures("tiny_shipped")

SMALL = ("--steps", "2", "--width", "64", "--height", "64", "--device", "cpu", "--candidates", "2")
ROW = Scene(tuple(Element("subject", x, 0.0, 0.4) for x in (-0.6, 0.0, 0.6)))
THING = '{"kind": "subject", "x": 0, "y": 0, "size": 1}'


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    path = tmp_path / "scene.json"
    path.write_text(reading_to_json(reading_of(ROW)))
    return path


def generate(*options: str | Path) -> int:
    return main(["generate", *map(str, options)])


def test_a_picture_made_from_a_scene_holds_it_and_is_made_again_from_itself(scene: Path, tmp_path: Path) -> None:
    made, again = tmp_path / "made.png", tmp_path / "again.png"
    assert generate("--scene", scene, "--subject", "apple", *SMALL, "--output", made) == 0
    record = read_metadata(made)
    assert record["references"] == []
    assert reading_from_json(json.dumps(record["scene"])).scene == ROW
    scene.unlink()
    assert generate("--recall", made, "--device", "cpu", "--output", again) == 0
    with Image.open(made) as first, Image.open(again) as second:
        apart = np.abs(np.asarray(first, np.int16) - np.asarray(second, np.int16))
    assert (apart > 8).mean() < 0.01
    assert read_metadata(again)["scene"] == record["scene"]
    # The record serves as a scene file too.
    assert read_scene_file(made) == reading_of(ROW)


def test_a_scene_edited_by_hand_makes_another_picture(scene: Path, tmp_path: Path) -> None:
    data = json.loads(scene.read_text())
    data["elements"].append({"kind": "other", "x": 0.0, "y": 0.6, "size": 0.3})
    del data["reading"]
    edited = tmp_path / "edited.json"
    edited.write_text(json.dumps(data))
    assert read_scene_file(edited).sentence.startswith("four things")
    for path in (scene, edited):
        options = ("--subject", "apple", *SMALL, "--seed", "3", "--output", path.with_suffix(".png"))
        assert generate("--scene", path, *options) == 0
    assert scene.with_suffix(".png").read_bytes() != edited.with_suffix(".png").read_bytes()


def test_a_batch_takes_the_column_scene(scene: Path, tmp_path: Path) -> None:
    manifest = tmp_path / "rows.csv"
    manifest.write_text("id,scene,subject\na,scene.json,apple\n")
    assert main(["batch", str(manifest), "--output", str(tmp_path / "out"), *SMALL]) == 0
    assert "scene" in read_metadata(tmp_path / "out" / "a-0.png")
    manifest.write_text("id,scene,subject\na,gone.json,apple\n")
    assert main(["batch", str(manifest), "--output", str(tmp_path / "other"), *SMALL]) == 2


def test_the_stand_in_shows_kinds_apart_in_the_shape_of_the_picture_that_was_read() -> None:
    wide = reading_of(ROW, size=(400, 200))
    alike = draw_reading(wide)
    assert alike.size == (896, 448)
    elements = (*ROW.elements[:2], Element("other", 0.6, 0.0, 0.4))
    assert draw_reading(described(reading_of(Scene(elements), (400, 200)))).tobytes() != alike.tobytes()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"elements": 3}', "not a reading: expected a JSON object with elements"),
        ('{"elements": []}', "holds no thing to compose with"),
        (f'{{"elements": [{THING}], "subject": "qwertz"}}', "no art is called 'qwertz'"),
        (f'{{"elements": [{THING[:-1]}, "noun": "qwertz"}}]}}', "no art is called 'qwertz'"),
        (f'{{"elements": [{THING}], "palette": "grey"}}', "no palette 'grey'"),
        (f'{{"elements": [{THING.replace("subject", "lion")}]}}', "unknown kind 'lion'"),
        ("{", "not a reading"),
        ("", "is empty"),
        (" " * 200_000, "at most 0 are read"),
        (b"\xff\xfe\x00", "is neither JSON in UTF-8 nor a PNG with a scene"),
        (None, "no such file"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_scene_is_refused_in_one_line(
    content: str | bytes | None, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bad.json"
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert generate("--scene", path, "--subject", "apple", "--output", tmp_path / "x.png") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "bad.json" in line
    assert message in line


def test_a_scene_takes_the_place_of_a_reference(scene: Path, picture: Path) -> None:
    assert Request(scene=scene, subject="apple").references == ()
    with pytest.raises(UserError, match="--scene takes the place of a reference"):
        Request(scene=scene, references=(picture,), subject="apple")
    with pytest.raises(UserError, match="a scene has no pixels"):
        Request(scene=scene, subject="apple", model="kontext", reference_as="original")
    with pytest.raises(UserError, match="is a picture without a recorded scene"):
        read_scene_file(picture)
