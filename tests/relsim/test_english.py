"""Articles and plurals, word by word."""

from __future__ import annotations

import pytest

from analogen.relsim.english import is_plural, mentions, plural, singular, split_determiner, with_article

WITH_ARTICLE = """an owl, a unicorn, an hour, an SUV, a UFO, an 8-ball, an honest man, a one-eyed cat,
an umbrella, a ukulele, an LED lamp, an x-ray, a European castle, a T-shirt, an unusual hat, a university,
an heirloom, a NASA rocket, a menu,
scissors, water, people, two cats, the moon, my dog, Eiffel Tower, Ada Lovelace, cats"""
PLURALS = {
    "bicycle": "bicycles", "cup of tea": "cups of tea", "man riding a horse": "men riding a horse",
    "gold wedding ring": "gold wedding rings", "city": "cities", "boy": "boys", "box": "boxes", "church": "churches",
    "knife": "knives", "snowman": "snowmen", "human": "humans", "grandchild": "grandchildren", "bus": "buses",
    "octopus": "octopuses", "lens": "lenses", "photo": "photos", "potato": "potatoes", "bird of paradise":
    "birds of paradise", "fish": "fish", "scissors": "scissors", "water": "water", "cats": "cats", "person": "people",
    "toothbrush": "toothbrushes", "quiz": "quizzes",
}  # fmt: skip


@pytest.mark.parametrize("expected", [" ".join(words.split()) for words in WITH_ARTICLE.split(",")])
def test_article_follows_the_sound_and_is_left_out_without_one(expected: str) -> None:
    bare = expected.split(" ", 1)[1] if expected.startswith(("a ", "an ")) else expected
    assert with_article(bare) == expected


@pytest.mark.parametrize("one", PLURALS)
def test_plurals(one: str) -> None:
    assert plural(one) == PLURALS[one]
    assert plural(plural(one)) == PLURALS[one]
    if " " not in one and one not in ("water", "fish"):
        assert is_plural(PLURALS[one])
        assert singular(PLURALS[one]) == (
            "scissor" if one == "scissors" else one.removesuffix("s") if one == "cats" else one
        )


@pytest.mark.parametrize("noun", ["cactus", "bus", "glass", "iris", "gas", "lens", "sheep", "octopus", "specimen", ""])
def test_one_thing_is_not_taken_for_many(noun: str) -> None:
    assert not is_plural(noun)


def test_determiners_are_split_off() -> None:
    assert split_determiner("the old moon") == ("the", "old moon")
    assert split_determiner("12 cats") == ("12", "cats")
    assert split_determiner("anemone") == ("", "anemone")
    assert split_determiner("a") == ("", "a")


@pytest.mark.parametrize(
    ("text", "noun", "said"),
    [
        ("Bicycles in a ring", "bicycle", True),
        ("a bicycle", "bicycles", True),
        ("cups of hot tea", "a cup of tea", True),
        ("a cup", "cup of tea", False),
        ("a category", "cat", False),
        ("the cat's shadow", "cat", True),
        ("three children", "child", True),
        ("a BUS stop", "bus", True),
        ("", "cat", False),
        ("ein Fahrrad", "Fahrrad", True),
        ("自行车 in a ring", "自行车", True),
    ],
)
def test_mentions_in_one_or_many_but_not_inside_other_words(text: str, noun: str, said: bool) -> None:
    assert mentions(text, noun) is said
