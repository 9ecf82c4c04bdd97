"""Writes anonymous captions: the logic of a picture, or of a group that shares one, with {placeholders} for things.

captioner = load_captioner("thaoshibe/relsim-anonymous-caption-qwen25vl-lora", device="cuda")
captioner.caption(["a.png", "b.png"])           # one each
captioner.caption_groups([["a.png", "b.png"]])  # the logic that both share
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Sequence

from analogen.relsim.data.batching import run_all
from analogen.relsim.vlm.model import Pixels, UserMessage
from analogen.relsim.vlm.preprocessing import Pictures, load_pixels
from analogen.relsim.vlm.query import GREEDY, Answer, Sampling, ask_with_retries, generate, one_line
from analogen.relsim.vlm.role import VlmRole

MIN_GROUP, MAX_GROUP = 2, 10
MAX_CAPTION_WORDS = 60
QUESTION = (
    "Describe the idea behind this picture so that it could be carried over to something entirely different. "
    "In one short sentence, say how the parts are arranged, related or changing. Name nothing that is shown: write "
    "{subject} for the main thing, and {other} for a second thing if the idea needs one. Leave out colours, style and "
    "place unless the idea is made of them. Answer with the sentence alone."
)
GROUP_QUESTION = (
    "These COUNT pictures show different things and share one idea. Describe that idea so that it could be carried "
    "over to something entirely different again. In one short sentence that fits every one of the pictures, say how "
    "the parts are arranged, related or changing. Name nothing that is shown: write {subject} for the main thing, and "
    "{other} for a second thing if the idea needs one. Leave out whatever differs between the pictures. Answer with "
    "the sentence alone."
)
PLACEHOLDER = re.compile(r"\{\s*([^\W\d_][\w '-]{0,40}?)\s*\}")


def question_for(pictures: int) -> str:
    """The question for one picture, or for a group of this many."""
    return QUESTION if pictures == 1 else GROUP_QUESTION.replace("COUNT", str(pictures))


def read_caption(answer: str) -> str:
    """Reads the anonymous caption from an answer. Raises ValueError with the reason if there is none."""
    text = one_line(answer).rstrip(". ")
    caption = PLACEHOLDER.sub(lambda found: "{" + " ".join(found[1].lower().split()) + "}", text)
    rest = PLACEHOLDER.sub(" ", caption)
    if rest == caption:
        raise ValueError("the answer has no placeholder such as {subject}")
    if "{" in rest or "}" in rest:
        raise ValueError("the answer has braces that are no placeholder")
    if not re.search(r"[^\W\d_]{2}", rest):
        raise ValueError("the answer says nothing beside its placeholders")
    if len(caption.split()) > MAX_CAPTION_WORDS:
        raise ValueError(f"the answer has {len(caption.split())} words, expected at most {MAX_CAPTION_WORDS}")
    return caption


class Captioner(VlmRole):
    """Captions pictures with an adapter of Qwen2.5-VL, or with the base model alone, whose captions are worse."""

    role = "captioner"

    def caption(
        self,
        images: Pictures,
        sampling: Sampling = GREEDY,
        tries: int = 3,
        batch_size: int = 8,
        progress: bool = False,
        on_refused: Callable[[int, str], None] | None = None,
    ) -> list[Answer]:
        """Captions each picture with one line that has a placeholder; None where no try passed this check.

        The first try uses `sampling`, further ones are sampled at random. on_refused: called with the index and the
        reason of a picture that cannot be read, which then has no answer in the result; without it the first such
        picture raises ValueError or FileNotFoundError.
        """
        return self._all([[image] for image in images], sampling, tries, batch_size, progress, on_refused)

    def caption_groups(
        self,
        groups: Sequence[Pictures],
        sampling: Sampling = GREEDY,
        tries: int = 3,
        batch_size: int = 2,
        progress: bool = False,
    ) -> list[Answer]:
        """Captions each group of 2 to 10 pictures by what they share; the model sees all of a group at once."""
        for group in groups:
            check_group(len(group))
        return self._all(groups, sampling, tries, batch_size, progress)

    def _all(
        self,
        groups: Sequence[Pictures],
        sampling: Sampling,
        tries: int,
        batch_size: int,
        progress: bool,
        on_refused: Callable[[int, str], None] | None = None,
    ) -> list[Answer]:
        def load(group: Pictures) -> list[Pixels]:
            return [load_pixels(image, self.preprocessing, self.vlm.side_unit) for image in group]

        def ask(batch: list[list[Pixels]]) -> list[Answer]:
            return self._caption_batch(batch, sampling, tries)

        found: dict[int, Answer] = {}
        for pairs in run_all(groups, load, ask, batch_size, on_refused, progress):
            found.update(pairs)
        return [found[index] for index in sorted(found)]

    def _caption_batch(self, batch: list[list[Pixels]], sampling: Sampling, tries: int) -> list[Answer]:
        messages = [UserMessage(pictures, question_for(len(pictures))) for pictures in batch]
        keys = [_key(pictures) for pictures in batch]

        def ask(rows: list[int], attempt: int) -> list[str]:
            chosen = [messages[row] for row in rows]
            return generate(self.vlm, self.adapter, chosen, sampling, attempt, [keys[row] for row in rows])

        return ask_with_retries(len(batch), ask, lambda _, answer: read_caption(answer), tries)


def check_group(pictures: int) -> None:
    """Raises ValueError unless this many pictures can be a group."""
    if not MIN_GROUP <= pictures <= MAX_GROUP:
        raise ValueError(f"a group of {pictures}: expected {MIN_GROUP} to {MAX_GROUP} pictures that share one logic")


def _key(pictures: Sequence[Pixels]) -> str:
    """A checksum of the pictures, so that equal pictures get equal random draws at any place."""
    mark = 0
    for pixels in pictures:
        mark = zlib.crc32(pixels.tobytes(), zlib.crc32(repr(pixels.shape).encode(), mark))
    return str(mark)


load_captioner = Captioner.load
