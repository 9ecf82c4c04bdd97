"""Loads diffusers pipelines and ControlNets from folders or the hub, with LoRAs and runtime options."""

from __future__ import annotations

import inspect
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers.pipelines.pipeline_utils import DiffusionPipeline
from diffusers.utils import logging as diffusers_logging
from safetensors import SafetensorError
from torch import nn

from analogen.pipelines.diffusion.device_placement import DevicePlacement
from analogen.pipelines.diffusion.model_defaults import (
    MODULAR_INDEX,
    OTHERS,
    PipelineKind,
    kind_by_call,
    kind_of,
    read_index,
)
from analogen.pipelines.diffusion.modular import ModularAdapter, fetch_modular, load_modular
from analogen.pipelines.diffusion.runtime import PICKLES, FewSteps, Lora, RuntimeOptions, few_steps
from analogen.relsim.hub import fetch, is_hub_id, translate_hub_errors
from analogen.relsim.loading_lock import loading_lock
from analogen.relsim.vlm.processor import load_processor

# Larger pictures are decoded in tiles: an autoencoder's memory grows with the area.
TILE_FROM_PX = 1536
DENOISERS = ("transformer", "unet")


@dataclass(frozen=True)
class LoadedPipeline:
    """A pipeline, its kind, the placement of its models, and the settings of a few-step LoRA."""

    pipeline: Any
    kind: PipelineKind
    placement: DevicePlacement
    few_steps: FewSteps | None
    notes: tuple[str, ...] = ()

    @property
    def denoiser(self) -> nn.Module:
        return denoiser_of(self.pipeline)


def load_pipeline(
    source: str,
    placement: DevicePlacement,
    dtype: torch.dtype = torch.float32,
    runtime: RuntimeOptions | None = None,
    cache_dir: str | None = None,
) -> LoadedPipeline:
    """Load a pipeline. source: a folder saved by save_pretrained, or a hub id with an optional @revision.

    Weights are read from safetensors only, and no code comes with a model. Raises ValueError, FileNotFoundError or
    ImportError with one line.
    """
    runtime = runtime or RuntimeOptions()
    folder = Path(source) if Path(source).is_dir() else _download(source, dtype, cache_dir)
    kind = pipeline_kind(folder)
    if is_modular(folder):
        if runtime.quantize is not None:
            raise ValueError(
                f"--quantize: {kind.title} is loaded part by part, which cannot be quantized: leave it out"
            )
        pipeline: Any = load_or_explain(lambda: load_modular(folder, dtype), source, folder)
    else:
        pipeline = _load_whole(folder, source, dtype, runtime)
    pipeline.set_progress_bar_config(disable=True)
    notes: list[str] = []
    fast = _add_loras(pipeline, runtime.loras, kind, notes)
    _save_memory(pipeline)
    if runtime.attention_backend not in (None, "native"):
        set_attention(pipeline, str(runtime.attention_backend), placement.device)
    if runtime.cpu_offload == "sequential":
        if placement.device.type == "cpu":
            raise ValueError("--cpu-offload sequential came with --device cpu: leave one of them out")
        if isinstance(pipeline, ModularAdapter):
            raise ValueError(f"--cpu-offload sequential: {kind.title} is loaded part by part: take --cpu-offload model")
        pipeline.enable_sequential_cpu_offload(device=placement.device)
    else:
        placement.add_pipeline(pipeline.components)
    if runtime.compile:
        compile_blocks(denoiser_of(pipeline))
    return LoadedPipeline(pipeline, kind, placement, fast, tuple(notes))


def _load_whole(folder: Path, source: str, dtype: torch.dtype, runtime: RuntimeOptions) -> Any:
    settings: dict[str, Any] = {"dtype": dtype, "use_safetensors": True, "local_files_only": True}
    variant = _variant(folder, dtype)
    if variant is not None:
        settings["variant"] = variant
    if runtime.quantize is not None:
        settings["quantization_config"] = _quantization(runtime.quantize, dtype, folder)
    index = read_index(folder)
    qwens = str((index.get("processor") or [None])[-1]).startswith(("Qwen2", "Qwen3VL"))
    if qwens:
        settings["processor"] = load_processor(folder / "processor")  # the library's own needs torchvision for videos
    return load_or_explain(lambda: DiffusionPipeline.from_pretrained(str(folder), **settings), source, folder)


