"""The table of published models for --model, loading of others by folder or hub id, and the choice of device."""

from __future__ import annotations

import difflib
import json
import os
import re
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from analogen.errors import UserError

MINI_SIDES_PX = (64, 4096)


@dataclass(frozen=True)
class Model:
    """A model that --model can name, before it is loaded.

    name      What the user types.
    base      Hub id or folder of its files.
    route     How the relation reaches it.
    use       What it is good for.
    kind      Name in `analogen.pipelines.diffusion.model_defaults`; "" if that is known only after the download.
    parts     Millions of parameters by component, counted from the real classes.
    gated     Whether the hub asks users to accept the licence first.
    side_px   Default width and height.
    steps, guidance  Of a model that its files do not tell apart from another of its kind; None for those of the kind.
    version   Which of its kind's versions it is, None for none of them.
    """

    name: str
    base: str
    route: str
    licence: str
    use: str
    kind: str = ""
    parts: tuple[tuple[str, float], ...] = ()
    gated: bool = False
    side_px: int = 1024
    steps: int | None = None
    guidance: float | None = None
    version: int | None = None

    @property
    def is_mini(self) -> bool:
        return self.name == "mini"

    @property
    def edits(self) -> bool:
        """Whether it cannot do without a picture, as far as is known."""
        return self.route == _EDIT

    @property
    def sees_pictures(self) -> bool:
        """Whether it sees a picture beside the words, as far as is known."""
        return self.route in (_EDIT, _EITHER)

    @property
    def sides_px(self) -> tuple[int, int]:
        """The smallest and the largest width and height."""
        if self.is_mini:
            return MINI_SIDES_PX
        from analogen.pipelines.diffusion.model_defaults import MAX_SIDE_PX, MIN_SIDE_PX

        return MIN_SIDE_PX, MAX_SIDE_PX

    def weight_gb(self, bytes_each: float, together: bool = True) -> float:
        """Gigabytes (10^9 bytes) of all components, or of the largest one."""
        sizes = [millions for _, millions in self.parts] or [0.0]
        return (sum(sizes) if together else max(sizes)) * bytes_each / 1000

    def check_size(self, width: int, height: int) -> None:
        """Raises UserError for a size that the model cannot make; the message names the nearest one."""
        if self.is_mini:
            low, high = MINI_SIDES_PX
            for name, side in (("width", width), ("height", height)):
                if not low <= side <= high:
                    raise UserError(f"--{name} is {side}: expected {low} to {high}")
            return
        from analogen.pipelines.diffusion.model_defaults import KINDS, MAX_SIDE_PX, MIN_SIDE_PX

        for kind in KINDS:
            if kind.name == self.kind:
                try:
                    kind.check_size(width, height)
                except ValueError as error:
                    raise UserError(str(error)) from None
                return
        for name, side in (("width", width), ("height", height)):
            if not MIN_SIDE_PX <= side <= MAX_SIDE_PX:
                raise UserError(f"--{name} is {side}: expected {MIN_SIDE_PX} to {MAX_SIDE_PX}")


