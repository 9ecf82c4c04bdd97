"""Reads references, writes prompts and scores pictures for diffusion models.

At full size one vision-language model does all of this, as encoder and captioner with different adapters. With mini the
nearest caption of its catalogue is filled in as the prompt, and its own heads score.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image

from analogen.conditioning import Conditioning, encode_relations, normalized, weighted_sum
from analogen.pipelines.diffusion.device_placement import DevicePlacement
from analogen.relsim.encoder import RelationalEncoder, load_encoder
from analogen.relsim.mini.encoder import SHIPPED, CaptionBank, MiniEncoder, Vectors
from analogen.relsim.vlm.captioner import MAX_GROUP, Captioner, load_captioner
from analogen.relsim.vlm.model import Vlm
from analogen.relsim.vlm.prompts import PromptWriter, fill
from analogen.relsim.vlm.subject_check import SubjectCheck
from analogen.relsim.world.relation_words import read_words
from analogen.scoring import score
from analogen.types import FoundRelation, Scores

# The checkpoints that the authors published, for machines with an accelerator.
PUBLISHED_ENCODER = "thaoshibe/relsim-qwenvl25-lora"
PUBLISHED_CAPTIONER = "thaoshibe/relsim-anonymous-caption-qwen25vl-lora"
Queries = Sequence[tuple[Sequence[Image.Image], str | None]]


class ReferenceReader:
    """An encoder, with a captioner or without.

    captioner: None uses the nearest caption of the catalogue, and the subject score of the encoder.
    move_to_device: called before the vision-language model runs.
    """

    def __init__(
        self,
        encoder: RelationalEncoder,
        captioner: Captioner | None = None,
        move_to_device: Callable[[], None] = lambda: None,
    ) -> None:
        self.encoder, self.captioner, self._move_to_device = encoder, captioner, move_to_device
        self._writer = PromptWriter(captioner.vlm) if captioner else None
        self._check = SubjectCheck(captioner.vlm) if captioner else None
        self._bank = CaptionBank.load(SHIPPED)

    def read(self, queries: Queries, weights: Sequence[Sequence[float]] | None = None) -> list[Conditioning]:
        """Embed several requests at once, each with pictures, words or both.

        The user's words are the caption; without words the captioner writes the logic that all pictures of a request
        share. weights: of each request's pictures, empty where all count the same; pictures with a negative weight are
        not shown to the captioner.
        """
        self._move_to_device()
        weights = weights or [() for _ in queries]
        said = [None if words is None else read_words(words) for _, words in queries]
        queries = [
            (pictures, None if words is None else words.text)
            for (pictures, _), words in zip(queries, said, strict=True)
        ]
        if isinstance(self.encoder, MiniEncoder):
            both = [(pictures, words) for (pictures, _), words in zip(queries, said, strict=True)]
            conditionings = encode_relations(both, self.encoder, weights=weights)
        else:
            conditionings = self._relations(queries, weights)
        captions: list[str | None] = [words for _, words in queries]
        wordless = [row for row, words in enumerate(captions) if words is None]
        if self.captioner is not None and wordless:
            shown = [
                [
                    picture
                    for number, picture in enumerate(queries[row][0])
                    if not weights[row] or weights[row][number] > 0
                ]
                for row in wordless
            ]
            for row, answer in zip(wordless, self._captions(shown), strict=True):
                captions[row] = answer
        return [
            found if caption is None else self._named(found, caption, len(references))
            for found, caption, (references, _) in zip(conditionings, captions, queries, strict=True)
        ]

    def prompts(
        self, conditionings: Sequence[Conditioning], subjects: Sequence[str], others: Sequence[str | None]
    ) -> list[str]:
        """The prompt of each request, for a text-to-image model."""
        captions = [found.found.caption for found in conditionings]
        if self._writer is None:
            return [fill(*row) for row in zip(captions, subjects, others, strict=True)]
        self._move_to_device()
        return [prompt.text for prompt in self._writer.write(captions, subjects, others)]

    def score(self, pictures: Sequence[Image.Image], conditioning: Conditioning, subject: str) -> list[Scores]:
        """Scores of finished pictures, see analogen.scoring."""
        self._move_to_device()
        pictures = list(pictures)
        relations, looks = self._look(pictures)
        if self._check is not None:
            shown = self._check.probabilities(pictures, subject)[:, None]
            wanted = np.ones(1, np.float32)
        else:
            shown = self.encoder.embed_subject(pictures)
            wanted = self.encoder.embed_text([subject])[0]
        calibration = None
        if isinstance(self.encoder, MiniEncoder) and self._check is None:
            calibration = self.encoder.calibration
        return score(
            conditioning.relation, relations, wanted, shown, conditioning.looks, looks, calibration=calibration
        )

    def _look(self, pictures: list[Image.Image]) -> tuple[Vectors, Vectors]:
        """Relations (n, 384) and looks (n, dim)."""
        if isinstance(self.encoder, MiniEncoder):
            looked = self.encoder.encode_all(pictures)
            return looked.relation, looked.attributes
        return self.encoder.embed(pictures), self.encoder.attributes(pictures)

    def _relations(self, queries: Queries, weights: Sequence[Sequence[float]]) -> list[Conditioning]:
        """Conditioning by an encoder without calibration: the cosine to the nearest caption is the confidence."""
        pictures = {id(image): image for references, _ in queries for image in references}
        places = {key: place for place, key in enumerate(pictures)}
        relations, looks = self._look(list(pictures.values()))
        conditionings = []
        for (references, words), own_weights in zip(queries, weights, strict=True):
            own = [places[id(image)] for image in references]
            text = None if words is None else self.encoder.embed_text([words])[0]
            if own:
                relation = weighted_sum(relations[own], text, own_weights)
            else:
                assert text is not None, "neither pictures nor words"
                relation = normalized(text)
            nearest = self._bank.nearest(relation)[0]
            found = FoundRelation(nearest.caption, float(np.clip(nearest.score, 0, 1)))
            conditionings.append(Conditioning(relation, found, looks[own] if own else None))
        return conditionings

    def _captions(self, groups: Sequence[Sequence[Image.Image]]) -> list[str | None]:
        """One caption for each group of pictures, None where the captioner's answers were no captions."""
        assert self.captioner is not None, "called only with a captioner"
        captions: list[str | None] = [None] * len(groups)
        single = [row for row, group in enumerate(groups) if len(group) == 1]
        several = [row for row, group in enumerate(groups) if len(group) > 1]
        if single:
            for row, answer in zip(single, self.captioner.caption([groups[r][0] for r in single]), strict=True):
                captions[row] = answer.text
        if several:
            shown = [groups[row][:MAX_GROUP] for row in several]
            for row, answer in zip(several, self.captioner.caption_groups(shown), strict=True):
                captions[row] = answer.text
        return captions

    def _named(self, conditioning: Conditioning, caption: str, references: int) -> Conditioning:
        near = float(np.clip(self.encoder.embed_text([caption])[0] @ conditioning.relation, 0, 1))
        # A note on mini's confidence does not apply to another captioner's words.
        notes = conditioning.notes if self.captioner is None and references else ()
        return Conditioning(conditioning.relation, FoundRelation(caption, near), conditioning.looks, notes)


