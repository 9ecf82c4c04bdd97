"""Training a relational adapter on a frozen base: `analogen train adapter`.

All that the frozen models say of a row is computed once (`data`); a step is then the denoiser's forward and
backward pass alone. A row's condition is never its own picture: looks cannot leak into what the adapter learns.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.util
import logging
import math
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import broadcast
from PIL import Image, ImageDraw
from torch import Tensor, nn

from analogen.pipelines.adapter.model import RelationalAdapter, build_adapter, load_adapter, write_adapter
from analogen.pipelines.adapter_training.card import adapter_card
from analogen.pipelines.adapter_training.data import (
    Batch,
    Cache,
    Conditions,
    Vectors,
    embed_captions,
    open_corpus,
    prompt_of,
)
from analogen.pipelines.adapter_training.noising import Noising
from analogen.pipelines.adapter_training.prediction import predict_of
from analogen.pipelines.diffusion.device_placement import Residency, room_for_weights
from analogen.pipelines.diffusion.loading import load_pipeline
from analogen.pipelines.diffusion.sampler import Painter, Painting, together
from analogen.relsim.config import read_settings
from analogen.relsim.data.batching import is_out_of_memory
from analogen.relsim.data.corpus import Corpus
from analogen.relsim.text import TEXT_DIM
from analogen.relsim.training.checkpoints import Saves, fingerprint
from analogen.relsim.training.joint_batches import joint_rows, sum_gradients
from analogen.relsim.training.loop import autocast, cosine_schedule, set_lr

log = logging.getLogger(__name__)
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
# What may differ when a training is taken up again: nothing here changes what is learned.
FREE = (
    "data", "output", "micro_batch", "gradient_checkpointing", "save_every", "keep", "log_every", "sample_every",
    "samples", "sample_steps", "sample_guidance", "device",
)  # fmt: skip
Watch = Callable[[int, Mapping[str, float]], None]


@dataclass(frozen=True)
class AdapterSettings:
    """Settings of `analogen train adapter`.

    base: folder or hub id of a pipeline of SD 1.5, SDXL, SD 3 or FLUX. data: index of `analogen corpus`, or folder of
    `analogen world`. encoder: who reads the pictures that rows are conditioned on, "mini", a folder or a hub id.
    init: folder of an adapter to start from; tokens, width: 0 = the family's own; size: 0 = the base's own.
    pictured: share of the conditions that are another picture's relation; the others are the row's caption.
    near: cosine from which two captions are taken to say the same logic. drop_*: shares of rows that learn to do
    without relation, prompt, or both, which guidance needs.
    batch_size: rows of a step over all processes; micro_batch: of one pass, which changes nothing but memory.
    dtype: of the frozen base; what is trained is fp32. device: "" = what accelerate finds.
    """

    base: str = ""
    data: str = ""
    output: str = ""
    encoder: str = "mini"
    init: str = ""
    tokens: int = 0
    width: int = 0
    size: int = 0
    steps: int = 20_000
    batch_size: int = 64
    micro_batch: int = 8
    lr: float = 1e-4
    weight_decay: float = 0.01
    warmup: int = 500
    max_norm: float = 1.0
    ema: float = 0.9995
    pictured: float = 0.5
    near: float = 0.8
    drop_relation: float = 0.05
    drop_prompt: float = 0.05
    drop_both: float = 0.05
    dtype: str = "bfloat16"
    device: str = ""
    gradient_checkpointing: bool = False
    seed: int = 0
    save_every: int = 1000
    keep: int = 2
    log_every: int = 20
    sample_every: int = 1000  # 0 = no sheets
    samples: int = 6
    sample_steps: int = 20
    sample_guidance: float = 4.0

    def __post_init__(self) -> None:
        """Raises ValueError for values that no training can have."""
        for name in ("base", "data", "output"):
            if not getattr(self, name):
                raise ValueError(f"setting {name} is missing: give it in the preset, or by --set {name}=...")
        for name in ("steps", "batch_size", "micro_batch", "save_every", "log_every", "sample_steps"):
            self._at_least(name, 1)
        for name in ("tokens", "width", "size", "warmup", "keep", "seed", "weight_decay", "lr", "max_norm", "samples",
                     "sample_every", "sample_guidance"):  # fmt: skip
            self._at_least(name, 0)
        for name in ("pictured", "near", "drop_relation", "drop_prompt", "drop_both"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"setting {name}={getattr(self, name)} must be from 0 to 1")
        if self.drop_relation + self.drop_prompt + self.drop_both >= 1:
            raise ValueError("settings drop_relation, drop_prompt and drop_both leave no row to learn from")
        if not 0 <= self.ema < 1:
            raise ValueError(f"setting ema={self.ema} must be from 0 to below 1")
        if self.dtype not in DTYPES:
            raise ValueError(f"setting dtype={self.dtype!r} must be one of {', '.join(DTYPES)}")

    def _at_least(self, name: str, least: int) -> None:
        if not least <= getattr(self, name) < float("inf"):
            raise ValueError(f"setting {name}={getattr(self, name)} must be {least} or more")

    @property
    def public_base(self) -> str:
        """Without the path of a folder: cards and configs are published."""
        return Path(self.base).name if Path(self.base).exists() else self.base


def prepare(path: Path | None, overrides: Mapping[str, str] | None = None) -> AdapterTraining:
    """A training, ready to run. Cheap things are checked first; raises ValueError, FileNotFoundError or ImportError
    with one line."""
    settings = read_settings(AdapterSettings, path, overrides)
    if importlib.util.find_spec("tensorboard") is None:
        raise ImportError('training writes logs for TensorBoard: pip install "analogen[train]"')
    output = Path(settings.output)
    if output.exists() and not output.is_dir():
        raise ValueError(f"{output}: is no folder: name a folder for the training's saves")
    start = load_adapter(settings.init) if settings.init else None
    corpus = open_corpus(settings.data)
    accelerator = Accelerator(
        mixed_precision="no", log_with="tensorboard", project_dir=output, cpu=settings.device == "cpu"
    )
    if settings.batch_size % accelerator.num_processes:
        raise ValueError(
            f"batch_size={settings.batch_size} rows cannot be shared by {accelerator.num_processes} processes: "
            "give a multiple"
        )
    prompts = hashlib.sha256("\0".join(map(prompt_of, corpus.entries)).encode()).hexdigest()[:16]
    facts = {"rows": len(corpus), "data": fingerprint(corpus), "prompts": prompts}
    saves = Saves("adapter", settings, facts, FREE)
    saves.newest()  # raises if it is of something else, before gigabytes are loaded
    return AdapterTraining(settings, corpus, accelerator, saves, start)


class AdapterTraining:
    """A base with a fresh (or given, or resumed) adapter on it, and all that was computed once."""

    def __init__(
        self, settings: AdapterSettings, corpus: Corpus, accelerator: Accelerator, saves: Saves,
        start: RelationalAdapter | None,
    ) -> None:  # fmt: skip
        self.settings, self.corpus, self.accelerator, self.saves = settings, corpus, accelerator, saves
        device, dtype = accelerator.device, DTYPES[settings.dtype]
        loaded = load_pipeline(settings.base, Residency(device, room_for_weights(device)), dtype)
        self.size = settings.size or side_of(loaded.pipeline, loaded.kind.side_px)
        loaded.kind.check_size(self.size, self.size)
        denoiser: Any = loaded.denoiser
        denoiser.requires_grad_(False)
        self.base_parameters = sum(parameter.numel() for parameter in denoiser.parameters())
        adapter = start or build_adapter(
            denoiser, tokens=settings.tokens or None, width=settings.width or None, seed=settings.seed
        )
        config = dataclasses.replace(adapter.config, base_model=settings.public_base, encoder=_public(settings.encoder))
        self.painter = Painter(loaded, adapter=RelationalAdapter(config, adapter.weights))
        assert self.painter.attached is not None
        self.sites = self.painter.attached.sites
        self.noising = Noising(loaded.pipeline.scheduler)
        self.predict = predict_of(loaded.kind, self.sites, self.size)
        self.trained = self._trained()
        for parameter in self.trained.values():
            broadcast(parameter.data)  # drawn from one seed, but different devices may draw differently
        self.averaged = {
            name: nn.Parameter(parameter.detach().clone(), requires_grad=False)
            for name, parameter in self.trained.items()
        }
        matrices = [p for p in self.trained.values() if p.ndim >= 2]
        others = [p for p in self.trained.values() if p.ndim < 2]
        groups = [{"params": matrices, "weight_decay": settings.weight_decay}, {"params": others, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW([group for group in groups if group["params"]], lr=settings.lr)
        self.last = saves.newest()
        self.start = saves.resume(self.last, self.trained, self.optimizer, averaged=self.averaged) if self.last else 0
        saves.card = lambda record: adapter_card(record, self.adapter(), self.base_parameters)
        if settings.gradient_checkpointing:
            denoiser.enable_gradient_checkpointing()
        self.cache, self.conditions = self._once()

    def _trained(self) -> dict[str, nn.Parameter]:
        """The adapter's parameters, in fp32 whatever the base is."""
        modules: dict[str, Any] = {"image_proj": self.sites.projection}
        modules |= {f"site_{number}": processor for number, processor in enumerate(self.sites.processors)}
        named = {
            f"{prefix}.{name}": parameter
            for prefix, module in modules.items()
            for name, parameter in module.float().named_parameters()
        }
        for parameter in named.values():
            parameter.requires_grad_(True)
        return named

    def _once(self) -> tuple[Cache, Conditions]:
        """What the frozen models say, from disk or made now."""
        settings, accelerator = self.settings, self.accelerator
        facts = {**self.saves.facts, "base": settings.public_base, "size": self.size, "encoder": settings.encoder}
        cache = Cache(self.corpus, Path(settings.output), facts)
        share = accelerator.process_index, accelerator.num_processes
        cache.fill(self.painter, self.size, share, lambda text: log.info("cached %s", text))
        accelerator.wait_for_everyone()
        captions, caption_of = embed_captions(self.corpus)
        pictures: Vectors | None = None
        if settings.pictured > 0:
            with accelerator.main_process_first():
                pictures = cache.relations(settings.encoder, str(accelerator.device))
        return cache, Conditions(self.corpus, captions, caption_of, pictures, settings.pictured, settings.near)

    # One step

    def run(self, watch: Watch | None = None) -> Path:
        """Train to the end; returns the folder of the last save. watch: called with each step and what it shows.

        Raises FloatingPointError if the loss is no longer a number, MemoryError if a pass does not fit, OSError if the
        output is gone. What was saved is kept, and the same call goes on from there.
        """
        settings, accelerator = self.settings, self.accelerator
        if self.start >= settings.steps and self.last is not None:
            return self.last
        accelerator.init_trackers("logs", dataclasses.asdict(settings))
        since = time.perf_counter(), self.start
        self.sites.denoiser.train()
        for step in range(self.start, settings.steps):
            set_lr(self.optimizer, settings.lr * cosine_schedule(step, settings.steps, settings.warmup))
            self.optimizer.zero_grad(set_to_none=True)
            loss = float(accelerator.reduce(torch.tensor(self._backward(step), device=accelerator.device), "sum"))
            norm = sum_gradients(accelerator, list(self.trained.values()), settings.max_norm)
            if not math.isfinite(loss + norm):
                raise FloatingPointError(
                    f"the loss is no longer a number in step {step}: lower lr, or go on from {self.last or 'anew'}"
                )
            self.optimizer.step()
            self._average(min(settings.ema, (step + 1) / (step + 10)))
            shown = {"loss": loss, "gradient": norm}
            if watch is not None:
                watch(step, shown)
            if step % settings.log_every == 0 or step + 1 == settings.steps:
                now = time.perf_counter(), step + 1
                shown["rows_per_second"] = (now[1] - since[1]) * settings.batch_size / (now[0] - since[0])
                since = now
                self._log(step, shown)
            if (step + 1) % settings.save_every == 0 or step + 1 == settings.steps:
                self._save(step + 1, shown)
            if settings.sample_every and ((step + 1) % settings.sample_every == 0 or step + 1 == settings.steps):
                self._sheet(step + 1)
        self.start = settings.steps
        accelerator.end_training()
        self.sites.denoiser.eval()
        assert self.last is not None
        return self.last

    def _backward(self, step: int) -> float:
        """Leave this process's part of the gradient; returns its part of the mean loss over the joint batch."""
        settings, accelerator = self.settings, self.accelerator
        rows = joint_rows(len(self.corpus), settings.batch_size, settings.seed, step)
        own = settings.batch_size // accelerator.num_processes
        first, total = accelerator.process_index * own, 0.0
        for start in range(first, first + own, settings.micro_batch):
            numbers = range(start, min(start + settings.micro_batch, first + own))
            try:
                loss = self.loss(step, [(number, int(rows[number])) for number in numbers]) / settings.batch_size
                loss.backward()
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                raise MemoryError(
                    f"a pass of {settings.micro_batch} rows does not fit in memory: lower micro_batch, the gradient "
                    "stays the same"
                    if settings.micro_batch > 1
                    else "a pass of one row does not fit in memory: set gradient_checkpointing=true or a smaller size"
                ) from error
            total += float(loss.detach())
        return total

    def loss(self, step: int, places: Sequence[tuple[int, int]]) -> Tensor:
        """The sum of the rows' losses. places: (number in the joint batch, row) each; all of a row's randomness hangs
        on the seed, the step and its number."""
        settings, device, dtype = self.settings, self.accelerator.device, DTYPES[self.settings.dtype]
        relations, prompts, generators = [], [], []
        for number, row in places:
            rng = np.random.default_rng([settings.seed, step, number])
            generators.append(torch.Generator().manual_seed(int(rng.integers(2**62))))
            relation, prompt = self.conditions.choose(row, rng).relation, prompt_of(self.corpus.entries[row])
            chance = float(rng.random())
            if chance < settings.drop_relation + settings.drop_both:
                relation = np.zeros(TEXT_DIM, np.float32)
            if settings.drop_relation <= chance < settings.drop_relation + settings.drop_both + settings.drop_prompt:
                prompt = ""
            relations.append(torch.from_numpy(relation))
            prompts.append(prompt)
        batch = Batch(
            self.cache.latents([row for _, row in places]).to(device),
            {
                name: value.to(device, dtype) if value.is_floating_point() else value.to(device)
                for name, value in together([self.cache.words(prompt) for prompt in prompts]).items()
            },
        )
        tokens = batch.latents.shape[-1] * batch.latents.shape[-2] // 4  # of 2 x 2 latents each
        noised = self.noising(batch.latents, tokens, generators)
        relation_rows = torch.stack(relations).to(device, dtype)
        with autocast(device, dtype != torch.float32):
            predicted = self.predict(noised.sample.to(dtype), noised.timestep, batch.words, relation_rows)
        return (predicted.float() - noised.target).square().flatten(1).mean(1).sum()

    @torch.no_grad()
    def _average(self, decay: float) -> None:
        torch._foreach_lerp_(list(self.averaged.values()), list(self.trained.values()), 1 - decay)

    # What is kept

    def adapter(self) -> RelationalAdapter:
        """The averaged weights, which are what a training returns."""
        with self._wearing_average():
            found = self.sites.adapter()
            copied = {part: {n: t.detach().clone() for n, t in found.weights[part].items()} for part in found.weights}
        return RelationalAdapter(found.config, copied)

    @contextmanager
    def _wearing_average(self) -> Iterator[None]:
        def exchange() -> None:
            for parameter, averaged in zip(self.trained.values(), self.averaged.values(), strict=True):
                parameter.data, averaged.data = averaged.data, parameter.data

        exchange()
        try:
            yield
        finally:
            exchange()

    def _save(self, step: int, shown: Mapping[str, float]) -> None:
        if self.accelerator.is_main_process:

            def write(folder: Path) -> None:
                folder.mkdir(parents=True)
                write_adapter(self.adapter(), folder)

            self.last = self.saves.write(
                step, self.trained, self.optimizer, shown, write, averaged=self.averaged
            )  # fmt: skip
        else:
            self.last = self.saves.folder / f"step-{step:06d}"
        self.accelerator.wait_for_everyone()

    def _log(self, step: int, shown: Mapping[str, float]) -> None:
        self.accelerator.log({f"train/{name}": value for name, value in shown.items()}, step=step)
        if self.accelerator.is_main_process:
            log.info("step %d %s", step, " ".join(f"{name} {value:.5g}" for name, value in shown.items()))

    def _sheet(self, step: int) -> None:
        """The reference, the base alone (scale 0) and the adapter, by row, from the same seeds."""
        if not self.accelerator.is_main_process or not self.settings.samples:
            return
        settings = self.settings
        assert self.painter.attached is not None
        rows = np.linspace(0, len(self.corpus) - 1, settings.samples).round().astype(int).tolist()
        chosen = [self.conditions.choose(row, np.random.default_rng([settings.seed, row])) for row in rows]
        paintings = [
            Painting(
                prompt_of(self.corpus.entries[row]), settings.seed + n, self.size, self.size, relation=one.relation
            )
            for n, (row, one) in enumerate(zip(rows, chosen, strict=True))
        ]
        found: dict[str, list[Image.Image]] = {}
        denoiser = self.sites.denoiser.eval()
        device, half = self.accelerator.device, settings.dtype != "float32"
        try:
            for scale in (0.0, 1.0):
                self.painter.attached.set_strength(scale)
                with self._wearing_average(), autocast(device, half):
                    found[f"scale {scale:g}"] = self.painter.paint(
                        paintings, "nothing", settings.sample_steps, settings.sample_guidance,
                        batch_size=settings.micro_batch,
                    )  # fmt: skip
        finally:
            self.painter.attached.set_strength(1.0)
            denoiser.train()
        shown = [None if one.row is None else self.corpus[one.row].picture for one in chosen]
        captions = [self.corpus.entries[row].caption for row in rows]
        folder = Path(settings.output) / "samples"
        folder.mkdir(parents=True, exist_ok=True)
        sheet(shown, found, captions, [row.prompt for row in paintings]).save(folder / f"step-{step:06d}.png")