def is_modular(folder: str | Path) -> bool:
    """Whether a pipeline's folder can only be loaded as a modular pipeline."""
    return (Path(folder) / MODULAR_INDEX).is_file() and not (Path(folder) / "model_index.json").is_file()


def pipeline_kind(folder: str | Path) -> PipelineKind:
    """The kind of a pipeline's folder, also for classes that KINDS does not list.

    Raises ValueError for a class that the installed diffusers does not have.
    """
    index = read_index(folder)
    kind = kind_of(index, str(folder))
    name = index["_class_name"]
    cls = getattr(diffusers, name[-1] if isinstance(name, list) else name, None)
    if cls is None:
        raise ValueError(
            f"{folder}: is a {name}, which diffusers {diffusers.__version__} does not have: update diffusers, or name "
            "another model"
        )
    if kind.name != OTHERS:
        return kind.in_folder(folder)
    if is_modular(folder):
        raise ValueError(
            f"{folder}: is a {name}, a modular pipeline that is not among those that are known here: name a text-to-"
            "image or edit model of `analogen models`"
        )
    return kind_by_call(kind.pipelines[0], call_arguments(cls))


def call_arguments(pipeline: Any) -> dict[str, Any]:
    """The arguments of the call of a pipeline or of its class, with their defaults."""
    if isinstance(pipeline, ModularAdapter):
        return pipeline.arguments
    return {name: one.default for name, one in inspect.signature(pipeline.__call__).parameters.items()}


def denoiser_of(pipeline: Any) -> nn.Module:
    """The UNet or transformer, which runs at every step. Raises ValueError if there is none."""
    for name in DENOISERS:
        found = pipeline.components.get(name)
        if isinstance(found, nn.Module):
            return found
    raise ValueError(f"{type(pipeline).__name__}: has neither a UNet nor a transformer: name another model")


# Files


def _download(source: str, dtype: torch.dtype, cache_dir: str | None) -> Path:
    if not is_hub_id(source):
        raise FileNotFoundError(f"model {source!r}: no such folder and no hub id: expected a name of `analogen models`")
    repo, _, revision = source.partition("@")
    settings = {"revision": revision or None, "cache_dir": cache_dir, "use_safetensors": True}
    with translate_hub_errors(repo, revision or None):
        if (modular := fetch_modular(repo, revision or None, cache_dir)) is not None:
            return modular
        if dtype != torch.float32:
            # Half the bytes, where the repository holds them.
            try:
                return Path(DiffusionPipeline.download(repo, variant="fp16", **settings))
            except ValueError:
                pass
        return Path(DiffusionPipeline.download(repo, **settings))


def _variant(folder: Path, dtype: torch.dtype) -> str | None:
    """ "fp16" if that is wanted and here, or if nothing else is."""
    halves = [path for path in folder.glob("*/*.safetensors") if ".fp16." in path.name]
    wholes = [path for path in folder.glob("*/*.safetensors") if ".fp16." not in path.name]
    return "fp16" if halves and (dtype != torch.float32 or not wholes) else None


@contextmanager
def _quiet_diffusers() -> Iterator[None]:
    """Keeps diffusers' own lines from coming before ours, which say the same with what to do."""
    before = diffusers_logging.get_verbosity()
    diffusers_logging.set_verbosity(logging.CRITICAL)
    try:
        yield
    finally:
        diffusers_logging.set_verbosity(before)


def _has_pickles(folder: Path) -> bool:
    return any(path.suffix in PICKLES for path in folder.rglob("*"))