def load_reference_reader(
    placement: DevicePlacement, dtype: str = "auto", encoder: str | None = None, captioner: str | None = None
) -> ReferenceReader:
    """Load the reader for a diffusion model, on the same device.

    encoder, captioner: "mini", a folder or a hub id. None takes the authors' published checkpoints on an accelerator,
    and mini on a CPU, which reads drawings and downloads nothing. With mini as the encoder there is no captioner unless
    one is named.
    Raises ValueError, FileNotFoundError or ImportError with one line.
    """
    on_accelerator = placement.device.type != "cpu"
    encoder = encoder or (PUBLISHED_ENCODER if on_accelerator else "mini")
    captioner = captioner or ("mini" if encoder == "mini" else PUBLISHED_CAPTIONER)
    # Loaded on the CPU; moved to the device when it is used.
    image_encoder = load_encoder(encoder, "cpu", dtype)
    text_writer = None if captioner == "mini" else load_captioner(captioner, "cpu", dtype)
    vlms: list[Vlm] = [part.vlm for part in (image_encoder, text_writer) if hasattr(part, "vlm")]  # type: ignore[union-attr]
    names: dict[int, str] = {}
    for vlm in vlms:
        names.setdefault(id(vlm), "vlm" if not names else f"vlm_{len(names) + 1}")
        placement.add(names[id(vlm)], vlm.model)

    def move_to_device() -> None:
        for name in names.values():
            placement.to_device(name)

    return ReferenceReader(image_encoder, text_writer, move_to_device)
