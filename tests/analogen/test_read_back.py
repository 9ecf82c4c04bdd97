"""Promises of reading results back: what is missing or extra is named, used in the pick, and made anew."""

from __future__ import annotations

import pytest
from PIL import Image

from analogen.read_back import ReadBack, SceneChecker, compared
from analogen.relsim.mini.reading import reading_of
from analogen.relsim.world.render import render
from analogen.relsim.world.scene import Element, Scene
from analogen.scoring import ranked, why_not_kept
from analogen.types import Scores


def row(count: int) -> Scene:
    step = 1.6 / count
    return Scene(tuple(Element("subject", -0.8 + step * (n + 0.5), 0, 0.8 * step) for n in range(count)))


@pytest.mark.parametrize(
    ("back", "words", "agreement"),
    [
        (ReadBack(9, "ring", 9, "ring"), "9 of 9", 1.0),
        (ReadBack(7, "scatter", 9, "ring"), "7 of 9, no ring", 7 / 18),
        (ReadBack(10, "ring", 9, "ring"), "10 instead of 9", 0.9),
        (ReadBack(5, "rising", 5, "row"), "5 of 5", 1.0),
        (ReadBack(0, "", 3, "row"), "0 of 3, no row", 0.0),
        (ReadBack(4, "row"), "4 read", 1.0),
    ],
)
def test_what_differs_is_said(back: ReadBack, words: str, agreement: float) -> None:
    assert back.words == words
    assert back.agreement == pytest.approx(agreement)
    assert back.recorded()["words"] == words


def test_pictures_are_read_back_against_their_layout() -> None:
    checker = SceneChecker()
    five, four = row(5), row(4)
    pictures = [Image.fromarray(render(scene, 256, 256)) for scene in (five, four)]
    wanted = checker.wanted(five, [])
    same, less = checker.read(pictures, [wanted, wanted])
    assert same.words == "5 of 5"
    assert less.words == "4 of 5"
    assert less.missing == 1
    blank = checker.read([Image.new("RGB", (64, 64), "white")], [wanted])[0]
    assert blank.things == 0


def test_a_sure_reference_says_what_is_wanted_without_a_layout() -> None:
    checker = SceneChecker()
    picture = Image.fromarray(render(row(5), 256, 256))
    wanted = checker.wanted(None, [picture])
    assert wanted is not None
    assert wanted.count == 5
    assert checker.wanted(None, [picture, picture]) is None
    assert checker.wanted(None, []) is None


def test_one_thing_alone_keeps_any_arrangement() -> None:
    alone = reading_of(Scene((Element("subject", 0, 0, 0.5),)))
    assert compared(reading_of(row(3)), alone).keeps_arrangement


def test_the_pick_heeds_the_reading_and_says_why_others_went() -> None:
    scores = [Scores(0.9, 0.3, 0.0, 1.0), Scores(0.9, 0.3, 0.0, 0.9)]
    assert ranked(scores) == [0, 1]
    assert ranked(scores, bonus=[0.0, 0.3]) == [1, 0]
    assert why_not_kept(Scores(0.4, 0.3, 0.0, 0.5), scores) == "relation 0.40, kept from 0.90"
    assert why_not_kept(Scores(0.95, 0.1, 0.0, 0.9), scores) == "subject 0.10, kept from 0.30"
    assert why_not_kept(Scores(0.95, 0.4, 0.8, 0.9), scores) == "copy 0.80, kept up to 0.00"
    assert why_not_kept(Scores(0.95, 0.4, 0.0, 0.9), scores) == ""
