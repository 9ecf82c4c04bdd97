"""What requests leave behind is bounded in bytes, however many come and however large their pictures are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from analogen.relsim.world import own_art, render, visibility
from analogen.relsim.world.art import ArtLibrary
from analogen.relsim.world.bounded_cache import BoundedCache
from analogen.relsim.world.icon import Icon
from analogen.relsim.world.own_art import OwnArt
from analogen.relsim.world.picture import Picture
from analogen.relsim.world.recoloring import painted
from analogen.relsim.world.render import SceneArt
from analogen.relsim.world.scene import Background, Element, Scene


def test_the_least_recently_used_go_first() -> None:
    cache: BoundedCache[bytes] = BoundedCache(300, lambda key, value: len(value))
    for name in ("a", "b", "c"):
        cache.get(name, lambda: bytes(100))
    cache.get("a", lambda: pytest.fail("it was kept"))
    cache.get("d", lambda: bytes(100))
    assert cache.held == 300
    cache.get("a", lambda: pytest.fail("it was kept"))
    made = []
    cache.get("b", lambda: made.append("b") or bytes(100))
    assert made == ["b"]


def test_what_is_larger_than_the_budget_takes_the_place_of_all_others() -> None:
    cache: BoundedCache[bytes] = BoundedCache(300, lambda key, value: len(value))
    for size in (100, 100, 1000, 5000):
        cache.get(size, lambda size=size: bytes(size))
    assert len(cache) == 1
    assert cache.held == 5000


def test_pictures_of_users_count_as_long_as_what_was_drawn_of_them_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    images = BoundedCache(8 * 2**20, render._bytes)
    monkeypatch.setattr(render, "_IMAGES", images)
    scene = Scene((Element("subject", 0, 0, 1.0),), background=Background("plain", "#ffffff"))
    for number in range(12):
        picture = Picture("mine", np.full((1024, 1024, 4), 40 + number, np.uint8))  # 4 MiB
        render.render(scene, 64, art=SceneArt(ArtLibrary.shipped(), picture))
        assert len(images) <= 4  # the picture itself and its shadow, of each of two


def test_cut_outs_of_a_folder_are_bounded_in_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = BoundedCache(3 * 2**20, own_art._KEPT._size)
    monkeypatch.setattr(own_art, "_KEPT", kept)
    for number in range(6):
        image = Image.new("RGBA", (520, 520))
        image.paste((200, 30 * number, 0, 255), (4, 4, 516, 516))
        image.save(tmp_path / f"thing-{number}.png")
    for thing in OwnArt.from_folder(tmp_path).things:
        thing.pixels(32)
        assert kept.held <= kept.budget
    assert len(kept) == 2


def test_painted_pictures_are_told_by_what_they_show() -> None:
    """A red bicycle in 3D is measured once, and leaves no copy of its pixels for each request."""
    library = ArtLibrary.shipped()
    assert library.icon("bicycle", "3d") is library.icon("bicycle", "3d")
    first = painted(library.icon("bicycle", "3d"), "#d92b2b")
    assert visibility.outline_of(first) is visibility.outline_of(painted(library.icon("bicycle", "3d"), "#d92b2b"))
    assert visibility.outline_of(first) is not visibility.outline_of(painted(library.icon("bicycle", "3d"), "#2f6fd6"))


def test_outlines_keep_no_drawing() -> None:
    """An uploaded SVG may be two megabytes."""
    body = '<rect width="20" height="20" fill="#c00"/>' + " " * 100_000
    visibility.outline_of(Icon("mine", "own", body, (0, 0, 20, 20)))
    keys = list(visibility._OUTLINES._kept)
    assert not any(isinstance(part, str) and len(part) > 1000 for key in keys if isinstance(key, tuple) for part in key)
    assert not any(isinstance(key, Icon | Picture) for key in keys)