def load_or_explain(load: Callable[[], Any], source: str, folder: Path | None = None) -> Any:
    """Turns the many errors that diffusers and transformers raise for an incomplete folder into one clear line."""
    try:
        with loading_lock, _quiet_diffusers():
            return load()
    except (
        OSError, ValueError, KeyError, AttributeError, TypeError, RuntimeError, ImportError, SafetensorError
    ) as error:  # fmt: skip
        text = " ".join(str(error).split())
        if isinstance(error, ImportError):
            raise ImportError(f"{source}: {text[:300]}") from error
        if isinstance(error, SafetensorError):
            raise ValueError(f"{source}: a file of weights is damaged ({text[:100]}): fetch it again") from error
        if "no file named" in text and folder is not None and not _has_pickles(folder):
            raise ValueError(f"{source}: a file of weights is missing ({text[:160]}): fetch the model again") from error
        if "safetensors" in text or "use_safetensors" in text:
            raise ValueError(
                f"{source}: some weights are pickles, which can run code when they are read: name a model with "
                ".safetensors files, or convert it on a machine that you can spare (save_pretrained writes them)"
            ) from error
        if "trust_remote_code" in text or "custom code" in text:
            raise ValueError(f"{source}: brings code of its own, which is not run: name another model") from error
        raise ValueError(f"{source}: cannot be loaded as a pipeline ({text[:300]})") from error


