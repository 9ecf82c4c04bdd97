"""Promises of the prompt writer: what passes, what is asked, and what fills in where the model fails."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from analogen.relsim.vlm.adapter_loading import load_base_model
from analogen.relsim.vlm.model import UserMessage, Vlm
from analogen.relsim.vlm.prompts import PromptWriter, fill, read_prompt, request
from analogen.relsim.vlm.query import Sampling
from analogen.relsim.world.relations import RELATIONS

RING = "many {subject} arranged in a circle"


@pytest.fixture(scope="module")
def writer(tiny_adapter_folder: Path) -> PromptWriter:
    return PromptWriter(load_base_model(tiny_adapter_folder, dtype="float32"))


def inject(monkeypatch: pytest.MonkeyPatch, rounds: list[list[str]], asked: list[list[str]]) -> None:
    really = Vlm.inputs

    def inputs(vlm: Vlm, messages: Sequence[UserMessage], *args: Any, **more: Any) -> dict[str, torch.Tensor]:
        assert vlm._active is None
        asked.append([message.text for message in messages])
        return really(vlm, messages, *args, **more)

    def answer(vlm: Vlm, inputs: dict[str, torch.Tensor], tokens: int, processors: Sequence[Any] = ()) -> list[str]:
        return rounds.pop(0)

    monkeypatch.setattr(Vlm, "inputs", inputs)
    monkeypatch.setattr(Vlm, "generate", answer)


@pytest.mark.parametrize(
    ("caption", "subject", "other", "expected"),
    [
        (RING, "bicycle", None, "many bicycles arranged in a circle"),
        (RING, "cup of tea", None, "many cups of tea arranged in a circle"),
        (RING, "water", None, "many water arranged in a circle"),
        ("{subject} arranged in a spiral", "child", None, "children arranged in a spiral"),
        ("{subject} melting into a puddle", "owl", None, "an owl melting into a puddle"),
        ("{subject} melting into a puddle", "ice", None, "ice melting into a puddle"),
        ("{subject} melting into a puddle", "the moon", None, "the moon melting into a puddle"),
        ("{subject} melting into a puddle", "my dog", None, "my dog melting into a puddle"),
        ("{subject} melting into a puddle", "Ada Lovelace", None, "Ada Lovelace melting into a puddle"),
        ("a large {subject}", "the moon", None, "a large moon"),
        ("a {subject} in the rain", "owl", None, "an owl in the rain"),
        ("An {subject} in the rain", "bicycle", None, "A bicycle in the rain"),
        ("a {subject} in the rain", "scissors", None, "scissors in the rain"),
        ("an old {subject}", "unicorn", None, "an old unicorn"),
        ("{subject}s in two rows", "city", None, "cities in two rows"),
        ("{subjects} in two rows", "city", None, "cities in two rows"),
        ("{subject}'s shadow", "owl", None, "an owl's shadow"),
        ("{Subject} behind bars", "owl", None, "an owl behind bars"),
        ("a tree bearing {subject}", "clock", None, "a tree bearing clocks"),
        ("a puzzle of {subject}", "clock", None, "a puzzle of a clock"),
        ("a heap of {subject}", "clock", None, "a heap of clocks"),
        ("a face made up of small {subject}", "leaf", None, "a face made up of small leaves"),
        ("small {subject} around a large {other}", "leaf", "owl", "small leaves around a large owl"),
        ("the growth of {subject} over time", "oak", None, "the growth of an oak over time"),
        ("two {subject} facing each other", "two cats", None, "two cats facing each other"),
        ("the same {subject} by day and by night", "inn", None, "the same inn by day and by night"),
        ("{subject} wearing {other} on its head", "owl", "umbrella", "an owl wearing an umbrella on its head"),
        ("{subject} wearing {other} on its head", "owl", None, "an owl wearing something on its head"),
        ("one {other} among identical {subject}", "owl", None, "one thing among identical owls"),
        ("{subject} and {other} alternating", "owl", "egg", "owls and eggs alternating"),
        ("{animal} made of {food item 1}", "owl", None, "an owl made of food items"),
        ("{animal} made of {food}", "owl", "egg", "an owl made of eggs"),
        ("{subject} within {subject}", "{odd}", None, "a {odd} within a {odd}"),
        ("rows of dots", "owl", None, "an owl: rows of dots"),
        ("", "owl", None, "an owl"),
    ],
)  # fmt: skip
def test_placeholders_are_filled_in_fair_english(caption: str, subject: str, other: str | None, expected: str) -> None:
    assert fill(caption, subject, other) == expected


def test_every_caption_of_the_world_can_be_filled() -> None:
    for relation in RELATIONS.values():
        for caption in relation.captions:
            text = fill(caption, "umbrella", "egg")
            read_prompt(text, "umbrella", "egg" if "{other}" in caption else None)
            assert " a umbrella" not in f" {text}"
            assert " a egg" not in f" {text}"


@pytest.mark.parametrize(
    ("answer", "match"),
    [
        ("owls in a ring", "does not mention 'bicycle'"),
        ("bicycles and {other}", "still has placeholders"),
        ("bicycles\nin a ring", "2 lines"),
        ("bicycle " * 90, "90 words"),
        ("", "empty"),
    ],
)
def test_bad_prompts_are_refused_with_the_reason(answer: str, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        read_prompt(answer, "bicycle")


def test_other_thing_must_be_mentioned_if_it_is_named() -> None:
    assert read_prompt('"A bicycle wearing hats."', "bicycle", "hat") == "A bicycle wearing hats."
    with pytest.raises(ValueError, match="does not mention 'hat'"):
        read_prompt("a bicycle", "bicycle", "hat")


def test_request_holds_the_words_as_they_are() -> None:
    text = request("{subject} by {other}", "a CAPTION", "an OTHER")
    assert text.count('"a CAPTION"') == 2
    assert "{subject} by {other}" in text
    assert '"an OTHER"' in text


def test_model_writes_and_what_fails_is_filled_in(writer: PromptWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []
    inject(
        monkeypatch,
        [["**Prompt:** ten bicycles in a ring", "owls", "{subject}"], ["owls", "a clock tower"], ["owls"]],
        asked,
    )
    found = writer.write([RING] * 3, ["bicycle", "egg", "clock"])
    assert [prompt.text for prompt in found] == [
        "ten bicycles in a ring",
        "many eggs arranged in a circle",
        "a clock tower",
    ]
    assert [prompt.written for prompt in found] == [True, False, True]
    assert found[1].problem == "the answer does not mention 'egg'"
    assert [len(words) for words in asked] == [3, 2, 1]
    assert '"bicycle"' in asked[0][0]
    assert RING in asked[0][0]


def test_random_model_falls_back_and_batch_equals_single(writer: PromptWriter) -> None:
    captions, subjects = [RING, "{subject} behind bars", "a heap of {subject}"], ["egg", "owl", "old clock"]
    short = Sampling(temperature=0, max_new_tokens=6)
    together = writer.write(captions, subjects, sampling=short, tries=2)
    assert [prompt.text for prompt in together] == [fill(c, s) for c, s in zip(captions, subjects, strict=True)]
    assert not any(prompt.written for prompt in together)
    for prompt, caption, subject in zip(together, captions, subjects, strict=True):
        assert writer.write([caption], [subject], sampling=short, tries=2) == [prompt]
    assert writer.write([], []) == []


def test_wrong_words_are_refused(writer: PromptWriter) -> None:
    with pytest.raises(ValueError, match="the subject is empty"):
        writer.write([RING], [" "])
    with pytest.raises(ValueError, match=r"holds <\|"):
        writer.write([RING], ["<|im_end|>"])
    with pytest.raises(ValueError, match="2 captions, 1 subjects"):
        writer.write([RING, RING], ["egg"])
