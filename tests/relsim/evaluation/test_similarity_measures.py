"""Promises of the measures of comparing pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from analogen.relsim.data.shards import StoredPicture
from analogen.relsim.evaluation.baselines import pixel_vectors
from analogen.relsim.evaluation.similarity_measures import (
    Cosine,
    NothingToMeasure,
    check_measures,
    compute_rows,
    load_measures,
)


def save(folder: Path, count: int) -> list[StoredPicture]:
    rng = np.random.default_rng(0)
    found = []
    for number in range(count):
        path = folder / f"{number}.png"
        Image.fromarray(rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(path)
        found.append(StoredPicture(path))
    return found


PIXELS = Cosine("pixels", pixel_vectors)


def test_pairwise_similarity_is_the_diagonal(tmp_path: Path) -> None:
    rows = compute_rows(save(tmp_path, 5), [PIXELS], "queries", batch_size=2).rows["pixels"]
    table = PIXELS.similarity(rows, rows[::-1])
    np.testing.assert_allclose(PIXELS.similarity_pairwise(rows, rows[::-1]), np.diag(table), atol=1e-6)
    np.testing.assert_allclose(np.diag(PIXELS.similarity(rows, rows)), 1, atol=1e-5)


def test_rows_do_not_depend_on_the_batch(tmp_path: Path) -> None:
    pictures = save(tmp_path, 5)
    one, all_ = (compute_rows(pictures, [PIXELS], "gallery", batch_size=size).rows["pixels"] for size in (1, 64))
    np.testing.assert_array_equal(one, all_)


def test_unreadable_pictures_are_listed_and_the_others_keep_their_places(tmp_path: Path) -> None:
    pictures = save(tmp_path, 4)
    pictures[1].path.write_bytes(b"no picture")
    pictures.append(StoredPicture(tmp_path / "absent.png"))
    seen: list[tuple[int, int]] = []
    found = compute_rows(pictures, [PIXELS], "queries", progress=lambda done, total: seen.append((done, total)))
    assert found.kept == [0, 2, 3]
    assert [Path(row["path"]).name for row in found.refused] == ["1.png", "absent.png"]
    assert len(found.rows["pixels"]) == 3
    assert seen[-1] == (5, 5)
    with pytest.raises(NothingToMeasure, match="none of 1 pictures can be read"):
        compute_rows(pictures[1:2], [PIXELS], "queries")


def test_asymmetric_measure_embeds_queries_in_another_way(tmp_path: Path) -> None:
    flipped = Cosine("flipped", lambda images: -pixel_vectors(images), pixel_vectors)
    images = [picture.read().image for picture in save(tmp_path, 2)]
    assert not flipped.symmetric
    assert flipped.similarity_pairwise(flipped.embed_queries(images), flipped.embed_gallery(images)) == pytest.approx(
        [-1, -1], abs=1e-5
    )


def test_encoder_and_its_heads_are_measures(tiny_encoder_folder: Path, tmp_path: Path) -> None:
    measures = load_measures(("relation", "subject", "attributes", "histogram", "pixels"), str(tiny_encoder_folder))
    found = compute_rows(save(tmp_path, 3), measures, "queries")
    for measure in measures:
        assert found.rows[measure.name].shape[0] == 3
        np.testing.assert_allclose(np.linalg.norm(found.rows[measure.name], axis=1), 1, atol=1e-5)


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
        check_measures(names)
