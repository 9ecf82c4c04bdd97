"""Asks a VLM questions: yes or no as a probability, and text answers that are checked and requested again.

Used by the captioner, the prompt writer, the image filter and the subject check.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import LogitsProcessor, TemperatureLogitsWarper, TopPLogitsWarper

from analogen.relsim.vlm.model import UserMessage, Vlm

Probabilities = NDArray[np.float32]
MAX_WORDS_CHARACTERS = 500  # limit for a user's text in a question


@dataclass(frozen=True)
class Sampling:
    """Settings of sampling; temperature 0 is greedy. The defaults are the paper's for captions."""

    temperature: float = 0.7
    top_p: float = 0.9
    max_new_tokens: int = 128
    seed: int = 0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.temperature) and self.temperature >= 0):
            raise ValueError(f"temperature is {self.temperature}: expected 0 (greedy) or more")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top_p is {self.top_p}: expected more than 0, at most 1")
        if self.max_new_tokens < 1:
            raise ValueError(f"max_new_tokens is {self.max_new_tokens}: expected 1 or more")


GREEDY = Sampling(temperature=0.0)


class Answer(NamedTuple):
    """A checked answer. text: None if no try passed the check; raw: the last raw answer; problem: what was wrong with
    it, or ""."""

    text: str | None
    raw: str
    tries: int
    problem: str


# Text


def clean_user_text(text: str, what: str) -> str:
    """Checks a user's text for a question and joins it to one line. Raises ValueError if it is empty, too long or holds
    special tokens."""
    words = " ".join(text.split())
    if not words:
        raise ValueError(f"the {what} is empty: write a few words")
    if len(words) > MAX_WORDS_CHARACTERS:
        raise ValueError(f"the {what} has {len(words)} characters, at most {MAX_WORDS_CHARACTERS} are taken: shorten")
    if "<|" in words:
        raise ValueError(f"the {what} {words[:60]!r} holds <|, which marks special tokens: leave it out")
    return words


# Marks around an answer: emphasis, code and quotes.
_WRAPS = tuple(
    pair.split() for pair in ("** **", "__ __", "* *", "_ _", "` `", '" "', "' '", "“ ”", "„ “", "‘ ’", "« »")
)
_MARK = re.compile(r"^(?:#{1,6}\s+|>\s+|[-*•]\s+|\d{1,2}[.)]\s+)")
_LABEL = re.compile(r"^[*_]*(?:anonymous\s+|final\s+)?(?:caption|prompt|answer|sentence|idea)[*_]*\s*:[*_]*\s*", re.I)


def strip_wrapping(answer: str) -> str:
    """Removes the formatting that chat models add to an answer: code fences, quotes, emphasis, list marks, a label.

    Line breaks stay; the parser of the answer decides whether there may be several lines.
    """
    lines = [line.strip() for line in answer.splitlines()]
    return "\n".join(_strip_line(line) for line in lines if line and not re.fullmatch(r"`{3,}\w*", line))


def _strip_line(line: str) -> str:
    before = None
    while line != before:
        before = line
        line = _LABEL.sub("", _MARK.sub("", line)).strip()
        for left, right in _WRAPS:
            inner = line[len(left) : len(line) - len(right)]
            # Not a line that merely starts and ends with quotes of its own.
            if line.startswith(left) and line.endswith(right) and inner and left not in inner and right not in inner:
                line = inner.strip()
    return " ".join(line.replace("**", "").replace("`", "").split())


def one_line(answer: str) -> str:
    """The answer without formatting. Raises ValueError with the reason if it is empty or has more than one line."""
    text = strip_wrapping(answer)
    if not text:
        raise ValueError("the answer is empty")
    if "\n" in text:
        raise ValueError(f"the answer has {text.count(chr(10)) + 1} lines, expected one")
    return text


# Answers as text


def ask_with_retries(
    count: int, ask: Callable[[list[int], int], list[str]], read: Callable[[int, str], str], tries: int
) -> list[Answer]:
    """Asks for answers of `count` rows, and again for those that do not pass the check, at most `tries` times.

    ask(rows, attempt) -> raw answers of these rows; read(row, raw) -> the text, or raises ValueError with the reason.
    """
    if tries < 1:
        raise ValueError(f"tries is {tries}: expected 1 or more")
    found: dict[int, Answer] = {}
    waiting = list(range(count))
    for attempt in range(tries):
        for row, raw in zip(waiting, ask(waiting, attempt) if waiting else [], strict=True):
            try:
                found[row] = Answer(read(row, raw), raw, attempt + 1, "")
            except ValueError as error:
                found[row] = Answer(None, raw, attempt + 1, str(error))
        waiting = [row for row in waiting if found[row].text is None]
    return [found[row] for row in range(count)]


