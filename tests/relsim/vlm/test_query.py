"""Promises of asking: yes and no in all spellings, rows that do not depend on each other, answers that are checked."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from analogen.relsim.vlm.model import Pixels, UserMessage, Vlm
from analogen.relsim.vlm.query import (
    Answer,
    RowSampler,
    Sampling,
    YesNo,
    answer_tokens,
    ask_with_retries,
    clean_user_text,
    generate,
    one_line,
    strip_wrapping,
)
from analogen.relsim.vlm.tiny import build_processor, random_adapter, random_model


def noise(height: int = 56, width: int = 56, seed: int = 0) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


MESSAGES = [
    UserMessage([noise()], "is it so?"),
    UserMessage([noise(84, 28, 1)], "is this, at greater length, not so either?"),
    UserMessage([], "and this?"),
]


@pytest.fixture(scope="module")
def vlm() -> Vlm:
    vlm = Vlm(random_model(), build_processor("Yes", " yes", "YES", "no", " No"), "a random base")
    vlm.add_adapter("first", *random_adapter(seed=1))
    return vlm


# Yes or no


def test_every_spelling_counts(vlm: Vlm) -> None:
    tokenizer = vlm.processor.tokenizer
    yes, no = answer_tokens(tokenizer)
    assert sorted(tokenizer.convert_ids_to_tokens(yes)) == [" yes", "YES", "Yes"]
    assert sorted(tokenizer.convert_ids_to_tokens(no)) == [" No", "no"]


def test_words_of_several_tokens_are_read_by_the_first_that_is_their_own() -> None:
    tokenizer = build_processor().tokenizer  # bytes: the space before " yes" is that of " no" too
    yes, no = answer_tokens(tokenizer)
    assert sorted(tokenizer.convert_ids_to_tokens(yes)) == ["Y", "y"]
    assert sorted(tokenizer.convert_ids_to_tokens(no)) == ["N", "n"]


def test_tokenizer_without_the_words_is_refused() -> None:
    with pytest.raises(ValueError, match="does not tell yes from no"):
        answer_tokens(lambda text, add_special_tokens: {"input_ids": [1, 2]})


@pytest.mark.parametrize("adapter", [None, "first"])
def test_probability_equals_a_slow_reference(adapter: str | None, vlm: Vlm) -> None:
    found = YesNo(vlm, adapter).probabilities(MESSAGES)
    tokenizer = vlm.processor.tokenizer
    expected = []
    for message in MESSAGES:
        with torch.inference_mode(), vlm.using_adapter(adapter):
            shares = vlm.model(**vlm.inputs([message])).logits[0, -1].double().softmax(-1).tolist()
        sums = {"yes": 0.0, "no": 0.0}
        for token, share in enumerate(shares[: len(tokenizer)]):
            word = tokenizer.convert_ids_to_tokens(token).strip().lower()
            if word in sums:
                sums[word] += share
        expected.append(sums["yes"] / (sums["yes"] + sums["no"]))
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    assert np.std(found) > 1e-3
    assert vlm._active is None


def test_probability_has_gradients_for_training(vlm: Vlm) -> None:
    logits = torch.zeros(2, 320, requires_grad=True)
    probability = YesNo(vlm).of_logits(logits)
    torch.testing.assert_close(probability, torch.full((2,), 3 / 5))
    probability.sum().backward()
    assert logits.grad is not None
    assert logits.grad.abs().sum() > 0


# Draws


def test_drawn_tokens_follow_the_probabilities() -> None:
    scores = torch.tensor([[2.0, -math.inf, 0.0, 1.0]]).expand(4000, 4)
    drawn = RowSampler([str(number) for number in range(4000)])(None, scores).argmax(-1)
    shares = torch.bincount(drawn, minlength=4) / 4000
    torch.testing.assert_close(shares, scores[0].softmax(-1), atol=0.03, rtol=0)
    assert shares[1] == 0


def test_drawn_answer_does_not_depend_on_its_neighbours(vlm: Vlm) -> None:
    hot = Sampling(temperature=1.5, top_p=0.9, max_new_tokens=12)
    keys = ["a", "b", "c"]
    together = generate(vlm, None, MESSAGES, hot, 0, keys)
    assert [
        generate(vlm, None, [message], hot, 0, [key])[0] for message, key in zip(MESSAGES, keys, strict=True)
    ] == together
    assert generate(vlm, None, MESSAGES[::-1], hot, 0, keys[::-1]) == together[::-1]
    assert generate(vlm, None, MESSAGES, hot, 1, keys) != together
    assert generate(vlm, None, MESSAGES, Sampling(1.5, 0.9, 12, seed=1), 0, keys) != together


def test_greedy_answers_are_drawn_from_the_second_attempt_on(vlm: Vlm) -> None:
    greedy = Sampling(temperature=0, max_new_tokens=8)
    first = generate(vlm, None, MESSAGES[:1], greedy, 0, ["a"])
    assert generate(vlm, None, MESSAGES[:1], greedy, 0, ["b"]) == first
    assert len({generate(vlm, None, MESSAGES[:1], greedy, attempt, ["a"])[0] for attempt in range(4)}) > 1


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"temperature": -1.0}, "temperature is -1.0: expected 0"),
        ({"temperature": math.nan}, "temperature is nan"),
        ({"top_p": 0.0}, "top_p is 0.0"),
        ({"max_new_tokens": 0}, "max_new_tokens is 0"),
    ],
)
def test_wrong_sampling_is_refused(settings: dict[str, float], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        Sampling(**settings)  # type: ignore[arg-type]


# Words


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("  {subject} in a ring.  ", "{subject} in a ring."),
        ('"{subject} in a ring"', "{subject} in a ring"),
        ("**Caption:** “{subject} in a ring”", "{subject} in a ring"),
        ("```text\n{subject} in a ring\n```", "{subject} in a ring"),
        ("- *{subject} in a ring*", "{subject} in a ring"),
        ("1. `{subject}` in   a ring", "{subject} in a ring"),
        ("# Anonymous caption: {subject} in a ring", "{subject} in a ring"),
        ('"a" beside "b"', '"a" beside "b"'),
        ("*a* and *b*", "*a* and *b*"),
        ("first\n\nsecond", "first\nsecond"),
        ("{subject}'s shadow", "{subject}'s shadow"),
        ('""', '""'),
        ("", ""),
    ],
)
def test_wrapping_comes_off_and_nothing_else(answer: str, expected: str) -> None:
    assert strip_wrapping(answer) == expected
    assert strip_wrapping(strip_wrapping(answer)) == strip_wrapping(answer)


def test_one_line_is_asked_for() -> None:
    with pytest.raises(ValueError, match="has 2 lines, expected one"):
        one_line("Sure!\n{subject} in a ring")
    with pytest.raises(ValueError, match="is empty"):
        one_line(" \n```\n```")


@pytest.mark.parametrize(
    ("words", "match"), [(" \n", "subject is empty"), ("a" * 501, "501 characters"), ("a <|im_end|> b", "holds <|")]
)
def test_text_that_cannot_be_in_a_question_is_refused(words: str, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        clean_user_text(words, "subject")
    assert clean_user_text(" a\n cat ", "subject") == "a cat"


# Asking again


def test_only_bad_answers_are_requested_again() -> None:
    asked: list[tuple[list[int], int]] = []

    def ask(rows: list[int], attempt: int) -> list[str]:
        asked.append((rows, attempt))
        return ["good" if row <= attempt else f"bad {attempt}" for row in rows]

    def read(row: int, answer: str) -> str:
        if answer != "good":
            raise ValueError(f"row {row}: {answer}")
        return answer.upper()

    found = ask_with_retries(5, ask, read, tries=3)
    assert asked == [([0, 1, 2, 3, 4], 0), ([1, 2, 3, 4], 1), ([2, 3, 4], 2)]
    assert found[:3] == [Answer("GOOD", "good", 1, ""), Answer("GOOD", "good", 2, ""), Answer("GOOD", "good", 3, "")]
    assert found[3] == Answer(None, "bad 2", 3, "row 3: bad 2")
    with pytest.raises(ValueError, match="tries is 0"):
        ask_with_retries(1, ask, read, 0)
