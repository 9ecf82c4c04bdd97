"""The composer as a pipeline of diffusers, for whoever loads it there; mini itself takes `SceneComposer`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from diffusers.pipelines import pipeline_loading_utils
from diffusers.pipelines.pipeline_utils import DiffusionPipeline
from diffusers.schedulers.scheduling_flow_match_euler_discrete import FlowMatchEulerDiscreteScheduler
from diffusers.utils.outputs import BaseOutput
from torch import Tensor

from analogen.pipelines.composer import scene_composer
from analogen.pipelines.composer.denoiser import SceneDenoiser
from analogen.pipelines.composer.euler_schedule import Scheduler
from analogen.pipelines.composer.prior import SkeletonPrior
from analogen.pipelines.composer.readings import ReadingBatch
from analogen.pipelines.composer.scene_composer import SceneComposer, StepCallback, load_networks
from analogen.pipelines.composer.stored_module import StoredModule
from analogen.relsim.old_paths import present_path
from analogen.relsim.world.scene import Element

# How diffusers saves and loads the parts, as it does its own models by `ModelMixin`.
_METHODS = {StoredModule.__name__: ["save_pretrained", "from_pretrained"]}
pipeline_loading_utils.LOADABLE_CLASSES[StoredModule.__module__] = _METHODS
pipeline_loading_utils.ALL_IMPORTABLE_CLASSES.update(_METHODS)
# Modules of the parts in composers that 0.2.0 saved, and where their classes are now.
_OLD_MODULES = {
    "analogen.pipelines.denoiser": SceneDenoiser.__module__,
    "analogen.pipelines.skeleton": SkeletonPrior.__module__,
}


@dataclass
class ComposerOutput(BaseOutput):
    """scenes: one list of elements per row, in drawing order, in the scene's own frame."""

    scenes: list[list[Element]]


class ComposerPipeline(DiffusionPipeline):
    """`SceneComposer` with diffusers' ways to load, save, move and offload, and with any of its schedulers."""

    model_cpu_offload_seq = "prior->denoiser"  # type: ignore[assignment]
    prior: SkeletonPrior
    denoiser: SceneDenoiser
    scheduler: FlowMatchEulerDiscreteScheduler

    def __init__(
        self, prior: SkeletonPrior, denoiser: SceneDenoiser, scheduler: FlowMatchEulerDiscreteScheduler
    ) -> None:
        super().__init__()
        self.register_modules(prior=prior, denoiser=denoiser, scheduler=scheduler)

    @classmethod
    def load_config(cls, *args: Any, **kwargs: Any) -> Any:
        """The configuration of a saved composer, with the parts' present modules in the place of those of 0.2.0."""
        config = super().load_config(*args, **kwargs)
        if isinstance(config, dict):
            for name, value in config.items():
                if isinstance(value, list) and value and value[0] in _OLD_MODULES:
                    config[name] = [_OLD_MODULES[value[0]], *value[1:]]
        return config

    @property
    def composer(self) -> SceneComposer:
        """The same networks and scheduler, without diffusers."""
        scheduler = cast(Scheduler, self.scheduler)
        return SceneComposer(self.prior, self.denoiser, scheduler, self._execution_device, self.progress_bar)

    @property
    def reads(self) -> bool:
        """Whether it was trained with readings of references."""
        return self.composer.reads

    @torch.no_grad()
    def __call__(
        self,
        relation: Tensor,
        readings: ReadingBatch | None = None,
        generator: torch.Generator | Sequence[torch.Generator] | None = None,
        num_inference_steps: int = 24,
        guidance_scale: float = 1.0,
        relation_scale: float | Tensor = 1.0,
        settled: bool = True,
        callback_on_step_end: StepCallback | None = None,
        return_dict: bool = True,
    ) -> ComposerOutput | tuple[list[list[Element]]]:
        """Sample one scene per row; arguments and errors as of `SceneComposer.sample`. callback_on_step_end gets this
        pipeline first; return_dict: False for a plain tuple."""
        on_step = callback_on_step_end
        scenes = self.composer.sample(
            relation, readings, generator, num_inference_steps, guidance_scale, relation_scale, settled,
            None if on_step is None else lambda _, step, timestep, values: on_step(self, step, timestep, values),
        )  # fmt: skip
        self.maybe_free_model_hooks()
        return ComposerOutput(scenes=scenes) if return_dict else (scenes,)

    def denoising_error(
        self,
        scenes: Sequence[Sequence[Element]],
        relation: Tensor,
        readings: ReadingBatch | None = None,
        relation_scale: float | Tensor = 1.0,
        time: float = 0.3,
        draws: int = 2,
    ) -> Tensor:
        """See `SceneComposer.denoising_error`."""
        return self.composer.denoising_error(scenes, relation, readings, relation_scale, time, draws)


def load_composer(folder: str | Path | None = None, device: str = "cpu") -> ComposerPipeline:
    """The shipped composer, or the one in a folder saved by `save_pretrained`. Raises ValueError with one line."""
    # Part by part: DiffusionPipeline.from_pretrained does the same behind a progress bar of its own.
    source = present_path(folder or scene_composer.SHIPPED)
    networks = load_networks(source)
    try:
        scheduler = FlowMatchEulerDiscreteScheduler.from_pretrained(str(source), subfolder="scheduler")
    except OSError as error:
        raise ValueError(f"{source}: has no scheduler ({' '.join(str(error).split())[:200]})") from error
    pipeline = ComposerPipeline(*networks, scheduler)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline.to(device)