def side_of(pipeline: Any, otherwise: int) -> int:
    """The sides of the pictures that a pipeline makes best, in pixels."""
    denoiser = pipeline.components.get("unet") or pipeline.components.get("transformer")
    latents = denoiser.config.get("sample_size")
    return latents * pipeline.vae_scale_factor if isinstance(latents, int) else otherwise


def sheet(
    references: Sequence[Image.Image | None], columns: Mapping[str, Sequence[Image.Image]], captions: Sequence[str],
    prompts: Sequence[str], side: int = 192,
) -> Image.Image:  # fmt: skip
    """A row each, under its prompt: reference (the caption where there is no picture), then the columns."""
    bar, gap = 18, 6
    size = (1 + len(columns)) * (side + gap) + gap, bar + len(prompts) * (side + bar + gap)
    whole = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(whole)
    for place, title in enumerate(("conditioned on", *columns)):
        pen.text((gap + place * (side + gap), 3), title, "#777777")
    for number, (reference, caption, prompt) in enumerate(zip(references, captions, prompts, strict=True)):
        top = bar + number * (side + bar + gap) + bar
        pen.text((gap, top - bar + 3), f'"{prompt}"' if prompt else "(no words)", "black")
        for place, cell in enumerate((reference, *(column[number] for column in columns.values()))):
            if cell is not None:
                fitted = cell.convert("RGB").resize((side, side), Image.Resampling.LANCZOS)
                whole.paste(fitted, (gap + place * (side + gap), top))
        if reference is None:
            pen.rectangle((gap, top, gap + side - 1, top + side - 1), outline="#bbbbbb")
            pen.multiline_text((2 * gap, top + gap), textwrap.fill(caption, 30), "black")
    return whole


def _public(name: str) -> str:
    return Path(name).name if Path(name).exists() else name