_ADAPTER = "caption bridge, with --adapter both"
_BRIDGE = "caption bridge"
_EDIT = "reference picture and written instruction"
_EITHER = "written instruction, with a picture or without"
_ROUTES = {"words": _BRIDGE, "picture": _EDIT, "either": _EITHER}
_CLIP_L, _CLIP_G, _T5, _VAE = 123.1, 694.7, 4762.3, 83.8
_QWEN, _QWEN_VAE = 8292.2, 126.9
_QWEN3_4B, _QWEN3_8B, _QWEN3_VL_4B, _QWEN3_VL_8B, _FLUX2_VAE = 4022.5, 8190.7, 4437.8, 8767.1, 84.0
_SD3_TEXT = (("text_encoder", 123.7), ("text_encoder_2", _CLIP_G), ("text_encoder_3", _T5), ("vae", _VAE))
_FLUX = (("transformer", 11901.4), ("text_encoder", _CLIP_L), ("text_encoder_2", _T5), ("vae", _VAE))
_KLEIN_4B = (("transformer", 3875.5), ("text_encoder", _QWEN3_4B), ("vae", _FLUX2_VAE))
_KLEIN_9B = (("transformer", 9078.6), ("text_encoder", _QWEN3_8B), ("vae", _FLUX2_VAE))
_QWEN_IMAGE = (("transformer", 20430.4), ("text_encoder", _QWEN), ("vae", _QWEN_VAE))
_Z_IMAGE = (("transformer", 6154.9), ("text_encoder", _QWEN3_4B), ("vae", _VAE))
_KREA = (("transformer", 12820.1), ("text_encoder", _QWEN3_VL_4B), ("vae", _QWEN_VAE))
_BFL, _KOMMUNITY = "FLUX Non-Commercial", "FLUX Kommunity"
MODELS = (
    Model("mini", "shipped", "composer and renderer", "Apache-2.0", "crisp drawings at any size, layered SVG"),
    Model(
        "sd15", "stable-diffusion-v1-5/stable-diffusion-v1-5", _ADAPTER, "CreativeML OpenRAIL-M", "4 GB cards",
        "sd15", (("unet", 859.5), ("text_encoder", _CLIP_L), ("safety_checker", 304.0), ("vae", 83.7)), False, 512,
    ),
    Model(
        "sdxl", "stabilityai/stable-diffusion-xl-base-1.0", _ADAPTER, "CreativeML OpenRAIL++-M", "paintings, photos",
        "sdxl", (("unet", 2567.5), ("text_encoder", _CLIP_L), ("text_encoder_2", _CLIP_G), ("vae", 83.7)),
    ),
    Model(
        "sd35", "stabilityai/stable-diffusion-3.5-medium", _ADAPTER, "Stability Community", "longer prompts",
        "sd3", (("transformer", 2243.2), *_SD3_TEXT), True, version=0,
    ),
    Model(
        "sd35-large", "stabilityai/stable-diffusion-3.5-large", _ADAPTER, "Stability Community",
        "longer prompts, finer pictures", "sd3", (("transformer", 8056.6), *_SD3_TEXT), True, version=1,
    ),
    Model(
        "flux", "black-forest-labs/FLUX.1-dev", _ADAPTER, "FLUX.1-dev Non-Commercial", "prompt following",
        "flux", _FLUX, True,
    ),
    Model(
        "flux-schnell", "black-forest-labs/FLUX.1-schnell", _ADAPTER, "Apache-2.0", "four steps", "flux", _FLUX, True,
        version=0,
    ),
    Model(
        "klein", "black-forest-labs/FLUX.2-klein-4B", _EITHER, "Apache-2.0", "four steps, 13 GB cards",
        "klein", _KLEIN_4B, version=0,
    ),
    Model(
        "klein-base", "black-forest-labs/FLUX.2-klein-base-4B", _EITHER, "Apache-2.0", "training, LoRAs",
        "klein", _KLEIN_4B,
    ),
    Model(
        "klein-9b", "black-forest-labs/FLUX.2-klein-9B", _EITHER, _BFL, "four steps", "klein", _KLEIN_9B, True,
        version=0,
    ),
    Model(
        "klein-base-9b", "black-forest-labs/FLUX.2-klein-base-9B", _EITHER, _BFL, "training, LoRAs",
        "klein", _KLEIN_9B, True,
    ),
    Model(
        "flux2", "black-forest-labs/FLUX.2-dev", _EITHER, _BFL, "finest of the FLUX.2", "flux2",
        (("transformer", 32223.3), ("text_encoder", 24011.4), ("vae", _FLUX2_VAE)), True,
    ),
    Model(
        "flux3-klein", "black-forest-labs/flux-3-image-klein", _EITHER, _KOMMUNITY, "boxes, 16 steps", "flux3",
        (("transformer", 5538.5), ("text_encoder", _QWEN3_VL_4B), ("vae", _FLUX2_VAE)), True, version=0,
    ),
    Model(
        "qwen-image", "Qwen/Qwen-Image", _BRIDGE, "Apache-2.0", "prompt following, writes text", "qwen-image",
        _QWEN_IMAGE,
    ),
    Model(
        "qwen-image-2512", "Qwen/Qwen-Image-2512", _BRIDGE, "Apache-2.0", "prompt following, writes text",
        "qwen-image", _QWEN_IMAGE,
    ),
    Model(
        "qwen-image-2.1", "Qwen/Qwen-Image-2.1", _EITHER, "Qwen Research", "one model for words and pictures",
        "qwen-image-2.1", (("transformer", 7115.1), ("text_encoder", _QWEN3_VL_8B), ("vae", 337.7)),
    ),
    Model(
        "z-image-turbo", "Tongyi-MAI/Z-Image-Turbo", _BRIDGE, "Apache-2.0", "eight steps, photos", "z-image", _Z_IMAGE,
        version=0,
    ),
    Model("z-image", "Tongyi-MAI/Z-Image", _BRIDGE, "Apache-2.0", "many styles", "z-image", _Z_IMAGE),
    Model("krea2", "krea/Krea-2-Raw", _BRIDGE, "Krea 2 Community", "training, LoRAs", "krea2", _KREA),
    Model(
        "krea2-turbo", "krea/Krea-2-Turbo", _BRIDGE, "Krea 2 Community", "eight steps, looks", "krea2", _KREA,
        version=0,
    ),
    Model(
        # 27.3 billion weights, of which the repository holds the large ones in 4 bits.
        "ideogram4", "ideogram-ai/ideogram-4-nf4-diffusers", _BRIDGE, "Ideogram Non-Commercial",
        "boxes, writes text", "ideogram4", (), True, 2048,
    ),
    Model(
        "hunyuan-image", "hunyuanvideo-community/HunyuanImage-2.1-Diffusers", _BRIDGE, "Tencent Hunyuan Community",
        "2048 px", "hunyuan-image",
        (("transformer", 17411.2), ("text_encoder", _QWEN), ("text_encoder_2", 219.3), ("vae", 405.6)), False, 2048,
    ),
    Model("ernie-image", "baidu/ERNIE-Image", _BRIDGE, "Apache-2.0", "writes text", "ernie-image"),
    Model(
        "ernie-image-turbo", "baidu/ERNIE-Image-Turbo", _BRIDGE, "Apache-2.0", "eight steps", "ernie-image",
        steps=8, guidance=1.0,  # its files are those of the other, but for the weights
    ),
    Model(
        "chroma", "lodestones/Chroma1-HD", _BRIDGE, "Apache-2.0", "negative prompts at FLUX's size", "chroma",
        (("transformer", 8900.0), ("text_encoder", _T5), ("vae", _VAE)),
    ),
    Model(
        "fibo2", "briaai/Fibo-2.0-dev", _EITHER, "see its card", "places as data", "fibo2",
        (("transformer", 8127.3), ("text_encoder", _QWEN3_VL_4B), ("vae", _FLUX2_VAE)), True,
    ),
    Model(
        "anima", "circlestone-labs/Anima-Base-v1.0-Diffusers", _BRIDGE, "CircleStone Non-Commercial",
        "anime, 8 GB cards",
        "anima", (("transformer", 1956.4), ("text_encoder", 596.0), ("text_conditioner", 134.7), ("vae", _QWEN_VAE)),
    ),
    Model(
        "kontext", "black-forest-labs/FLUX.1-Kontext-dev", _EDIT, "FLUX.1-dev Non-Commercial", "edits a picture",
        "kontext", _FLUX, True,
    ),
    Model(
        "qwen-edit", "Qwen/Qwen-Image-Edit", _EDIT, "Apache-2.0", "edits a picture, writes text", "qwen-edit",
        _QWEN_IMAGE,
    ),
    Model(
        "qwen-edit-2511", "Qwen/Qwen-Image-Edit-2511", _EDIT, "Apache-2.0", "edits up to three pictures",
        "qwen-edit-plus", _QWEN_IMAGE,
    ),
)  # fmt: skip
# What users name and no class of the installed diffusers can run, with what to take instead.
ABSENT = {
    "hunyuan-image-3": "diffusers has no pipeline of HunyuanImage 3, whose repository runs code of its own: take "
    "hunyuan-image, which is 2.1",
    "illustrious": "Illustrious and its kin are SDXL checkpoints in single files: make a folder of one by "
    'diffusers.StableDiffusionXLPipeline.from_single_file("FILE").save_pretrained("FOLDER"), then give --model FOLDER',
}


