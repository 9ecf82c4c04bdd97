"""Promises of the encoder's training on Qwen2.5-VL, with the real classes at tiny size."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from safetensors.torch import load_file
from torch import Tensor

from analogen.cli import main
from analogen.relsim.data.corpus import Corpus
from analogen.relsim.encoder import load_encoder
from analogen.relsim.losses import contrastive_loss
from analogen.relsim.training.joint_batches import Share, joint_rows
from analogen.relsim.vlm.checkpoint import convert
from analogen.relsim.vlm.encoder import load_qwen
from analogen.relsim.vlm.model import Vlm
from analogen.relsim.vlm.preprocessing import Preprocessing
from analogen.relsim.vlm.training import encoder as encoder_module
from analogen.relsim.vlm.training.encoder import EncoderTask, prepare
from analogen.relsim.vlm.training.loop import ADAPTER, Place, VlmFineTuning

Settings = dict[str, str]


@pytest.fixture
def given(tiny_vlm_folder: Path, world_index: Path, tmp_path: Path) -> Settings:
    """Settings of a training in milliseconds a step."""
    return {
        "base": str(tiny_vlm_folder), "index": str(world_index), "output": str(tmp_path / "out"), "steps": "6",
        "batch_size": "16", "micro_batch": "8", "image_size": "56", "dtype": "float32", "lr": "3e-3", "warmup": "2",
        "save_every": "2", "keep": "0", "log_every": "1", "workers": "2",
    }  # fmt: skip


def run(given: Settings, **more: str) -> tuple[Path, list[Mapping[str, float]]]:
    """Train; the last save, and what every step showed."""
    shown: list[Mapping[str, float]] = []
    last = prepare(None, {**given, **more}).run(lambda _, values: shown.append(dict(values)))
    return last, shown


def losses(shown: list[Mapping[str, float]]) -> list[float]:
    return [values["loss"] for values in shown]


def whole_share(tuning: VlmFineTuning, step: int = 0) -> Share:
    """The joint batch of a step, loaded, for one process."""
    task, settings = tuning.task, tuning.settings
    rows = joint_rows(len(task.corpus), settings.batch_size, settings.seed, step)
    items = [task.load(Place(settings.seed, step, number, int(row))) for number, row in enumerate(rows)]
    return Share(tuning.accelerator, step, rows, items, settings.micro_batch, settings.seed)


def gradients(tuning: VlmFineTuning, step: int = 0) -> tuple[float, dict[str, Tensor]]:
    """The loss of a step and the gradients that it leaves."""
    with tuning.task.vlm.using_adapter(ADAPTER):
        loss = tuning.task.backward(whole_share(tuning, step))["loss"]
    return loss, {name: p.grad.clone() for name, p in tuning.trained.items() if p.grad is not None}


def stir(tuning: VlmFineTuning) -> None:
    """Move the adapter off its start, where half of its gradients are zero."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in tuning.trained.values():
            if parameter.ndim == 2:
                parameter.add_(torch.randn(parameter.shape, generator=generator) / 20)


# Learning


def test_tiny_model_learns_64_pictures_of_the_world_by_their_captions(given: Settings, world_index: Path) -> None:
    more = {"batch_size": "64", "micro_batch": "64", "image_size": "112", "steps": "60", "warmup": "5"}
    last, shown = run(given, **more, save_every="60")
    assert shown[0]["right"] < 0.1
    corpus = Corpus.load(world_index)
    model = load_encoder(str(last), dtype="float32")
    found = model.embed([entry.stored.path for entry in corpus.entries]) @ model.embed_text(corpus.captions).T
    assert len(set(corpus.captions)) == 64
    assert found.argmax(1).tolist() == list(range(64))
    assert shown[-1]["temperature"] != shown[0]["temperature"]


