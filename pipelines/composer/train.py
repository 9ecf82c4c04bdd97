"""Trains the composer: the skeleton prior and the scene denoiser, on the same batches."""

from __future__ import annotations

import copy
import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers.schedulers.scheduling_flow_match_euler_discrete import FlowMatchEulerDiscreteScheduler
from torch import Tensor, nn

from analogen.pipelines.composer.data import (
    UNRULED,
    ReferenceMaking,
    SceneSet,
    batch_of,
    draw_scenes,
    load_scenes,
    save_scenes,
)
from analogen.pipelines.composer.denoiser import SceneDenoiser, flow_loss
from analogen.pipelines.composer.features import FIELDS
from analogen.pipelines.composer.layers import unit
from analogen.pipelines.composer.pipeline import ComposerPipeline
from analogen.pipelines.composer.prior import SkeletonPrior, vocabulary_of
from analogen.pipelines.composer.readings import NOTHING_READ, ReadingBatch, collate_readings, loosened
from analogen.pipelines.composer.scene_composer import SceneComposer
from analogen.pipelines.composer.simulated_readings import simulate_reading
from analogen.relsim.config import read_settings
from analogen.relsim.text import load_text_tower
from analogen.relsim.training.loop import LoopSettings, autocast, train_loop
from analogen.relsim.world.dataset import training_selection
from analogen.relsim.world.grammar import parse
from analogen.relsim.world.relations import RELATIONS

NEVER = -20.0  # logit of tokens that were not trained yet
COMPOSITION_CAPTIONS = 2  # wordings of each composition that are learned: there are thousands of them


@dataclass(frozen=True)
class ComposerSettings(LoopSettings):
    """Settings of `analogen train composer`. encoder: folder of the relsim-mini whose embeddings and readings of hard
    references condition a share of the rows; empty = captions and simulated readings alone. cutouts, grounds: folders
    of material for photographed references; empty = drawn ones alone."""

    output: str = "runs/composer"
    scenes: str = "runs/scenes.npz"
    encoder: str = ""
    cutouts: str = ""
    grounds: str = ""
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
    reads: bool = True  # whether it takes readings of references
    reading_drop: float = 0.2  # how often a row has no reading
    exact: float = 0.45  # how often a reading is to be followed exactly; else the looseness is uniform in [0, 1]
    real_share: float = 0.5  # how often a scene's reading is that of its drawn reference, if it has one
    drop: float = 0.1
    noise: float = 0.35
    save_every: int = 500


def run(path: Path | None, overrides: Mapping[str, str] | None = None) -> Path:
    """Train (or resume) the composer; returns the folder in `DiffusionPipeline.from_pretrained`'s layout."""
    settings = read_settings(ComposerSettings, path, overrides)
    torch.set_num_threads(settings.threads)
    stored, output = Path(settings.scenes), Path(settings.output)
    if not stored.is_file():
        making = None
        if settings.encoder:
            making = ReferenceMaking(
                Path(settings.encoder), training_selection(), settings.cutouts, settings.grounds, settings.bf16
            )
        save_scenes(
            draw_scenes(settings.count, settings.seed, settings.draw_workers, making, settings.referenced), stored
        )
    scenes = load_scenes(stored)
    if settings.init:
        start = SceneComposer.load(settings.init)
        models = widened(Models(start.prior, start.denoiser), vocabulary_of([scenes.tokens]), settings.reads).train()
    else:
        models = new_models(scenes, settings)
    averaged = train_composer(models, scenes, settings, output / "state")
    save_composer(averaged, output)
    (output / "settings.json").write_text(json.dumps(dataclasses.asdict(settings), indent=1) + "\n")
    return output


class Models(nn.Module):
    """The composer's two networks as one set of parameters."""

    def __init__(self, prior: SkeletonPrior, denoiser: SceneDenoiser) -> None:
        super().__init__()
        self.prior, self.denoiser = prior, denoiser


@torch.no_grad()
def widened(models: Models, vocabulary: list[list[int]], reads: bool) -> Models:
    """The models with new tokens for what their vocabulary lacks of this one, and with attention to readings if they
    lack it and are to have it. It changes nothing before it is trained; new tokens are at first never chosen."""
    prior, denoiser = models.prior, models.denoiser
    known = {tuple(row): i for i, row in enumerate(prior.table.tolist())}
    whole = sorted({*known, *map(tuple, vocabulary)})
    config = {"vocabulary": [list(row) for row in whole], "reads": reads or prior.config["reads"]}
    wider = Models(
        SkeletonPrior(**prior.config | config), SceneDenoiser(**denoiser.config | {"reads": config["reads"]})
    )
    state = models.state_dict()
    by_token = {name: state.pop(f"prior.{name}") for name in ("embed.weight", "head.weight", "head.bias")}
    missing, unexpected = wider.load_state_dict(state, strict=False)
    assert not unexpected, unexpected
    assert all("reading" in name or name.removeprefix("prior.") in by_token for name in missing), missing
    of_old = torch.tensor([i for i, row in enumerate(whole) if row in known])
    old = torch.tensor([known[row] for row in whole if row in known])
    wider.prior.head.bias.fill_(NEVER)
    for name, value in by_token.items():
        parameter = wider.prior.get_parameter(name)
        parameter[of_old] = value[old].to(parameter.dtype)
        if name.startswith("head"):
            parameter[wider.prior.end] = value[prior.end].to(parameter.dtype)
    return wider