# Of mini, in the words of `analogen.pipelines.diffusion.capabilities`.
_MINI = {
    "words": True, "picture": True, "pictures": 64, "boxes": "json", "negative_prompt": False, "adapter": False,
    "lora": False, "style": False, "min_px": MINI_SIDES_PX[0], "max_px": MINI_SIDES_PX[1],
}  # fmt: skip


def capabilities_of(model: Model) -> dict[str, Any]:
    """What a model of the catalogue can do, as plain data; {} for one whose class is known only after a download.

    Steps and guidance are those of its version.
    """
    from analogen.pipelines.diffusion.capabilities import load_capabilities
    from analogen.pipelines.diffusion.model_defaults import KINDS

    if model.is_mini:
        return dict(_MINI)
    kind = next((kind for kind in KINDS if kind.name == model.kind), None)
    if kind is None:
        return {}
    found = asdict(load_capabilities()[kind.pipelines[0]])
    if model.version is not None:
        version = kind.versions[model.version]
        found |= {"steps": version.steps, "guidance": version.guidance}
    if model.steps is not None:
        found |= {"steps": model.steps, "guidance": model.guidance}
    return found


# What other tools call our options and columns.
_MEANT = {
    "reference": (
        "image",
        "images",
        "img",
        "picture",
        "pictures",
        "photo",
        "ref",
        "refs",
        "references",
        "source",
        "input",
        "i",
        "input_image",
        "init_image",
        "file",
        "filename",
        "file_name",
        "path",
        "url",
        "image_path",
        "query",
    ),
    "subject": ("prompt", "p", "object", "name", "thing", "target", "noun", "subjects", "positive", "positive_prompt"),
    "relation": ("text", "caption", "logic", "words", "description", "idea", "concept"),
    "num_images": (
        "n",
        "num",
        "count",
        "number",
        "amount",
        "samples",
        "num_samples",
        "n_samples",
        "images_per_prompt",
        "keep",
        "num_images_per_prompt",
        "batch_size",
        "batch",
    ),
    "candidates": ("best_of", "tries", "attempts"),
    "negative_prompt": ("negative", "neg", "neg_prompt", "avoid"),
    "guidance_scale": ("cfg", "cfg_scale", "guidance", "scale"),
    "relation_scale": ("ip_adapter_scale", "reference_scale", "relation_strength", "relation_weight"),
    "reference_weight": ("weight", "weights", "reference_weights"),
    "reference_weights": ("weight", "weights", "reference_weight"),
    "steps": ("num_inference_steps", "inference_steps", "sampling_steps", "s"),
    "width": ("size", "resolution", "w", "side", "dimensions"),
    "size": ("width", "height", "resolution", "side_px"),
    "output": ("out", "o", "outdir", "out_dir", "output_dir", "save", "dest", "destination", "to"),
    "subject_image": ("logo", "art", "icon", "subject_picture"),
    "other": ("second", "other_subject", "object2"),
    "model": ("checkpoint", "ckpt", "model_name", "base", "m"),
    "device": ("gpu", "cuda", "cpu"),
    "seed": ("random_seed", "random_state", "r"),
    "lora": ("loras", "lora_path"),
    "style": ("look", "looks", "preset"),
    "format": ("json", "output_format"),
    "control_model": ("controlnet",),
    "id": ("key", "asset", "asset_id", "index"),
    "top_k": ("n", "num", "count", "k", "limit", "top", "num_images"),
    "gallery": ("index", "db", "database"),
    "cpu_offload": ("lowvram", "medvram", "offload"),
    "dry_run": ("check", "plan", "validate"),
    # Arguments, which have no option.
    "images": ("reference", "references", "image", "img", "picture", "pictures", "photo", "input", "file", "path", "i"),
    "folder": ("input", "dir", "directory", "path", "output", "out", "outdir", "output_dir", "o", "images", "root"),
    "folders": ("folder", "input", "dir", "directory", "path", "images", "pictures", "reference", "root"),
    "manifest": ("input", "csv", "table", "file", "rows", "jobs", "path"),
}


