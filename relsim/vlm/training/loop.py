"""The loop that the trainings of Qwen2.5-VL share: joint batches, schedule, saves, resume, logs.

A `Task` says what is learned: what an item is, which gradients a share of a joint batch leaves, what a checkpoint is.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import logging
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import ExitStack, closing
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast
from torch import nn

from analogen.relsim.data.batching import decode_ahead, is_out_of_memory
from analogen.relsim.data.corpus import Corpus
from analogen.relsim.training.checkpoints import Saves, fingerprint
from analogen.relsim.training.joint_batches import Share, joint_rows, sum_gradients
from analogen.relsim.training.loop import autocast, cosine_schedule, set_lr
from analogen.relsim.vlm.loading import Base, find_base, load_vlm
from analogen.relsim.vlm.model import Vlm
from analogen.relsim.vlm.preprocessing import Fitting, check_fitting
from analogen.relsim.vlm.training.settings import TuningSettings

log = logging.getLogger(__name__)
Watch = Callable[[int, Mapping[str, float]], None]
HAT = "tuned"


class Place(NamedTuple):
    """One row's place in the order of a training; all randomness of an item hangs on it."""

    seed: int
    step: int
    number: int  # in the joint batch
    row: int  # of the corpus


class Task(ABC):
    """What is learned. The adapter is `vlm`'s hat HAT; `head` is what is trained beside it."""

    def __init__(self, settings: TuningSettings, start: Start) -> None:
        self.settings, self.corpus, self.accelerator, self.vlm = settings, start.corpus, start.accelerator, start.vlm
        self.adapter_config = settings.adapter_config(start.base.name, start.base.revision)
        self.fitting = check_fitting(Fitting(size=settings.image_size), start.vlm)
        self.head: dict[str, nn.Parameter] = {}

    @abstractmethod
    def load(self, place: Place) -> Any:
        """The item of a row. Raises ValueError, FileNotFoundError or OSError for a picture that cannot be read."""

    @abstractmethod
    def backward(self, share: Share) -> dict[str, float]:
        """Leave this process's gradients; returns the joint batch's `loss` and what else the log shows."""

    @abstractmethod
    def write(self, folder: Path) -> None:
        """Write the checkpoint into a new folder. Raises OSError."""

    def autocast(self) -> Any:
        return autocast(self.accelerator.device, self.settings.dtype == "bfloat16")


