"""Trains the composer: the skeleton prior and the scene denoiser, on the same batches."""

from __future__ import annotations

import copy
import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers.schedulers.scheduling_flow_match_euler_discrete import FlowMatchEulerDiscreteScheduler
from torch import Tensor, nn

from analogen.pipelines.composer.data import SceneSet, batch_of, draw_scenes, load_scenes, save_scenes
from analogen.pipelines.composer.denoiser import SceneDenoiser, flow_loss
from analogen.pipelines.composer.features import FIELDS
from analogen.pipelines.composer.layers import unit
from analogen.pipelines.composer.pipeline import ComposerPipeline
from analogen.pipelines.composer.prior import SkeletonPrior, vocabulary_of
from analogen.relsim.config import read_settings
from analogen.relsim.mini.model import Head, MiniNet
from analogen.relsim.text import load_text_tower
from analogen.relsim.training.loop import LoopSettings, autocast, train_loop
from analogen.relsim.world.dataset import training_selection
from analogen.relsim.world.relations import RELATIONS


@dataclass(frozen=True)
class ComposerSettings(LoopSettings):
    """Settings of `analogen train composer`. `encoder`: folder of the relsim-mini whose embeddings of hard
    references condition a share of the rows; empty = captions alone."""

    output: str = "runs/composer"
    scenes: str = "runs/scenes.npz"
    encoder: str = ""
    init: str = ""  # folder of a composer to start from
    count: int = 200_000
    referenced: int = 40_000  # how many of the scenes have a drawn reference, where an encoder is given
    draw_workers: int = 2
    steps: int = 8000
    weight_decay: float = 0.01
    ema: float = 0.9985
    dim: int = 256
    depth: int = 8
    heads: int = 8
    prior_dim: int = 192
    prior_depth: int = 4
    prior_heads: int = 6
    num_relation_tokens: int = 8
    reference_share: float = 0.5  # how often a scene that has a drawn reference is conditioned on it, not on words
    num_plus_tokens: int = 0  # from the encoder's patches of a drawn reference; 0 = from the vector alone
    plus_drop: float = 0.2  # how often a drawn reference comes without its patches
    drop: float = 0.1
    noise: float = 0.35
    save_every: int = 500


def run(path: Path | None, overrides: Mapping[str, str] | None = None) -> Path:
    """Train (or resume) the composer; returns the folder in `DiffusionPipeline.from_pretrained`'s layout."""
    settings = read_settings(ComposerSettings, path, overrides)
    if settings.num_plus_tokens and not settings.encoder:
        raise ValueError("num_plus_tokens needs the encoder that sees the patches: set encoder to its folder")
    torch.set_num_threads(settings.threads)
    stored, output = Path(settings.scenes), Path(settings.output)
    if not stored.is_file():
        encoder = Path(settings.encoder) if settings.encoder else None
        selection = training_selection() if encoder else None
        drawn = draw_scenes(
            settings.count, settings.seed, settings.draw_workers, encoder, selection, settings.bf16,
            settings.referenced, patches=settings.num_plus_tokens > 0,
        )  # fmt: skip
        save_scenes(drawn, stored)
    scenes = load_scenes(stored)
    if settings.init:
        start = ComposerPipeline.from_pretrained(settings.init, use_safetensors=True)
        models = Models(start.prior, start.denoiser).train()
        scenes = scenes.restricted_to(start.prior.table.numpy())  # what the prior has no token for, it cannot learn
    else:
        models = new_models(scenes, settings)
    if settings.num_plus_tokens:
        head = MiniNet.from_pretrained(settings.encoder).structure_head
        models = with_plus(models, settings.num_plus_tokens, head).train()
    averaged = train_composer(models, scenes, settings, output / "state")
    save_composer(averaged, output)
    (output / "settings.json").write_text(json.dumps(dataclasses.asdict(settings), indent=1) + "\n")
    return output


class Models(nn.Module):
    """The composer's two networks as one set of parameters."""

    def __init__(self, prior: SkeletonPrior, denoiser: SceneDenoiser) -> None:
        super().__init__()
        self.prior, self.denoiser = prior, denoiser


def with_plus(models: Models, num_plus_tokens: int, head: Head) -> Models:
    """The models with new plus tokens, which attend to patches as the encoder's `head` does and change nothing before
    they are trained. Models that have plus tokens are returned as they are."""
    if models.prior.plus_tokens is not None:
        return models
    new = {"num_plus_tokens": num_plus_tokens, "patch_dim": head.query.shape[1]}
    wider = Models(SkeletonPrior(**_config_of(models.prior) | new), SceneDenoiser(**_config_of(models.denoiser) | new))
    missing, unexpected = wider.load_state_dict(models.state_dict(), strict=False)
    assert not unexpected, unexpected
    assert all("plus" in name for name in missing), missing
    for model in (wider.prior, wider.denoiser):
        assert model.plus_tokens is not None
        model.plus_tokens.start_from(head)
    return wider


