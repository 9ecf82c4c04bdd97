"""Promises of conditionings of several references: candidates follow one logic after the other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from analogen.conditioning import LEANING, Conditioning, encode_relations, leaning_to_each
from analogen.relsim.mini.encoder import MiniEncoder
from analogen.relsim.world.dataset import draw_sample, training_selection
from analogen.relsim.world.relations import RELATIONS
from analogen.relsim.world.render import render


@pytest.fixture(scope="module")
def encoder(tiny_encoder_folder: Path) -> MiniEncoder:
    return MiniEncoder(tiny_encoder_folder)


@pytest.fixture(scope="module")
def pictures() -> tuple[Image.Image, ...]:
    rng = np.random.default_rng(0)
    drawn = (draw_sample(RELATIONS[name], training_selection(), rng).scene for name in ("ring", "growth_stages"))
    return tuple(Image.fromarray(render(scene, 128)) for scene in drawn)


def test_each_candidate_leans_to_one_of_the_references_in_turn(
    encoder: MiniEncoder, pictures: tuple[Image.Image, ...]
) -> None:
    (both,) = encode_relations([(pictures, None)], encoder)
    alone = [encode_relations([((picture,), None)], encoder)[0].relation for picture in pictures]
    assert len(both.leanings) == 2
    for seed in range(4):
        near = [float(both.relation_of(seed) @ own) for own in alone]
        assert int(np.argmax(near)) == seed % 2


def test_words_beside_a_picture_are_followed_in_turn_with_it(
    encoder: MiniEncoder, pictures: tuple[Image.Image, ...]
) -> None:
    caption = RELATIONS["parade"].caption
    (both,) = encode_relations([(pictures[:1], caption)], encoder)
    words = encoder.embed_text([caption])[0]
    assert float(both.relation_of(1) @ words) > float(both.relation_of(0) @ words)


def test_a_single_input_and_weights_decide_themselves(encoder: MiniEncoder, pictures: tuple[Image.Image, ...]) -> None:
    (single,) = encode_relations([(pictures[:1], None)], encoder)
    (weighted,) = encode_relations([(pictures, None)], encoder, weights=[(0.5, 0.5)])
    for one in (single, weighted):
        assert one.leanings == ()
        assert all(one.relation_of(seed) is one.relation for seed in range(3))


def test_leanings_share_the_rest_alike() -> None:
    axes = list(np.eye(384, dtype=np.float32)[:3])
    for own, leaning in enumerate(leaning_to_each(axes)):
        shares = leaning[:3] / leaning[:3].sum()
        assert shares[own] == pytest.approx(LEANING, abs=1e-5)
        assert np.delete(shares, own) == pytest.approx((1 - LEANING) / 2, abs=1e-5)
    assert leaning_to_each(axes[:1]) == ()


def test_relation_of_a_candidate_is_the_relation_without_leanings() -> None:
    relation = np.ones(384, np.float32) / 384**0.5
    found = Conditioning(relation, None, None)  # type: ignore[arg-type]
    assert found.relation_of(5) is relation
