"""Tests of what is done with finished pictures: stars, notes, deletion and its undo, the ZIP, the poster, History."""

from __future__ import annotations

import json
import os
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from studio_server import EXAMPLES, FEW_STEPS

pytest.importorskip("gradio", reason='the studio needs Gradio: pip install "analogen[demo]"')

from analogen import UserError
from analogen.demos.collection import Collection
from analogen.demos.poster import draw_sheet, poster
from analogen.demos.star_archive import star_archive
from analogen.demos.studio import Studio
from analogen.demos.tabs import picture_cards
from analogen.demos.tabs.history import Filter, history_cards

OWLS = EXAMPLES / "ring_of_owls.png"


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    found = Studio(tmp_path_factory.mktemp("studio"), device="cpu")
    found.start()
    yield found
    found.close()


@pytest.fixture(scope="module")
def run(studio: Studio) -> int:
    """A run of two subjects with two pictures each."""
    small = {
        "candidates": 2, "num_images": 2, "width": 128, "height": 96, "steps": FEW_STEPS, "seed": 5, "svg": True,
    }  # fmt: skip
    number = studio.submit(small, [studio.files.save_reference(OWLS)], ["bicycle", "teapot"])
    end = time.monotonic() + 120
    while not (status := studio.status(number)).ended:
        assert time.monotonic() < end, status
        time.sleep(0.05)
    assert status.state == "done", status.jobs[0].error
    return number


@pytest.fixture
def job(studio: Studio, run: int) -> int:
    return studio.status(run).jobs[0].id


@pytest.fixture
def collection(studio: Studio) -> Collection:
    return Collection(studio.store, studio.files)


def image_of(studio: Studio, job: int, rank: int = 0) -> dict[str, Any]:
    return Collection(studio.store, studio.files).find(job, rank)[1]


def test_a_star_is_kept_and_found_by_its_filter(studio: Studio, collection: Collection, job: int) -> None:
    assert Filter(starred=True).jobs(studio, 9) == []
    assert "No picture here passes" in history_cards(studio, Filter(starred=True))
    assert collection.star(job, 1)
    assert [one.id for one in Filter(starred=True).jobs(studio, 9)] == [job]
    assert history_cards(studio, Filter(starred=True)).count("an-card") == 1
    assert not collection.star(job, 1)
    assert not collection.star(job, 1, False)


def test_filters_narrow_by_subject_age_and_words(studio: Studio, run: int, job: int) -> None:
    assert [one.id for one in Filter(subject="bicycle").jobs(studio, 9)] == [job]
    assert len(Filter(days=1).jobs(studio, 9)) == len(studio.status(run).jobs)
    assert Filter(words="penguin", days=1).jobs(studio, 9) == []


def test_a_deleted_picture_is_gone_everywhere_until_undo(studio: Studio, collection: Collection, job: int) -> None:
    path = studio.files.pictures / image_of(studio, job)["path"]
    collection.delete(job, 0)
    assert not path.exists()
    assert not path.with_suffix(".svg").exists()
    assert picture_cards.find(studio, job * picture_cards.CARDS_PER_JOB) is None
    assert len(picture_cards.images_for_clients(studio, studio.store.get(job))) == 1  # type: ignore[arg-type]
    collection.restore(job, 0)
    assert path.is_file()
    assert picture_cards.find(studio, job * picture_cards.CARDS_PER_JOB) is not None


def test_notes_are_kept_and_too_long_ones_refused(studio: Studio, collection: Collection, job: int) -> None:
    assert collection.write_note(job, 0, " for the cover ") == "for the cover"
    assert image_of(studio, job)["note"] == "for the cover"
    assert "for the cover" in history_cards(studio, Filter(words="cover"))
    with pytest.raises(UserError, match="at most 1000"):
        collection.write_note(job, 0, "x" * 1001)
    with pytest.raises(UserError, match="there is no picture 7"):
        collection.star(job, 7)


def test_the_archive_holds_png_svg_and_what_made_them(studio: Studio, collection: Collection, job: int) -> None:
    for rank in (0, 1):
        collection.star(job, rank, False)
    with pytest.raises(UserError, match="no picture is starred"):
        star_archive(studio)
    collection.star(job, 0, True)
    with zipfile.ZipFile(star_archive(studio)) as file:
        names = file.namelist()
        (row,) = json.loads(file.read("pictures.json"))["pictures"]
    assert sorted(Path(name).suffix for name in names) == [".json", ".png", ".svg"]
    assert (row["subject"], row["seed"]) == ("bicycle", image_of(studio, job)["seed"])
    assert str(studio.output) not in json.dumps(row)


def test_archives_of_the_stars_do_not_pile_up(studio: Studio, collection: Collection, job: int) -> None:
    collection.star(job, 0, True)
    first = Path(star_archive(studio))
    collection.write_note(job, 0, "another")
    second = Path(star_archive(studio))
    assert first.is_file()  # somebody may be loading it
    os.utime(first, (0, 0))
    third = Path(star_archive(studio))
    assert third == second
    assert [path.name for path in studio.files.downloads.glob("*stars*")] == [second.name]
    assert not list(studio.files.downloads.glob(".*.tmp"))


def test_a_poster_shows_the_set_as_png_and_pdf(studio: Studio, run: int) -> None:
    png, pdf = poster(studio, run, "A set")
    with Image.open(png) as sheet:
        assert sheet.width == 2480
        assert sheet.info["dpi"] == pytest.approx((300, 300), abs=0.1)
        assert sheet.getpixel((5, 5)) == (255, 255, 255)
    assert Path(pdf).read_bytes().startswith(b"%PDF")
    with pytest.raises(UserError, match="there is no run 99"):
        poster(studio, 99)


def test_pictures_of_a_sheet_stay_within_its_margins() -> None:
    cells = [("x" * 200, Image.new("RGB", size, "red")) for size in ((10, 30), (300, 100), (50, 50))]
    sheet = draw_sheet(cells)
    border = [sheet.getpixel((x, y)) for x in (20, sheet.width - 20) for y in range(0, sheet.height, 40)]
    assert set(border) == {(255, 255, 255)}
