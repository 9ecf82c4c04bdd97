"""Many rows through one big pipeline, stage by stage: words, then denoising, then decoding.

sampler = DiffusionSampler(load_pipeline("sdxl-folder", DevicePlacement("cuda"), torch.bfloat16))
sampler.sample([ImageSpec("a ring of bicycles", seed=0), ImageSpec("a ring of cats", seed=1)])
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal

import numpy as np
import torch
from diffusers import ControlNetUnionModel, StableDiffusionXLControlNetUnionPipeline
from diffusers.pipelines.auto_pipeline import AutoPipelineForImage2Image, AutoPipelineForText2Image
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from analogen.pipelines.adapter.attach import attach
from analogen.pipelines.adapter.model import RelationalAdapter
from analogen.pipelines.diffusion.loading import LoadedPipeline, call_arguments, set_tiling
from analogen.relsim.data.batching import BatchSize, in_batches, is_out_of_memory
from analogen.relsim.text import TEXT_DIM

Report = Callable[[str, int, int], None]
Use = Literal["nothing", "edit", "start", "control"]
BATCH_SIZE = 8  # halved when memory runs out
# An edit model's own resizing takes every reference to a megapixel, which small pictures have no use for.
AUTO_RESIZE_FROM_PIXELS = 512 * 512


@dataclass(frozen=True)
class ImageSpec:
    """One picture to make: everything that decides it.

    picture: what is edited, started from or followed as a control image; None where only words are.
    relation: (384,), for a sampler with an adapter; None = no relation.
    """

    prompt: str
    seed: int
    width: int
    height: int
    negative_prompt: str | None = None
    picture: Image.Image | None = None
    relation: NDArray[np.float32] | None = None


class DiffusionSampler:
    """A loaded pipeline for any number of rows; row i is the same picture alone or among others.

    control: a ControlNet, for rows whose picture is a control image; control_mode: what a union of several is told
    that the picture is. adapter: rows follow their relations. Raises ValueError for an adapter that does not fit.
    """

    def __init__(
        self,
        loaded: LoadedPipeline,
        control: nn.Module | None = None,
        control_mode: int | None = None,
        adapter: RelationalAdapter | None = None,
    ) -> None:
        self.attached = None if adapter is None else attach(loaded.pipeline, adapter)
        self.loaded, self.kind, self.control_mode = loaded, loaded.kind, control_mode
        self.placement = loaded.placement
        self.control = control
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
        """One picture per row.

        use: what the rows' pictures are. strength: how far a start is painted over, (0, 1], or how strictly a control
        is followed. All rows are put into words first, then denoised in batches of one size, then decoded, so that
        each model is brought to the device once. Raises ValueError for what the pipeline cannot do, MemoryError if a
        row does not fit even alone.
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
            call = _PipelineCall(pipeline, self, use, steps, guidance_scale, strength, len(rows), report)
            # An edit model takes its pictures as one list, several of them for one prompt. A union of ControlNets
            # attends over the rows of a batch instead of over its conditions (diffusers 0.42), and would mix them.
            alone = use == "edit" or (use == "control" and isinstance(self.control, ControlNetUnionModel))
            size = BatchSize(1 if alone else batch_size)
            pictures: dict[int, Image.Image] = {}
            with _DeferredDecoding(pipeline) as later:
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
        """`run` over batches; before a row is given up for memory, the other models leave the device."""

        def careful(batch: list[int]) -> Any:
            try:
                return run(batch)
            except Exception as error:
                if len(batch) > 1 or not is_out_of_memory(error) or not self.placement.keep_one_model():
                    raise
            return run(batch)

        return in_batches(items, careful, size)

    def encode_prompts(
        self, pipeline: Any, rows: Sequence[ImageSpec], guidance_scale: float, size: BatchSize | None = None
    ) -> dict[int, dict[str, Tensor | str]]:
        """Row by row what the call takes for words: embeddings, or the words where a pipeline wants to embed them."""
        size = size or BatchSize(16)
        if not self.kind.encoded or not hasattr(pipeline, "encode_prompt"):
            return {index: _prompt_arguments(row, pipeline, self.kind.needs_negative) for index, row in enumerate(rows)}
        prompts: dict[int, dict[str, Tensor | str]] = {}

        def run(batch: list[int]) -> dict[str, Tensor]:
            return self._encoded(pipeline, [rows[index] for index in batch], guidance_scale > 1)

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

    def _encoded(self, pipeline: Any, some: list[ImageSpec], guided: bool) -> dict[str, Tensor]:
        """Embeddings of several rows, each (rows, ...), by the name that the call gives them."""
        names, takes = self.kind.encoded, set(inspect.signature(pipeline.encode_prompt).parameters)
        settings: dict[str, Any] = {"device": pipeline._execution_device, "num_images_per_prompt": 1}
        settings |= {name: None for name in ("prompt_2", "prompt_3") if name in takes}
        if "negative_prompt" in takes:
            settings["do_classifier_free_guidance"] = guided
            settings["negative_prompt"] = (
                [row.negative_prompt or "" for row in some] if some[0].negative_prompt else None
            )
        if "image" in takes:
            assert some[0].picture is not None, "rows of an edit model have a picture"
            settings["image"] = _picture_for_language_model(pipeline, some[0].picture)
        found = pipeline.encode_prompt(prompt=[row.prompt for row in some], **settings)
        collate_arguments = _named(names, found)
        if self.kind.needs_negative and guided:
            found = pipeline.encode_prompt(prompt=[row.negative_prompt or " " for row in some], **settings)
            collate_arguments |= {f"negative_{name}": value for name, value in _named(names, found).items()}
        return collate_arguments

    def _variant(self, use: Use) -> Any:
        """The pipeline of the same models that takes pictures so. Raises ValueError if diffusers has none."""
        base = self.loaded.pipeline
        if use == "nothing" or use == "edit":
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
            except (ValueError, TypeError, AttributeError) as error:
                what = "starting picture" if use == "start" else "ControlNet"
                raise ValueError(
                    f"--layout: diffusers has no pipeline of {self.kind.title} that takes a {what}: leave it out"
                ) from error
            self._variants[use].set_progress_bar_config(disable=True)
            if self.attached is not None:
                self.attached.share_with(self._variants[use])
        return self._variants[use]


