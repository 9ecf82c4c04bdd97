from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from analogen.relsim.world.lettering import ASCENT, FONTS, draw_text, fitted, text_width
from analogen.relsim.world.word_disc import WordDisc

TEXTS = [
    "Ölgemälde", "Žluťoučký kůň", "σκύλος", "собака", "كلب", "כלב", "कुत्ता", "কুকুর", "ਕੁੱਤਾ", "કૂતરો", "ଓଡ଼ିଆ", "நாய்", "కుక్క",
    "ನಾಯಿ", "നായ", "බල්ලා", "หมา", "ໝາ", "ཁྱི", "ခွေး", "ძაღლი", "շուն", "ውሻ", "ឆ្កែ", "犬", "いぬ", "イヌ", "狗", "개", "ᏣᎳᎩ",
    "ⵜⴰⵎⴰⵣⵉⵖⵜ", "ߒߞߏ", "★✓→", "🦉",
]  # fmt: skip


def drawn(text: str, size: int = 32) -> np.ndarray:
    image = Image.new("RGB", (600, 60), "white")
    draw_text(image, (10, 10), text, size, "black")
    return np.asarray(image.convert("L"))


def missing(size: int = 32) -> np.ndarray:
    """The box that stands for a letter that no font has."""
    return drawn("\ue123", size)[:, 10:30]


@pytest.mark.parametrize("text", TEXTS)
def test_every_script_is_written_with_its_letters(text: str) -> None:
    ink = drawn(text)
    assert (ink < 128).sum() > 30
    letters = [letter for letter in text if letter.isalpha()]
    for letter in letters:
        shown = drawn(letter)
        assert not np.array_equal(shown[:, 10:30], missing()), f"{letter} of {text} is a box"


def test_letters_of_one_word_differ() -> None:
    assert not np.array_equal(drawn("개"), drawn("고"))
    assert not np.array_equal(drawn("犬"), drawn("猫"))


@pytest.mark.parametrize("text", [*TEXTS, "mixed 犬 собака 🦉 كلب 12", ""])
def test_the_width_is_that_of_the_ink(text: str) -> None:
    columns = np.flatnonzero((drawn(text) < 200).any(axis=0))
    end = columns[-1] + 1 - 10 if len(columns) else 0
    assert abs(end - text_width(text, 32)) <= 10


@pytest.mark.parametrize("text", ["word " * 40, "自転車" * 30, "🦉👩‍🚀" * 20, "कुत्ता" * 20])
def test_long_text_is_cut_between_its_letters(text: str) -> None:
    short = fitted(text, 15, 200)
    assert short.endswith("…")
    assert text.startswith(short[:-1])
    assert 120 < text_width(short, 15) <= 200
    assert not short[:-1].endswith("\u200d")


def test_short_text_stays_whole() -> None:
    assert fitted("Öl", 15, 200) == "Öl"


def test_right_to_left_text_starts_at_the_right() -> None:
    """The emoji is the last of the line, and so at its left."""
    image = Image.new("RGB", (300, 60), "white")
    draw_text(image, (10, 10), "כלב 🔴", 32, "black")
    red = np.asarray(image).astype(int)
    columns = np.flatnonzero(((red[..., 0] - red[..., 1]) > 80).any(axis=0))
    assert columns.mean() < 10 + text_width("כלב 🔴", 32) / 2


def test_the_baseline_is_one_for_all_scripts() -> None:
    for text in ("x", "х", "א"):
        rows = np.flatnonzero((drawn(text) < 128).any(axis=1))
        assert abs(rows[-1] + 1 - (10 + ASCENT * 32)) <= 2


def test_fonts_stay_small_and_state_their_licences() -> None:
    assert sum(path.stat().st_size for path in (FONTS / "scripts").iterdir()) < 11e6
    notice = (FONTS / "scripts" / "NOTICE").read_text(encoding="utf-8")
    assert "SIL Open Font License" in notice
    assert "Apache License" in notice
    assert "SIL OPEN FONT LICENSE" in (FONTS / "OFL.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("word", ["Haus", "自転車 🚲", "zylophrastic bureaucracy of everything", "x" * 200, "🇫🇷", " "])
@pytest.mark.parametrize("side", [48, 300])
def test_a_word_stands_on_its_disc(word: str, side: int) -> None:
    pixels = WordDisc(word).pixels(side)
    assert pixels.shape == (side, side, 4)
    assert pixels[0, 0, 3] == 0
    assert pixels[side // 2, 3, 3] > 200
    inside = pixels[side // 4 : -side // 4, side // 8 : -side // 8, :3].astype(int).sum(axis=-1)
    if word.strip():
        assert (inside < 500).any()
    edge = pixels[:, [side // 20, -1 - side // 20]]
    assert edge[..., 3].min() == 0  # the word does not leave the disc
    assert WordDisc(word).document() is None
