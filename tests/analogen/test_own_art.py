import json

import numpy as np
import pytest
from PIL import Image

from analogen.errors import UserError
from analogen.own_art import add_art, find_own, named_own, open_art, own_art_names, search_art


class StandIn:
    """A stand-in for the encoder: words and colours have places of their own among 384; androids are near to robots."""

    def __init__(self):
        self.texts = self.pictures = 0

    def embed_text(self, texts):
        self.texts += len(texts)
        known = {"robot": 0, "fox": 1, "star": 2}
        rows = np.eye(384, dtype=np.float32)
        near = {"android": 0.8 * rows[0] + 0.6 * rows[50], "vixen": 0.8 * rows[1] + 0.6 * rows[51]}
        return np.stack([near.get(t, rows[known.get(t.split()[-1], 9)]) for t in texts])

    def embed_subject(self, images):
        self.pictures += len(images)
        means = [int(np.asarray(image)[112, 112].argmax()) for image in images]
        return np.eye(384, dtype=np.float32)[means]


@pytest.fixture
def folder(tmp_path):
    things = tmp_path / "things"
    things.mkdir()
    for name, color in (("robot.png", (200, 0, 0)), ("red-fox.webp", (0, 200, 0)), ("gold star.png", (0, 0, 200))):
        image = Image.new("RGBA", (40, 40))
        image.paste((*color, 255), (2, 2, 38, 38))
        image.save(things / name, lossless=True)
    return things


def test_names_come_before_meanings_and_what_is_neither_is_not_found(folder):
    own = open_art(folder)
    encoder = StandIn()
    assert find_own(own, "Red foxes", encoder)[0].name == "red fox"
    assert encoder.texts == 0  # a name needs no model
    found = find_own(own, "android", encoder)
    assert found.thing.name == "robot"
    assert found.score == pytest.approx(0.8)
    assert find_own(own, "bathtub", encoder) is None
    assert named_own(folder, "gold stars") == "gold star"
    assert named_own(folder, "vixen") is None
    assert own_art_names(folder) == ("gold star", "red fox", "robot")


def test_a_library_reads_only_what_is_new_or_changed(folder, tmp_path):
    library, encoder = tmp_path / "library", StandIn()
    assert add_art([folder], library, encoder)[:3] == (3, 0, 0)
    seen = encoder.pictures
    robot = Image.new("RGBA", (40, 40))
    robot.paste((9, 9, 9, 255), (5, 5, 30, 30))
    robot.save(folder / "robot.png")
    import os

    os.utime(folder / "robot.png", ns=(10**18, 10**18))
    (folder / "broken.png").write_bytes(b"no picture")
    report = add_art([folder], library, encoder)
    assert report[:3] == (0, 1, 2)
    assert report.rows == 3
    assert "broken.png" in report.refused[0][0]
    assert encoder.pictures == seen + 1


def test_a_library_is_searched_by_name_meaning_and_picture(folder, tmp_path):
    library, encoder = tmp_path / "library", StandIn()
    add_art([folder], library, encoder)
    assert search_art(library, encoder, 2, text="vixen")[0][0].name == "red fox"
    assert search_art(library, encoder, 1, text="robots")[0] == (named(library, "robot"), 1.0)
    blue = Image.new("RGB", (224, 224), (0, 0, 200))
    assert search_art(library, encoder, 1, picture=blue)[0][0].name == "gold star"
    with pytest.raises(UserError, match="give one of them"):
        search_art(library, encoder, 1)
    with pytest.raises(UserError, match="analogen art add"):
        search_art(folder, encoder, 1, text="robot")


def named(library, name):
    return open_art(library).by_name([name])


def test_a_library_that_was_damaged_is_told_in_one_line(folder, tmp_path):
    library = tmp_path / "library"
    add_art([folder], library, StandIn())
    data = json.loads((library / "library.json").read_text())
    for broken in ("{", json.dumps({**data, "things": data["things"][:1]}), json.dumps({"things": 3})):
        (library / "library.json").write_text(broken)
        with pytest.raises(ValueError, match="is no library of art") as caught:
            open_art(library)
        assert "\n" not in str(caught.value)


def test_a_request_is_drawn_with_own_art_and_notes_say_what_stands_for_what(folder):
    from analogen.art_selection import select_art
    from analogen.relsim.world.art import ArtLibrary
    from analogen.types import Request

    library, encoder = ArtLibrary.shipped(), StandIn()
    request = Request(relation="{subject} in a ring", subject="android", art=folder, seed=1)
    selection = select_art(request, library, encoder)
    assert selection.subject == "robot"
    assert selection.others == ("gold star", "red fox")
    assert "--subject 'android' is drawn as 'robot' (robot.png)" in selection.notes
    scene_art = selection.scene_art(library, "gold star", "noto")
    assert scene_art.subject.name == "robot"
    assert scene_art.other.name == "gold star"
    selection = select_art(Request(relation="x", subject="cat", other="fox", art=folder, seed=1), library, encoder)
    assert selection.subject == "cat"
    assert selection.others == ("red fox",)
    assert any("--subject 'cat' is not in" in note for note in selection.notes)


def test_a_batch_row_names_its_folder_of_art(folder, tmp_path):
    from analogen.batch.manifest import Manifest
    from analogen.batch.manifest_rows import Problem

    Image.new("RGB", (32, 32), "white").save(tmp_path / "a.png")
    (tmp_path / "rows.csv").write_text("reference,subject,art\na.png,robot,things\na.png,robot,nowhere\n")
    first, second = Manifest(tmp_path / "rows.csv").assets()
    assert first.request.art == folder
    assert isinstance(second, Problem)
    assert "no such folder" in second.message
