"""Promises of the ways of comparing pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from analogen.relsim.data.shards import Stored
from analogen.relsim.evaluation.baselines import pixel_vectors
from analogen.relsim.evaluation.similarity_measures import Cosine, NothingLeft, check_ways, load_ways, rows_of


def save(folder: Path, count: int) -> list[Stored]:
    rng = np.random.default_rng(0)
    found = []
    for number in range(count):
        path = folder / f"{number}.png"
        Image.fromarray(rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(path)
        found.append(Stored(path))
    return found


PIXELS = Cosine("pixels", pixel_vectors)


def test_pairs_are_the_diagonal_of_nearness(tmp_path: Path) -> None:
    rows = rows_of(save(tmp_path, 5), [PIXELS], "asked", batch_size=2).rows["pixels"]
    table = PIXELS.nearness(rows, rows[::-1])
    np.testing.assert_allclose(PIXELS.pairs(rows, rows[::-1]), np.diag(table), atol=1e-6)
    np.testing.assert_allclose(np.diag(PIXELS.nearness(rows, rows)), 1, atol=1e-5)


def test_rows_do_not_depend_on_the_batch(tmp_path: Path) -> None:
    pictures = save(tmp_path, 5)
    one, all_ = (rows_of(pictures, [PIXELS], "stored", batch_size=size).rows["pixels"] for size in (1, 64))
    np.testing.assert_array_equal(one, all_)


def test_unreadable_pictures_are_listed_and_the_others_keep_their_places(tmp_path: Path) -> None:
    pictures = save(tmp_path, 4)
    pictures[1].path.write_bytes(b"no picture")
    pictures.append(Stored(tmp_path / "absent.png"))
    seen: list[tuple[int, int]] = []
    found = rows_of(pictures, [PIXELS], "asked", progress=lambda done, total: seen.append((done, total)))
    assert found.kept == [0, 2, 3]
    assert [Path(row["path"]).name for row in found.refused] == ["1.png", "absent.png"]
    assert len(found.rows["pixels"]) == 3
    assert seen[-1] == (5, 5)
    with pytest.raises(NothingLeft, match="none of 1 pictures can be read"):
        rows_of(pictures[1:2], [PIXELS], "asked")


def test_two_sided_way_looks_at_queries_otherwise(tmp_path: Path) -> None:
    flipped = Cosine("flipped", lambda images: -pixel_vectors(images), pixel_vectors)
    images = [picture.read().image for picture in save(tmp_path, 2)]
    assert not flipped.symmetric
    assert flipped.pairs(flipped.asked(images), flipped.stored(images)) == pytest.approx([-1, -1], abs=1e-5)


def test_encoder_and_its_heads_are_ways(tiny_encoder_folder: Path, tmp_path: Path) -> None:
    ways = load_ways(("relation", "subject", "attributes", "histogram", "pixels"), str(tiny_encoder_folder))
    found = rows_of(save(tmp_path, 3), ways, "asked")
    for way in ways:
        assert found.rows[way.name].shape[0] == 3
        np.testing.assert_allclose(np.linalg.norm(found.rows[way.name], axis=1), 1, atol=1e-5)


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (("relatoin",), "did you mean 'relation'"),
        (("relation", "relation"), "named twice"),
        (("clip-i=a", "clip-i=b"), "named twice"),
        (("relation=folder",), "choose one with --encoder"),
    ],
)
def test_wrong_names_are_refused(names: tuple[str, ...], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        check_ways(names)
