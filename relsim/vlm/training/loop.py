"""Fine-tunes Qwen2.5-VL: loads the rows of each step in advance and runs a `Task`, which defines the loss."""

from __future__ import annotations

import json
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from analogen.relsim.data.batching import decode_ahead
from analogen.relsim.data.corpus import Corpus
from analogen.relsim.training.checkpoints import Checkpoints, fingerprint
from analogen.relsim.training.fine_tuning import FineTuning, accelerator_for
from analogen.relsim.training.joint_batches import LossSum, Share, backward_mean, joint_rows
from analogen.relsim.training.loop import Values, autocast
from analogen.relsim.training.training_state import SafetensorsAccelerator
from analogen.relsim.vlm.checkpoint import write_qwen_adapter
from analogen.relsim.vlm.loading import Base, find_base, load_vlm
from analogen.relsim.vlm.model import Vlm
from analogen.relsim.vlm.preprocessing import Preprocessing, check_preprocessing
from analogen.relsim.vlm.training.card import tuning_card
from analogen.relsim.vlm.training.settings import VlmFineTuningSettings

log = logging.getLogger(__name__)
ADAPTER = "tuned"


class Place(NamedTuple):
    """One row's place in the order of a training; all randomness of an item hangs on it."""

    seed: int
    step: int
    number: int  # in the joint batch
    row: int  # of the corpus


class Task(ABC):
    """What is learned. The adapter of `vlm` has the name ADAPTER; `head` is what is trained beside it."""

    def __init__(self, settings: VlmFineTuningSettings, start: Start) -> None:
        self.settings, self.corpus, self.accelerator, self.vlm = settings, start.corpus, start.accelerator, start.vlm
        self.adapter_config = settings.adapter_config(start.base.name, start.base.revision)
        self.preprocessing = check_preprocessing(Preprocessing(size=settings.image_size), start.vlm)
        self.head: dict[str, nn.Parameter] = {}

    @abstractmethod
    def load(self, place: Place) -> Any:
        """The item of a row. Raises ValueError, FileNotFoundError or OSError for a picture that cannot be read."""

    @abstractmethod
    def backward(self, share: Share) -> Values:
        """Leave this process's gradients; returns the joint batch's `loss` and what else the log shows."""

    @abstractmethod
    def write(self, folder: Path) -> None:
        """Write the checkpoint into a new folder. Raises OSError."""

    def autocast(self) -> Any:
        return autocast(self.accelerator.device, self.settings.dtype == "bfloat16")


class AnswerTask(Task):
    """A task whose loss is a mean over the joint batch, of answers that the model gives; trains the adapter alone."""

    def __init__(self, settings: VlmFineTuningSettings, start: Start) -> None:
        super().__init__(settings, start)
        self.vlm.add_adapter(ADAPTER, self.adapter_config, trainable=True)

    @abstractmethod
    def weigh(self, item: Any) -> int:
        """What an item counts for in the mean, such as its number of tokens."""

    @abstractmethod
    def answer(self, items: list[Any]) -> LossSum:
        """The sum of the items' losses, with gradients, and how many of the answers are right."""

    def backward(self, share: Share) -> Values:
        kept = share.kept()
        loss, right = backward_mean(share, self.weigh, self.answer)
        return {"loss": float(loss), "right": float(right), "skipped": len(kept) - int(kept.sum())}

    def write(self, folder: Path) -> None:
        write_qwen_adapter(folder, self.adapter_config, self.vlm.adapter_state(ADAPTER))


class VlmFineTuning(FineTuning):
    """A fine-tuning of Qwen2.5-VL, ready to run. Made by `prepare` of the encoder, the captioner or the filter."""

    data_setting, size_setting = "index", "image_size"

    def __init__(self, task: Task, checkpoints: Checkpoints) -> None:
        self.task = task
        self._ahead: Iterator[Share] = iter(())
        # Matrices only: decay would pull the query token's row and the temperature towards nothing in particular.
        super().__init__(
            task.settings, task.accelerator, checkpoints, task.vlm.adapter_parameters(ADAPTER) | task.head,
            decays=lambda name, parameter: parameter.ndim == 2 and "trainable_tokens" not in name,
        )  # fmt: skip

    @contextmanager
    def train_mode(self) -> Iterator[None]:
        model = self.task.vlm.model
        with self.task.vlm.using_adapter(ADAPTER), closing(self._shares()) as self._ahead:
            model.train()
            try:
                yield
            finally:
                model.eval()

    def backward(self, step: int) -> Values:
        return self.task.backward(next(self._ahead))

    def write(self, folder: Path) -> None:
        self.task.write(folder)

    def card(self, record: Mapping[str, Any]) -> str:
        return tuning_card(record)

    def _shares(self) -> Generator[Share, None, None]:
        """The shares of this process, step by step, decoded ahead."""
        settings, accelerator = self.task.settings, self.accelerator
        per_process = settings.batch_size // accelerator.num_processes
        first = accelerator.process_index * per_process

        def places() -> Iterator[Place]:
            for step in range(self.trainer.start, settings.steps):
                rows = joint_rows(len(self.task.corpus), settings.batch_size, settings.seed, step)
                for number in range(first, first + per_process):
                    yield Place(settings.seed, step, number, int(rows[number]))

        loaded = decode_ahead(places(), self.task.load, ahead=2 * per_process, workers=settings.workers)
        with closing(loaded):
            for step in range(self.trainer.start, settings.steps):
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


class Start(NamedTuple):
    """What all trainings start from."""

    corpus: Corpus
    accelerator: SafetensorsAccelerator
    checkpoints: Checkpoints
    base: Base
    vlm: Vlm


def make_start(kind: str, settings: VlmFineTuningSettings, check: Callable[[Corpus], None] | None = None) -> Start:
    """The cheap things first: index, processes, output; then the base, in a copy of its own.

    check: raises ValueError for a corpus that is not of this training. Raises ValueError, FileNotFoundError or
    ImportError with one line.
    """
    accelerator = accelerator_for(settings)
    corpus = Corpus.load(settings.index)
    if check is not None:
        check(corpus)
    base = find_base(settings.base)
    facts = {"rows": len(corpus), "data": fingerprint(corpus), "base_revision": base.revision}
    checkpoints = Checkpoints(kind, settings, facts, ("index", "workers"))
    checkpoints.newest()  # raises if it is of something else, before gigabytes are loaded
    vlm = load_vlm(base.name, base.revision, str(accelerator.device), settings.dtype, shared=False)
    if settings.gradient_checkpointing:
        vlm.enable_gradient_checkpointing()
    torch.manual_seed(settings.seed)  # of fresh weights, whatever the loading drew
    return Start(corpus, accelerator, checkpoints, base, vlm)
