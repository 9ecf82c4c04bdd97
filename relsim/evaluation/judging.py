"""Scores by a VLM judge of how much logic two pictures share. Answers are parsed strictly and cached on disk.

judge = EndpointJudge("http://localhost:8000/v1", "some-vlm")
verdicts = judge_pairs(judge, [(first, second)], AnswerCache(Path("answers")))
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Generic, NamedTuple, Protocol, TypeVar

from PIL import Image

from analogen.relsim.evaluation.similarity_measures import ReadablePicture

Value = TypeVar("Value")
TRIES = 3
SCORE_QUESTION = (
    "You see two pictures. Judge only whether they follow the same idea: how their parts are arranged, related or "
    "changing, so that one could be explained by the other with different things put in. Pictures that show the same "
    "kinds of things, colours or style without the same idea deserve a low score; pictures that look nothing alike "
    "and share the idea deserve a high one. Answer with one number from 0 (no idea in common) to 10 (the very same "
    "idea), and nothing else."
)
DESCRIBE_QUESTION = (
    "Describe this picture in at most 30 words: the abstract structure, how its parts are arranged and related, "
    "rather than what they are and what colours they have. Answer with the description alone."
)
_SCORE = re.compile(r"(?:score\s*[:=]\s*)?(\d{1,2}(?:\.\d+)?)(?:\s*/\s*10)?\.?", re.IGNORECASE)
MAX_DESCRIPTION_WORDS = 30


class Judge(Protocol):
    """A model that answers questions about pictures.

    name: who answers, with all settings that change answers. workers: how many questions it takes at once.
    """

    name: str
    workers: int

    def ask(self, images: Sequence[Image.Image], question: str) -> str:
        """The raw answer, at temperature 0."""


class Verdict(NamedTuple, Generic[Value]):
    """A checked answer. value: None if no answer could be parsed; raw: the last answer; problem: the reason."""

    value: Value | None
    raw: str
    tries: int
    problem: str


class AnswerCache:
    """A cache of parsed answers on disk, one small file for each combination of judge, question and pixels.

    folder: None to keep nothing. Damaged files are asked for again.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder

    @staticmethod
    def key(judge: str, question: str, images: Sequence[Image.Image]) -> str:
        whole = hashlib.sha256(json.dumps([judge, question, len(images)]).encode())
        for image in images:
            whole.update(f"{image.mode} {image.size}".encode())
            whole.update(hashlib.sha256(image.tobytes()).digest())
        return whole.hexdigest()

    def get(self, key: str) -> str | None:
        if self.folder is None:
            return None
        try:
            answer = json.loads(self._path(key).read_text(encoding="utf-8"))["answer"]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return answer if isinstance(answer, str) else None

    def put(self, key: str, judge: str, question: str, answer: str) -> None:
        if self.folder is None:
            return
        path = self._path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{key}.{os.getpid()}.tmp")
        told = {"judge": judge, "question": question, "answer": answer}
        temporary.write_text(json.dumps(told, ensure_ascii=False) + "\n", encoding="utf-8")
        temporary.replace(path)

    def _path(self, key: str) -> Path:
        assert self.folder is not None
        return self.folder / key[:2] / f"{key}.json"


def read_score(answer: str) -> float:
    """Parses an answer that is a number from 0 to 10. Raises ValueError with the reason for any other answer."""
    text = answer.strip().strip("*`\"'").strip()
    match = _SCORE.fullmatch(text)
    if match is None:
        raise ValueError(f"expected one number from 0 to 10, got {_short(answer)}")
    score = float(match[1])
    if score > 10:
        raise ValueError(f"expected a number from 0 to 10, got {match[1]}")
    return score


def read_description(answer: str) -> str:
    """Parses a description: one line, cut to MAX_DESCRIPTION_WORDS words. Raises ValueError for an empty answer."""
    words = answer.split()
    if not words:
        raise ValueError("expected a description, got nothing")
    return " ".join(words[:MAX_DESCRIPTION_WORDS])


def ask_checked(
    judge: Judge,
    images: Sequence[Image.Image],
    question: str,
    read: Callable[[str], Value],
    cache: AnswerCache,
    tries: int = TRIES,
) -> Verdict[Value]:
    """Asks until an answer can be parsed, at most `tries` times; every question but the first says what was wrong.

    At temperature 0 the same question would bring the same answer.
    """
    key = cache.key(judge.name, question, images)
    kept = cache.get(key)
    if kept is not None:
        try:
            return Verdict(read(kept), kept, 0, "")
        except ValueError:
            pass  # written by an older reader that let more pass: asked anew
    asked, raw, problem = question, "", ""
    for attempt in range(1, tries + 1):
        raw = judge.ask(images, asked)
        try:
            value = read(raw)
        except ValueError as error:
            problem = str(error)
            asked = f"{question}\n\nAn earlier answer could not be used: {problem}."
            continue
        cache.put(key, judge.name, question, raw)
        return Verdict(value, raw, attempt, "")
    return Verdict(None, raw, tries, problem)


def judge_pairs(
    judge: Judge,
    pairs: Sequence[tuple[ReadablePicture, ReadablePicture]],
    cache: AnswerCache,
    tries: int = TRIES,
    progress: Callable[[int, int], None] | None = None,
) -> list[Verdict[float]]:
    """Scores every pair, in the given order; the value is None if no answer could be parsed."""

    def ask(pair: tuple[ReadablePicture, ReadablePicture]) -> Verdict[float]:
        images = [picture.read().image for picture in pair]
        return ask_checked(judge, images, SCORE_QUESTION, read_score, cache, tries)

    return _in_order(judge, pairs, ask, progress)


def describe_all(judge: Judge, images: Sequence[Image.Image], cache: AnswerCache, tries: int = TRIES) -> list[str]:
    """Describes every picture. Raises ValueError if a picture gets no description."""

    def ask(image: Image.Image) -> Verdict[str]:
        return ask_checked(judge, [image], DESCRIBE_QUESTION, read_description, cache, tries)

    found = _in_order(judge, images, ask, None)
    for verdict in found:
        if verdict.value is None:
            raise ValueError(f"{judge.name} does not describe a picture: {verdict.problem}")
    return [verdict.value or "" for verdict in found]


Item = TypeVar("Item")


def _in_order(
    judge: Judge,
    items: Sequence[Item],
    ask: Callable[[Item], Verdict[Value]],
    progress: Callable[[int, int], None] | None,
) -> list[Verdict[Value]]:
    found: list[Verdict[Value]] = []
    with ThreadPoolExecutor(max(1, judge.workers), thread_name_prefix="judge") as pool:
        futures = [pool.submit(ask, item) for item in items]
        try:
            for future in futures:
                found.append(future.result())
                if progress is not None:
                    progress(len(found), len(items))
        except BaseException:
            # What was answered is in the cache; what was not yet asked need not be.
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return found


def _short(answer: str) -> str:
    text = " ".join(answer.split())
    return repr(text if len(text) <= 60 else f"{text[:60]}...")
