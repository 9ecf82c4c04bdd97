"""Promises of the captioner's and the filter's training, with the real classes at tiny size."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from analogen.cli import main
from analogen.relsim.data.corpus import Corpus
from analogen.relsim.training.joint_batches import Share, joint_rows
from analogen.relsim.vlm.captioner import GROUP_QUESTION, QUESTION, load_captioner, question_for
from analogen.relsim.vlm.filter import load_filter
from analogen.relsim.vlm.model import UserMessage, Vlm
from analogen.relsim.vlm.preprocessing import Preprocessing
from analogen.relsim.vlm.tiny import build_processor, random_model
from analogen.relsim.vlm.training import captioner, filter
from analogen.relsim.vlm.training.captioner import CaptionerTask
from analogen.relsim.vlm.training.loop import ADAPTER, Place, VlmFineTuning

Settings = dict[str, str]
CAPTIONS = {"red": "{subject} melts", "blue": "a ring of {subject}"}
SMALL = Preprocessing(size=56)


def colours(folder: Path, rows_of: str) -> Path:
    """An index of four red and four blue pictures, with captions of groups or with labels (red ones are wanted)."""
    rows = []
    for colour in CAPTIONS:
        for number in range(4):
            picture = Image.new("RGB", (80, 80), colour)
            picture.putpixel((number, number), (0, 255, 0))
            picture.save(folder / f"{colour}{number}.png")
            about = (
                {"label": colour == "red"} if rows_of == "labels" else {"caption": CAPTIONS[colour], "group": colour}
            )
            rows.append({"path": f"{colour}{number}.png", **about})
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    Corpus.build(folder / "rows.jsonl", folder).save(folder / "index.json")
    return folder / "index.json"


@pytest.fixture
def given(tiny_vlm_folder: Path, tmp_path: Path) -> Settings:
    return {
        "base": str(tiny_vlm_folder), "output": str(tmp_path / "out"), "batch_size": "8", "micro_batch": "4",
        "image_size": "56", "dtype": "float32", "lr": "1e-2", "warmup": "3", "steps": "4", "save_every": "2",
        "workers": "2",
    }  # fmt: skip


def share_of(tuning: VlmFineTuning, micro_batch: int) -> Share:
    task = tuning.task
    rows = joint_rows(len(task.corpus), 8, 0, 0)
    items = [task.load(Place(0, 0, number, int(row))) for number, row in enumerate(rows)]
    return Share(tuning.accelerator, 0, rows, items, micro_batch, 0)


def gradients(tuning: VlmFineTuning, micro_batch: int) -> tuple[float, list[torch.Tensor]]:
    for parameter in tuning.trained.values():
        parameter.grad = None
    with tuning.task.vlm.using_adapter(ADAPTER):
        loss = tuning.task.backward(share_of(tuning, micro_batch))["loss"]
    return loss, [p.grad.clone() for p in tuning.trained.values() if p.grad is not None]


# The captioner


def test_captioner_learns_what_pictures_and_groups_have_in_common(given: Settings, tmp_path: Path) -> None:
    more = {"steps": "90", "micro_batch": "8", "save_every": "90", "dropout": "0", "max_group": "2"}
    last = captioner.prepare(None, {**given, **more, "index": str(colours(tmp_path, "captions"))}).run()
    model = load_captioner(last, dtype="float32", preprocessing=SMALL)
    said = model.caption([tmp_path / "red0.png", tmp_path / "blue1.png"], tries=1)
    assert [answer.text for answer in said] == list(CAPTIONS.values())
    groups = [[tmp_path / f"{colour}{number}.png" for number in (1, 3)] for colour in CAPTIONS]
    assert [answer.text for answer in model.caption_groups(groups, tries=1)] == list(CAPTIONS.values())


def test_loss_is_of_the_captions_tokens_alone(given: Settings, tmp_path: Path) -> None:
    tuning = captioner.prepare(None, {**given, "index": str(colours(tmp_path, "captions")), "group_share": "0"})
    vlm, share = tuning.task.vlm, share_of(tuning, 8)
    total, count = 0.0, 0
    with torch.no_grad(), vlm.using_adapter(ADAPTER):
        for item in share.items:  # one by one, by the whole head
            answer = vlm.answer_ids(item.caption)
            inputs = vlm.inputs([item.message])
            ids = torch.cat([inputs["input_ids"], torch.tensor([answer])], 1)
            more = {
                "input_ids": ids, "attention_mask": torch.ones_like(ids),
                "mm_token_type_ids": F.pad(inputs["mm_token_type_ids"], (0, len(answer))),
            }  # fmt: skip
            logits = vlm.model(**{**inputs, **more}, use_cache=False).logits[0, -len(answer) - 1 : -1]
            total += float(F.cross_entropy(logits, torch.tensor(answer), reduction="sum"))
            count += len(answer)
    assert gradients(tuning, 8)[0] == pytest.approx(total / count, abs=1e-5)


def test_answers_end_with_the_sign_that_stops_the_model() -> None:
    vlm = Vlm(random_model(), build_processor(), "a random base")
    messages = [UserMessage([], "why?"), UserMessage([np.zeros((56, 56, 3), np.uint8)], "what is this?")]
    inputs = vlm.inputs(messages, answers=["so", "a {thing}"])
    said = [vlm.processor.tokenizer.decode(row[row != -100]) for row in inputs["labels"]]
    assert said == ["so<|im_end|>", "a {thing}<|im_end|>"]
    asked = vlm.inputs(messages)["input_ids"]
    assert inputs["input_ids"][1].tolist() == [*asked[1].tolist(), *vlm.answer_ids("a {thing}")]
    logits, tokens = vlm.answer_logits(inputs)
    assert logits.shape == (len(tokens), 320)
    assert tokens.tolist() == [*vlm.answer_ids("so"), *vlm.answer_ids("a {thing}")]


@pytest.mark.parametrize("kind", ["captioner", "filter"])
def test_chunks_leave_the_gradient_of_one_pass(kind: str, given: Settings, tmp_path: Path) -> None:
    rows_of = "labels" if kind == "filter" else "captions"
    module = {"captioner": captioner, "filter": filter}[kind]
    tuning = module.prepare(None, {**given, "index": str(colours(tmp_path, rows_of))})
    with torch.no_grad():
        for parameter in tuning.trained.values():
            parameter.add_(0.02)
    loss, expected = gradients(tuning, 8)
    for micro_batch in (1, 3):
        found, cut = gradients(tuning, micro_batch)
        assert found == pytest.approx(loss, abs=1e-5)
        for ours, theirs in zip(cut, expected, strict=True):
            assert theirs.abs().max() > 1e-6
            torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-5)


def test_groups_are_shown_as_often_and_as_large_as_told(given: Settings, tmp_path: Path) -> None:
    settings = {**given, "index": str(colours(tmp_path, "captions")), "group_share": "0.5", "max_group": "3"}
    task = captioner.prepare(None, settings).task
    assert isinstance(task, CaptionerTask)
    shown = [task.chosen(Place(0, step, number, row)) for step in range(40) for number, row in enumerate(range(8))]
    rows = [row for _ in range(40) for row in range(8)]
    assert all(row in rows_shown for row, rows_shown in zip(rows, shown, strict=True))
    assert all(len(set(together)) == len(together) for together in shown)
    groups = task.corpus.groups
    assert all(len(set(groups[together])) == 1 for together in shown)
    sizes = [len(together) for together in shown]
    assert set(sizes) == {1, 2, 3}
    assert 0.4 < np.mean([size > 1 for size in sizes]) < 0.6
    assert {together.index(row) for row, together in zip(rows, shown, strict=True)} == {0, 1, 2}
    assert task.chosen(Place(0, 7, 3, 3)) == task.chosen(Place(0, 7, 3, 3))
    item = task.load(next(Place(0, s, 3, 3) for s in range(99) if len(task.chosen(Place(0, s, 3, 3))) == 3))
    assert item.message.text == question_for(3) == GROUP_QUESTION.replace("COUNT", "3")
    assert len(item.message.images) == 3
    alone = {**settings, "group_share": "0", "output": str(tmp_path / "other")}
    assert captioner.prepare(None, alone).task.load(Place(0, 0, 0, 0)).message.text == QUESTION


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"group_share": "1.5"}, "setting group_share=1.5 must be from 0 to 1"),
        ({"max_group": "11"}, "setting max_group=11 must be from 2 to 10"),
    ],
)
def test_bad_settings_of_the_captioner_are_one_line(more: Settings, expected: str, given: Settings) -> None:
    with pytest.raises(ValueError, match=expected):
        captioner.prepare(None, {**given, "index": "any.json", **more})


# The filter


def test_filter_learns_the_probability_that_it_will_be_asked_for(given: Settings, tmp_path: Path) -> None:
    more = {"steps": "25", "micro_batch": "8", "save_every": "25", "dropout": "0"}
    shown: list[Mapping[str, float]] = []
    tuning = filter.prepare(None, {**given, **more, "index": str(colours(tmp_path, "labels"))})
    last = tuning.run(lambda _, values: shown.append(dict(values)))
    model = load_filter(last, dtype="float32", preprocessing=SMALL)
    wanted = model.probabilities([tmp_path / f"red{number}.png" for number in range(4)])
    others = model.probabilities([tmp_path / f"blue{number}.png" for number in range(4)])
    assert wanted.min() > 0.8
    assert others.max() < 0.2
    assert shown[0]["loss"] > shown[-1]["loss"]
    assert shown[-1]["right"] == 1


def test_loss_is_the_cross_entropy_of_the_filters_own_probabilities(given: Settings, tmp_path: Path) -> None:
    tuning = filter.prepare(None, {**given, "index": str(colours(tmp_path, "labels"))})
    share = share_of(tuning, 3)
    with tuning.task.vlm.using_adapter(ADAPTER):
        found = filter.YesNo(tuning.task.vlm, ADAPTER).probabilities(
            [UserMessage([item.pixels], filter.QUESTION) for item in share.items]
        )
    right = [p if item.label else 1 - p for p, item in zip(found, share.items, strict=True)]
    assert gradients(tuning, 3)[0] == pytest.approx(-np.mean(np.log(right)), abs=1e-5)


def test_index_without_labels_is_one_line(given: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    index = colours(tmp_path, "captions")
    (tmp_path / "preset.toml").write_text(f'index = "{index}"\n')
    options = [f"--set={name}={value}" for name, value in given.items()]
    assert main(["train", "filter", "--config", str(tmp_path / "preset.toml"), *options]) == 2
    assert "the index holds captions: expected one of rows with path and label" in capsys.readouterr().err
    corpus = Corpus.load(colours(tmp_path, "labels"))
    Corpus(corpus.entries[:4], corpus.report).save(tmp_path / "one.json")
    with pytest.raises(ValueError, match="all labels of the index are 'yes': expected some of both"):
        filter.prepare(None, {**given, "index": str(tmp_path / "one.json")})


# Both


@pytest.mark.parametrize("kind", ["captioner", "filter"])
def test_command_trains_resumes_and_says_where(
    kind: str, given: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    colours(tmp_path, "labels" if kind == "filter" else "captions")
    preset = tmp_path / "preset.toml"
    preset.write_text("".join(f'{name} = "{given[name]}"\n' for name in ("base", "output")))
    options = [f"--set={name}={value}" for name, value in {**given, "index": str(tmp_path / "index.json")}.items()]
    for _ in range(2):
        assert main(["train", kind, "--config", str(preset), *options]) == 0
        said = capsys.readouterr()
        last = Path(said.out.strip())
        assert last == tmp_path / "out" / "step-000004"
    assert "step 3" not in said.err  # done: nothing was trained again
    assert sorted(path.name for path in last.iterdir()) == [
        "README.md", "adapter_config.json", "adapter_model.safetensors", "state.safetensors", "training.json",
    ]  # fmt: skip
