"""Calls any diffusers pipeline on a batch of rows; the latents can be decoded later."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
from diffusers import ControlNetUnionModel
from PIL import Image
from torch import Tensor, nn

from analogen.pipelines.adapter.attach import Attachment
from analogen.pipelines.diffusion.image_spec import ImageSpec
from analogen.pipelines.diffusion.loading import LoadedPipeline, call_arguments
from analogen.pipelines.diffusion.modular import ModularAdapter
from analogen.pipelines.diffusion.prompt_encoding import collate_arguments
from analogen.relsim.images import as_rgb
from analogen.relsim.text import TEXT_DIM

Report = Callable[[str, int, int], None]
Use = Literal["nothing", "edit", "start", "control"]
# An edit model's own resizing takes every reference to a megapixel, which small pictures have no use for.
AUTO_RESIZE_FROM_PIXELS = 512 * 512
# Switches of pipelines that let a language model rewrite the prompt: it is to be the one that is shown and recorded.
REWRITES = {"use_pe": False, "enable_prompt_rewrite": False, "prompt_upsampling": False}


class PipelineCall:
    """Calls a pipeline on a batch of rows, with the arguments that its kind takes."""

    def __init__(
        self,
        pipeline: Any,
        loaded: LoadedPipeline,
        attached: Attachment | None,
        control: nn.Module | None,
        control_mode: int | None,
        use: Use,
        steps: int,
        guidance_scale: float | None,
        strength: float,
        total: int,
        report: Report | None,
    ) -> None:
        self.pipeline, self.kind, self.attached, self.use = pipeline, loaded.kind, attached, use
        self.control, self.control_mode = control, control_mode
        self.steps, self.guidance_scale, self.strength = steps, guidance_scale, strength
        self.total, self.report, self.done = total, report, 0
        self.takes = call_arguments(pipeline)

    def __call__(
        self, batch: list[int], rows: Sequence[ImageSpec], prompts: Mapping[int, dict[str, Tensor | str]]
    ) -> list[Image.Image]:
        some = [rows[index] for index in batch]
        given: dict[str, Any] = {
            **REWRITES,
            "num_inference_steps": self.steps,
            **self._guidance(),
            "width": some[0].width,
            "height": some[0].height,
            "generator": [torch.Generator("cpu").manual_seed(row.seed) for row in some],
            **collate_arguments([prompts[index] for index in batch]),
            **self._pictures(some),
            **self._regions(some[0]),
            **self._relations(some),
        }
        if "true_cfg_scale" in self.takes and self.kind.guidance_name != "true_cfg_scale":
            # A model with distilled guidance heeds a negative prompt at twice the cost, if there is one.
            given["true_cfg_scale"] = 4.0 if "negative_prompt" in given else 1.0
        if self.report is not None and "callback_on_step_end" in self.takes:
            given["callback_on_step_end"] = self._on_step(len(batch))
        found = self.pipeline(**{name: value for name, value in given.items() if name in self.takes})
        self.done += len(batch)
        if self.report is not None:
            self.report("paint", self.done * self.steps, self.total * self.steps)
        # Some make pictures with alpha.
        images = [as_rgb(image) if image.mode != "RGB" else image for image in found.images]
        return images

    def _guidance(self) -> dict[str, Any]:
        """The arguments that say how strictly the prompt is followed; none where the pipeline's own say it."""
        scale, guider = self.guidance_scale, self.pipeline.components.get("guider")
        if guider is not None:  # of a pipeline whose call has no such argument
            guider.guidance_scale = guider.config["guidance_scale"] if scale is None else scale
        schedule = self.takes.get("guidance_schedule")
        if schedule is not None:  # one scale for each step
            if scale is not None:
                return {"guidance_scale": scale, "guidance_schedule": None}
            places = [min(len(schedule) - 1, step * len(schedule) // self.steps) for step in range(self.steps)]
            return {"guidance_schedule": tuple(schedule[place] for place in places)}
        return {} if scale is None else {self.kind.guidance_name: scale}

    def _relations(self, some: list[ImageSpec]) -> dict[str, Any]:
        attached = self.attached
        if attached is None:
            return {}
        none = np.zeros(TEXT_DIM, np.float32)
        return attached.inputs(np.stack([none if row.relation is None else row.relation for row in some]))

    def _regions(self, row: ImageSpec) -> dict[str, Any]:
        """What is given to one row at a time: the looks of its style picture, and its boxes."""
        given: dict[str, Any] = {}
        if row.style is not None:
            given["ip_adapter_image"] = row.style
        if row.boxes:
            given["gligen_phrases"] = [box.words for box in row.boxes]
            given["gligen_boxes"] = [[box.left, box.top, box.right, box.bottom] for box in row.boxes]
        elif self.kind.boxes == "regions":
            raise ValueError(f"{self.kind.title} paints from boxes, and none were given: add --layout boxes")
        return given

    def _pictures(self, some: list[ImageSpec]) -> dict[str, Any]:
        if self.use == "nothing":
            return {}
        pictures = []
        for row in some:
            assert row.picture is not None, "rows that use pictures have one"
            pictures.append(row.picture)
        width, height = some[0].width, some[0].height
        if self.use == "edit":
            more = list(some[0].more)
            if len(more) >= max(1, self.kind.pictures):
                raise ValueError(
                    f"{1 + len(more)} pictures came: {self.kind.title} takes {self.kind.pictures} beside the words"
                )
            given: dict[str, Any] = {"image": pictures[0], "images": [pictures[0], *more], "input_images": pictures[0]}
            small = width * height < AUTO_RESIZE_FROM_PIXELS
            if small and "output_resolution" in self.takes:
                given["output_resolution"] = round((width * height) ** 0.5)
            if self.kind.pictures > 1:
                return given | {"image": [pictures[0], *more]}
            if "width" not in self.takes:  # the picture's own size decides
                given["image"] = pictures[0].resize((width, height), Image.Resampling.LANCZOS)
            if "_auto_resize" in self.takes:
                given["_auto_resize"] = not small
                given["max_area"] = width * height
                if not given["_auto_resize"]:
                    given["image"] = pictures[0].resize((width, height), Image.Resampling.LANCZOS)
            return given
        fitted = [picture.resize((width, height), Image.Resampling.LANCZOS) for picture in pictures]
        if self.use == "start":
            return {"image": fitted, "strength": self.strength}
        name = "control_image" if "control_image" in self.takes else "image"
        given = {name: fitted, "controlnet_conditioning_scale": self.strength}
        mode = self.control_mode
        if mode is not None:
            given["control_mode"] = mode
        if isinstance(self.control, ControlNetUnionModel):
            # Lists of conditions, of which there is one.
            given |= {name: [fitted], "control_mode": [mode or 0]}
        return given

    def _on_step(self, rows: int) -> Callable[..., dict[str, Any]]:
        def on_step(pipeline: Any, step: int, timestep: Any, values: dict[str, Any]) -> dict[str, Any]:
            assert self.report is not None
            self.report("paint", self.done * self.steps + rows * (step + 1), self.total * self.steps)
            return values

        return on_step


class DeferredDecoding:
    """A context in which a pipeline's calls leave their latents undecoded, to be decoded later.

    Every pipeline of diffusers unpacks, scales and shifts its latents in its own way before it calls `vae.decode`, so
    the latents are taken there. A pipeline without such a step returns its images at once.
    """

    def __init__(self, pipeline: Any) -> None:
        self.pipeline = pipeline
        self.vae = pipeline.components.get("vae")
        ordinary = hasattr(pipeline, "image_processor") and not isinstance(pipeline, ModularAdapter)
        self.works = self.vae is not None and ordinary
        self._noted: Tensor | None = None

    def __enter__(self) -> DeferredDecoding:
        if self.works:
            self._decode_now = self.vae.decode
            self.vae.decode = self._note
        return self

    def __exit__(self, *error: object) -> None:
        if self.works:
            self.vae.decode = self._decode_now

    def _note(self, latents: Tensor, *args: Any, **settings: Any) -> tuple[Tensor]:
        self._noted = latents
        return (latents.new_zeros(len(latents), 3, *([1] * (latents.ndim - 4)), 8, 8),)  # unused

    def take(self, images: list[Image.Image]) -> list[Image.Image] | Tensor:
        """Returns the latents of the last call, (B, ...) as `vae.decode` takes them, or its images if it decoded."""
        noted, self._noted = self._noted, None
        return images if noted is None else noted

    def decode(self, made: list[Image.Image] | Tensor) -> list[Image.Image]:
        if not isinstance(made, Tensor):
            return made
        if self.vae.dtype != made.dtype:
            self.vae.to(made.dtype)  # as the pipeline did around its own call
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
        return [as_rgb(picture) if picture.mode != "RGB" else picture for picture in pictures]
