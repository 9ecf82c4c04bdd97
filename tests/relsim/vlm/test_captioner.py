"""Promises of the captioner, with a random model of the real classes and with injected answers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from analogen.cli import main
from analogen.relsim.encoder import load_mini
from analogen.relsim.vlm.captioner import (
    GROUP_QUESTION,
    QUESTION,
    Captioner,
    load_captioner,
    question_for,
    read_caption,
)
from analogen.relsim.vlm.model import UserMessage, Vlm
from analogen.relsim.vlm.preprocessing import Preprocessing
from analogen.relsim.vlm.query import Sampling

SMALL = Preprocessing(size=56)
RING = "many {subject} in a ring"
SHORT = Sampling(temperature=0, max_new_tokens=8)


def picture_of(seed: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (60, 80, 3), dtype=np.uint8))


@pytest.fixture(scope="module")
def captioner(tiny_adapter_folder: Path) -> Captioner:
    return load_captioner(tiny_adapter_folder, dtype="float32", preprocessing=SMALL)


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"{name}.png" for name in "abc"]
    for seed, path in enumerate(paths):
        picture_of(seed).save(path)
    return paths


class Injected:
    """Answers instead of the model's, call by call; what was asked is kept."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *rounds: list[str]) -> None:
        self.rounds, self.messages, self.adapters = list(rounds), list[list[UserMessage]](), list[str | None]()
        self.drawn: list[bool] = []
        really = Vlm.inputs

        def inputs(vlm: Vlm, messages: Sequence[UserMessage], *args: Any, **more: Any) -> dict[str, torch.Tensor]:
            self.messages.append(list(messages))
            self.adapters.append(vlm._active)
            return really(vlm, messages, *args, **more)

        def answer(vlm: Vlm, inputs: dict[str, torch.Tensor], tokens: int, processors: Sequence[Any] = ()) -> list[str]:
            self.drawn.append(bool(processors))
            return self.rounds.pop(0)

        monkeypatch.setattr(Vlm, "inputs", inputs)
        monkeypatch.setattr(Vlm, "generate", answer)


# What passes


@pytest.mark.parametrize(
    ("answer", "caption"),
    [
        (RING, RING),
        ('"Many { Subject } in a ring."', "Many {subject} in a ring"),
        ("**{food item}** growing on {Object 2}", "{food item} growing on {object 2}"),
    ],
)
def test_good_captions_are_cleaned(answer: str, caption: str) -> None:
    assert read_caption(answer) == caption