class _PipelineCall:
    """The arguments of one call of a pipeline, whatever its kind takes."""

    def __init__(
        self,
        pipeline: Any,
        sampler: DiffusionSampler,
        use: Use,
        steps: int,
        guidance_scale: float,
        strength: float,
        total: int,
        report: Report | None,
    ) -> None:
        self.pipeline, self.sampler, self.use = pipeline, sampler, use
        self.steps, self.guidance_scale, self.strength = steps, guidance_scale, strength
        self.total, self.report, self.done = total, report, 0
        self.takes = call_arguments(pipeline)

    def __call__(
        self, batch: list[int], rows: Sequence[ImageSpec], prompts: dict[int, dict[str, Tensor | str]]
    ) -> list[Image.Image]:
        some = [rows[index] for index in batch]
        given: dict[str, Any] = {
            "num_inference_steps": self.steps,
            self.sampler.kind.guidance_name: self.guidance_scale,
            "width": some[0].width,
            "height": some[0].height,
            "generator": [torch.Generator("cpu").manual_seed(row.seed) for row in some],
            **collate_arguments([prompts[index] for index in batch]),
            **self._pictures(some),
            **self._relations(some),
        }
        if "true_cfg_scale" in self.takes and self.sampler.kind.guidance_name != "true_cfg_scale":
            # A model with distilled guidance heeds a negative prompt at twice the cost, if there is one.
            given["true_cfg_scale"] = 4.0 if "negative_prompt" in given else 1.0
        if self.report is not None and "callback_on_step_end" in self.takes:
            given["callback_on_step_end"] = self._on_step(len(batch))
        found = self.pipeline(**{name: value for name, value in given.items() if name in self.takes})
        self.done += len(batch)
        if self.report is not None:
            self.report("paint", self.done * self.steps, self.total * self.steps)
        images: list[Image.Image] = found.images
        return images

    def _relations(self, some: list[ImageSpec]) -> dict[str, Any]:
        attached = self.sampler.attached
        if attached is None:
            return {}
        none = np.zeros(TEXT_DIM, np.float32)
        return attached.inputs(np.stack([none if row.relation is None else row.relation for row in some]))

    def _pictures(self, some: list[ImageSpec]) -> dict[str, Any]:
        if self.use == "nothing":
            return {}
        pictures = []
        for row in some:
            assert row.picture is not None, "rows that use pictures have one"
            pictures.append(row.picture)
        width, height = some[0].width, some[0].height
        if self.use == "edit":
            given: dict[str, Any] = {"image": pictures[0], "input_images": pictures[0]}
            if "width" not in self.takes:  # the picture's own size decides
                given["image"] = pictures[0].resize((width, height), Image.Resampling.LANCZOS)
            if "_auto_resize" in self.takes:
                given["_auto_resize"] = width * height >= AUTO_RESIZE_FROM_PIXELS
                given["max_area"] = width * height
                if not given["_auto_resize"]:
                    given["image"] = pictures[0].resize((width, height), Image.Resampling.LANCZOS)
            return given
        fitted = [picture.resize((width, height), Image.Resampling.LANCZOS) for picture in pictures]
        if self.use == "start":
            return {"image": fitted, "strength": self.strength}
        name = "control_image" if "control_image" in self.takes else "image"
        given = {name: fitted, "controlnet_conditioning_scale": self.strength}
        mode = self.sampler.control_mode
        if mode is not None:
            given["control_mode"] = mode
        if isinstance(self.sampler.control, ControlNetUnionModel):
            # Lists of conditions, of which there is one.
            given |= {name: [fitted], "control_mode": [mode or 0]}
        return given

    def _on_step(self, rows: int) -> Callable[..., dict[str, Any]]:
        def on_step(pipeline: Any, step: int, timestep: Any, values: dict[str, Any]) -> dict[str, Any]:
            assert self.report is not None
            self.report("paint", self.done * self.steps + rows * (step + 1), self.total * self.steps)
            return values

        return on_step


