import numpy as np
import pytest
from PIL import Image, ImageDraw

from analogen.relsim.world.own_art import OwnArt, plain_name


def disc(color=(200, 30, 30)):
    image = Image.new("RGBA", (64, 48))
    ImageDraw.Draw(image).ellipse((4, 4, 44, 44), fill=(*color, 255))
    return image


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "more").mkdir()
    disc().save(tmp_path / "Red_Robot-2.png")
    disc((0, 90, 200)).save(tmp_path / "more" / "blue robot.webp")
    (tmp_path / "logo.svg").write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><path d="M0 0h9v9z" fill="#0a0"/></svg>'
    )
    (tmp_path / "notes.txt").write_text("not a picture")
    return tmp_path


def test_files_give_the_names_and_sub_folders_count(folder):
    own = OwnArt.from_folder(folder)
    assert own.names == ("blue robot", "logo", "red robot")
    assert own.by_name(["robot"]) is None
    thing = own.by_name(["red robots", "red robot"])
    assert thing is not None
    assert thing.path.name == "Red_Robot-2.png"
    assert thing.pixels(40).shape == (40, 40, 4)
    assert own.by_name(["logo"]).document() is not None


def test_a_table_gives_the_names_of_its_files_and_the_others_keep_theirs(folder):
    (folder / "names.csv").write_text("name,file\nMascot; the_bot,Red_Robot-2.png\nAcme,logo.svg\n", encoding="utf-8")
    own = OwnArt.from_folder(folder)
    assert own.names == ("acme", "blue robot", "mascot")
    assert own.by_name(["the bot"]).name == "mascot"


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("picture,title\na.png,b\n", "expected the columns file and name"),
        ("file,name\ngone.png,b\n", "names gone.png, which is not in the folder"),
        (b"file,name\n\xff\xfe,b\n", "is no CSV in UTF-8"),
    ],
)
def test_a_table_that_cannot_be_used_is_told_in_one_line(folder, table, message):
    (folder / "names.csv").write_bytes(table if isinstance(table, bytes) else table.encode())
    with pytest.raises(ValueError, match=message) as caught:
        OwnArt.from_folder(folder)
    assert "\n" not in str(caught.value)


def test_folders_without_art_are_told(tmp_path):
    with pytest.raises(NotADirectoryError, match="no folder"):
        OwnArt.from_folder(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="has no PNG, WebP or SVG"):
        OwnArt.from_folder(tmp_path)


def test_a_replaced_file_is_another_thing(folder):
    before = OwnArt.from_folder(folder).by_name(["red robot"])
    disc((0, 200, 0)).save(before.path)
    import os

    os.utime(before.path, ns=(1, before.changed + 10**9))
    after = OwnArt.from_folder(folder).by_name(["red robot"])
    assert after != before
    assert after.pixels(20)[10, 10, 1] > 150


def test_search_orders_by_cosine(folder):
    own = OwnArt.from_folder(folder)
    rows = np.eye(384, dtype=np.float32)[: len(own.things)]
    own = OwnArt(folder, own.things, rows, rows[::-1].copy())
    assert own.search(rows[1], 2, by_picture=False)[0] == (own.things[1], 1.0)
    assert own.search(rows[0], 1, by_picture=True)[0][0] == own.things[-1]
    assert own.by_text(rows[2])[0] == own.things[2]


def test_names_are_compared_without_case_and_hyphens():
    assert plain_name("  Red-Fox_2 ") == "red fox 2"
