"""Promises of the subject check."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from analogen.relsim.vlm.adapter_loading import load_base_model
from analogen.relsim.vlm.preprocessing import Preprocessing
from analogen.relsim.vlm.subject_check import SubjectCheck
from analogen.scoring import score

SUBJECTS = ["a bicycle", "owl", 'the "old" moon over the sea', "owl"]


@pytest.fixture(scope="module")
def check(tiny_adapter_folder: Path) -> SubjectCheck:
    return SubjectCheck(
        load_base_model(tiny_adapter_folder, dtype="float32"), Preprocessing(size=None, max_pixels=112 * 112)
    )


@pytest.fixture(scope="module")
def pictures() -> list[Image.Image]:
    shapes = [(60, 60), (200, 90), (40, 300), (60, 60)]
    return [
        Image.fromarray(np.random.default_rng(n).integers(0, 256, (*shape, 3), np.uint8))
        for n, shape in enumerate(shapes)
    ]


def test_batch_equals_single(check: SubjectCheck, pictures: list[Image.Image]) -> None:
    together = check.probabilities(pictures, SUBJECTS)
    assert together.shape == (4,)
    assert together.dtype == np.float32
    assert ((together > 0) & (together < 1)).all()
    single = [check.probabilities([picture], subject)[0] for picture, subject in zip(pictures, SUBJECTS, strict=True)]
    np.testing.assert_allclose(together, single, rtol=1e-3)
    np.testing.assert_allclose(check.probabilities(pictures, SUBJECTS, batch_size=1), single, rtol=1e-3)


def test_subject_and_picture_both_count(check: SubjectCheck, pictures: list[Image.Image]) -> None:
    of_subject = check.probabilities([pictures[0]] * 2, ["owl", "bicycle"])
    of_picture = check.probabilities([pictures[0], pictures[3]], "owl")
    assert of_subject[0] != of_subject[1]
    assert of_picture[0] != of_picture[1]


def test_score_takes_the_probabilities_as_they_are(check: SubjectCheck, pictures: list[Image.Image]) -> None:
    shown = check.probabilities(pictures, "owl")
    relation, looks = np.eye(2, dtype=np.float32)[[0] * 4], np.ones((4, 1), np.float32)
    found = score(relation[0], relation, np.ones(1, np.float32), shown[:, None], None, looks)
    np.testing.assert_allclose([row.subject for row in found], shown)


def test_wrong_input_is_refused(check: SubjectCheck, pictures: list[Image.Image], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="4 pictures and 2 subjects"):
        check.probabilities(pictures, ["owl", "egg"])
    with pytest.raises(ValueError, match="the subject is empty"):
        check.probabilities(pictures, " ")
    with pytest.raises(FileNotFoundError, match=r"none.png: no such file"):
        check.probabilities([tmp_path / "none.png"], "owl")
    assert check.probabilities([], "owl").shape == (0,)