def _quantization(how: str, dtype: torch.dtype, folder: Path) -> Any:
    from diffusers.quantizers.pipe_quant_config import PipelineQuantizationConfig
    from diffusers.utils.import_utils import is_bitsandbytes_available

    if not is_bitsandbytes_available():
        raise ImportError('--quantize needs bitsandbytes: pip install "analogen[quantize]"')
    index = read_index(folder)
    large = [name for name in (*DENOISERS, "text_encoder", "text_encoder_2", "text_encoder_3") if index.get(name)]
    # CLIP's text encoders are small and suffer; T5 and language models are large and do not.
    chosen = [name for name in large if not str(index[name][-1]).startswith("CLIP")]
    if how == "8bit":
        return PipelineQuantizationConfig("bitsandbytes_8bit", {"load_in_8bit": True}, chosen)
    settings: dict[str, Any] = {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4", "bnb_4bit_compute_dtype": dtype}
    return PipelineQuantizationConfig("bitsandbytes_4bit", settings, chosen)


# LoRAs


def _add_loras(pipeline: Any, loras: tuple[Lora, ...], kind: PipelineKind, notes: list[str]) -> FewSteps | None:
    if not loras:
        return None
    if not hasattr(pipeline, "load_lora_weights"):
        raise ValueError(f"--lora: {kind.title} takes no LoRAs in diffusers: leave --lora out")
    fast: FewSteps | None = None
    for number, lora in enumerate(loras):
        _add_lora(pipeline, lora, f"lora_{number}", kind)
        found = few_steps(lora)
        if found is not None and fast is None:
            fast = found
            notes.append(f"{lora.path}: a few-step LoRA ({found.word}): {found.steps} steps unless --steps says more")
    pipeline.set_adapters([f"lora_{number}" for number in range(len(loras))], [lora.scale for lora in loras])
    if fast is not None and fast.scheduler is not None:
        scheduler = getattr(diffusers, fast.scheduler)
        pipeline.scheduler = scheduler.from_config(pipeline.scheduler.config, **fast.settings)
    return fast


def _add_lora(pipeline: Any, lora: Lora, name: str, kind: PipelineKind) -> None:
    local = Path(lora.path).exists()
    if not local and not is_hub_id(lora.path):
        raise FileNotFoundError(f"--lora {lora.path}: no such file or folder, and no hub id: check the path")
    folder = Path(lora.path) if local else fetch(lora.path, files=("*.safetensors", "*.json"))
    try:
        with loading_lock:
            pipeline.load_lora_weights(str(folder), adapter_name=name, use_safetensors=True, local_files_only=True)
    except (
        OSError, ValueError, RuntimeError, KeyError, AttributeError, TypeError, IndexError, SafetensorError
    ) as error:  # fmt: skip
        text = " ".join(str(error).split())[:200]
        raise ValueError(
            f"--lora {lora.path}: does not fit {kind.title}: it was trained on another base ({text})"
        ) from error
    adapted = [module for module, names in pipeline.get_list_adapters().items() if name in names]
    if not adapted:
        raise ValueError(f"--lora {lora.path}: holds nothing for {kind.title}: it was trained on another base")


# Memory and speed


def _save_memory(pipeline: Any) -> None:
    vae = pipeline.components.get("vae")
    if vae is not None and hasattr(vae, "enable_slicing"):
        vae.enable_slicing()  # decodes a batch one picture at a time: the same numbers, less memory


def set_tiling(pipeline: Any, width: int, height: int) -> None:
    """Decode large pictures in tiles, others as a whole."""
    vae = pipeline.components.get("vae")
    if vae is not None and hasattr(vae, "enable_tiling"):
        vae.enable_tiling() if max(width, height) > TILE_FROM_PX else vae.disable_tiling()


def set_attention(pipeline: Any, backend: str, device: torch.device) -> None:
    """Switch the denoiser to another kernel. Raises ValueError or ImportError if it cannot run here."""
    denoiser = denoiser_of(pipeline)
    if backend == "xformers":
        check_xformers(device)
        if "unet" in pipeline.components:
            denoiser.enable_xformers_memory_efficient_attention()  # type: ignore[operator]
            return
    if "unet" in pipeline.components or type(denoiser).__name__ == "SD3Transformer2DModel":
        raise ValueError(
            f"--attention-backend {backend}: {type(denoiser).__name__} does not dispatch its attention: leave it out "
            "(SDPA)" + (", or take xformers" if "unet" in pipeline.components else "")
        )
    try:
        denoiser.set_attention_backend(backend)  # type: ignore[operator]
    except (ValueError, RuntimeError, ImportError) as error:
        text = " ".join(str(error).split())[:200]
        raise ValueError(f"--attention-backend {backend}: cannot be used here ({text}): leave it out (SDPA)") from error


def check_xformers(device: torch.device) -> None:
    """Make one tiny attention call, since xformers reports that it is available even if its extension fails to load.

    Raises ImportError, or ValueError if the device is not CUDA.
    """
    try:
        from xformers.ops import memory_efficient_attention
    except (ImportError, OSError) as error:
        raise ImportError('--attention-backend xformers: pip install "analogen[xformers]"') from error
    if device.type != "cuda":
        raise ValueError(
            f"--attention-backend xformers: runs on CUDA only, and the device is {device.type}: leave it out"
        )
    row = torch.zeros(1, 8, 1, 64, device=device, dtype=torch.float16)
    try:
        memory_efficient_attention(row, row, row)
    except (NotImplementedError, RuntimeError, OSError) as error:
        raise ImportError(
            f"--attention-backend xformers: was built for another torch or CUDA ({str(error).splitlines()[0][:120]}): "
            "reinstall it, or leave it out (SDPA)"
        ) from error


def compile_blocks(denoiser: nn.Module) -> None:
    """Compile the repeated blocks, one of each once, or the whole model if it names none."""
    if getattr(denoiser, "_repeated_blocks", None):
        denoiser.compile_repeated_blocks(fullgraph=True)  # type: ignore[operator]
    else:
        denoiser.compile()


def load_control(source: str, dtype: torch.dtype) -> nn.Module:
    """Load a ControlNet from a folder or hub id, of the class that its config.json names. Raises as `load_pipeline`."""
    if not Path(source).is_dir() and not is_hub_id(source):
        raise FileNotFoundError(f"--control {source!r}: no such folder and no hub id: name a ControlNet")
    folder = Path(source) if Path(source).is_dir() else fetch(source, files=("*.safetensors", "config.json"))
    config = folder / "config.json"
    name = json.loads(config.read_text()).get("_class_name", "") if config.is_file() else ""
    if "ControlNet" not in str(name):
        raise ValueError(f"--control {source}: is no ControlNet (its config.json says {name!r}): name one")
    settings = {"dtype": dtype, "use_safetensors": True, "local_files_only": True}
    model = load_or_explain(lambda: diffusers.AutoModel.from_pretrained(str(folder), **settings), source)
    assert isinstance(model, nn.Module), "AutoModel loads models"
    return model
