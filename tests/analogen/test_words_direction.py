"""Promise of mini: what the words name as a direction, the best picture shows in that direction."""

from __future__ import annotations

import pytest

from analogen import Generator, Request
from analogen.relsim.world.direction import kept_in_direction
from analogen.relsim.world.relation_words import direction_of


@pytest.fixture(scope="module")
def generator() -> Generator:
    return Generator(device="cpu")


@pytest.mark.parametrize(
    "words",
    [
        "{subject} getting smaller and smaller", "{subject} shrinking", "{subject} getting larger and larger",
        "{subject} fading in", "{subject} fading away",
    ],
)  # fmt: skip
def test_the_best_picture_goes_the_way_of_the_words(generator: Generator, words: str) -> None:
    result = generator.run(Request(relation=words, subject="bicycle", seed=5, width=128, height=128))
    scene = result.candidates[0].scene
    assert scene is not None
    assert kept_in_direction(scene, direction_of(words)) == (scene, True)
    assert not [note for note in result.notes if "direction" in note]
    assert result.relation.confidence > 0.5


def test_the_caption_never_says_the_opposite_of_the_words(generator: Generator) -> None:
    words = "{subject} getting smaller and smaller"
    assert generator.understand((), words).found.caption == words
    assert generator.understand((), "{subject} in a ring").found.caption != "{subject} in a ring"


def test_who_said_the_logic_in_words_is_not_told_to_do_so(generator: Generator) -> None:
    (note,) = generator.understand((), "quarterly results of the third department").notes
    assert "say the logic with --relation" not in note
    assert "say it in other words" in note
    assert "--reference" in note


def test_a_plain_noun_in_the_words_is_understood_and_said(generator: Generator) -> None:
    found = generator.understand((), "many owls in a ring")
    assert found.notes[0] == "'owls' in the words is read as {subject}"
    assert found.found.caption == "many {subject} arranged in a circle"
