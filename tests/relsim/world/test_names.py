from __future__ import annotations

import csv
from pathlib import Path

import pytest

from analogen.relsim.world import names
from analogen.relsim.world.art import ArtLibrary
from analogen.relsim.world.famous import famous
from analogen.relsim.world.names import HAND, NameIndex, emoji_spans, normalized, plain_emoji, split_emoji

ART = Path(names.__file__).parent / "art"


@pytest.fixture(scope="module")
def index() -> NameIndex:
    return NameIndex.shipped()


def test_names_are_small_and_state_their_licence() -> None:
    assert (ART / "names.xz").stat().st_size < 2e6
    assert "UNICODE LICENSE" in (ART / "LICENSE-unicode.txt").read_text(encoding="utf-8")
    assert "cldr-annotations-full" in (ART / "NOTICE-names").read_text(encoding="utf-8")


def test_every_name_belongs_to_a_drawing(index: NameIndex) -> None:
    nouns = set(ArtLibrary.shipped().nouns())
    assert {found.noun for _, found in index.names(1)} <= nouns
    assert {index.emoji(text) for text in index._tables[1]} <= nouns
    assert {one.noun for one in famous().values()} <= nouns


def test_common_nouns_are_known_as_their_table_has_them(index: NameIndex) -> None:
    rows = list(csv.reader((ART / "common_nouns.csv").open(encoding="utf-8", newline="")))
    library = ArtLibrary.shipped()
    assert len(rows) > 20
    wrong = []
    for row in rows[1:]:
        for noun, word in zip(rows[0][1:], row[1:], strict=True):
            found = index.find(word)
            if found is None or found.noun != library.first_noun(noun) or found.tier != HAND:
                wrong.append((row[0], word, found))
    assert len(wrong) <= 0.01 * 27 * 38, wrong  # some words mean two things in two languages


@pytest.mark.parametrize(
    ("text", "noun"),
    [("árbol", "tree"), ("arbol", "tree"), ("BICICLETTA", "bicycle"), ("café", "hot drink"), ("zamek", "castle")],
)
def test_case_and_accents_do_not_matter(index: NameIndex, text: str, noun: str) -> None:
    found = index.find(text)
    assert found is not None
    assert found.noun == noun


def test_right_accents_can_be_asked_for(index: NameIndex) -> None:
    assert index.find("arbol", accents=True) != index.find("arbol")
    assert index.find("árbol", accents=True) == index.find("arbol")


@pytest.mark.parametrize(
    ("text", "noun"),
    [
        ("🚲", "bicycle"), ("❤️", "heart"), ("❤", "heart"), ("👩‍🚀", "astronaut"), ("👨🏿‍🚀", "astronaut"),
        ("🧗‍♀️", "climber"), ("🐶", "dog face"), ("👍🏽", "thumbs up"),
    ],
)  # fmt: skip
def test_emoji_are_found_in_any_skin_tone_and_gender(index: NameIndex, text: str, noun: str) -> None:
    assert index.emoji(text) == noun


def test_an_emoji_without_a_drawing_has_a_label(index: NameIndex) -> None:
    assert index.emoji("😂") is None
    assert index.emoji_label("😂") == "face with tears of joy"


def test_emoji_are_told_from_words() -> None:
    assert split_emoji("🐶 dog 犬 1 ©x") == (["🐶"], "dog 犬 1 ©x")
    assert split_emoji("👩‍🚀🇫🇷") == (["👩‍🚀", "🇫🇷"], "")
    assert emoji_spans("a🐶b") == [("a", False), ("🐶", True), ("b", False)]
    assert "".join(part for part, _ in emoji_spans("ü 🧗🏽‍♀️ 自転車 #1")) == "ü 🧗🏽‍♀️ 自転車 #1"


def test_text_is_normalized() -> None:
    assert normalized("  Ｔ-Shirt ") == "t shirt"
    assert normalized("E\u0301clair") == "éclair"
    assert plain_emoji("👍🏽") == "👍"
