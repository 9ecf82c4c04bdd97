"""Trains a relational adapter on a frozen base: `analogen train adapter`.

The outputs of the frozen models are computed once for each row (`data`), so a step is only the denoiser's forward and
backward pass. A row is never conditioned on its own picture, so that no appearance leaks into what the adapter learns.
"""

from __future__ import annotations

import dataclasses
import hashlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
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
from analogen.pipelines.adapter_training.prediction import make_predictor
from analogen.pipelines.adapter_training.sample_sheet import sheet
from analogen.pipelines.adapter_training.settings import FREE, AdapterSettings, public_name
from analogen.pipelines.diffusion.device_placement import DevicePlacement, weight_budget_bytes
from analogen.pipelines.diffusion.image_spec import ImageSpec
from analogen.pipelines.diffusion.loading import load_pipeline
from analogen.pipelines.diffusion.prompt_encoding import collate_arguments
from analogen.pipelines.diffusion.sampler import DiffusionSampler
from analogen.relsim.config import read_settings
from analogen.relsim.data.corpus import Corpus
from analogen.relsim.text import TEXT_DIM
from analogen.relsim.training.checkpoints import Checkpoints, fingerprint
from analogen.relsim.training.fine_tuning import DTYPES, FineTuning, accelerator_for
from analogen.relsim.training.joint_batches import joint_rows
from analogen.relsim.training.loop import Values, autocast
from analogen.relsim.training.training_state import SafetensorsAccelerator

log = logging.getLogger(__name__)


def prepare(path: Path | None, overrides: Mapping[str, str] | None = None) -> AdapterTraining:
    """A training, ready to run, new or resumed. Cheap checks come first. Raises ValueError, FileNotFoundError or
    ImportError with one line."""
    settings = read_settings(AdapterSettings, path, overrides)
    accelerator = accelerator_for(settings, cpu=settings.device == "cpu")
    start = load_adapter(settings.init) if settings.init else None
    corpus = open_corpus(settings.data)
    prompts = hashlib.sha256("\0".join(map(prompt_of, corpus.entries)).encode()).hexdigest()[:16]
    facts = {"rows": len(corpus), "data": fingerprint(corpus), "prompts": prompts}
    checkpoints = Checkpoints("adapter", settings, facts, FREE)
    checkpoints.newest()  # raises if it is of something else, before gigabytes are loaded
    return AdapterTraining(settings, corpus, accelerator, checkpoints, start)


