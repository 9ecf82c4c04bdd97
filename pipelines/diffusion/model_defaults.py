"""The defaults of each kind of diffusers pipeline, such as SDXL or FLUX: steps, guidance, sizes, and how it is called.

Imports neither torch nor diffusers, so that a folder or a hub's `model_index.json` can be recognised before anything is
loaded.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

MAX_INDEX_BYTES = 2**20
MIN_SIDE_PX, MAX_SIDE_PX = 64, 4096


@dataclass(frozen=True)
class PipelineKind:
    """What differs between pipelines.

    name, title      One word for adapters and error lines; what people call it.
    pipelines        Class names, as `model_index.json` gives them.
    takes            "words": a prompt; "picture": a picture and an instruction.
    side_px          Of the pictures that it was trained on. unit_px: sides are multiples of it.
    steps, guidance  Where neither the user nor a few-step LoRA says otherwise.
    guidance_name    The argument of the call that means classifier-free guidance, or the model's own distilled one.
    encoded          What `encode_prompt` returns, as arguments of the call; () if words go into the call itself.
    needs_negative   Guidance acts only beside a negative prompt, if only an empty one.
    """

    name: str
    title: str
    pipelines: tuple[str, ...]
    takes: Literal["words", "picture"] = "words"
    side_px: int = 1024
    unit_px: int = 16
    steps: int = 28
    guidance: float = 3.5
    guidance_name: str = "guidance_scale"
    encoded: tuple[str, ...] = ()
    needs_negative: bool = False

    def fitting(self, width: int, height: int) -> tuple[int, int]:
        """The nearest size that such a pipeline can make."""
        return tuple(  # type: ignore[return-value]
            min(MAX_SIDE_PX, max(MIN_SIDE_PX, round(side / self.unit_px) * self.unit_px)) for side in (width, height)
        )

    def check_size(self, width: int, height: int) -> None:
        """Raises ValueError for a size that such a pipeline cannot make, naming the nearest one that it can."""
        fitting = self.fitting(width, height)
        if fitting != (width, height):
            raise ValueError(
                f"{width} x {height}: {self.title} makes sides that are multiples of {self.unit_px} from {MIN_SIDE_PX} "
                f"to {MAX_SIDE_PX} pixels: try --width {fitting[0]} --height {fitting[1]}"
            )


_CLIP = ("prompt_embeds", "negative_prompt_embeds")
_POOLED = (*_CLIP, "pooled_prompt_embeds", "negative_pooled_prompt_embeds")
_FLUX = ("prompt_embeds", "pooled_prompt_embeds", "")
_QWEN = ("prompt_embeds", "prompt_embeds_mask")
KINDS = (
    PipelineKind(
        "sd15", "Stable Diffusion 1.5", ("StableDiffusionPipeline",),
        side_px=512, unit_px=8, steps=30, guidance=7.5, encoded=_CLIP,
    ),
    PipelineKind(
        "sdxl", "Stable Diffusion XL", ("StableDiffusionXLPipeline",),
        unit_px=8, steps=30, guidance=5.0, encoded=_POOLED,
    ),
    PipelineKind(
        "sd3", "Stable Diffusion 3", ("StableDiffusion3Pipeline",),
        steps=28, guidance=4.5, encoded=_POOLED,
    ),
    PipelineKind(
        "flux", "FLUX.1", ("FluxPipeline",),
        steps=28, guidance=3.5, encoded=_FLUX,
    ),
    PipelineKind(
        "flux2", "FLUX.2", ("Flux2Pipeline", "Flux2KleinPipeline"), "picture",
        steps=28, guidance=4.0,
    ),
    PipelineKind(
        "qwen-image", "Qwen-Image", ("QwenImagePipeline",),
        steps=50, guidance=4.0, guidance_name="true_cfg_scale", encoded=_QWEN, needs_negative=True,
    ),
    PipelineKind(
        "z-image", "Z-Image", ("ZImagePipeline",),
        steps=9, guidance=0.0,
    ),
    PipelineKind(
        "kontext", "FLUX.1 Kontext", ("FluxKontextPipeline",), "picture",
        steps=28, guidance=2.5, encoded=_FLUX,
    ),
    PipelineKind(
        "qwen-edit", "Qwen-Image-Edit", ("QwenImageEditPipeline", "QwenImageEditPlusPipeline"), "picture",
        steps=40, guidance=4.0, guidance_name="true_cfg_scale", encoded=_QWEN, needs_negative=True,
    ),
    PipelineKind(
        "pix2pix", "InstructPix2Pix", ("StableDiffusionInstructPix2PixPipeline",), "picture",
        side_px=512, unit_px=8, steps=50, guidance=7.5,
    ),
    PipelineKind(
        "longcat-edit", "LongCat-Image-Edit", ("LongCatImageEditPipeline",), "picture",
        steps=50, guidance=4.5,
    ),
    PipelineKind(
        "joy-edit", "JoyImage-Edit", ("JoyImageEditPipeline",), "picture",
        steps=40, guidance=4.0,
    ),
    PipelineKind(
        "glm-image", "GLM-Image", ("GlmImagePipeline",), "picture",
        unit_px=32, steps=50, guidance=1.5,
    ),
)  # fmt: skip
OTHERS = "others"


def kind_of(index: Mapping[str, Any], where: str) -> PipelineKind:
    """The kind of a parsed `model_index.json`; `where` it came from goes into the error's line.

    Raises ValueError if it is that of no pipeline that paints from words or from a picture with words. Classes that
    are not listed here are recognised by their call, once diffusers is imported (`kind_by_call`): their kind is
    called OTHERS and holds nothing but the class.
    """
    name = index.get("_class_name")
    name = name[-1] if isinstance(name, list) and name else name
    if not isinstance(name, str) or not name.endswith("Pipeline"):
        raise ValueError(
            f"{where}: names no diffusers pipeline (_class_name is {name!r}): expected a folder saved by "
            "save_pretrained of a pipeline"
        )
    known = {pipeline: kind for kind in KINDS for pipeline in kind.pipelines}
    return known.get(name, PipelineKind(OTHERS, name, (name,)))


def read_index(folder: str | Path) -> dict[str, Any]:
    """`model_index.json` of a pipeline's folder. Raises FileNotFoundError or ValueError with one line."""
    path = Path(folder) / "model_index.json"
    if not path.is_file():
        raise FileNotFoundError(
            f"{folder}: has no model_index.json: expected the folder of a diffusers pipeline; a single checkpoint file "
            "becomes one by from_single_file and save_pretrained"
        )
    if path.stat().st_size > MAX_INDEX_BYTES:
        raise ValueError(f"{path}: is {path.stat().st_size} bytes: no model_index.json of a pipeline is that large")
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: is no JSON ({error}): fetch the model again") from error
    if not isinstance(index, dict):
        raise ValueError(f"{path}: holds {type(index).__name__}, expected an object: fetch the model again")
    return index


def kind_by_call(name: str, arguments: Mapping[str, Any]) -> PipelineKind:
    """The kind of a pipeline class that KINDS does not list, by the arguments of its call and their defaults.

    Raises ValueError for one that paints neither from words nor from a picture and words: a video, sound, inpainting
    or upscaling pipeline.
    """
    refused = {"num_frames", "mask_image", "audio_end_in_s", "audio_length_in_s", "control_image", "strength"}
    if "prompt" not in arguments or refused & set(arguments):
        raise ValueError(
            f"{name}: paints neither from words nor from a picture and words: name a text-to-image or edit model"
        )
    guided = "true_cfg_scale" if "true_cfg_scale" in arguments else "guidance_scale"
    guidance, steps = arguments.get(guided), arguments.get("num_inference_steps")
    return PipelineKind(
        OTHERS,
        name.removesuffix("Pipeline"),
        (name,),
        "picture" if "image" in arguments else "words",
        unit_px=32,
        steps=steps if isinstance(steps, int) else 28,
        guidance=float(guidance) if isinstance(guidance, int | float) else 3.5,
        guidance_name=guided,
        needs_negative=guided == "true_cfg_scale",
    )
