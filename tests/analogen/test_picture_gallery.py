"""Promises of an open gallery: logic and looks on one scale, and what came since is found."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from analogen import PictureGallery, UserError, compare_images, load_encoder, read_logic
from analogen.relsim.mini.encoder import MiniEncoder

pytestmark = pytest.mark.usefixtures("tiny_shipped")


def picture(number: int) -> Image.Image:
    values = np.random.default_rng(number).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(values).resize((80, 60), Image.Resampling.NEAREST)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    for number in range(24):
        picture(number).save(folder / f"{number:02d}.png")
    return folder


@pytest.fixture(scope="module")
def gallery(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> PictureGallery:
    made, told = PictureGallery.make(tmp_path_factory.mktemp("made") / "gallery", [pictures])
    assert (told.added, told.refused, told.pictures) == (24, (), 24)
    return made


@pytest.mark.parametrize("looks", [0.0, 0.3, 1.0])
def test_the_order_is_of_logic_and_looks_weighed(gallery: PictureGallery, pictures: Path, looks: float) -> None:
    asked = picture(5)
    found = gallery.search([asked], looks=looks, top_k=24)
    slow = {
        one: (1 - looks) * likeness.relation + looks * likeness.attribute
        for one, likeness in zip(
            sorted(pictures.iterdir()),
            compare_images(asked, [Image.open(path) for path in sorted(pictures.iterdir())], gallery.encoder),
            strict=True,
        )
    }
    assert found[0].path == pictures / "05.png"
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    np.testing.assert_allclose([one.score for one in found], [slow[one.path] for one in found], atol=1e-4)
    for one in found:  # each with its own thumbnail
        small, own = Image.open(io.BytesIO(one.thumbnail)), Image.open(one.path)
        assert small.format == "JPEG"
        assert np.abs(np.asarray(small, float) - np.asarray(own, float)).mean() < 12


def test_words_alone_have_a_logic_and_no_looks(gallery: PictureGallery) -> None:
    found = gallery.search(words=["many {subject} in a ring"], top_k=3)
    assert len(found) == 3
    assert all(one.attribute is None for one in found)
    with pytest.raises(UserError, match="words alone have no looks"):
        gallery.search(words=["many {subject} in a ring"], looks=0.5)


def test_pictures_added_later_are_found_and_removed_ones_are_not(tmp_path: Path) -> None:
    folder, uri = tmp_path / "pictures", tmp_path / "gallery"
    folder.mkdir()
    picture(1).save(folder / "1.png")
    gallery, _ = PictureGallery.make(uri, [folder])
    picture(2).save(folder / "2.png")
    (folder / "1.png").unlink()
    _, told = PictureGallery.make(uri, [folder])
    assert (told.added, told.unchanged, told.pictures) == (1, 0, 1)
    assert [one.path.name for one in gallery.search([picture(1)])] == ["2.png"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "the query is empty"),
        ({"words": ["  "]}, "expected 1 to 1000"),
        ({"words": ["ring"], "top_k": 0}, "expected 1 to 10000"),
        ({"words": ["ring"], "looks": 2}, "expected 0 to 1"),
    ],
)
def test_bad_searches_are_refused_in_one_line(gallery: PictureGallery, options: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        gallery.search(**options)


def test_a_folder_without_a_gallery_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no gallery"):
        PictureGallery.open(tmp_path)


def test_readings_are_those_of_the_encoder() -> None:
    mini = load_encoder("mini")
    assert isinstance(mini, MiniEncoder)
    images = [picture(1), picture(2)]
    readings = read_logic(images, mini, top_k=3)
    for reading, relation in zip(readings, mini.encode_references(images).relation, strict=True):
        assert list(reading.captions) == mini.nearest_captions(relation, 3)
        assert 0 <= reading.confidence <= 1