class AdapterTraining(FineTuning):
    """The training of an adapter on a frozen base. start: the adapter to start from, None for a new one."""

    data_setting, size_setting = "data", "size"
    settings: AdapterSettings

    def __init__(
        self, settings: AdapterSettings, corpus: Corpus, accelerator: SafetensorsAccelerator, checkpoints: Checkpoints,
        start: RelationalAdapter | None,
    ) -> None:  # fmt: skip
        self.corpus = corpus
        device, dtype = accelerator.device, DTYPES[settings.dtype]
        loaded = load_pipeline(settings.base, DevicePlacement(device, weight_budget_bytes(device)), dtype)
        self.size = settings.size or side_of(loaded.pipeline, loaded.kind.side_px)
        loaded.kind.check_size(self.size, self.size)
        denoiser: Any = loaded.denoiser
        denoiser.requires_grad_(False)
        self.base_parameters = sum(parameter.numel() for parameter in denoiser.parameters())
        adapter = start or build_adapter(
            denoiser, tokens=settings.tokens or None, width=settings.width or None, seed=settings.seed
        )
        config = dataclasses.replace(
            adapter.config, base_model=settings.public_base, encoder=public_name(settings.encoder)
        )
        self.sampler = DiffusionSampler(loaded, adapter=RelationalAdapter(config, adapter.weights))
        assert self.sampler.attached is not None
        self.modules = self.sampler.attached.modules
        self.noising = Noising(loaded.pipeline.scheduler)
        self.predict = make_predictor(loaded.kind, self.modules, self.size)
        super().__init__(settings, accelerator, checkpoints, self._parameters(), ema=settings.ema)
        if settings.gradient_checkpointing:
            denoiser.enable_gradient_checkpointing()
        self.cache, self.conditions = self._precompute()

    def _parameters(self) -> dict[str, nn.Parameter]:
        """The adapter's parameters, in fp32 whatever the base is."""
        modules: dict[str, Any] = {"image_proj": self.modules.projection}
        modules |= {f"site_{number}": processor for number, processor in enumerate(self.modules.processors)}
        named = {
            f"{prefix}.{name}": parameter
            for prefix, module in modules.items()
            for name, parameter in module.float().named_parameters()
        }
        for parameter in named.values():
            parameter.requires_grad_(True)
        return named

    def _precompute(self) -> tuple[Cache, Conditions]:
        """The outputs of the frozen models, from disk or computed now."""
        settings, accelerator = self.settings, self.accelerator
        facts = {**self.checkpoints.facts, "base": settings.public_base, "size": self.size, "encoder": settings.encoder}
        cache = Cache(self.corpus, Path(settings.output), facts)
        share = accelerator.process_index, accelerator.num_processes
        cache.fill(self.sampler, self.size, share, lambda text: log.info("cached %s", text))
        accelerator.wait_for_everyone()
        captions, caption_of = embed_captions(self.corpus)
        pictures: Vectors | None = None
        if settings.pictured > 0:
            with accelerator.main_process_first():
                pictures = cache.relations(settings.encoder, str(accelerator.device))
        return cache, Conditions(self.corpus, captions, caption_of, pictures, settings.pictured, settings.near)

    # One step

    @contextmanager
    def train_mode(self) -> Iterator[None]:
        self.modules.denoiser.train()
        try:
            yield
        finally:
            self.modules.denoiser.eval()

    def backward(self, step: int) -> Values:
        loss = torch.tensor(self.backward_share(step), device=self.accelerator.device)
        return {"loss": float(self.accelerator.reduce(loss, "sum"))}

    def backward_share(self, step: int) -> float:
        """Leave this process's part of the gradient; returns its part of the mean loss over the joint batch."""
        settings, accelerator = self.settings, self.accelerator
        rows = joint_rows(len(self.corpus), settings.batch_size, settings.seed, step)
        own = settings.batch_size // accelerator.num_processes
        first, total = accelerator.process_index * own, 0.0
        for start in range(first, first + own, settings.micro_batch):
            numbers = range(start, min(start + settings.micro_batch, first + own))
            loss = self.loss(step, [(number, int(rows[number])) for number in numbers]) / settings.batch_size
            loss.backward()
            total += float(loss.detach())
        return total

    def loss(self, step: int, places: Sequence[tuple[int, int]]) -> Tensor:
        """The sum of the rows' losses. places: (number in the joint batch, row) of each; all randomness of a row
        depends on the seed, the step and its number."""
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
                for name, value in collate_arguments(
                    [self.cache.prompt_embeddings(prompt) for prompt in prompts]
                ).items()
            },
        )
        tokens = batch.latents.shape[-1] * batch.latents.shape[-2] // 4  # of 2 x 2 latents each
        noised = self.noising(batch.latents, tokens, generators)
        relation_rows = torch.stack(relations).to(device, dtype)
        with autocast(device, dtype != torch.float32):
            predicted = self.predict(noised.sample.to(dtype), noised.timestep, batch.words, relation_rows)
        return (predicted.float() - noised.target).square().flatten(1).mean(1).sum()

    # What is kept

    def adapter(self) -> RelationalAdapter:
        """The adapter with the averaged weights, which is what a training returns."""
        with self.average.swapped_in():
            found = self.modules.adapter()
            copied = {part: {n: t.detach().clone() for n, t in found.weights[part].items()} for part in found.weights}
        return RelationalAdapter(found.config, copied)

    def write(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        write_adapter(self.adapter(), folder)

    def card(self, record: Mapping[str, Any]) -> str:
        return adapter_card(record, self.adapter(), self.base_parameters)

    def after_step(self, step: int) -> None:
        settings = self.settings
        if settings.sample_every and ((step + 1) % settings.sample_every == 0 or step + 1 == settings.steps):
            self._draw_samples(step + 1)

    def _draw_samples(self, step: int) -> None:
        """Write a sheet of samples: reference, base alone (scale 0) and adapter, from the same seeds."""
        if not self.accelerator.is_main_process or not self.settings.samples:
            return
        settings = self.settings
        assert self.sampler.attached is not None
        rows = np.linspace(0, len(self.corpus) - 1, settings.samples).round().astype(int).tolist()
        chosen = [self.conditions.choose(row, np.random.default_rng([settings.seed, row])) for row in rows]
        specs = [
            ImageSpec(
                prompt_of(self.corpus.entries[row]), settings.seed + n, self.size, self.size, relation=one.relation
            )
            for n, (row, one) in enumerate(zip(rows, chosen, strict=True))
        ]
        found: dict[str, list[Image.Image]] = {}
        denoiser = self.modules.denoiser.eval()
        device, half = self.accelerator.device, settings.dtype != "float32"
        try:
            for scale in (0.0, 1.0):
                self.sampler.attached.set_strength(scale)
                with self.average.swapped_in(), autocast(device, half):
                    found[f"scale {scale:g}"] = self.sampler.sample(
                        specs, "nothing", settings.sample_steps, settings.sample_guidance,
                        batch_size=settings.micro_batch,
                    )  # fmt: skip
        finally:
            self.sampler.attached.set_strength(1.0)
            denoiser.train()
        shown = [None if one.row is None else self.corpus[one.row].picture for one in chosen]
        captions = [self.corpus.entries[row].caption for row in rows]
        folder = Path(settings.output) / "samples"
        folder.mkdir(parents=True, exist_ok=True)
        sheet(shown, found, captions, [row.prompt for row in specs]).save(folder / f"step-{step:06d}.png")


def side_of(pipeline: Any, otherwise: int) -> int:
    """The sides, in pixels, of the pictures that a pipeline was trained on; `otherwise` if it does not say."""
    denoiser = pipeline.components.get("unet") or pipeline.components.get("transformer")
    latents = denoiser.config.get("sample_size")
    return latents * pipeline.vae_scale_factor if isinstance(latents, int) else otherwise
