"""Shows the prompts that a diffusion model would be given, without loading the model: `generate --dry-run`."""

from __future__ import annotations

from pathlib import Path

import torch
from huggingface_hub import try_to_load_from_cache

from analogen.conditioning import of_scene
from analogen.errors import user_errors
from analogen.layout_composer import LayoutComposer
from analogen.models import Model, find_model, pick_device
from analogen.pipelines.diffusion.device_placement import DevicePlacement
from analogen.pipelines.diffusion.model_defaults import INDEX, KINDS, MODULAR_INDEX, OTHERS, PipelineKind
from analogen.prompting import Prompting, needs_layouts, prepare_prompt
from analogen.reference_reader import PUBLISHED_CAPTIONER, PUBLISHED_ENCODER, load_reference_reader
from analogen.types import Request

_FILES = ("adapter_config.json", "config.json", "README.md")


def preview_prompts(request: Request) -> tuple[list[str], str]:
    """The prompt of each candidate, and what the model is shown of the reference.

    Raises UserError as `prepare` does. Where the model that writes the prompt would have to be downloaded first, the
    prompt says so instead.
    """
    with user_errors():
        device = torch.device(pick_device(request.device))
        kind = _kind_of(find_model(request.model))
        on_accelerator = device.type != "cpu"
        encoder = request.encoder or (PUBLISHED_ENCODER if on_accelerator else "mini")
        captioner = request.captioner or ("mini" if encoder == "mini" else PUBLISHED_CAPTIONER)
        absent = [name for name in (encoder, captioner) if not _is_here(name)]
        if absent:
            words = f"(written by {absent[0]}, which is not downloaded yet; --encoder mini --captioner mini shows one)"
            return [words for _ in request.candidate_seeds], "unknown"
        reader = load_reference_reader(DevicePlacement(device), "auto", request.encoder, request.captioner)
        layouts = LayoutComposer() if needs_layouts(request, find_model(request.model), kind) else None
        prompting = Prompting(kind, reader, layouts)
        one = prepare_prompt(request, kind, layouts, {})
        (found,) = reader.read([(one.references, request.relation)], [request.reference_weights])
        found = found if one.reading is None else of_scene(found, one.reading, one.made.note if one.made else None)
        (told,) = prompting.told([one], [found], [prompting.scenes(one, found)])
        return [each.prompt for each in told], prompting.shown(one, found)


def _kind_of(model: Model) -> PipelineKind:
    """The kind of a model, as far as it is known before a download; a plain text-to-image one where it is not."""
    known = next((kind for kind in KINDS if kind.name == model.kind), None)
    if known is not None:
        return known
    folder: Path | None = Path(model.base) if Path(model.base).is_dir() else None
    for index in (INDEX, MODULAR_INDEX) if folder is None else ():
        cached = try_to_load_from_cache(model.base.partition("@")[0], index)
        folder = Path(cached).parent if isinstance(cached, str) else folder
    if folder is not None:
        from analogen.pipelines.diffusion.loading import pipeline_kind

        return pipeline_kind(folder)
    return PipelineKind(OTHERS, model.name, ())


def _is_here(name: str) -> bool:
    if name == "mini" or Path(name).exists():
        return True
    return any(isinstance(try_to_load_from_cache(name.partition("@")[0], file), str) for file in _FILES)
