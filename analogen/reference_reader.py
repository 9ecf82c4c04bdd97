"""Who reads references, writes prompts and judges pictures for big models: an encoder, and a captioner if there is one.

With full-size models all of it is one vision-language model under several hats; with mini its nearest caption is
filled in, and its own heads judge.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image

from analogen.conditioning import Conditioning, encode_relations, normalized, weighted_sum
from analogen.pipelines.diffusion.device_placement import Residency
from analogen.relsim.encoder import RelationalEncoder, load_encoder
from analogen.relsim.mini.encoder import SHIPPED, Bank, MiniEncoder, Vectors
from analogen.relsim.vlm.captioner import MAX_GROUP, Captioner, load_captioner
from analogen.relsim.vlm.model import Vlm
from analogen.relsim.vlm.prompts import PromptWriter, fill
from analogen.relsim.vlm.subject_check import SubjectCheck
from analogen.scoring import score
from analogen.types import FoundRelation, Scores

# The authors' own, for machines with an accelerator.
PUBLISHED_ENCODER = "thaoshibe/relsim-qwenvl25-lora"
PUBLISHED_CAPTIONER = "thaoshibe/relsim-anonymous-caption-qwen25vl-lora"
Asked = Sequence[tuple[Sequence[Image.Image], str | None]]


class Reader:
    """captioner: None = the catalogue's nearest caption, filled in as it is, and the encoder's own subject score.

    bring: called before the vision-language model runs, so that it sits on the device.
    """

    def __init__(
        self, encoder: RelationalEncoder, captioner: Captioner | None = None, bring: Callable[[], None] = lambda: None
    ) -> None:
        self.encoder, self.captioner, self._bring = encoder, captioner, bring
        self._writer = PromptWriter(captioner.vlm) if captioner else None
        self._check = SubjectCheck(captioner.vlm) if captioner else None
        self._bank = Bank.load(SHIPPED)

    def read(self, asked: Asked, weights: Sequence[Sequence[float]] | None = None) -> list[Conditioning]:
        """What to keep, for each of several requests with pictures, words or both. The user's words are the caption;
        else the captioner says the logic that all pictures of a request share. weights: of each request's pictures,
        empty where all count the same; those that steer away are not shown to the captioner."""
        self._bring()
        weights = weights or [() for _ in asked]
        if isinstance(self.encoder, MiniEncoder):
            conditioning = encode_relations(asked, self.encoder, weights=weights)
        else:
            conditioning = self._relations(asked, weights)
        captions: list[str | None] = [words for _, words in asked]
        wordless = [row for row, words in enumerate(captions) if words is None]
        if self.captioner is not None and wordless:
            shown = [
                [
                    picture
                    for number, picture in enumerate(asked[row][0])
                    if not weights[row] or weights[row][number] > 0
                ]
                for row in wordless
            ]
            for row, answer in zip(wordless, self._captions(shown), strict=True):
                captions[row] = answer
        return [
            found if caption is None else self._named(found, caption, len(references))
            for found, caption, (references, _) in zip(conditioning, captions, asked, strict=True)
        ]

    def prompts(
        self, conditioning: Sequence[Conditioning], subjects: Sequence[str], others: Sequence[str | None]
    ) -> list[str]:
        """What a text-to-image model is to paint, for each request."""
        captions = [found.found.caption for found in conditioning]
        if self._writer is None:
            return [fill(*row) for row in zip(captions, subjects, others, strict=True)]
        self._bring()
        return [prompt.text for prompt in self._writer.write(captions, subjects, others)]

    def score(self, pictures: Sequence[Image.Image], conditioning: Conditioning, subject: str) -> list[Scores]:
        """Scores of finished pictures, see analogen.scoring."""
        self._bring()
        pictures = list(pictures)
        relations, looks = self._look(pictures)
        if self._check is not None:
            shown = self._check.probabilities(pictures, subject)[:, None]
            wanted = np.ones(1, np.float32)
        else:
            shown = self.encoder.embed_subject(pictures)
            wanted = self.encoder.embed_text([subject])[0]
        return score(conditioning.relation, relations, wanted, shown, conditioning.looks, looks)

    def _look(self, pictures: list[Image.Image]) -> tuple[Vectors, Vectors]:
        """Relations (n, 384) and looks (n, dim)."""
        if isinstance(self.encoder, MiniEncoder):
            looked = self.encoder.look(pictures)
            return looked.relation, looked.attributes
        return self.encoder.embed(pictures), self.encoder.attributes(pictures)

    def _relations(self, asked: Asked, weights: Sequence[Sequence[float]]) -> list[Conditioning]:
        """By an encoder without calibration: how near the relation comes to its caption stands for confidence."""
        pictures = {id(image): image for references, _ in asked for image in references}
        places = {key: place for place, key in enumerate(pictures)}
        relations, looks = self._look(list(pictures.values()))
        conditioning = []
        for (references, words), own_weights in zip(asked, weights, strict=True):
            own = [places[id(image)] for image in references]
            said = None if words is None else self.encoder.embed_text([words])[0]
            if own:
                relation = weighted_sum(relations[own], said, own_weights)
            else:
                assert said is not None, "neither pictures nor words"
                relation = normalized(said)
            nearest = self._bank.nearest(relation)[0]
            found = FoundRelation(nearest.caption, float(np.clip(nearest.score, 0, 1)))
            conditioning.append(Conditioning(relation, found, looks[own] if own else None))
        return conditioning

    def _captions(self, groups: Sequence[Sequence[Image.Image]]) -> list[str | None]:
        """One caption for each group of pictures, None where no try was a caption."""
        assert self.captioner is not None, "asked only where there is one"
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
        # How sure mini is of its own reading says nothing of another's.
        notes = conditioning.notes if self.captioner is None and references else ()
        return Conditioning(conditioning.relation, FoundRelation(caption, near), conditioning.looks, notes)


def load_reference_reader(
    residency: Residency, dtype: str = "auto", encoder: str | None = None, captioner: str | None = None
) -> Reader:
    """The reader for a big model on the residency's device.

    encoder, captioner: "mini", a folder or a hub id. None: on an accelerator the authors' published checkpoints, on a
    CPU mini, which reads drawings and needs nothing; a captioner is not looked for beside mini.
    Raises ValueError, FileNotFoundError or ImportError with one line.
    """
    big = residency.device.type != "cpu"
    encoder = encoder or (PUBLISHED_ENCODER if big else "mini")
    captioner = captioner or ("mini" if encoder == "mini" else PUBLISHED_CAPTIONER)
    # Loaded off the device, where residency brings it when its turn comes.
    eyes = load_encoder(encoder, "cpu", dtype)
    words = None if captioner == "mini" else load_captioner(captioner, "cpu", dtype)
    vlms: list[Vlm] = [part.vlm for part in (eyes, words) if hasattr(part, "vlm")]  # type: ignore[union-attr]
    names: dict[int, str] = {}
    for vlm in vlms:
        names.setdefault(id(vlm), "vlm" if not names else f"vlm_{len(names) + 1}")
        residency.add(names[id(vlm)], vlm.model)

    def bring() -> None:
        for name in names.values():
            residency.bring(name)

    return Reader(eyes, words, bring)