class Tuning:
    """A training, ready to run. Made by `prepare` of the encoder, the captioner or the filter."""

    def __init__(self, task: Task, saves: Saves) -> None:
        self.task, self.settings, self.accelerator = task, task.settings, task.accelerator
        adapter = task.vlm.hat_parameters(HAT)
        self.trained = adapter | task.head
        for parameter in self.trained.values():
            # Drawn from one seed, but different devices may draw differently.
            broadcast(parameter.data)
        # Matrices only: decay would pull the query token's row and the temperature towards nothing in particular.
        decayed = [p for name, p in self.trained.items() if p.ndim == 2 and "trainable_tokens" not in name]
        kept = [p for p in self.trained.values() if not any(p is other for other in decayed)]
        groups = [
            {"params": decayed, "weight_decay": self.settings.weight_decay},
            {"params": kept, "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.AdamW([group for group in groups if group["params"]], lr=self.settings.lr)
        self.saves, self.last = saves, saves.newest()
        self.start = saves.resume(self.last, self.trained, self.optimizer) if self.last else 0
        self._check_agreement()

    def _check_agreement(self) -> None:
        """Raises ValueError if machines do not see the same index and output."""
        own = torch.tensor([self.start, int(self.saves.facts["data"][:7], 16)], device=self.accelerator.device)
        everyone = self.accelerator.gather(own).view(-1, 2)
        for what, differs in zip(("output", "index"), (everyone != everyone[0]).any(0).tolist(), strict=True):
            if differs:
                given = getattr(self.settings, what)
                raise ValueError(f"{what} {given}: differs between processes: put it where all machines see the same")

    def run(self, watch: Watch | None = None) -> Path:
        """Train to the end; returns the folder of the last save. watch: called with each step and what it shows.

        Raises FloatingPointError if the loss is no longer a number, MemoryError if a chunk does not fit, OSError if
        pictures or output are gone. What was saved is kept, and the same call goes on from there.
        """
        settings, accelerator, task = self.settings, self.accelerator, self.task
        optimizer, parameters = self.optimizer, list(self.trained.values())
        if self.start >= settings.steps and self.last is not None:
            return self.last
        accelerator.init_trackers("logs", dataclasses.asdict(settings))
        since = time.perf_counter(), self.start
        with ExitStack() as stack:
            stack.callback(accelerator.end_training)
            stack.enter_context(task.vlm.wearing(HAT))
            shares = stack.enter_context(closing(self._shares()))
            task.vlm.model.train()
            stack.callback(task.vlm.model.eval)
            for step, share in enumerate(shares, self.start):
                set_lr(optimizer, settings.lr * cosine_schedule(step, settings.steps, settings.warmup))
                optimizer.zero_grad(set_to_none=True)
                shown = self._backward(share)
                shown["gradient"] = sum_gradients(accelerator, parameters, settings.max_norm)
                if not math.isfinite(shown["loss"] + shown["gradient"]):
                    raise FloatingPointError(
                        f"the loss is no longer a number in step {step}: lower lr, or go on from {self.last or 'anew'}"
                    )
                optimizer.step()
                if watch is not None:
                    watch(step, shown)
                if step % settings.log_every == 0 or step + 1 == settings.steps:
                    now = time.perf_counter(), step + 1
                    shown["rows_per_second"] = (now[1] - since[1]) * settings.batch_size / (now[0] - since[0])
                    since = now
                    self._log(step, shown)
                if (step + 1) % settings.save_every == 0 or step + 1 == settings.steps:
                    self._save(step + 1, shown)
        assert self.last is not None
        return self.last

    def _backward(self, share: Share) -> dict[str, float]:
        try:
            return self.task.backward(share)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            now = self.settings.micro_batch
            raise MemoryError(
                f"a pass of {now} rows does not fit in memory: lower micro_batch, the gradient stays the same"
                if now > 1
                else "a pass of one row does not fit in memory: set gradient_checkpointing=true or a smaller image_size"
            ) from error

    def _shares(self) -> Generator[Share, None, None]:
        """The shares of this process, step by step, decoded ahead."""
        settings, accelerator = self.settings, self.accelerator
        per_process = settings.batch_size // accelerator.num_processes
        first = accelerator.process_index * per_process

        def places() -> Iterator[Place]:
            for step in range(self.start, settings.steps):
                rows = joint_rows(len(self.task.corpus), settings.batch_size, settings.seed, step)
                for number in range(first, first + per_process):
                    yield Place(settings.seed, step, number, int(rows[number]))

        loaded = decode_ahead(places(), self.task.load, ahead=2 * per_process, workers=settings.workers)
        with closing(loaded):
            for step in range(self.start, settings.steps):
                rows = joint_rows(len(self.task.corpus), settings.batch_size, settings.seed, step)
                items = []
                for number, item in enumerate(islice(loaded, per_process), first):
                    if isinstance(item, Exception):
                        self._skip(step, int(rows[number]), item)
                    items.append(None if isinstance(item, Exception) else item)
                yield Share(accelerator, step, rows, items, settings.micro_batch, settings.seed)

    def _skip(self, step: int, row: int, error: Exception) -> None:
        """A picture that could be read when the index was made and now cannot is left out and listed."""
        if not isinstance(error, ValueError | OSError):
            raise error
        name, reason = self.task.corpus.entries[row].stored.name, " ".join(str(error).split())
        log.warning("step %d without %s: %s", step, name, reason)
        path = Path(self.settings.output) / "skipped.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, "picture": name, "reason": reason}) + "\n")

    def _log(self, step: int, shown: Mapping[str, float]) -> None:
        self.accelerator.log({f"train/{name}": value for name, value in shown.items()}, step=step)
        if self.accelerator.is_main_process:
            log.info("step %d %s", step, " ".join(f"{name} {value:.5g}" for name, value in shown.items()))

    def _save(self, step: int, shown: Mapping[str, float]) -> None:
        if self.accelerator.is_main_process:
            self.last = self.saves.write(step, self.trained, self.optimizer, shown, self.task.write)
        else:
            self.last = self.saves.folder / f"step-{step:06d}"
        self.accelerator.wait_for_everyone()


class Start(NamedTuple):
    """What all trainings start from."""

    corpus: Corpus
    accelerator: Accelerator
    saves: Saves
    base: Base
    vlm: Vlm


def make_start(kind: str, settings: TuningSettings, check: Callable[[Corpus], None] | None = None) -> Start:
    """The cheap things first: index, processes, output; then the base, in a copy of its own.

    check: raises ValueError for a corpus that is not of this training. Raises ValueError, FileNotFoundError or
    ImportError with one line.
    """
    if importlib.util.find_spec("tensorboard") is None:
        raise ImportError('training writes logs for TensorBoard: pip install "analogen[train]"')
    corpus = Corpus.load(settings.index)
    if check is not None:
        check(corpus)
    output = Path(settings.output)
    if output.exists() and not output.is_dir():
        raise ValueError(f"{output}: is no folder: name a folder for the training's saves")
    # The precision is the settings' and not the launcher's, or a resumed run could differ.
    accelerator = Accelerator(mixed_precision="no", log_with="tensorboard", project_dir=output)
    if settings.batch_size % accelerator.num_processes:
        raise ValueError(
            f"batch_size={settings.batch_size} rows cannot be shared by {accelerator.num_processes} processes: "
            "give a multiple"
        )
    base = find_base(settings.base)
    facts = {"rows": len(corpus), "data": fingerprint(corpus), "base_revision": base.revision}
    saves = Saves(kind, settings, facts)
    saves.newest()  # raises if it is of something else, before gigabytes are loaded
    vlm = load_vlm(base.name, base.revision, str(accelerator.device), settings.dtype, shared=False)
    if settings.gradient_checkpointing:
        vlm.checkpoint_activations()
    torch.manual_seed(settings.seed)  # of fresh weights, whatever the loading drew
    return Start(corpus, accelerator, saves, base, vlm)