def test_saved_encoder_says_what_the_trained_one_said(given: Settings, world_index: Path, tmp_path: Path) -> None:
    tuning = prepare(None, given)
    last = tuning.run()
    task = tuning.task
    assert isinstance(task, EncoderTask)
    share = whole_share(tuning)
    with torch.no_grad(), task.vlm.using_adapter(ADAPTER):
        expected = task.embed(list(share.items)).numpy()
    paths = [str(task.corpus.entries[row].stored.path) for row in share.rows]
    np.testing.assert_allclose(load_qwen(last, dtype="float32").embed(paths), expected, atol=1e-5)
    convert(last, tmp_path / "authors", "authors")
    # Their layout does not tell the size of the pictures.
    authors = load_qwen(tmp_path / "authors", dtype="float32", preprocessing=Preprocessing(size=56))
    np.testing.assert_allclose(authors.embed(paths), expected, atol=1e-5)


def test_only_the_query_tokens_row_of_the_embeddings_learns(given: Settings, tiny_vlm_folder: Path) -> None:
    tuning = prepare(None, {**given, "weight_decay": "0.5"})
    task = tuning.task
    assert isinstance(task, EncoderTask)
    (name,) = (name for name in tuning.trained if "trainable_tokens" in name)
    before = tuning.trained[name].detach().clone()
    _, found = gradients(tuning)
    assert found[name].shape == (1, task.vlm.hidden_size)
    assert found[name].abs().sum() > 0
    others = [p for n, p in task.vlm.model.named_parameters() if f".{ADAPTER}" not in n]
    assert not any(parameter.requires_grad or parameter.grad is not None for parameter in others)
    last = tuning.run()
    assert not torch.equal(tuning.trained[name], before)
    base = load_file(str(tiny_vlm_folder / "model.safetensors"))["model.embed_tokens.weight"]
    wearer = load_qwen(last, dtype="float32")
    with wearer.vlm.using_adapter(wearer.adapter):
        worn = wearer.vlm.model.get_input_embeddings().weight.detach().clone()
    differs = (worn[: len(base)] != base).any(1).nonzero().flatten().tolist()
    assert differs == [task.query_id]
    torch.testing.assert_close(worn[task.query_id], tuning.trained[name][0].detach())


def test_loss_counts_all_rows_of_a_group_as_positives(
    given: Settings, tiny_vlm_folder: Path, world_index: Path, tmp_path: Path
) -> None:
    corpus = Corpus.load(world_index)
    # Five logics among the 64 rows, so that every batch has each several times.
    rows = [{**vars(entry), "group": number % 5} for number, entry in enumerate(corpus.entries)]
    Corpus([type(corpus.entries[0])(**row) for row in rows], corpus.report).save(tmp_path / "few.json")
    tuning = prepare(None, {**given, "index": str(tmp_path / "few.json"), "dropout": "0"})
    task, share = tuning.task, whole_share(tuning)
    assert isinstance(task, EncoderTask)
    with torch.no_grad(), task.vlm.using_adapter(ADAPTER):
        image = task.embed(list(share.items))
    text = torch.from_numpy(load_encoder("mini").embed_text([corpus.captions[row] for row in share.rows]))
    expected = contrastive_loss(image, text, 0.07, torch.from_numpy(share.rows % 5))
    assert gradients(tuning)[0] == pytest.approx(float(expected), abs=1e-5)


@pytest.mark.parametrize("micro_batch", ["3", "8"])
def test_chunks_leave_the_gradient_of_one_pass(micro_batch: str, given: Settings) -> None:
    found = []
    for size in ("16", micro_batch):
        tuning = prepare(None, {**given, "micro_batch": size, "dropout": "0"})
        stir(tuning)
        found.append(gradients(tuning))
    assert found[0][0] == pytest.approx(found[1][0], abs=1e-6)
    assert set(found[0][1]) == set(tuning.trained)
    for name, expected in found[0][1].items():
        assert expected.abs().max() > 1e-6
        torch.testing.assert_close(found[1][1][name], expected, rtol=1e-3, atol=1e-6, msg=name)


