"""Tests of what Create shows by sight: drawings of subjects, styles, palettes, the examples, and scores in words."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from PIL import Image

pytest.importorskip("gradio", reason='the studio needs Gradio: pip install "analogen[demo]"')

from analogen import palettes
from analogen.demos.score_words import plain_caption, short, told
from analogen.demos.studio import Studio
from analogen.demos.tabs import first_page, subject_sights
from analogen.demos.tabs.canvas import words
from analogen.demos.tabs.create_form import STYLE_NAMES, palette_sheet


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    found = Studio(tmp_path_factory.mktemp("studio"), device="cpu")
    yield found
    found.close()


def test_what_is_typed_is_completed_by_drawings() -> None:
    assert subject_sights.suggestions("cat\nlighth")[0] == "lighthouse"
    assert "bicycle" in subject_sights.suggestions("")
    assert "bicycle" not in subject_sights.suggestions("bicycle\n")
    assert subject_sights.with_noun("cat\nlighth", "lighthouse") == "cat\nlighthouse"
    assert subject_sights.with_noun("cat", "lighthouse") == "cat\nlighthouse"
    assert subject_sights.without_line("cat\n\nowl", 0) == "owl"


def test_each_subject_is_a_chip_that_says_what_it_is_drawn_as(studio: Studio) -> None:
    html = subject_sights.sights(studio, "owl\nbycicle\n<b>", "noto")
    assert html.count("sg-chip") >= 3
    assert "as bicycle" in html
    assert "<b>" not in html.replace("<button", "")


def test_each_style_has_its_picture_of_the_subject(studio: Studio) -> None:
    sheet = subject_sights.style_sheet(studio, "owl", STYLE_NAMES)
    assert sheet.count("data:image/webp") == len(STYLE_NAMES) - 1
    assert palette_sheet().count("linear-gradient") == len(palettes())


def test_the_first_page_has_six_pairs_of_pictures() -> None:
    assert first_page.first_page().count("data-pick") == 6
    for one in first_page.examples():
        assert first_page.reference_of(one).is_file()
        with Image.open(first_page.EXAMPLES / f"{one['name']}_result.webp") as picture:
            assert min(picture.size) >= 200


def test_scores_are_words_with_numbers_on_hover() -> None:
    scores = {"relation": 0.93, "subject": 0.3, "copy": 0.9, "total": 1.0}
    assert [(one.words, one.level) for one in told(scores)] == [
        ("certainly", "good"), ("recognisable", "fair"), ("like the reference", "poor"),
    ]  # fmt: skip
    assert [one.what for one in told(scores, has_reference=False)] == ["same idea", "subject"]
    assert 'title="0.93: ' in words({"scores": scores})


@pytest.mark.parametrize(
    ("caption", "plain"),
    [
        ("many {subject} arranged in a circle", "many things arranged in a circle"),
        ("a large {subject} made up of many small {other}", "a large thing made up of many small other things"),
    ],
)
def test_captions_are_said_as_people_do(caption: str, plain: str) -> None:
    assert plain_caption(caption) == plain


def test_what_the_reader_does_not_confirm_comes_first() -> None:
    image = {"scores": {"relation": 0.93}, "read": "7 of 9, not in a ring"}
    assert short(image) == "7 of 9, not in a ring"
    assert words(image).index("7 of 9") < words(image).index("same idea")
    assert "no scores" in words({"scores": {}, "edited": True})
