"""Promises of the judge on this machine, with a tiny random VLM."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from analogen.relsim.evaluation.judging import SCORE_QUESTION, AnswerCache, ask_checked, read_score
from analogen.relsim.evaluation.vlm_judge import load_vlm_judge

PICTURES = [
    Image.fromarray(np.random.default_rng(n).integers(0, 256, (60, 90 + 40 * n, 3), dtype=np.uint8)) for n in range(2)
]


def test_same_question_gets_the_same_answer(tiny_vlm_folder: Path) -> None:
    judge = load_vlm_judge(str(tiny_vlm_folder))
    first, second = (judge.ask(PICTURES, "How alike?") for _ in range(2))
    assert isinstance(first, str)
    assert first == second
    assert str(tiny_vlm_folder) in judge.name


def test_unparsable_text_is_no_score(tiny_vlm_folder: Path) -> None:
    judge = load_vlm_judge(str(tiny_vlm_folder))
    verdict = ask_checked(judge, PICTURES, SCORE_QUESTION, read_score, AnswerCache(None), tries=2)
    assert (verdict.value, verdict.tries) == (None, 2)
    assert "expected" in verdict.problem