def generate(
    vlm: Vlm,
    adapter: str | None,
    messages: Sequence[UserMessage],
    sampling: Sampling,
    attempt: int,
    keys: Sequence[str],
) -> list[str]:
    """Generates one answer per message. From the second attempt on, answers are sampled, differently each time.

    keys: a key for each row that seeds its sampling, so that an answer does not depend on the other rows.
    """
    if attempt and not sampling.temperature:
        sampling = Sampling(max_new_tokens=sampling.max_new_tokens, seed=sampling.seed)
    drawing: list[LogitsProcessor] = []
    if sampling.temperature:
        seeds = [f"{sampling.seed} {attempt} {key}" for key in keys]
        drawing = [
            TemperatureLogitsWarper(float(sampling.temperature)),
            TopPLogitsWarper(float(sampling.top_p)),
            RowSampler(seeds),
        ]
    with vlm.using_adapter(adapter):
        return vlm.generate(vlm.inputs(messages), sampling.max_new_tokens, processors=drawing)


class RowSampler(LogitsProcessor):
    """Samples each row's token with the row's own random numbers; all other logits become minus infinity.

    torch samples all rows from one random stream, so a row would depend on the others.
    """

    def __init__(self, seeds: Sequence[str]) -> None:
        self.rows = [random.Random(seed) for seed in seeds]

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        """scores: (B, vocabulary) logits -> the same with all but the drawn token at minus infinity."""
        below = scores.float().softmax(-1).cumsum(-1)  # (B, vocabulary)
        points = torch.tensor([[row.random()] for row in self.rows], device=scores.device) * below[:, -1:]
        drawn = torch.searchsorted(below, points, right=True)
        # Because of rounding, a point may lie at the very end, beyond all tokens.
        drawn = torch.where(drawn < scores.shape[1], drawn, scores.argmax(-1, keepdim=True))
        return torch.full_like(scores, -math.inf).scatter(1, drawn, 0.0)


# Yes or no


class YesNo:
    """Probability of yes from the logits of the answer's first token, summed over all spellings of yes and of no."""

    def __init__(self, vlm: Vlm, adapter: str | None = None) -> None:
        self.vlm, self.adapter = vlm, adapter
        processor = vlm.adapters[adapter].processor if adapter else vlm.processor
        self.yes, self.no = answer_tokens(processor.tokenizer)

    @torch.inference_mode()
    def probabilities(self, messages: Sequence[UserMessage]) -> list[float]:
        """The probability of yes against no for each message, in [0, 1]."""
        with self.vlm.using_adapter(self.adapter):
            logits = self.vlm.next_token_logits(self.vlm.inputs(messages))  # (B, vocabulary)
        found: list[float] = self.of_logits(logits).tolist()
        return found

    def of_logits(self, logits: Tensor) -> Tensor:
        """(B, vocabulary) -> (B,)"""
        return self.log_odds(logits).sigmoid()

    def log_odds(self, logits: Tensor) -> Tensor:
        """(B, vocabulary) -> (B,): the logit of yes against no, which training uses."""
        return logits[:, self.yes].logsumexp(-1) - logits[:, self.no].logsumexp(-1)


def answer_tokens(tokenizer: Any) -> tuple[list[int], list[int]]:
    """Token ids of yes and of no, in all casings, with and without a leading space.

    A tokenizer that knows neither word whole is read by their first tokens, less those that both share. Raises
    ValueError if nothing is left.
    """
    whole: list[set[int]] = []
    first: list[set[int]] = []
    for word in ("yes", "no"):
        spellings = [space + cased for space in ("", " ") for cased in (word, word.capitalize(), word.upper())]
        ids = [tokenizer(spelling, add_special_tokens=False)["input_ids"] for spelling in spellings]
        whole.append({row[0] for row in ids if len(row) == 1})
        first.append({row[0] for row in ids})
    # For both words in the same way, or one would be counted more generously than the other.
    yes, no = whole if all(whole) else (first[0] - first[1], first[1] - first[0])
    if not yes or not no:
        raise ValueError("the tokenizer does not tell yes from no by one token: it is not one of Qwen2.5-VL")
    return sorted(yes), sorted(no)
