"""Promises of the encoder's public face, at tiny size and untrained."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from analogen.relsim.encoder import load_encoder
from analogen.relsim.mini.encoder import CaptionBank, MiniEncoder, Vectors
from analogen.relsim.world.relations import RELATIONS


@pytest.fixture(scope="module")
def encoder(tiny_encoder_folder: Path) -> MiniEncoder:
    return MiniEncoder(tiny_encoder_folder)


def noise(width: int, height: int, seed: int = 0, mode: str = "RGB") -> Image.Image:
    values = np.random.default_rng(seed).integers(0, 256, (height, width, len(mode)), dtype=np.uint8)
    return Image.fromarray(values, mode)


def unit_vector(seed: int) -> Vectors:
    vector = np.random.default_rng(seed).normal(size=384)
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def dim_of(encoder: MiniEncoder) -> int:
    return encoder.net.config.dim


PICTURES = [noise(40, 40), noise(64, 20, 1), noise(20, 64, 2)]


def test_shapes_and_unit_rows(encoder: MiniEncoder) -> None:
    output = encoder.encode_all(PICTURES)
    assert [part.shape for part in output] == [(3, 384), (3, 384), (3, 112), (3, 64), (3,), (3, 0, dim_of(encoder))]
    assert ((output.known > 0) & (output.known < 1)).all()
    for part in output[:3]:
        assert part.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(part, axis=1), 1, atol=1e-5)


def test_each_method_returns_its_output(encoder: MiniEncoder) -> None:
    output = encoder.encode_all(PICTURES)
    ways = (encoder.embed, encoder.embed_subject, encoder.attributes)
    for way, part in zip(ways, output[:3], strict=True):
        np.testing.assert_array_equal(way(PICTURES), part)


def test_no_pictures_give_no_rows(encoder: MiniEncoder) -> None:
    shapes = [(0, 384), (0, 384), (0, 112), (0, 64), (0,), (0, 0, dim_of(encoder))]
    assert [part.shape for part in encoder.encode_all([])] == shapes


def test_patches_come_from_the_same_pass_if_requested(encoder: MiniEncoder) -> None:
    output, bare = encoder.encode_all(PICTURES, batch_size=2, patches=True), encoder.encode_all(PICTURES, batch_size=2)
    assert output.patches.shape == (3, (encoder.net.config.image_size // 16) ** 2, dim_of(encoder))
    for one, other in zip(output[:5], bare[:5], strict=True):
        np.testing.assert_array_equal(one, other)
    with torch.inference_mode():
        again = encoder.net.structure_head(torch.from_numpy(output.patches)).numpy()
    np.testing.assert_allclose(again, output.structure, atol=1e-5)
    np.testing.assert_array_equal(output.select([2, 0]).patches, output.patches[[2, 0]])


@pytest.mark.parametrize("batch_size", [1, 2])
def test_batch_size_does_not_matter(encoder: MiniEncoder, batch_size: int) -> None:
    np.testing.assert_allclose(encoder.embed(PICTURES, batch_size=batch_size), encoder.embed(PICTURES), atol=1e-5)


def test_file_and_picture_give_the_same(encoder: MiniEncoder, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    PICTURES[1].save(path)
    rows = encoder.embed([path, str(path), PICTURES[1]])
    np.testing.assert_allclose(rows[1:], rows[:1].repeat(2, 0), atol=1e-6)


def test_transparent_parts_lie_on_white_from_file_and_from_memory(encoder: MiniEncoder, tmp_path: Path) -> None:
    picture = noise(32, 32, mode="RGBA")
    picture.save(tmp_path / "a.png")
    from_file, from_memory = encoder.embed([tmp_path / "a.png", picture])
    np.testing.assert_allclose(from_memory, from_file, atol=1e-6)


@pytest.mark.parametrize("size", [(64, 32), (32, 64), (64, 20)])
def test_oblong_picture_equals_itself_on_a_square_of_its_border(encoder: MiniEncoder, size: tuple[int, int]) -> None:
    picture = Image.new("RGB", size, (40, 90, 200))
    picture.paste(noise(12, 8), (size[0] // 2 - 6, size[1] // 2 - 4))
    square = Image.new("RGB", (64, 64), (40, 90, 200))
    square.paste(picture, ((64 - size[0]) // 2, (64 - size[1]) // 2))
    oblong, padded = encoder.embed([picture, square])
    np.testing.assert_allclose(oblong, padded, atol=1e-5)


@pytest.mark.parametrize("size", [(1, 1), (500, 1), (1, 500)])
def test_extreme_shapes_are_taken(encoder: MiniEncoder, size: tuple[int, int]) -> None:
    assert np.isfinite(encoder.embed([noise(*size)])).all()


def test_missing_picture_is_refused(encoder: MiniEncoder, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such file"):
        encoder.embed([tmp_path / "none.png"])


def test_similarity_is_symmetric_with_ones_on_the_diagonal(encoder: MiniEncoder) -> None:
    cosines = encoder.similarity(PICTURES, PICTURES)
    np.testing.assert_allclose(cosines, cosines.T, atol=1e-6)
    np.testing.assert_allclose(np.diag(cosines), 1, atol=1e-5)
    assert encoder.similarity(PICTURES[:1], PICTURES).shape == (1, 3)


def test_words_and_catalogue_share_a_space(encoder: MiniEncoder) -> None:
    for name in ("ring", "peeking"):
        (vector,) = encoder.embed_text([RELATIONS[name].captions[3]])
        match = encoder.nearest_captions(vector)[0]
        assert match.relation == name
        assert match.caption == RELATIONS[name].caption
        assert match.score == pytest.approx(1, abs=1e-3)


def test_nearest_captions_are_sorted_and_one_per_relation(encoder: MiniEncoder) -> None:
    matches = encoder.nearest_captions(unit_vector(0), top_k=10)
    assert len(matches) == 4  # all there are
    assert len({match.relation for match in matches}) == 4
    scores = [match.score for match in matches]
    assert scores == sorted(scores, reverse=True)
    assert encoder.nearest_captions(unit_vector(0), top_k=2) == matches[:2]


def test_nearest_score_is_the_best_of_the_relations_captions(encoder: MiniEncoder, tiny_encoder_folder: Path) -> None:
    bank, vector = CaptionBank.load(tiny_encoder_folder), unit_vector(3)
    for match in encoder.nearest_captions(vector, top_k=4):
        own = [row @ vector for row, name in zip(bank.vectors, bank.relations, strict=True) if name == match.relation]
        assert match.score == pytest.approx(max(own), abs=1e-6)


def test_confidence_is_the_share_of_the_nearest_relation(encoder: MiniEncoder, tiny_encoder_folder: Path) -> None:
    bank = CaptionBank.load(tiny_encoder_folder)
    vector = unit_vector(5)
    weights = np.exp((bank.vectors @ vector) / bank.temperature)
    owners = np.array(bank.relations)
    shares = [weights[owners == name].sum() / weights.sum() for name in sorted(set(bank.relations))]
    assert encoder.confidence(vector, 1.0) == pytest.approx(max(shares), rel=1e-4)


def test_confidence_falls_with_either_kind_of_doubt(encoder: MiniEncoder, tiny_encoder_folder: Path) -> None:
    bank = CaptionBank.load(tiny_encoder_folder)
    first, last = bank.vectors[0], bank.vectors[-1]
    torn = (first + last) / np.linalg.norm(first + last)
    assert bank.relations[0] != bank.relations[-1]
    assert 1 >= encoder.confidence(first, 1.0) > encoder.confidence(torn, 1.0) > 0
    assert encoder.confidence(first, 0.3) == pytest.approx(0.3 * encoder.confidence(first, 1.0))
    assert encoder.confidence(first, 0.0) == 0


def test_bank_round_trip(tiny_encoder_folder: Path, tmp_path: Path) -> None:
    bank = CaptionBank.load(tiny_encoder_folder)
    bank.save(tmp_path)
    again = CaptionBank.load(tmp_path)
    assert (again.captions, again.relations) == (bank.captions, bank.relations)
    assert again.temperature == bank.temperature
    np.testing.assert_array_equal(again.vectors, bank.vectors)


def test_encoder_loads_by_folder_once(tiny_encoder_folder: Path) -> None:
    first = load_encoder(str(tiny_encoder_folder))
    assert isinstance(first, MiniEncoder)
    assert load_encoder(str(tiny_encoder_folder)) is first


def test_unknown_encoder_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown encoder 'maxi': expected 'mini' or a folder"):
        load_encoder("maxi")


def test_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"has no config\.json"):
        load_encoder(str(tmp_path))