class _DeferredDecoding:
    """While it is active the autoencoder's decoding is put off: calls leave their latents here instead.

    Every pipeline of diffusers unpacks, scales and shifts its latents in its own way before it calls `vae.decode`;
    noting what it hands over there serves them all. A pipeline without such a step gives its pictures at once.
    """

    def __init__(self, pipeline: Any) -> None:
        self.pipeline = pipeline
        self.vae = pipeline.components.get("vae")
        self.works = self.vae is not None and hasattr(pipeline, "image_processor")
        self._noted: Tensor | None = None

    def __enter__(self) -> _DeferredDecoding:
        if self.works:
            self._decode_now = self.vae.decode
            self.vae.decode = self._note
        return self

    def __exit__(self, *error: object) -> None:
        if self.works:
            self.vae.decode = self._decode_now

    def _note(self, latents: Tensor, *args: Any, **settings: Any) -> tuple[Tensor]:
        self._noted = latents
        return (latents.new_zeros(len(latents), 3, *([1] * (latents.ndim - 4)), 8, 8),)  # a stand-in, soon dropped

    def take(self, images: list[Image.Image]) -> list[Image.Image] | Tensor:
        """What the last call made: latents (B, ...) as `vae.decode` takes them, or its images if it decoded."""
        noted, self._noted = self._noted, None
        return images if noted is None else noted

    def decode(self, made: list[Image.Image] | Tensor) -> list[Image.Image]:
        if not isinstance(made, Tensor):
            return made
        if self.vae.dtype != made.dtype:
            self.vae.to(made.dtype)  # the pipeline had done so around its own call
        decoded = self._decode_now(made, return_dict=False)[0]
        if decoded.ndim == 5:  # (B, 3, 1, H, W), of an autoencoder of videos
            decoded = decoded[:, :, 0]
        flagged = [False] * len(decoded)
        if getattr(self.pipeline, "safety_checker", None) is not None:
            decoded, found = self.pipeline.run_safety_checker(decoded, decoded.device, made.dtype)
            flagged = list(found or flagged)
        pictures: list[Image.Image] = self.pipeline.image_processor.postprocess(
            decoded, output_type="pil", do_denormalize=[not one for one in flagged]
        )
        return pictures


def _groups_per_call(rows: Sequence[ImageSpec]) -> list[list[int]]:
    """Rows that can share a call: of one size, and all with or all without a negative prompt, which for a model of
    distilled guidance is a pass of its own."""
    groups: dict[tuple[int, int, bool], list[int]] = {}
    for index, row in enumerate(rows):
        groups.setdefault((row.width, row.height, bool(row.negative_prompt)), []).append(index)
    return list(groups.values())


def _prompt_arguments(row: ImageSpec, pipeline: Any, needs_negative: bool) -> dict[str, Tensor | str]:
    words: dict[str, Tensor | str] = {"prompt": row.prompt}
    if row.negative_prompt or needs_negative:
        words["negative_prompt"] = row.negative_prompt or " "
    return words


def _named(names: Sequence[str], found: Sequence[Tensor | None]) -> dict[str, Tensor]:
    """What `encode_prompt` returned, by name. A mask that was left out since all tokens count is made, since rows
    that are encoded later may be of another length."""
    named = dict(zip(names, found, strict=True))
    embeds = next(value for value in found if value is not None)
    for name, value in named.items():
        if name.endswith("_mask") and value is None:
            named[name] = embeds.new_ones(embeds.shape[:2], dtype=torch.long)
    return {name: value for name, value in named.items() if name and value is not None}


def _picture_for_language_model(pipeline: Any, picture: Image.Image) -> Image.Image:
    """As Qwen-Image-Edit's pipelines show a picture to their language model."""
    module = sys.modules[type(pipeline).__module__]
    area = getattr(module, "CONDITION_IMAGE_SIZE", 1024 * 1024)
    width, height, *_ = module.calculate_dimensions(area, picture.width / picture.height)
    resized: Image.Image = pipeline.image_processor.resize(picture, height, width)
    return resized


def collate_arguments(rows: list[dict[str, Tensor | str]]) -> dict[str, Any]:
    """The rows' values as batches: tensors stacked, shorter sequences filled up with zeros, words listed."""
    whole: dict[str, Any] = {}
    for name in dict.fromkeys(name for row in rows for name in row):
        values = [row.get(name) for row in rows]
        tensors = [value for value in values if isinstance(value, Tensor)]
        if len(tensors) < len(values):
            whole[name] = [value or "" for value in values]
            continue
        if tensors[0].ndim > 1:
            longest = max(value.shape[1] for value in tensors)
            tensors = [_filled(value, longest) for value in tensors]
        whole[name] = torch.cat(tensors)
    return whole


def _filled(value: Tensor, length: int) -> Tensor:
    """(1, n, ...) -> (1, length, ...)."""
    missing = length - value.shape[1]
    return value if not missing else torch.cat([value, value.new_zeros(1, missing, *value.shape[2:])], dim=1)
