"""Checks whether a picture shows a subject: the probability of yes by the base VLM.

check = SubjectCheck(load_base_model(device="cuda"))
check.probabilities(["0.png", "1.png"], "a bicycle")  # (2,)
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from analogen.relsim.data.batching import run_all
from analogen.relsim.vlm.model import Pixels, UserMessage, Vlm
from analogen.relsim.vlm.preprocessing import Pictures, Preprocessing, check_preprocessing, load_pixels
from analogen.relsim.vlm.query import Probabilities, YesNo, clean_user_text

QUESTION = 'Does this picture show the following: "SUBJECT"? Drawings, toys and parts of it count. Answer yes or no.'
# Whole pictures, so that a subject at the edge counts, with as many tokens as the square that adapters are trained on.
WHOLE = Preprocessing(size=None, max_pixels=448 * 448)


class SubjectCheck:
    """Asks the base model, without any adapters of `vlm`."""

    def __init__(self, vlm: Vlm, preprocessing: Preprocessing | None = None) -> None:
        self.vlm = vlm
        self.preprocessing = check_preprocessing(preprocessing or WHOLE, vlm)
        self._yes_no = YesNo(vlm)

    def probabilities(self, images: Pictures, subjects: str | Sequence[str], batch_size: int = 16) -> Probabilities:
        """The probability for each picture, (n,) in [0, 1]. subjects: one for all pictures, or one each.

        Where `analogen.scoring.score` takes the cosine of a candidate's subject, it takes these as well: as
        found_subjects (n, 1) with the subject np.ones(1). Raises ValueError for empty or over-long subjects, and
        ValueError or FileNotFoundError for the first picture that cannot be read.
        """
        named = [subjects] * len(images) if isinstance(subjects, str) else list(subjects)
        if len(named) != len(images):
            raise ValueError(f"{len(images)} pictures and {len(named)} subjects: expected one for all, or one each")
        questions = {
            subject: QUESTION.replace("SUBJECT", clean_user_text(subject, "subject")) for subject in set(named)
        }

        def load(pair: tuple[Image.Image | str | Path, str]) -> UserMessage:
            pixels: Pixels = load_pixels(pair[0], self.preprocessing, self.vlm.side_unit)
            return UserMessage([pixels], questions[pair[1]])

        table = np.zeros(len(images), np.float32)
        for pairs in run_all(list(zip(images, named, strict=True)), load, self._yes_no.probabilities, batch_size):
            for index, probability in pairs:
                table[index] = probability
        return table