def means(word: str, name: str) -> bool:
    """Whether a word, such as an option of other tools, means what is called `name` here."""
    plain = word.lower().lstrip("-").replace("-", "_")
    return plain == name or plain in _MEANT.get(name, ())


def nearest(word: str, known: list[str]) -> str:
    """ " (did you mean ...?)" for a mistyped word, or one that other tools use; "" if no known word is similar."""
    for meant in known:
        if means(word, meant.lstrip("-").replace("-", "_")):
            return f" (did you mean {meant!r}?)"
    near = difflib.get_close_matches(word.lower(), known, n=1, cutoff=0.5)
    return f" (did you mean {near[0]!r}?)" if near else ""


@lru_cache(maxsize=64)
def find_model(name: str) -> Model:
    """Find a model by its name in the catalogue, its folder or its hub id. Raises UserError for anything else."""
    rows = {model.name: model for model in MODELS}
    if name in rows:
        return rows[name]
    if os.path.isdir(name):  # Path.is_dir raises for names that no file can have
        return _in_folder(name)
    if name in ABSENT:
        raise UserError(f"--model {name}: {ABSENT[name]}")
    if re.fullmatch(r"[\w-][\w.-]*/[\w.-]+(@[\w./-]+)?", name):
        return Model(name, name, "by its model_index.json", "see its page on the hub", "")
    raise UserError(
        f"unknown model {name[:100]!r}{nearest(name[:100], list(rows))}: expected one of {', '.join(rows)}, the folder "
        "of a diffusers pipeline, or a hub id"
    )


