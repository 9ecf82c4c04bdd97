"""Promises of the checkpoint files: both layouts both ways, and nothing in them is ever run."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from analogen.cli import main
from analogen.relsim.vlm.checkpoint import (
    PICKLE,
    Checkpoint,
    Layout,
    convert,
    layout_of,
    read_checkpoint,
    write_checkpoint,
)


@pytest.fixture
def folder(tiny_qwen_folder: Path, tmp_path: Path) -> Path:
    """A copy of the checkpoint that a test may damage."""
    return shutil.copytree(tiny_qwen_folder, tmp_path / "copy")


def assert_same(first: Checkpoint, second: Checkpoint) -> None:
    names = (
        "base_model",
        "base_revision",
        "query_token",
        "query_token_id",
        "image_size",
        "hidden_size",
        "relation_dim",
    )
    assert [getattr(first, name) for name in names] == [getattr(second, name) for name in names]
    torch.testing.assert_close(dict(first.adapter), dict(second.adapter), rtol=0, atol=0)
    torch.testing.assert_close(first.projection_weight, second.projection_weight, rtol=0, atol=0)
    torch.testing.assert_close(first.projection_bias, second.projection_bias, rtol=0, atol=0)
    assert {**first.adapter_config} == {**second.adapter_config}


def test_facts_come_from_the_files(tiny_qwen_folder: Path, tiny_vlm_folder: Path) -> None:
    checkpoint = read_checkpoint(tiny_qwen_folder)
    assert (checkpoint.query_token, checkpoint.query_token_id) == ("<|query|>", 264)
    assert (checkpoint.hidden_size, checkpoint.relation_dim, checkpoint.image_size) == (64, 384, 448)
    assert checkpoint.base_model == str(tiny_vlm_folder)


@pytest.mark.parametrize("order", [("analogen", "authors"), ("authors", "analogen"), ("analogen", "analogen")])
def test_round_trip_through_both_layouts(order: tuple[Layout, Layout], tiny_qwen_folder: Path, tmp_path: Path) -> None:
    source = tiny_qwen_folder
    for number, layout in enumerate(order):
        convert(source, tmp_path / str(number), layout)
        source = tmp_path / str(number)
        assert layout_of(source) == layout
        assert_same(read_checkpoint(source), read_checkpoint(tiny_qwen_folder))
    for name in ("tokenizer.json", "chat_template.jinja", "preprocessor_config.json"):
        assert (source / name).read_bytes() == (tiny_qwen_folder / name).read_bytes()


def test_our_layout_holds_no_pickle(tiny_qwen_folder: Path, tmp_path: Path) -> None:
    convert(tiny_qwen_folder, tmp_path / "ours", "analogen")
    assert {path.suffix for path in (tmp_path / "ours").iterdir()} <= {".json", ".jinja", ".safetensors", ".txt"}


def test_authors_layout_opens_as_their_code_opens_it(tiny_qwen_folder: Path, tmp_path: Path) -> None:
    convert(tiny_qwen_folder, tmp_path / "ours", "analogen")
    convert(tmp_path / "ours", tmp_path / "theirs", "authors")
    data = torch.load(tmp_path / "theirs" / PICKLE, map_location="cpu")
    head = torch.nn.Linear(64, 384)
    head.load_state_dict(data["projection"])
    assert data["query_token_id"] == 264
    import peft

    assert peft.PeftConfig.from_pretrained(tmp_path / "theirs").peft_type == "LORA"


def test_base_can_be_named_anew(tiny_qwen_folder: Path, tmp_path: Path) -> None:
    convert(tiny_qwen_folder, tmp_path / "ours", "analogen", base="org/base")
    assert read_checkpoint(tmp_path / "ours").base_model == "org/base"
    convert(tmp_path / "ours", tmp_path / "theirs", "authors")
    assert read_checkpoint(tmp_path / "theirs").base_model == "org/base"


class Hostile:
    """A pickle that writes a file when it is opened."""

    def __init__(self, trap: Path) -> None:
        self.trap = trap

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.trap),)


@pytest.mark.parametrize("how", ["torch", "plain"])
def test_hostile_pickle_is_refused_and_never_run(how: str, folder: Path, tmp_path: Path) -> None:
    trap = tmp_path / "sprung"
    data = {"projection": {"weight": Hostile(trap)}, "query_token_id": 264}
    if how == "torch":
        torch.save(data, folder / PICKLE)
    else:
        (folder / PICKLE).write_bytes(pickle.dumps(data))
    with pytest.raises(ValueError, match="more than tensors and numbers, so it was not opened") as caught:
        read_checkpoint(folder)
    assert "\n" not in str(caught.value)
    assert not trap.exists()


def test_adapter_in_a_pickle_is_refused(folder: Path, tmp_path: Path) -> None:
    (folder / "adapter_model.safetensors").unlink()
    (folder / "adapter_model.bin").write_bytes(pickle.dumps(Hostile(tmp_path / "sprung")))
    with pytest.raises(ValueError, match=r"adapter_model\.bin is a pickle and not opened"):
        read_checkpoint(folder)
    assert not (tmp_path / "sprung").exists()


def change(name: str, **values: Any) -> Callable[[Path], object]:
    def damage(folder: Path) -> None:
        data = json.loads((folder / name).read_text())
        (folder / name).write_text(json.dumps({**data, **values}))

    return damage


def save_pickle(data: object) -> Callable[[Path], object]:
    return lambda folder: torch.save(data, folder / PICKLE)


WEIGHT = torch.zeros(384, 64)
AUTHORS: dict[str, tuple[Callable[[Path], object], str]] = {
    "no adapter": (lambda folder: (folder / "adapter_config.json").unlink(), "not a checkpoint of the Qwen encoder"),
    "no projection": (lambda folder: (folder / PICKLE).unlink(), "not a checkpoint of the Qwen encoder"),
    "no weights": (lambda f: (f / "adapter_model.safetensors").unlink(), "has no adapter_model.safetensors"),
    "no tokenizer": (lambda folder: (folder / "tokenizer.json").unlink(), "has no tokenizer.json"),
    "damaged config": (lambda f: (f / "adapter_config.json").write_text("{"), "adapter_config.json: is damaged"),
    "list config": (lambda f: (f / "adapter_config.json").write_text("[]"), "expected a JSON object"),
    "damaged weights": (
        lambda folder: (folder / "adapter_model.safetensors").write_bytes(b"\xff" * 40),
        "adapter_model.safetensors: is damaged",
    ),
    "truncated pickle": (lambda f: (f / PICKLE).write_bytes((f / PICKLE).read_bytes()[:500]), "is damaged or a pickle"),
    "empty pickle": (lambda folder: (folder / PICKLE).write_bytes(b""), "is damaged or a pickle"),
    "other pickle": (save_pickle([1, 2]), "has no projection"),
    "no token": (save_pickle({"projection": {"weight": WEIGHT}}), "query_token_id is None"),
    "flat weight": (save_pickle({"projection": {"weight": WEIGHT[0]}, "query_token_id": 264}), "has no weight of"),
    "other bias": (
        save_pickle({"projection": {"weight": WEIGHT, "bias": WEIGHT}, "query_token_id": 264}),
        "bias does not fit the weight",
    ),
    "other token": (save_pickle({"projection": {"weight": WEIGHT}, "query_token_id": 9999}), "has no token 9999"),
    "no base": (change("adapter_config.json", base_model_name_or_path=None), "names no base model"),
}  # fmt: skip
OURS: dict[str, tuple[Callable[[Path], object], str]] = {
    "other kind": (change("config.json", kind="llama"), "kind is 'llama', expected 'relsim-qwen'"),
    "newer": (change("config.json", format=2), "format 2 is newer than this version reads"),
    "text for a number": (change("config.json", query_token_id="264"), "query_token_id is '264': expected int"),
    "other token": (change("config.json", query_token="<|im_end|>"), "has no token 264"),
    "no weight": (lambda f: save_file({"a": WEIGHT}, f / "projection.safetensors"), "has no weight of"),
}


@pytest.mark.parametrize("case", AUTHORS)
def test_damaged_authors_layout_is_refused(case: str, folder: Path) -> None:
    damage, expected = AUTHORS[case]
    damage(folder)
    with pytest.raises((ValueError, FileNotFoundError), match=expected) as caught:
        read_checkpoint(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("case", OURS)
def test_damaged_own_layout_is_refused(case: str, tiny_qwen_folder: Path, tmp_path: Path) -> None:
    convert(tiny_qwen_folder, tmp_path / "ours", "analogen")
    damage, expected = OURS[case]
    damage(tmp_path / "ours")
    with pytest.raises(ValueError, match=expected):
        read_checkpoint(tmp_path / "ours")


def test_nothing_is_overwritten_and_no_half_is_left(tiny_qwen_folder: Path, tmp_path: Path) -> None:
    checkpoint = read_checkpoint(tiny_qwen_folder)
    (tmp_path / "empty").mkdir()
    write_checkpoint(checkpoint, tmp_path / "empty")
    for taken in (tmp_path / "empty", tiny_qwen_folder / "tokenizer.json"):
        with pytest.raises(ValueError, match="exists and is not an empty folder"):
            write_checkpoint(checkpoint, taken)
    with pytest.raises(ValueError, match="layout is 'other': expected authors or analogen"):
        write_checkpoint(checkpoint, tmp_path / "new", "other")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="cannot be written"):
        write_checkpoint(checkpoint, tiny_qwen_folder / "tokenizer.json" / "below")
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]


def test_convert_on_the_command_line(
    tiny_qwen_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "deep" / "theirs"
    assert main(["convert", str(tiny_qwen_folder), str(ours)]) == 0
    assert main(["convert", str(ours), str(theirs), "--layout", "authors"]) == 0
    assert capsys.readouterr().out.splitlines() == [str(ours), str(theirs)]
    assert layout_of(theirs) == "authors"
    assert load_file(theirs / "adapter_model.safetensors").keys() == read_checkpoint(tiny_qwen_folder).adapter.keys()
    for arguments, expected in [
        ([str(ours), str(theirs)], "exists and is not an empty folder"),
        (["nowhere", str(tmp_path / "new")], "no such folder and no hub id"),
        ([str(tmp_path), str(tmp_path / "new")], "not a checkpoint of the Qwen encoder"),
        (["org/none", str(tmp_path / "new")], "not wholly in the cache"),
    ]:
        assert main(["convert", *arguments]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert expected in line
