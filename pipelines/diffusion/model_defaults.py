"""The defaults of each kind of diffusers pipeline, such as SDXL or FLUX: steps, guidance, sizes, and how it is called.

`capabilities` tells what else each can do, read from its class.

Imports neither torch nor diffusers, so that a folder or a hub's `model_index.json` can be recognised before anything is
loaded.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

MAX_INDEX_BYTES = 2**20
MIN_SIDE_PX, MAX_SIDE_PX = 64, 4096


@dataclass(frozen=True)
class Version:
    """A version of a pipeline whose files tell it apart, with its own defaults.

    file, key, value  The version is the one where `key` in this JSON file of the folder equals `value`.
    steps, guidance   As in `PipelineKind`.
    """

    file: str
    key: str
    value: object
    steps: int
    guidance: float | None


@dataclass(frozen=True)
class PipelineKind:
    """What differs between pipelines.

    name, title      One word for adapters and error lines; what people call it.
    pipelines        Class names, as `model_index.json` or `modular_model_index.json` gives them.
    takes            "words": a prompt; "picture": a picture and an instruction; "either": a prompt, or both.
    pictures         How many pictures one call takes beside the words.
    side_px          Of the pictures that it was trained on. unit_px: sides are multiples of it.
    steps, guidance  Where neither the user nor a few-step LoRA says otherwise. Guidance None is the pipeline's own:
                     that of its guider, or its schedule.
    versions         Versions with other steps and guidance.
    departs          Why steps or guidance are not the defaults of the pipeline's call, where they are not.
    guidance_name    The argument of the call that means classifier-free guidance, or the model's own distilled one.
    encoded          What `encode_prompt` returns, as arguments of the call; () if words go into the call itself.
    needs_negative   Guidance acts only beside a negative prompt, if only an empty one.
    style            A published IP-Adapter gives it the looks of a picture, see `style_picture`.
    boxes            The dialect in which its prompt says where things stand, see `layout_boxes`; "" if it has none.
    """

    name: str
    title: str
    pipelines: tuple[str, ...]
    takes: Literal["words", "picture", "either"] = "words"
    pictures: int = 0
    side_px: int = 1024
    unit_px: int = 16
    steps: int = 28
    guidance: float | None = 3.5
    versions: tuple[Version, ...] = ()
    departs: str = ""
    guidance_name: str = "guidance_scale"
    encoded: tuple[str, ...] = ()
    needs_negative: bool = False
    style: bool = False
    boxes: str = ""

    def in_folder(self, folder: str | Path) -> PipelineKind:
        """The kind with the steps and guidance of the version that lies in `folder`."""
        for version in self.versions:
            try:
                found = json.loads((Path(folder) / version.file).read_text(encoding="utf-8"))[version.key]
            except (OSError, ValueError, KeyError, TypeError):
                continue
            if (found[-1] if isinstance(found, list) and found else found) == version.value:
                return replace(self, steps=version.steps, guidance=version.guidance)
        return self

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


INDEX, MODULAR_INDEX = "model_index.json", "modular_model_index.json"
_CLIP = ("prompt_embeds", "negative_prompt_embeds")
_POOLED = (*_CLIP, "pooled_prompt_embeds", "negative_pooled_prompt_embeds")
_FLUX = ("prompt_embeds", "pooled_prompt_embeds", "")
_QWEN = ("prompt_embeds", "prompt_embeds_mask")
_FAST = "30 steps, as in diffusers' own measurements of its speed; the call's default is 50"
_CARD = "steps and guidance of the model cards"
KINDS = (
    PipelineKind(
        "sd15", "Stable Diffusion 1.5", ("StableDiffusionPipeline",),
        side_px=512, unit_px=8, steps=30, guidance=7.5, departs=_FAST, encoded=_CLIP, style=True,
    ),
    PipelineKind(
        "sdxl", "Stable Diffusion XL", ("StableDiffusionXLPipeline",),
        unit_px=8, steps=30, guidance=5.0, departs=_FAST, encoded=_POOLED, style=True,
    ),
    PipelineKind(
        "sd3", "Stable Diffusion 3", ("StableDiffusion3Pipeline",),
        steps=28, guidance=4.5, departs=_CARD, encoded=_POOLED,
        versions=(
            Version("transformer/config.json", "num_layers", 24, 40, 4.5),  # 3.5 medium
            Version("transformer/config.json", "num_layers", 38, 28, 3.5),  # 3.5 large
        ),
    ),
    PipelineKind(
        "flux", "FLUX.1", ("FluxPipeline",),
        steps=28, guidance=3.5, encoded=_FLUX, style=True,
        versions=(Version("transformer/config.json", "guidance_embeds", False, 4, 0.0),),  # schnell
    ),
    PipelineKind(
        "flux2", "FLUX.2", ("Flux2Pipeline",), "either",
        pictures=10, steps=50, guidance=4.0,
    ),
    PipelineKind(
        "klein", "FLUX.2 klein", ("Flux2KleinPipeline", "Flux2KleinKVPipeline"), "either",
        pictures=4, steps=50, guidance=4.0,
        versions=(
            Version(INDEX, "is_distilled", True, 4, 1.0),
            Version(INDEX, "_class_name", "Flux2KleinKVPipeline", 4, 1.0),  # there is no base of it
        ),
    ),
    PipelineKind(
        "flux3", "FLUX.3", ("Flux3ModularPipeline", "Flux3DistilledModularPipeline"), "either",
        pictures=10, steps=50, guidance=None, boxes="flux3",
        versions=(Version(MODULAR_INDEX, "_class_name", "Flux3DistilledModularPipeline", 16, None),),
    ),
    PipelineKind(
        "qwen-image", "Qwen-Image", ("QwenImagePipeline",),
        steps=50, guidance=4.0, guidance_name="true_cfg_scale", encoded=_QWEN, needs_negative=True,
    ),
    PipelineKind(
        "qwen-image-2.1", "Qwen-Image 2.1", ("QwenImage21Pipeline",), "either",
        pictures=10, unit_px=32, steps=40, guidance=1.0, guidance_name="true_cfg_scale",
    ),
    PipelineKind(
        "z-image", "Z-Image", ("ZImagePipeline",),
        steps=50, guidance=4.0, departs="guidance of the model card, which recommends 3 to 5",
        versions=(Version("scheduler/scheduler_config.json", "shift", 3.0, 8, 0.0),),  # Turbo; the base has 6
    ),
    PipelineKind(
        "krea2", "Krea 2", ("Krea2Pipeline",),
        steps=28, guidance=4.5, versions=(Version(INDEX, "is_distilled", True, 8, 0.0),),
    ),
    PipelineKind(
        "ideogram4", "Ideogram 4", ("Ideogram4Pipeline",),
        side_px=2048, steps=48, guidance=None, boxes="ideogram4",
    ),
    PipelineKind(
        "hunyuan-image", "HunyuanImage 2.1", ("HunyuanImagePipeline",),
        side_px=2048, unit_px=64, steps=50, guidance=None,
    ),
    PipelineKind(
        "ernie-image", "ERNIE-Image", ("ErnieImagePipeline",),
        steps=50, guidance=4.0,
    ),
    PipelineKind(
        "chroma", "Chroma", ("ChromaPipeline",),
        steps=35, guidance=5.0,
    ),
    PipelineKind(
        "fibo2", "FIBO 2", ("BriaFibo2Pipeline",), "either",
        pictures=5, steps=30, guidance=5.0, boxes="fibo2",
    ),
    PipelineKind(
        "anima", "Anima", ("AnimaModularPipeline",),
        steps=50, guidance=None,
    ),
    PipelineKind(
        "kontext", "FLUX.1 Kontext", ("FluxKontextPipeline",), "picture",
        pictures=1, steps=28, guidance=2.5, encoded=_FLUX,
        departs="guidance of the class's example and of the model card",
    ),
    PipelineKind(
        "qwen-edit", "Qwen-Image-Edit", ("QwenImageEditPipeline",), "picture",
        pictures=1, steps=50, guidance=4.0, guidance_name="true_cfg_scale", encoded=_QWEN, needs_negative=True,
    ),
    PipelineKind(
        "qwen-edit-plus", "Qwen-Image-Edit 2509 and 2511", ("QwenImageEditPlusPipeline",), "picture",
        pictures=3, steps=40, guidance=4.0, departs=_CARD, guidance_name="true_cfg_scale", encoded=_QWEN,
        needs_negative=True,
    ),
    PipelineKind(
        "pix2pix", "InstructPix2Pix", ("StableDiffusionInstructPix2PixPipeline",), "picture",
        pictures=1, side_px=512, unit_px=8, steps=100, guidance=7.5,
    ),
    PipelineKind(
        "longcat-edit", "LongCat-Image-Edit", ("LongCatImageEditPipeline",), "picture",
        pictures=1, steps=50, guidance=4.5,
    ),
    PipelineKind(
        "joy-edit", "JoyImage-Edit", ("JoyImageEditPipeline",), "picture",
        pictures=1, steps=40, guidance=4.0,
    ),
    PipelineKind(
        "glm-image", "GLM-Image", ("GlmImagePipeline",), "either",
        pictures=1, unit_px=32, steps=50, guidance=1.5,
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
    """`model_index.json` of a pipeline's folder, or `modular_model_index.json` of one that is only modular.

    Raises FileNotFoundError or ValueError with one line.
    """
    path = Path(folder) / INDEX
    if not path.is_file() and (Path(folder) / MODULAR_INDEX).is_file():
        path = Path(folder) / MODULAR_INDEX
    if not path.is_file():
        raise FileNotFoundError(
            f"{folder}: has no model_index.json: expected the folder of a diffusers pipeline; a single checkpoint file "
            "becomes one by from_single_file and save_pretrained"
        )
    if path.stat().st_size > MAX_INDEX_BYTES:
        raise ValueError(f"{path}: is {path.stat().st_size} bytes: no {path.name} of a pipeline is that large")
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
    edits = bool({"image", "images", "input_images"} & set(arguments))
    return PipelineKind(
        OTHERS,
        name.removesuffix("Pipeline"),
        (name,),
        "picture" if edits else "words",
        pictures=int(edits),
        unit_px=32,
        steps=steps if isinstance(steps, int) else 28,
        guidance=float(guidance) if isinstance(guidance, int | float) else None,
        guidance_name=guided,
        needs_negative=guided == "true_cfg_scale",
        boxes="regions" if "gligen_boxes" in arguments else "",
    )