def test_gradient_checkpointing_leaves_the_same_gradient(given: Settings) -> None:
    found = []
    for on in ("false", "true"):
        tuning = prepare(None, {**given, "gradient_checkpointing": on})
        stir(tuning)
        tuning.task.vlm.model.train()
        found.append(gradients(tuning))
    assert found[0][0] == found[1][0]
    for name, expected in found[0][1].items():
        torch.testing.assert_close(found[1][1][name], expected, rtol=1e-4, atol=1e-7, msg=name)


def test_half_precision_trains_fp32_weights_over_a_bf16_base(given: Settings) -> None:
    tuning = prepare(None, {**given, "dtype": "bfloat16", "steps": "2"})
    assert tuning.task.vlm.dtype == torch.bfloat16
    before = {name: p.detach().clone() for name, p in tuning.trained.items()}
    tuning.run()
    assert {p.dtype for p in tuning.trained.values()} == {torch.float32}
    moved = [name for name, p in tuning.trained.items() if not torch.equal(p, before[name])]
    assert sorted(moved) == sorted(before)


# Stopping and going on


def test_resumed_training_equals_an_undisturbed_one_bit_for_bit(given: Settings, tmp_path: Path) -> None:
    whole, expected = run(given)
    seen: list[Mapping[str, float]] = []

    def stop(step: int, values: Mapping[str, float]) -> None:
        if step == 3:  # one step after the save: its work is done again
            raise KeyboardInterrupt
        seen.append(dict(values))

    again = {**given, "output": str(tmp_path / "again")}
    with pytest.raises(KeyboardInterrupt):
        prepare(None, again).run(stop)
    torch.manual_seed(123)  # nothing may hang on the global state
    last, rest = run(again)
    assert losses(seen[:2]) + losses(rest) == losses(expected)
    for name in ("state.safetensors", "adapter_model.safetensors", "projection.safetensors"):
        first, second = load_file(str(whole / name)), load_file(str(last / name))
        assert all(torch.equal(second[key], value) for key, value in first.items()), name
    assert run(again) == (last, [])  # done: nothing is trained any more


@pytest.mark.parametrize(("name", "value"), [("lr", "1e-2"), ("steps", "9"), ("rank", "8"), ("seed", "1")])
def test_resuming_with_other_settings_is_refused(name: str, value: str, given: Settings) -> None:
    run(given, steps="2")
    with pytest.raises(ValueError, match=rf"out: was begun with {'steps' if name == 'steps' else name}=.*, now"):
        prepare(None, {**given, "steps": "2", name: value})


def test_resuming_with_other_pictures_or_another_kind_is_refused(given: Settings, tmp_path: Path) -> None:
    last, _ = run(given, steps="2")
    corpus = Corpus.load(given["index"])
    Corpus(corpus.entries[:-1], corpus.report).save(tmp_path / "fewer.json")
    with pytest.raises(ValueError, match="was begun with another rows"):
        prepare(None, {**given, "steps": "2", "index": str(tmp_path / "fewer.json")})
    record = json.loads((last / "training.json").read_text())
    (last / "training.json").write_text(json.dumps({**record, "kind": "captioner"}))
    with pytest.raises(ValueError, match="holds a training of the captioner: name another output"):
        prepare(None, {**given, "steps": "2"})
    (last / "training.json").write_text("{")
    with pytest.raises(ValueError, match=r"training.json: cannot be read .* remove .*step-000002 to go on"):
        prepare(None, {**given, "steps": "2"})


