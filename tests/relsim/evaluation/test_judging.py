"""Promises of judging: answers read strictly, asked again, kept, and never guessed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from analogen.relsim.data.shards import StoredPicture
from analogen.relsim.evaluation.judging import (
    SCORE_QUESTION,
    AnswerCache,
    ask_checked,
    describe_all,
    judge_pairs,
    read_description,
    read_score,
)


class Scripted:
    """A judge that answers by a function of the pictures' first grey values, and remembers what it was asked."""

    def __init__(self, reply: Callable[[list[int], int], str], workers: int = 1, name: str = "scripted") -> None:
        self.reply, self.workers, self.name = reply, workers, name
        self.asked: list[str] = []
        self.lock = threading.Lock()

    def ask(self, images: Sequence[Image.Image], question: str) -> str:
        with self.lock:
            self.asked.append(question)
            number = len(self.asked)
        return self.reply([int(np.asarray(image)[0, 0, 0]) for image in images], number)


def plain(value: int) -> Image.Image:
    return Image.new("RGB", (8, 8), (value, 0, 0))


@pytest.fixture
def pictures(tmp_path: Path) -> list[StoredPicture]:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for value in range(6):
        plain(value).save(folder / f"{value}.png")
    return [StoredPicture(folder / f"{value}.png") for value in range(6)]


@pytest.mark.parametrize(
    ("text", "score"),
    [("7", 7), (" 10\n", 10), ("0", 0), ("7.5", 7.5), ("8/10", 8), ("Score: 6", 6), ("**9**", 9), ("3.", 3)],
)
def test_plain_numbers_are_scores(text: str, score: float) -> None:
    assert read_score(text) == score


@pytest.mark.parametrize(
    "text", ["", "11", "-1", "7 or 8", "I would say 7", "7 because 2 rings", "seven", "1e1", "7/100", "NaN", "100"]
)
def test_anything_else_is_no_score(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected (a|one) number"):
        read_score(text)


def test_descriptions_are_cut_and_must_not_be_empty() -> None:
    assert read_description(" a\n ring  of things ") == "a ring of things"
    assert len(read_description("word " * 99).split()) == 30
    with pytest.raises(ValueError, match="got nothing"):
        read_description(" \n")


def test_bad_answers_are_requested_again_then_reported() -> None:
    judge = Scripted(lambda _, number: "well, about 7" if number < 3 else "7")
    verdict = ask_checked(judge, [plain(1)], "How many?", read_score, AnswerCache(None))
    assert (verdict.value, verdict.tries) == (7, 3)
    assert judge.asked[0] == "How many?"
    assert "well, about 7" in judge.asked[1]
    stubborn = Scripted(lambda *_: "no idea")
    verdict = ask_checked(stubborn, [plain(1)], "How many?", read_score, AnswerCache(None))
    assert (verdict.value, verdict.raw, verdict.tries) == (None, "no idea", 3)
    assert "expected one number" in verdict.problem


def test_cached_answers_are_not_requested_again(tmp_path: Path) -> None:
    cache = AnswerCache(tmp_path / "cache")
    judge = Scripted(lambda values, _: str(values[0]))
    for _ in range(2):
        assert ask_checked(judge, [plain(4)], "How many?", read_score, cache).value == 4
    assert len(judge.asked) == 1
    # Whatever changes the answer is asked anew: pictures, their order, question, judge.
    ask_checked(judge, [plain(5)], "How many?", read_score, cache)
    ask_checked(judge, [plain(4)], "How few?", read_score, cache)
    ask_checked(judge, [plain(4), plain(5)], "How many?", read_score, cache)
    ask_checked(judge, [plain(5), plain(4)], "How many?", read_score, cache)
    assert len(judge.asked) == 5
    other = Scripted(lambda *_: "1", name="other")
    assert ask_checked(other, [plain(4)], "How many?", read_score, cache).value == 1


def test_bad_answers_and_damaged_files_are_not_kept(tmp_path: Path) -> None:
    cache = AnswerCache(tmp_path / "cache")
    ask_checked(Scripted(lambda *_: "hm"), [plain(4)], "?", read_score, cache)
    assert not list(tmp_path.rglob("*.json"))
    judge = Scripted(lambda *_: "2")
    ask_checked(judge, [plain(4)], "?", read_score, cache)
    (file,) = tmp_path.rglob("*.json")
    file.write_text("{half")
    assert ask_checked(judge, [plain(4)], "?", read_score, cache).value == 2
    assert len(judge.asked) == 2


def test_pairs_are_scored_in_their_order_by_several_workers(pictures: list[StoredPicture], tmp_path: Path) -> None:
    def reply(values: list[int], _: int) -> str:
        time.sleep(0.02 * (5 - values[0]))
        return "none" if values[0] == 2 else str(values[0] + values[1])

    judge = Scripted(reply, workers=4)
    seen: list[int] = []
    pairs = [(pictures[n], pictures[1]) for n in range(5)]
    verdicts = judge_pairs(judge, pairs, AnswerCache(tmp_path / "cache"), progress=lambda done, _: seen.append(done))
    assert [verdict.value for verdict in verdicts] == [1, 2, None, 4, 5]
    assert seen == [1, 2, 3, 4, 5]
    assert SCORE_QUESTION in judge.asked


def test_failure_stops_the_run_and_keeps_what_was_answered(pictures: list[StoredPicture], tmp_path: Path) -> None:
    def reply(values: list[int], _: int) -> str:
        if values[0] == 3:
            raise RuntimeError("the server is gone")
        return "1"

    judge = Scripted(reply)
    cache = AnswerCache(tmp_path / "cache")
    with pytest.raises(RuntimeError, match="gone"):
        judge_pairs(judge, [(pictures[n], pictures[0]) for n in range(6)], cache)
    again = Scripted(lambda *_: "2")
    assert [v.value for v in judge_pairs(again, [(pictures[n], pictures[0]) for n in range(4)], cache)] == [1, 1, 1, 2]


def test_descriptions_come_for_every_picture_or_not_at_all() -> None:
    judge = Scripted(lambda values, _: f"a thing {values[0]}")
    assert describe_all(judge, [plain(1), plain(2)], AnswerCache(None)) == ["a thing 1", "a thing 2"]
    with pytest.raises(ValueError, match="does not describe"):
        describe_all(Scripted(lambda *_: ""), [plain(1)], AnswerCache(None))
