"""Anonymous captions: the relational logic of a picture, or of a group that shares one, with {placeholders} for things.

captioner = load_captioner("thaoshibe/relsim-anonymous-caption-qwen25vl-lora", device="cuda")
captioner.caption(["a.png", "b.png"])           # one each
captioner.caption_groups([["a.png", "b.png"]])  # the logic that both share
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

from analogen.relsim.data.batching import run_all
from analogen.relsim.vlm.adapters import load_hat
from analogen.relsim.vlm.model import Pixels, Turn, Vlm
from analogen.relsim.vlm.preprocessing import Fitting, Pictures, check_fitting, load_pixels
from analogen.relsim.vlm.query import (
    GREEDY,
    Answer,
    Sampling,
    ask_until_good,
    generate,
    one_line,
)

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
    """The words that go with one picture, or with a group of this many."""
    return QUESTION if pictures == 1 else GROUP_QUESTION.replace("COUNT", str(pictures))


def read_caption(answer: str) -> str:
    """The anonymous caption in an answer. Raises ValueError with the reason if there is none."""
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


class Captioner:
    """`vlm` wearing the captioner's hat; hat None is the plain model, which does it less well."""

    def __init__(self, vlm: Vlm, hat: str | None = None, name: str = "", fitting: Fitting | None = None) -> None:
        """fitting: None for the square of 448 px that captioners are trained on."""
        self.vlm, self.hat, self.name = vlm, hat, name or vlm.name
        self.fitting = check_fitting(fitting or Fitting(), vlm)

    def caption(
        self,
        images: Pictures,
        sampling: Sampling = GREEDY,
        tries: int = 3,
        batch_size: int = 8,
        progress: bool = False,
        refuse: Callable[[int, str], None] | None = None,
    ) -> list[Answer]:
        """A caption of each picture, None where no try passed the check: one line with a placeholder.

        The first try is by `sampling`, further ones are drawn. refuse: takes the place and the reason of a picture
        that cannot be read, which then has no answer among those given back; without it the first such picture raises
        ValueError or FileNotFoundError.
        """
        return self._all([[image] for image in images], sampling, tries, batch_size, progress, refuse)

    def caption_groups(
        self,
        groups: Sequence[Pictures],
        sampling: Sampling = GREEDY,
        tries: int = 3,
        batch_size: int = 2,
        progress: bool = False,
    ) -> list[Answer]:
        """The caption that the 2 to 10 pictures of each group share; all of a group are shown at once."""
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
        refuse: Callable[[int, str], None] | None = None,
    ) -> list[Answer]:
        def load(group: Pictures) -> list[Pixels]:
            return [load_pixels(image, self.fitting, self.vlm.side_unit) for image in group]

        def ask(batch: list[list[Pixels]]) -> list[Answer]:
            return self._caption_batch(batch, sampling, tries)

        found: dict[int, Answer] = {}
        for pairs in run_all(groups, load, ask, batch_size, refuse, progress):
            found.update(pairs)
        return [found[index] for index in sorted(found)]

    def _caption_batch(self, batch: list[list[Pixels]], sampling: Sampling, tries: int) -> list[Answer]:
        turns = [Turn(pictures, question_for(len(pictures))) for pictures in batch]
        keys = [_key(pictures) for pictures in batch]

        def ask(rows: list[int], attempt: int) -> list[str]:
            chosen = [turns[row] for row in rows]
            return generate(self.vlm, self.hat, chosen, sampling, attempt, [keys[row] for row in rows])

        return ask_until_good(len(batch), ask, lambda _, answer: read_caption(answer), tries)


def check_group(pictures: int) -> None:
    """Raises ValueError unless this many pictures can be a group."""
    if not MIN_GROUP <= pictures <= MAX_GROUP:
        raise ValueError(f"a group of {pictures}: expected {MIN_GROUP} to {MAX_GROUP} pictures that share one logic")


def _key(pictures: Sequence[Pixels]) -> str:
    """The pictures themselves: the same ones get the same draws, wherever they stand."""
    mark = 0
    for pixels in pictures:
        mark = zlib.crc32(pixels.tobytes(), zlib.crc32(repr(pixels.shape).encode(), mark))
    return str(mark)


def load_captioner(
    name_or_path: str | Path,
    device: str = "cpu",
    dtype: str = "auto",
    *,
    base: str | None = None,
    fitting: Fitting | None = None,
    cache_dir: str | None = None,
) -> Captioner:
    """A captioner by folder or hub id: a LoRA adapter such as the authors'
    thaoshibe/relsim-anonymous-caption-qwen25vl-lora, one of ours, or a plain base model.

    The base is shared with all roles that name the same one. Raises ValueError, FileNotFoundError or ImportError with
    one line.
    """
    worn = load_hat(name_or_path, "captioner", device, dtype, base=base, cache_dir=cache_dir)
    return Captioner(worn.vlm, worn.hat, str(name_or_path), fitting)
