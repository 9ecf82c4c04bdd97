"""Samples batches from any diffusers pipeline, stage by stage: encodes prompts, denoises, decodes.

sampler = DiffusionSampler(load_pipeline("sdxl-folder", DevicePlacement("cuda"), torch.bfloat16))
sampler.sample([ImageSpec("a ring of bicycles", seed=0), ImageSpec("a ring of cats", seed=1)])
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

import torch
from diffusers import ControlNetUnionModel, StableDiffusionXLControlNetUnionPipeline
from diffusers.pipelines.auto_pipeline import AutoPipelineForImage2Image, AutoPipelineForText2Image
from PIL import Image
from torch import Tensor, nn

from analogen.pipelines.adapter.attach import attach
from analogen.pipelines.adapter.model import RelationalAdapter
from analogen.pipelines.diffusion.image_spec import ImageSpec
from analogen.pipelines.diffusion.loading import LoadedPipeline, call_arguments, set_tiling
from analogen.pipelines.diffusion.modular import ModularAdapter
from analogen.pipelines.diffusion.pipeline_call import DeferredDecoding, PipelineCall, Report, Use
from analogen.pipelines.diffusion.prompt_encoding import encode_rows, prompt_arguments
from analogen.pipelines.diffusion.redux import Redux
from analogen.relsim.data.batching import BatchSize, in_batches, is_out_of_memory

BATCH_SIZE = 8  # halved when memory runs out


class DiffusionSampler:
    """Samples any number of images from a loaded pipeline; row i gives the same image alone or in a batch.

    control: a ControlNet, for rows whose picture is a control image; control_mode: the kind of that image, for a
    ControlNet that serves several. adapter: makes rows follow their relations. redux: gives rows the looks of their
    style picture, where the pipeline has no IP-Adapter for that. Raises ValueError if it does not fit.
    """

    def __init__(
        self,
        loaded: LoadedPipeline,
        control: nn.Module | None = None,
        control_mode: int | None = None,
        adapter: RelationalAdapter | None = None,
        redux: Redux | None = None,
    ) -> None:
        self.attached = None if adapter is None else attach(loaded.pipeline, adapter)
        self.loaded, self.kind, self.control_mode = loaded, loaded.kind, control_mode
        self.placement = loaded.placement
        self.control, self.redux = control, redux
        if control is not None:
            self.placement.add("controlnet", control)
        self._variants: dict[Use, Any] = {}

    def sample(
        self,
        rows: Sequence[ImageSpec],
        use: Use = "nothing",
        steps: int | None = None,
        guidance_scale: float | None = None,
        strength: float = 0.75,
        report: Report | None = None,
        batch_size: int = BATCH_SIZE,
    ) -> list[Image.Image]:
        """Returns one image per row.

        use: what the rows' pictures are for. strength: for "start" how much of the picture is replaced, (0, 1]; for
        "control" how strictly it is followed. report: called with the stage's name, steps done and steps in all.
        batch_size: rows that are denoised together; it is halved when memory runs out. All prompts are encoded first,
        then all rows are denoised, then decoded, so that each model moves to the device once. Raises ValueError for
        what the pipeline cannot do, MemoryError if a row does not fit even alone.
        """
        for row in rows:
            self.kind.check_size(row.width, row.height)
        fast = self.loaded.few_steps
        steps = steps or (fast.steps if fast else self.kind.steps)
        if guidance_scale is None:
            guidance_scale = fast.guidance if fast else self.kind.guidance
        pipeline = self._variant(use)
        with torch.inference_mode():
            prompts = self.encode_prompts(pipeline, rows, guidance_scale, BatchSize(max(batch_size, 16)))
            if self.redux is not None:
                rows = self._with_looks(rows, prompts, self.redux)
            call = PipelineCall(
                pipeline, self.loaded, self.attached, self.control, self.control_mode, use, steps, guidance_scale,
                strength, len(rows), report,
            )  # fmt: skip
            # An edit model takes its pictures as one list, several of them for one prompt. A union of ControlNets
            # attends over the rows of a batch instead of over its conditions (diffusers 0.42), and would mix them.
            modular = isinstance(self.loaded.pipeline, ModularAdapter)  # some of its steps take one prompt
            apart = any(row.style is not None or row.boxes for row in rows)  # one picture or list for a whole batch
            alone = (
                use == "edit"
                or modular
                or apart
                or (use == "control" and isinstance(self.control, ControlNetUnionModel))
            )
            size = BatchSize(1 if alone else batch_size)
            pictures: dict[int, Image.Image] = {}
            with DeferredDecoding(pipeline) as later:
                made: list[tuple[list[int], list[Image.Image] | Tensor]] = []
                for group in _groups_per_call(rows):
                    made += self._batches(group, lambda batch: later.take(call(batch, rows, prompts)), size)
                for batch, found in made:
                    set_tiling(pipeline, rows[batch[0]].width, rows[batch[0]].height)
                    pictures.update(zip(batch, later.decode(found), strict=True))
        return [pictures[index] for index in range(len(rows))]

    def _batches(
        self, items: Sequence[int], run: Callable[[list[int]], Any], size: BatchSize
    ) -> Iterator[tuple[list[int], Any]]:
        """`run` over batches; a single row that does not fit in memory runs again with no other model on the device."""

        def careful(batch: list[int]) -> Any:
            try:
                return run(batch)
            except Exception as error:
                if len(batch) > 1 or not is_out_of_memory(error) or not self.placement.keep_one_model():
                    raise
            return run(batch)

        return in_batches(items, careful, size)

    def encode_prompts(
        self, pipeline: Any, rows: Sequence[ImageSpec], guidance_scale: float | None, size: BatchSize | None = None
    ) -> dict[int, dict[str, Tensor | str]]:
        """The arguments of the call by row: embeddings, or the prompts where the pipeline embeds them itself."""
        size = size or BatchSize(16)
        if not self.kind.encoded or not hasattr(pipeline, "encode_prompt"):
            return {index: prompt_arguments(row, self.kind.needs_negative) for index, row in enumerate(rows)}
        prompts: dict[int, dict[str, Tensor | str]] = {}

        def run(batch: list[int]) -> dict[str, Tensor]:
            return encode_rows(pipeline, self.kind, [rows[index] for index in batch], (guidance_scale or 0) > 1)

        reads_pictures = "image" in inspect.signature(pipeline.encode_prompt).parameters
        # Apart: some pipelines put zeros, and not the embedding of "", where no negative prompt is given at all.
        steered = [index for index, row in enumerate(rows) if row.negative_prompt]
        free = [index for index, row in enumerate(rows) if not row.negative_prompt]
        for batch, found in chain.from_iterable(
            self._batches(some, run, BatchSize(1) if reads_pictures else size) for some in (steered, free)
        ):
            for place, index in enumerate(batch):
                prompts[index] = {name: value[place : place + 1] for name, value in found.items()}
                plain = "negative_prompt_embeds" not in found and not self.kind.needs_negative
                if plain and rows[index].negative_prompt:
                    prompts[index]["negative_prompt"] = str(rows[index].negative_prompt)
        return prompts

    def _with_looks(
        self, rows: Sequence[ImageSpec], prompts: dict[int, dict[str, Tensor | str]], redux: Redux
    ) -> list[ImageSpec]:
        """Append the tokens of each row's style picture to its prompt. Returns the rows without these pictures."""
        for index, row in enumerate(rows):
            if row.style is not None:
                words = prompts[index]["prompt_embeds"]
                assert isinstance(words, Tensor), "FLUX's prompts are encoded before its call"
                prompts[index]["prompt_embeds"] = torch.cat([words, redux.tokens(row.style, words)], dim=1)
        return [replace(row, style=None) for row in rows]

    def _variant(self, use: Use) -> Any:
        """The pipeline of the same models for this use of pictures. Raises ValueError if diffusers has none."""
        base = self.loaded.pipeline
        if use == "nothing" or use == "edit":
            return base
        if use == "start" and {"image", "strength"} <= set(call_arguments(base)):
            return base
        if use not in self._variants:
            try:
                if use == "start":
                    self._variants[use] = AutoPipelineForImage2Image.from_pipe(base)
                elif isinstance(self.control, ControlNetUnionModel):
                    self._variants[use] = StableDiffusionXLControlNetUnionPipeline.from_pipe(
                        base, controlnet=self.control
                    )
                else:
                    self._variants[use] = AutoPipelineForText2Image.from_pipe(base, controlnet=self.control)
                if use == "start" and "strength" not in call_arguments(self._variants[use]):
                    raise ValueError("its pipeline with a picture edits it instead of starting from it")
            except (ValueError, TypeError, AttributeError) as error:
                self._variants.pop(use, None)
                what = "starting picture" if use == "start" else "ControlNet"
                raise ValueError(
                    f"--layout: diffusers has no pipeline of {self.kind.title} that takes a {what}: take --layout "
                    "boxes, or leave it out"
                ) from error
            self._variants[use].set_progress_bar_config(disable=True)
            if self.attached is not None:
                self.attached.share_with(self._variants[use])
        return self._variants[use]


def _groups_per_call(rows: Sequence[ImageSpec]) -> list[list[int]]:
    """Numbers of the rows that can share a call: of one size, and all with or all without a negative prompt, which
    costs a model with distilled guidance a second pass."""
    groups: dict[tuple[int, int, bool], list[int]] = {}
    for index, row in enumerate(rows):
        groups.setdefault((row.width, row.height, bool(row.negative_prompt)), []).append(index)
    return list(groups.values())