def new_models(scenes: SceneSet, settings: ComposerSettings) -> Models:
    """Untrained models for the tokens of these scenes."""
    torch.manual_seed(settings.seed)
    prior = SkeletonPrior(
        vocabulary_of([scenes.tokens]), dim=settings.prior_dim, depth=settings.prior_depth,
        heads=settings.prior_heads, num_relation_tokens=settings.num_relation_tokens, reads=settings.reads,
    )  # fmt: skip
    denoiser = SceneDenoiser(
        dim=settings.dim, depth=settings.depth, heads=settings.heads, num_relation_tokens=settings.num_relation_tokens,
        reads=settings.reads,
    )  # fmt: skip
    return Models(prior, denoiser)


def save_composer(models: Models, output: Path) -> None:
    """Write the pipeline's folder, weights as fp16."""
    pipeline = ComposerPipeline(models.prior.eval(), models.denoiser.eval(), FlowMatchEulerDiscreteScheduler(shift=1.0))
    copy.deepcopy(pipeline).to(torch.float16).save_pretrained(str(output))


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
        relation, scale, readings = conditions.sample(rows, generator)
        relation, scale = relation.to(device), scale.to(device)
        readings = None if readings is None else readings.to(device, torch.float32)
        ids = order[torch.searchsorted(keys, (batch.tokens * radix).sum(-1)).clamp(max=len(keys) - 1)].to(device)
        tokens, clean, mask = (t.to(device) for t in batch)
        with autocast(device, settings.bf16):
            prior_loss = models.prior.loss(ids, mask, relation, scale, readings)
            denoiser_loss = flow_loss(models.denoiser, clean, tokens, mask, relation, scale, generator, readings)
        return prior_loss + denoiser_loss, {"prior": prior_loss, "denoiser": denoiser_loss}

    def save(averaged: Models) -> None:
        if state:
            save_composer(averaged, state.parent)

    return train_loop(models, settings, loss_of, state, save)


class Conditions:
    """What scenes are conditioned on: a relation, from captions with noise or from a hard reference of the same
    structure; and a reading, of that reference or simulated."""

    def __init__(self, scenes: SceneSet, settings: ComposerSettings) -> None:
        captions = [_captions_of(name) for name in scenes.logics]
        vectors = load_text_tower().embed([caption for each in captions for caption in each])
        self.captions = torch.cat([torch.from_numpy(vectors), torch.zeros(1, vectors.shape[1])])
        self.counts = torch.tensor([len(each) for each in captions])
        self.starts = self.counts.cumsum(0) - self.counts
        self.logic = torch.from_numpy(scenes.logic)
        self.reference = torch.from_numpy(scenes.reference)
        self.scenes, self.settings = scenes, settings

    def sample(self, rows: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor, ReadingBatch | None]:
        """Relations, (len(rows), 384) unit vectors; their scales, (len(rows),) of 0 or 1; and readings."""
        settings, count = self.settings, len(rows)

        def coin(probability: float) -> Tensor:
            return torch.rand(count, generator=generator) < probability

        logic = self.logic[rows]
        counts = self.counts[logic]
        pick = (torch.rand(count, generator=generator) * counts).long()
        words = self.captions[torch.where(counts > 0, self.starts[logic] + pick, len(self.captions) - 1)]
        # Noise of relative length up to `noise`: words that nobody wrote lie around the captions.
        noise = torch.randn(words.shape, generator=generator) / words.shape[-1] ** 0.5
        words = words + settings.noise * torch.rand(count, 1, generator=generator) * noise
        reference = self.reference[rows]
        has_reference = reference.square().sum(-1) > 0
        shown = has_reference & coin(settings.reference_share)
        relation = unit(torch.where(shown[:, None], reference, words))
        # A scene without a rule has no words; what the encoder makes of its picture says little.
        scale = ((counts > 0) | (shown & coin(0.5))).float() * ~coin(settings.drop)
        if not settings.reads:
            return relation, scale, None
        real, absent = has_reference & coin(settings.real_share), coin(settings.reading_drop)
        loose = torch.where(coin(settings.exact), torch.zeros(count), torch.rand(count, generator=generator))
        seeds = torch.randint(2**62, (count,), generator=generator).tolist()
        made = []
        for row, seed, is_real, is_absent in zip(rows.tolist(), seeds, real.tolist(), absent.tolist(), strict=True):
            if is_absent:
                made.append(NOTHING_READ)
            elif is_real:
                made.append(self.scenes.readings[row])
            else:
                made.append(simulate_reading(self.scenes[row], np.random.default_rng(seed)))
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        return relation, scale, loosened(collate_readings(made, loose), generators)


def _captions_of(logic: str) -> tuple[str, ...]:
    if logic == UNRULED:
        return ()
    return RELATIONS[logic].captions if logic in RELATIONS else parse(logic).captions[:COMPOSITION_CAPTIONS]