def _config_of(model: SkeletonPrior | SceneDenoiser) -> dict[str, Any]:
    return {name: value for name, value in model.config.items() if not name.startswith("_")}


def new_models(scenes: SceneSet, settings: ComposerSettings) -> Models:
    """Untrained models for the tokens of these scenes, still without plus tokens."""
    torch.manual_seed(settings.seed)
    prior = SkeletonPrior(
        vocabulary_of([scenes.tokens]), dim=settings.prior_dim, depth=settings.prior_depth,
        heads=settings.prior_heads, num_relation_tokens=settings.num_relation_tokens,
    )  # fmt: skip
    denoiser = SceneDenoiser(
        dim=settings.dim, depth=settings.depth, heads=settings.heads, num_relation_tokens=settings.num_relation_tokens,
    )  # fmt: skip
    return Models(prior, denoiser)


def save_composer(models: Models, output: Path) -> None:
    """Write the pipeline's folder, weights as fp16."""
    pipeline = ComposerPipeline(models.prior.eval(), models.denoiser.eval(), FlowMatchEulerDiscreteScheduler(shift=1.0))
    saved = copy.deepcopy(pipeline).to(torch.float16)
    for model in (saved.prior, saved.denoiser):
        model.register_to_config(_name_or_path="")  # or the folder that training started from is published
    saved.save_pretrained(str(output))


def train_composer(models: Models, scenes: SceneSet, settings: ComposerSettings, state: Path | None = None) -> Models:
    """Train both networks on the same batches; returns the averaged ones. With `state`, saves and resumes there."""
    device = torch.device(settings.device)
    models = models.to(device)
    conditions = Conditions(scenes, settings)
    # One id per distinct token row: a mixed-radix number looked up among the vocabulary's.
    radix = torch.tensor(np.cumprod([1, *list(FIELDS.values())[:-1]]))
    keys, order = (models.prior.table.cpu() * radix).sum(-1).sort()

    def loss_of(step: int, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        batch, rows = batch_of(scenes, settings.batch_size, settings.seed, step)
        relation, patches = conditions.sample(rows, generator)
        relation, patches = relation.to(device), None if patches is None else patches.to(device)
        scale = (torch.rand(len(rows), generator=generator) >= settings.drop).float().to(device)
        ids = order[torch.searchsorted(keys, (batch.tokens * radix).sum(-1)).clamp(max=len(keys) - 1)].to(device)
        tokens, clean, mask = (t.to(device) for t in batch)
        with autocast(device, settings.bf16):
            prior_loss = models.prior.loss(ids, mask, relation, scale, patches)
            denoiser_loss = flow_loss(models.denoiser, clean, tokens, mask, relation, scale, generator, patches)
        return prior_loss + denoiser_loss, {"prior": prior_loss, "denoiser": denoiser_loss}

    def save(averaged: Models) -> None:
        if state:
            save_composer(averaged, state.parent)

    return train_loop(models, settings, loss_of, state, save)


class Conditions:
    """Relations to condition on: captions with noise, or hard references of the same structure where there are some."""

    def __init__(self, scenes: SceneSet, settings: ComposerSettings) -> None:
        captions = [caption for name in scenes.relations for caption in RELATIONS[name].captions]
        self.captions = torch.from_numpy(load_text_tower().embed(captions))
        counts = torch.tensor([len(RELATIONS[name].captions) for name in scenes.relations])
        self.counts, self.starts = counts, counts.cumsum(0) - counts
        self.relation = torch.from_numpy(scenes.relation)
        self.reference = torch.from_numpy(scenes.reference)
        self.patches = scenes.patches if settings.num_plus_tokens else None
        self.patch_row = torch.from_numpy(scenes.drawn).cumsum(0) - 1
        self.noise, self.plus_drop, self.share = settings.noise, settings.plus_drop, settings.reference_share

    def sample(self, rows: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor | None]:
        """Relations, (len(rows), 384) unit vectors, and patches (len(rows), P, dim), zero in rows without them."""
        index = self.relation[rows]
        pick = (torch.rand(len(rows), generator=generator) * self.counts[index]).long()
        words = self.captions[self.starts[index] + pick]
        # Noise of relative length up to `noise`: words that nobody wrote lie around the captions.
        noise = torch.randn(words.shape, generator=generator) / words.shape[-1] ** 0.5
        words = words + self.noise * torch.rand(len(rows), 1, generator=generator) * noise
        reference = self.reference[rows]
        chosen = torch.rand(len(rows), 1, generator=generator) < self.share
        drawn = (reference.square().sum(-1, keepdim=True) > 0) & chosen
        relation = unit(torch.where(drawn, reference, words))
        if self.patches is None:
            return relation, None
        shown = drawn[:, 0] & (torch.rand(len(rows), generator=generator) >= self.plus_drop)
        patches = torch.zeros(len(rows), *self.patches.shape[1:])
        patches[shown] = torch.from_numpy(self.patches[self.patch_row[rows[shown]].numpy()]).float()
        return relation, patches
