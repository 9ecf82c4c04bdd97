"""Samples scenes for relations: a prior picks the elements, a denoiser their places and looks."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor

from analogen.pipelines.composer.denoiser import SceneDenoiser
from analogen.pipelines.composer.euler_schedule import EulerSchedule, Scheduler
from analogen.pipelines.composer.features import NUM_FEATURES, WEIGHT, collate, decode, encode
from analogen.pipelines.composer.layers import unit
from analogen.pipelines.composer.prior import SkeletonPrior
from analogen.pipelines.composer.readings import ReadingBatch, loosened
from analogen.pipelines.composer.settle import settle
from analogen.relsim.loading_lock import loading_lock
from analogen.relsim.old_paths import present_path
from analogen.relsim.world.scene import Element

SHIPPED = Path(__file__).parent / "weights"
# Rows that are denoised together. Fewer would leave the processor's vector units idle, more gain nothing on two cores.
MIN_GROUP, MAX_GROUP = 8, 32
# Called with the composer, the step, its timestep and the values under way.
StepCallback = Callable[[Any, int, int, dict[str, Any]], Any]


class SceneComposer:
    """Relation -> skeleton (which elements) -> features (where, how) -> elements.

    Every row has a relation and a generator of its own, so many different relations are sampled in one pass,
    and a row gives the same scene alone or in a batch. Threads may call one composer at the same time.
    `ComposerPipeline` offers the same as a pipeline of diffusers, which this class does not import.

    device: where to compute, by default where the networks are; show_steps: wraps the timesteps of each group of rows,
    for a progress bar.
    """

    def __init__(
        self,
        prior: SkeletonPrior,
        denoiser: SceneDenoiser,
        scheduler: Scheduler,
        device: torch.device | None = None,
        show_steps: Callable[[Tensor], Iterable[Tensor]] = iter,
    ) -> None:
        self.prior, self.denoiser, self.scheduler = prior, denoiser, scheduler
        self._device, self._show_steps = device, show_steps

    @classmethod
    def load(cls, folder: str | Path | None = None, device: str = "cpu") -> Self:
        """The shipped composer, or the one in a folder that `ComposerPipeline.save_pretrained` wrote.

        Raises ValueError with one line for a folder that holds none.
        """
        source = present_path(folder or SHIPPED)
        return cls(*load_networks(source), EulerSchedule.from_pretrained(source, "scheduler")).to(device)

    def to(self, where: str | torch.device | torch.dtype) -> Self:
        """Move the networks to a device, or convert them to a precision."""
        self.prior.to(where)
        self.denoiser.to(where)
        return self

    @property
    def device(self) -> torch.device:
        return self._device or self.denoiser.device

    @property
    def reads(self) -> bool:
        """Whether it was trained with readings of references."""
        return bool(self.prior.config["reads"] and self.denoiser.config["reads"])

    @torch.no_grad()
    def sample(
        self,
        relation: Tensor,
        readings: ReadingBatch | None = None,
        generator: torch.Generator | Sequence[torch.Generator] | None = None,
        num_inference_steps: int = 24,
        guidance_scale: float = 1.0,
        relation_scale: float | Tensor = 1.0,
        settled: bool = True,
        callback_on_step_end: StepCallback | None = None,
    ) -> list[list[Element]]:
        """Sample one scene per row: its elements in drawing order, in the scene's own frame.

        relation: (B, 384), normalised here; readings: what was read of each row's reference, and how loosely that is to
        be followed; generator: one per row, or one from which each row's is seeded.
        relation_scale: strength of the relation tokens, one or (B,), 0 = unconditional; guidance_scale: classifier-free
        guidance, 1 = off; settled: snap what is nearly equal or nearly aligned (`settle`).
        callback_on_step_end(composer, step, timestep, values): values holds "rows", the numbers of the rows under way,
        and theirs of "latents", "clean" (what the step takes them to become), "tokens" and "mask"; a dict with
        "latents" that it returns goes on in their place.
        Raises ValueError for a relation of another shape, readings of another number of rows or for a composer that
        does not read, a wrong number of generators, or no steps.
        """
        # 1. Check and seed the rows.
        wanted = self.prior.config["relation_dim"]
        if relation.ndim != 2 or relation.shape[1] != wanted:
            raise ValueError(f"relation {tuple(relation.shape)} must be (rows, {wanted})")
        if readings is not None and not self.reads:
            raise ValueError("readings came, and this composer was trained without any: leave them out")
        if readings is not None and len(readings) != len(relation):
            raise ValueError(f"{len(readings)} readings for {len(relation)} rows: one per row is expected")
        if num_inference_steps < 1:
            raise ValueError(f"num_inference_steps is {num_inference_steps}, expected 1 or more")
        generators = self._row_generators(generator, len(relation))
        if not generators:
            return []
        device = self.device
        relation = unit(relation).to(device, self.denoiser.dtype)
        scale = torch.as_tensor(relation_scale, device=device, dtype=self.denoiser.dtype).expand(len(relation))
        if readings is not None:
            readings = loosened(readings, generators).to(device, self.denoiser.dtype)

        # 2. Skeletons: kinds and counts.
        tokens, mask = self.prior.sample(relation, generators, scale, guidance_scale, readings=readings)

        # 3. Noise, row by row, so that a row does not depend on the longest of its batch.
        counts = mask.sum(1).tolist()
        latents = torch.zeros(*mask.shape, NUM_FEATURES)
        for row, (count, row_generator) in enumerate(zip(counts, generators, strict=True)):
            latents[row, :count] = torch.randn(count, NUM_FEATURES, generator=row_generator)
        latents = latents.to(device, self.denoiser.dtype)

        # 4. Denoise, rows of like length together: all of a group are computed as long as its longest.
        for group in groups_of_like_length(counts):
            longest = max(counts[row] for row in group)
            seen = None if readings is None else readings.select(group)
            part = (latents[group, :longest], tokens[group, :longest], mask[group, :longest], relation[group], seen)
            latents[group, :longest] = self._denoise(
                *part, num_inference_steps, guidance_scale, scale[group], _of_rows(group, callback_on_step_end)
            )

        # 5. Elements.
        scenes = []
        for row_tokens, row_features, row_mask in zip(tokens.cpu(), latents.float().cpu(), mask.cpu(), strict=True):
            elements = decode(row_tokens[row_mask], row_features[row_mask])
            scenes.append(settle(elements) if settled else elements)
        return scenes

    @torch.no_grad()
    def denoising_error(
        self,
        scenes: Sequence[Sequence[Element]],
        relation: Tensor,
        readings: ReadingBatch | None = None,
        relation_scale: float | Tensor = 1.0,
        time: float = 0.3,
        draws: int = 2,
    ) -> Tensor:
        """The denoiser's error in predicting each scene from a noisy copy of it, (B,): large for malformed scenes.

        relation, readings: as for sampling, the readings as they are; time: share of noise, in (0, 1); draws: noisy
        copies whose errors are averaged, the same ones for every row, so that equal scenes have equal errors.
        """
        encoded = [encode(scene) for scene in scenes]
        counts = [len(scene.tokens) for scene in encoded]
        device, dtype = self.device, self.denoiser.dtype
        relation = unit(relation).to(device, dtype)
        scale = torch.as_tensor(relation_scale, device=device, dtype=dtype).expand(len(relation))
        readings = None if readings is None else readings.to(device, dtype)
        weight = torch.from_numpy(WEIGHT).to(device)
        errors = torch.zeros(len(scenes))
        for group in groups_of_like_length(counts):
            tokens, clean, mask = (part.to(device) for part in collate([encoded[row] for row in group]))
            seen = None if readings is None else readings.select(group)
            moment = torch.full((len(group),), time, device=device, dtype=dtype)
            share = weight * mask[..., None]
            for draw in range(draws):
                noise = torch.zeros_like(clean)
                for place, row in enumerate(group):
                    own = torch.Generator().manual_seed(draw)
                    noise[place, : counts[row]] = torch.randn(counts[row], NUM_FEATURES, generator=own)
                noisy = ((1 - time) * clean + time * noise).to(dtype)
                found = self.denoiser(noisy, moment, tokens, mask, relation[group], scale[group], None, seen)
                error = (found.float() - clean).square() * share
                errors[group] += (error.sum((1, 2)) / share.sum((1, 2)).clamp_min(1)).cpu() / draws
        return errors

    def _denoise(
        self,
        latents: Tensor,
        tokens: Tensor,
        mask: Tensor,
        relation: Tensor,
        readings: ReadingBatch | None,
        steps: int,
        guidance_scale: float,
        relation_scale: Tensor,
        callback_on_step_end: StepCallback | None,
    ) -> Tensor:
        """(B, n, NUM_FEATURES) of noise -> the same of clean features."""
        # A scheduler counts its steps: with one of its own, calls may run side by side in threads.
        scheduler = copy.deepcopy(self.scheduler)
        scheduler.set_timesteps(steps, device=latents.device)
        estimate: Tensor | None = None
        for step, timestep in enumerate(self._show_steps(scheduler.timesteps)):
            time = (timestep / scheduler.config["num_train_timesteps"]).to(latents.dtype).expand(len(latents))
            clean = self._guided(
                latents, time, tokens, mask, relation, readings, relation_scale, guidance_scale, estimate
            )
            estimate = clean
            velocity = (latents - clean) / time.view(-1, 1, 1)
            latents = scheduler.step(velocity, timestep, latents, return_dict=False)[0]
            if callback_on_step_end is not None:
                values = {"latents": latents, "clean": clean, "tokens": tokens, "mask": mask}
                changed = callback_on_step_end(self, step, int(timestep), values) or {}
                latents = changed.get("latents", latents)
        return latents

    def _guided(
        self,
        latents: Tensor,
        time: Tensor,
        tokens: Tensor,
        mask: Tensor,
        relation: Tensor,
        readings: ReadingBatch | None,
        relation_scale: Tensor,
        guidance_scale: float,
        estimate: Tensor | None,
    ) -> Tensor:
        if guidance_scale == 1.0 or not relation_scale.any():
            return self.denoiser(latents, time, tokens, mask, relation, relation_scale, estimate, readings)
        two = [torch.cat([t, t]) for t in (latents, time, tokens, mask, relation)]
        scale = torch.cat([relation_scale, torch.zeros_like(relation_scale)])
        again = None if estimate is None else torch.cat([estimate, estimate])
        conditional, free = self.denoiser(*two, scale, again, None if readings is None else readings.twice()).chunk(2)
        return free + guidance_scale * (conditional - free)

    @staticmethod
    def _row_generators(
        generator: torch.Generator | Sequence[torch.Generator] | None, rows: int
    ) -> list[torch.Generator]:
        if generator is None:
            generator = torch.Generator().manual_seed(torch.seed())
        if isinstance(generator, torch.Generator):
            seeds = torch.randint(2**62, (rows,), generator=generator)
            return [torch.Generator().manual_seed(int(seed)) for seed in seeds]
        if len(generator) != rows:
            raise ValueError(f"{len(generator)} generators for {rows} rows: one per row is expected")
        return list(generator)


def _of_rows(rows: list[int], callback: StepCallback | None) -> StepCallback | None:
    """The callback, with the numbers of the rows among its values."""
    if callback is None:
        return None
    return lambda composer, step, timestep, values: callback(composer, step, timestep, {**values, "rows": rows})


def groups_of_like_length(counts: Sequence[int]) -> list[list[int]]:
    """Row numbers in groups of at most MAX_GROUP, of at least MIN_GROUP where there are as many; shortest rows first.

    counts: elements per row. A group ends once it is large enough and the next row is longer than its last.
    """
    groups: list[list[int]] = []
    for row in sorted(range(len(counts)), key=lambda row: counts[row]):
        last = groups[-1] if groups else None
        if last is None or len(last) >= MAX_GROUP or (len(last) >= MIN_GROUP and counts[row] > counts[last[-1]]):
            groups.append([row])
        else:
            last.append(row)
    return groups


def load_networks(folder: Path) -> tuple[SkeletonPrior, SceneDenoiser]:
    """The two networks of a saved composer. Raises ValueError with one line."""
    with loading_lock:
        return SkeletonPrior.from_pretrained(folder, "prior"), SceneDenoiser.from_pretrained(folder, "denoiser")