def test_failed_save_leaves_the_one_before(given: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    write, calls = EncoderTask.write, []

    def full(self: EncoderTask, folder: Path) -> None:
        calls.append(folder)
        write(self, folder)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(EncoderTask, "write", full)
    with pytest.raises(OSError, match="No space"):
        run(given)
    assert sorted(path.name for path in Path(given["output"]).iterdir()) == ["logs", "step-000002"]
    monkeypatch.undo()
    _, rest = run(given)
    assert len(rest) == 4


def test_old_saves_go_as_told(given: Settings) -> None:
    run(given, keep="2")
    assert sorted(path.name for path in Path(given["output"]).glob("step-*")) == ["step-000004", "step-000006"]


def test_save_tells_what_it_is_and_where_from_without_paths(given: Settings, tmp_path: Path) -> None:
    last, _ = run(given, steps="2")
    record = json.loads((last / "training.json").read_text())
    assert record["settings"]["lr"] == 3e-3
    assert record["facts"]["rows"] == 64
    card = (last / "README.md").read_text()
    assert "| lr | 0.003 |" in card
    assert "2 of 2 steps" in card
    assert str(tmp_path) not in card
    assert not list(last.glob("*.pt")) + list(last.glob("*.bin"))


# Bad input, and failures while running


def test_vanished_and_damaged_pictures_are_skipped_counted_and_listed(given: Settings, tmp_path: Path) -> None:
    corpus = Corpus.load(given["index"])
    shutil.copytree(corpus.entries[0].stored.path.parent, tmp_path / "copy")
    whole = Corpus.build(tmp_path / "copy" / "data.jsonl", tmp_path / "copy")
    whole.save(tmp_path / "copy.json")
    rows = joint_rows(64, 16, 0, 0)
    gone, damaged = (whole.entries[row].stored.path for row in rows[:2])
    gone.unlink()
    damaged.write_bytes(damaged.read_bytes()[:100])
    _, shown = run(given, index=str(tmp_path / "copy.json"), steps="2")
    assert [values["skipped"] for values in shown] == [2, 0]
    listed = [json.loads(line) for line in (Path(given["output"]) / "skipped.jsonl").read_text().splitlines()]
    assert [row["picture"] for row in listed] == [str(gone), str(damaged)]
    assert all(row["step"] == 0 and row["reason"] for row in listed)


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"index": "none.json"}, "none.json: no such index: make it with: analogen corpus"),
        ({"base": "org/none"}, "org/none: no such folder here"),
        ({"base": "no-such-base"}, "base model 'no-such-base': no such folder and no hub id"),
        ({"output": "SELF"}, "is no folder: name a folder"),
        ({"steps": "0"}, "setting steps=0 must be 1 or more"),
        ({"dropout": "1"}, "setting dropout=1.0 must be from 0 to below 1"),
        ({"dtype": "float16"}, "setting dtype='float16' must be bfloat16 or float32"),
        ({"temperature": "0"}, "setting temperature=0.0 must be from 0.01 to 1"),
        ({"image_size": "50"}, "pictures of 50 px: expected a multiple of 28"),
        ({"index": ""}, "setting index is missing"),
        ({"stepz": "3"}, "unknown setting 'stepz'"),
        ({"lr": "nan"}, "setting lr=nan must be 0 or more"),
    ],
)
def test_bad_settings_are_one_line(
    more: Settings, expected: str, given: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    preset = tmp_path / "preset.toml"
    preset.write_text("# all is given by --set\n")
    more = {name: str(preset) if value == "SELF" else value for name, value in more.items()}
    options = [f"--set={name}={value}" for name, value in {**given, **more}.items()]
    assert main(["train", "encoder", "--config", str(preset), *options]) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert expected in said
    assert not Path(given["output"]).exists()


FAULTS: dict[str, tuple[Callable[..., Any], str]] = {
    "memory": (
        lambda *_: (_ for _ in ()).throw(torch.OutOfMemoryError("CUDA out of memory")),
        "a pass of 8 rows does not fit in memory: lower micro_batch, the gradient stays the same",
    ),
    "not a number": (
        lambda *_: torch.full((8, 64), torch.nan, requires_grad=True),
        "the loss is no longer a number in step 0: lower lr",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_failures_while_running_are_one_line_and_exit_1(
    fault: str,
    given: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    broken, expected = FAULTS[fault]
    monkeypatch.setattr(Vlm, "last_hidden", broken)
    (tmp_path / "preset.toml").write_text("".join(f'{n} = "{given[n]}"\n' for n in ("base", "index", "output")))
    options = [f"--set={n}={value}" for n, value in given.items()]
    assert main(["train", "encoder", "--config", str(tmp_path / "preset.toml"), *options]) == 1
    said = capsys.readouterr().err
    assert expected in said
    assert "Traceback" not in said


def test_missing_tensorboard_is_one_line(given: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r'pip install "analogen\[train\]"'):
        prepare(None, given)


def test_new_token_is_read_by_transformers_and_takes_the_next_place(tiny_vlm_folder: Path, tmp_path: Path) -> None:
    from analogen.relsim.vlm.processor import load_processor

    known = load_processor(tiny_vlm_folder).tokenizer
    number = encoder_module.add_token(tiny_vlm_folder, tmp_path, "<|query|>", len(known))
    assert number == len(known)
    tokenizer = load_processor(tmp_path).tokenizer
    assert tokenizer("a<|query|>b")["input_ids"] == [*known("a")["input_ids"], number, *known("b")["input_ids"]]
    (tmp_path / "again").mkdir()
    assert encoder_module.add_token(tmp_path, tmp_path / "again", "<|query|>", len(tokenizer)) == number


def test_machines_that_do_not_share_their_output_are_told(given: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    run(given, steps="2")

    def gather(self: Accelerator, own: Tensor) -> Tensor:
        return torch.cat([own, torch.zeros_like(own[:1]), own[1:]])  # the other machine is at step 0

    monkeypatch.setattr(Accelerator, "gather", gather)
    with pytest.raises(ValueError, match=r"output .*/out: differs between processes: put it where all machines see"):
        prepare(None, {**given, "steps": "2"})


# Logs and processes


def test_logs_are_for_tensorboard(given: Settings) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    _, shown = run(given, steps="3")
    events = EventAccumulator(str(Path(given["output"]) / "logs"))
    events.Reload()
    logged = events.Scalars("train/loss")
    assert [event.step for event in logged] == [0, 1, 2]
    assert [event.value for event in logged] == pytest.approx(losses(shown))


def test_two_processes_leave_the_loss_and_gradient_of_one(given: Settings, tmp_path: Path) -> None:
    """By gloo, through the command line, with dropout on."""
    given = {**given, "steps": "1", "save_every": "1", "micro_batch": "4", "rank": "4"}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (tmp_path / "preset.toml").write_text("# all is given by --set\n")
    two = {**given, "output": str(tmp_path / "two")}
    launch = ["-P", "-m", "torch.distributed.run", "--nproc_per_node=2", f"--master_port={port}", "-m", "analogen.cli"]
    done = subprocess.run(
        [sys.executable, *launch, "train", "encoder", "--config", str(tmp_path / "preset.toml")]
        + [f"--set={name}={value}" for name, value in two.items()],
        env={**os.environ, "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(tmp_path / "two" / "step-000001")  # said once
    alone, _ = run(given)
    records = [json.loads((folder / "training.json").read_text()) for folder in (alone, tmp_path / "two/step-000001")]
    first, second = (record["shown"] for record in records)
    assert second["loss"] == pytest.approx(first["loss"], abs=1e-6)
    assert second["gradient"] == pytest.approx(first["gradient"], rel=1e-5)
    states = [load_file(str(f / "state.safetensors")) for f in (alone, tmp_path / "two/step-000001")]
    means = [key for key in states[0] if key.endswith("exp_avg")]  # after one step a tenth of the gradient
    assert len(means) == len(prepare(None, {**given, "output": str(tmp_path / "none")}).trained)
    for key in means:
        torch.testing.assert_close(states[1][key], states[0][key], rtol=1e-4, atol=1e-7, msg=key)