def _in_folder(name: str) -> Model:
    from analogen.pipelines.diffusion.model_defaults import OTHERS, kind_of, read_index

    try:
        kind = kind_of(read_index(name), name)
    except (ValueError, OSError) as error:
        raise UserError(str(error)) from None
    if kind.name == OTHERS:
        return Model(name, name, "by its call", "see its card", "")
    return Model(
        name,
        name,
        _ROUTES[kind.takes],
        "see its card",
        kind.title,
        kind.name,
        (),
        False,
        _side_px(name) or kind.side_px,
    )


def _side_px(folder: str) -> int | None:
    """The side in pixels that a UNet was trained on, from its config; None if the config does not say."""
    try:
        unet, vae = (
            json.loads((Path(folder) / part / "config.json").read_text(encoding="utf-8")) for part in ("unet", "vae")
        )
        side = int(unet["sample_size"]) * 2 ** (len(vae["block_out_channels"]) - 1)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return side if MINI_SIDES_PX[0] <= side <= MINI_SIDES_PX[1] else None


def check_device(name: str) -> None:
    """Raises UserError for anything but auto, cpu, mps, cuda and cuda:N. `pick_device` checks that it exists."""
    if not re.fullmatch(r"auto|cpu|mps|cuda(:\d{1,3})?", name):
        raise UserError(f"--device is {name!r}: expected auto, cpu, cuda, cuda:0, ... or mps")


def pick_device(name: str) -> str:
    """The torch device of a name; "auto" takes an accelerator if there is one. Imports torch.

    Raises UserError for a device that this machine does not have.
    """
    check_device(name)
    import torch

    if name == "auto":
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    number = int(name.partition(":")[2] or 0)
    if name.startswith("cuda") and number >= torch.cuda.device_count():
        raise UserError(
            f"--device is {name!r}, and torch sees {torch.cuda.device_count()} CUDA devices: use --device cpu"
        )
    if name == "mps" and not torch.backends.mps.is_available():
        raise UserError("--device is 'mps', and this machine has none: use --device cpu")
    return name
