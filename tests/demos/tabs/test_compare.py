"""Tests of the Compare tab: sorted similarities of the encoder, and one sentence for a damaged file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from analogen import UserError, load_encoder

pytest.importorskip("gradio", reason='the studio needs Gradio: pip install "analogen[demo]"')

from analogen.demos.tabs.compare import CompareTab, compare, comparison

pytestmark = pytest.mark.usefixtures("tiny_shipped")


@pytest.fixture
def pictures(tmp_path: Path) -> list[str]:
    paths = [tmp_path / f"<u>{n}.png" for n in range(5)]
    for number, path in enumerate(paths):
        values = np.random.default_rng(number).integers(0, 256, (6, 8, 3), dtype=np.uint8)
        Image.fromarray(values).resize((64, 48), Image.Resampling.NEAREST).save(path)
    return [str(path) for path in paths]


def test_most_similar_logic_comes_first_with_the_values_of_the_encoder(pictures: list[str]) -> None:
    mini = load_encoder("mini")
    found = compare(pictures[0], pictures, mini)
    assert found[0].similarity is None
    relations = [one.similarity.relation for one in found[1:] if one.similarity]
    assert relations == sorted(relations, reverse=True)
    np.testing.assert_allclose(relations[0], 1, atol=1e-5)
    expected = mini.similarity([Image.open(pictures[0])], [Image.open(path) for path in pictures])[0]
    np.testing.assert_allclose(relations, sorted(expected, reverse=True), atol=1e-5)


def test_page_names_every_picture_and_escapes_names(pictures: list[str]) -> None:
    found = compare(pictures[0], pictures[1:], load_encoder("mini"))
    page = comparison(found, "looks")
    assert page.count("<img ") == 5
    assert page.count('alt="') == 5
    assert "<u>" not in page
    assert "&lt;u&gt;3.png" in page
    order = [page.index(f"&lt;u&gt;{n}.png", page.index("<tbody>")) for n in range(1, 5)]
    looks = {Path(one.name).stem[-1]: one.similarity.attribute for one in found[1:] if one.similarity}
    assert sorted("1234", key=lambda n: order[int(n) - 1]) == sorted("1234", key=lambda n: -looks[n])


def test_two_pictures_stand_side_by_side(pictures: list[str]) -> None:
    page = comparison(compare(pictures[0], pictures[:1], load_encoder("mini")))
    assert "<table" not in page
    assert "The same logic" in page
    assert page.count("<figcaption>") == 2


@pytest.mark.parametrize(
    ("reference", "others", "message"),
    [
        (None, [0], "no reference was given"),
        (0, [], "no pictures to compare with"),
        (0, [0] * 65, "at most 64"),
    ],
)
def test_missing_and_too_many_pictures_are_refused(
    pictures: list[str], reference: int | None, others: list[int], message: str
) -> None:
    first = None if reference is None else pictures[reference]
    with pytest.raises(UserError, match=message):
        compare(first, [pictures[n] for n in others], load_encoder("mini"))


def test_damaged_upload_is_one_sentence_on_the_page(pictures: list[str], tmp_path: Path) -> None:
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    page, kept = CompareTab("cpu")._show(pictures[0], [str(bad)], "logic")
    assert kept is None
    assert 'role="alert"' in page
    assert "Bad.png: the picture" in page or "bad.png: the picture" in page
    assert str(tmp_path) not in page
    assert "Traceback" not in page