@pytest.mark.parametrize(
    ("answer", "match"),
    [
        ("owls in a ring", "no placeholder"),
        ("{} in a ring", "no placeholder"),
        ("Sure:\n{subject} in a ring", "2 lines"),
        ("", "empty"),
        ("{subject}", "nothing beside"),
        ("{subject} and {other", "braces that are no placeholder"),
        ('{"caption": "{subject} in a ring"}', "braces that are no placeholder"),
        ("{subject} in a ring " * 20, "words, expected at most 60"),
    ],
)
def test_bad_captions_are_refused_with_the_reason(answer: str, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        read_caption(answer)


def test_questions_are_themselves_free_of_leftovers() -> None:
    assert question_for(1) == QUESTION
    assert "These 7 pictures" in question_for(7)
    assert "COUNT" in GROUP_QUESTION
    assert "COUNT" not in question_for(2)


# What is asked


def test_group_is_shown_in_one_message(captioner: Captioner, monkeypatch: pytest.MonkeyPatch) -> None:
    injected = Injected(monkeypatch, [RING, RING])
    groups = [[picture_of(seed) for seed in range(3)], [picture_of(seed) for seed in range(5, 9)]]
    assert [answer.text for answer in captioner.caption_groups(groups)] == [RING, RING]
    (messages,) = injected.messages
    assert [len(message.images) for message in messages] == [3, 4]
    assert ["These 3 pictures" in messages[0].text, "These 4 pictures" in messages[1].text] == [True, True]
    assert injected.adapters == [captioner.adapter]


def test_group_sees_all_of_its_pictures(captioner: Captioner) -> None:
    groups = [[picture_of(0), picture_of(1)], [picture_of(0), picture_of(2)], [picture_of(2), picture_of(1)]]
    longer = Sampling(temperature=0, max_new_tokens=24)
    assert len({answer.raw for answer in captioner.caption_groups(groups, longer, tries=1)}) == 3


@pytest.mark.parametrize("count", [0, 1, 11])
def test_groups_of_other_sizes_are_refused(count: int, captioner: Captioner) -> None:
    with pytest.raises(ValueError, match=f"a group of {count}: expected 2 to 10 pictures"):
        captioner.caption_groups([[picture_of(0)] * count])


def test_bad_answers_are_requested_again_with_sampling(captioner: Captioner, monkeypatch: pytest.MonkeyPatch) -> None:
    injected = Injected(monkeypatch, ["a cat", RING, "cats"], ["a dog", "two\n{subject}"], ["many {x y} in a row", ""])
    found = captioner.caption([picture_of(seed) for seed in range(3)])
    assert [answer.text for answer in found] == ["many {x y} in a row", RING, None]
    assert [answer.tries for answer in found] == [3, 1, 3]
    assert found[2].problem == "the answer is empty"
    assert [len(messages) for messages in injected.messages] == [3, 2, 2]
    assert injected.drawn == [False, True, True]


def test_model_that_never_gives_a_caption_is_reported(captioner: Captioner) -> None:
    (answer,) = captioner.caption([picture_of(0)], SHORT, tries=2)
    assert answer.text is None
    assert answer.tries == 2
    assert answer.problem


def test_batch_equals_single_greedy_and_drawn(captioner: Captioner) -> None:
    pictures = [picture_of(seed) for seed in range(5)]
    for sampling in (SHORT, Sampling(temperature=1.3, max_new_tokens=8)):
        together = captioner.caption(pictures, sampling, tries=2, batch_size=5)
        assert captioner.caption(pictures, sampling, tries=2, batch_size=2) == together
        assert [captioner.caption([one], sampling, tries=2)[0] for one in pictures] == together
        assert len({answer.raw for answer in together}) > 1


def test_batch_is_halved_when_memory_runs_out(captioner: Captioner, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    really = Vlm.generate

    def scarce(vlm: Vlm, inputs: dict[str, torch.Tensor], *args: Any, **more: Any) -> list[str]:
        sizes.append(len(inputs["input_ids"]))
        if sizes[-1] > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return really(vlm, inputs, *args, **more)

    pictures = [picture_of(seed) for seed in range(5)]
    expected = captioner.caption(pictures, SHORT, tries=1)
    monkeypatch.setattr(Vlm, "generate", scarce)
    assert captioner.caption(pictures, SHORT, tries=1) == expected
    assert sizes == [5, 2, 2, 1]
    assert captioner.vlm._active is None


def test_bad_picture_and_wrong_size_are_refused(captioner: Captioner, tmp_path: Path, files: list[Path]) -> None:
    with pytest.raises(FileNotFoundError, match=r"none.png: no such file"):
        captioner.caption([files[0], tmp_path / "none.png"], SHORT)
    with pytest.raises(ValueError, match="pictures of 50 px: expected a multiple of 28"):
        Captioner(captioner.vlm, preprocessing=Preprocessing(size=50))


def test_no_pictures_give_no_captions(captioner: Captioner) -> None:
    assert captioner.caption([]) == []
    assert captioner.caption_groups([]) == []


# On the command line


def test_caption_by_a_captioner_has_the_shape_of_minis(
    tiny_adapter_folder: Path,
    tiny_encoder_folder: Path,
    files: list[Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    names = [str(path) for path in files]
    assert main(["caption", *names, "--encoder", str(tiny_encoder_folder), "--device", "cpu", "--format", "json"]) == 0
    minis = json.loads(capsys.readouterr().out)
    Injected(monkeypatch, [RING] * 3)
    arguments = ["caption", *names, "--captioner", str(tiny_adapter_folder), "--device", "cpu", "--dtype", "float32"]
    assert main([*arguments, "--format", "json"]) == 0
    ours = json.loads(capsys.readouterr().out)
    assert ours.keys() == minis.keys()
    assert [row["path"] for row in ours["images"]] == [row["path"] for row in minis["images"]] == names
    for mine, other in zip(ours["images"], minis["images"], strict=True):
        assert mine.keys() == other.keys()
        assert mine["captions"][0].keys() == other["captions"][0].keys()
        assert mine["captions"] == [{"caption": RING, "relation": None, "score": None}]
        assert len(other["captions"]) == 3


def test_group_on_the_command_line(
    tiny_adapter_folder: Path, files: list[Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    injected = Injected(monkeypatch, [RING])
    arguments = ["caption", *map(str, files), "--group", "--captioner", str(tiny_adapter_folder), "--device", "cpu"]
    assert main(arguments) == 0
    assert RING in capsys.readouterr().out
    assert [len(message.images) for messages in injected.messages for message in messages] == [3]


def test_failed_caption_is_reported_and_the_others_are_printed(
    tiny_adapter_folder: Path, files: list[Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["caption", *map(str, files), "--captioner", str(tiny_adapter_folder), "--device", "cpu"]
    rounds = [[RING, "a cat", RING], ["a cat"], ["a cat"]]
    Injected(monkeypatch, *rounds)
    assert main(arguments) == 1
    seen = capsys.readouterr()
    assert seen.out.count(RING) == 2
    assert "b.png: no caption after 3 tries: the answer has no placeholder" in seen.err
    Injected(monkeypatch, *rounds)
    assert main([*arguments, "--format", "json"]) == 1
    row = json.loads(capsys.readouterr().out)["images"][1]
    assert (row["captions"], row["tries"]) == ([], 3)
    assert "placeholder" in row["problem"]


def test_group_of_mini_is_the_mean_relation(
    tiny_encoder_folder: Path, files: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["caption", *map(str, files), "--encoder", str(tiny_encoder_folder), "--device", "cpu", "--top-k", "1"]
    assert main([*arguments, "--group", "--format", "json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["images"]
    assert row["paths"] == [str(path) for path in files]
    mini = load_mini(str(tiny_encoder_folder), "cpu")
    mean = mini.embed(files).mean(0)
    match = mini.nearest_captions(mean / np.linalg.norm(mean))[0]
    assert row["captions"] == [
        {"caption": match.caption, "relation": match.relation, "score": pytest.approx(match.score, abs=1e-4)}
    ]
    assert main([*arguments, "--group"]) == 0
    assert match.caption in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--group"], "--group was given with 1 pictures: expected 2 to 10"),
        (["--sample"], "--sample is for captioners"),
        (["--captioner", "x", "--top-k", "2"], "--top-k is for catalogues"),
        (["--captioner", "x", "--encoder", "mini"], "--encoder is for catalogues"),
        (["--captioner", "nothing"], "captioner 'nothing': no such folder and no hub id"),
    ],
)
def test_wrong_usage_is_one_line(
    options: list[str], expected: str, picture: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["caption", str(picture), *options]) == 2
    seen = capsys.readouterr()
    assert expected in seen.err
    assert len(seen.err.splitlines()) == 1
    assert seen.out == ""


def test_bad_picture_is_refused_before_a_captioner_is_loaded(
    picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.png").write_text("hello")
    assert main(["caption", str(picture), str(tmp_path / "bad.png"), "--captioner", "org/not-here"]) == 2
    assert "is not a picture" in capsys.readouterr().err
