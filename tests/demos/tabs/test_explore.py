"""Tests of the Explore tab: results in order, as cards and in the similarity space, without paths of the server."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from analogen import UserError

pytest.importorskip("gradio", reason='the studio needs Gradio: pip install "analogen[demo]"')
pytest.importorskip("lancedb", reason='galleries need LanceDB: pip install "analogen[gallery]"')

from analogen.demos.tabs.explore import ExploreTab
from analogen.demos.tabs.search_results import grid, plot

pytestmark = pytest.mark.usefixtures("tiny_shipped")


@pytest.fixture(scope="module")
def explore(tmp_path_factory: pytest.TempPathFactory) -> ExploreTab:
    output = tmp_path_factory.mktemp("studio")
    (output / "pictures").mkdir()
    for number in range(12):
        values = np.random.default_rng(number).integers(0, 256, (6, 8, 3), dtype=np.uint8)
        image = Image.fromarray(values).resize((64, 48), Image.Resampling.NEAREST)
        image.save(output / "pictures" / f"<i>{number}.png")
    tab = ExploreTab(output, [output / "pictures", output / "batches"], device="cpu")
    with pytest.raises(UserError, match="index this studio's pictures first"):
        tab.find(None, "many {subject} in a ring", 0, 0.5, 4)
    assert tab.index() == "12 new pictures, 12 in all."
    assert tab.index() == "0 new pictures, 12 in all."
    return tab


def picture(explore: ExploreTab, number: int) -> str:
    return str(explore._output / "pictures" / f"<i>{number}.png")


def test_a_picture_of_the_gallery_finds_itself_first(explore: ExploreTab) -> None:
    for looks in (0.0, 0.5, 1.0):
        found = explore.find(picture(explore, 3), "", looks, 0.5, 12)
        assert len(found) == 12
        assert found[0].path.name == "<i>3.png"


def test_cards_and_plot_can_be_picked_and_contain_no_path(explore: ExploreTab) -> None:
    found = explore.find(picture(explore, 3), "", 0.3, 0.5, 8)
    for page, named in ((grid(found), 'class="an-name"'), (plot(found), 'aria-label="Result')):
        assert sorted(int(n) for n in re.findall(r'data-pick="(\d+)"', page)) == list(range(8))
        assert page.count(named) == 8
        assert str(explore._output) not in page
        assert "<i>3" not in page


def test_plot_places_logic_upwards_and_looks_to_the_right(explore: ExploreTab) -> None:
    found = explore.find(picture(explore, 3), "", 0.0, 0.5, 8)
    placed = {
        int(number): (float(x), float(y))
        for x, y, number in (
            (x, y, number)
            for number, x, y in re.findall(r'data-pick="(\d+)" style="left:([\d.]+)%;bottom:([\d.]+)%', plot(found))
        )
    }
    by_looks = sorted(range(8), key=lambda n: found[n].attribute or 0)
    by_logic = sorted(range(8), key=lambda n: found[n].relation)
    assert [placed[n][0] for n in by_looks] == sorted(x for x, _ in placed.values())
    assert [placed[n][1] for n in by_logic] == sorted(y for _, y in placed.values())
    assert all(0 <= share <= 100 for point in placed.values() for share in point)


def test_words_alone_are_searched_and_have_no_plot(explore: ExploreTab) -> None:
    found = explore.find(None, "many {subject} in a ring", 0.7, 0.5, 5)
    assert len(found) == 5
    assert "needs a picture" in plot(found)


def test_picked_card_shows_its_picture_and_a_wrong_number_changes_nothing(explore: ExploreTab) -> None:
    found = explore.find(picture(explore, 3), "", 0.0, 0.5, 8)
    path, cards, _, detail, actions = explore._pick(found, SimpleNamespace(number=2))  # type: ignore[arg-type]
    assert path == found[2].path
    assert cards.count("an-chosen") == 1
    assert "data:image/jpeg" in detail.value
    assert actions.visible
    for number in (8, -1, "0", None):
        assert all(u == {"__type__": "update"} for u in explore._pick(found, SimpleNamespace(number=number)))  # type: ignore[arg-type]


def test_a_folder_without_a_gallery_is_refused_in_one_sentence(tmp_path: Path) -> None:
    tab = ExploreTab(tmp_path, [], tmp_path / "none", "cpu")
    assert "holds no gallery" in tab.status()
    page = tab._show(None, "ring", 0, 0.5, 4)[2]
    assert 'role="alert"' in page
    with pytest.raises(UserError, match="analogen gallery add"):
        tab.index()


def test_damaged_upload_is_one_sentence(explore: ExploreTab, tmp_path: Path) -> None:
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no picture")
    page = explore._show(str(bad), "", 0, 0.5, 4)[2]
    assert "bad.png: is not a picture" in page or "Bad.png: is not a picture" in page
    assert str(tmp_path) not in page
