"""Checks of a request that need no weights: what it names has to be there, before anything large is loaded.

`--dry-run` makes these checks and stops; a run makes them first. `Request` itself checks values alone.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from analogen.errors import UserError, user_errors
from analogen.models import Model, find_model, pick_device
from analogen.types import Request

PACKAGE = "analogen"  # as pip knows it


def check_loadable(request: Request) -> None:
    """Check the device, and for a diffusion model all that it is loaded with.

    Raises UserError with one line. Imports torch only for a device other than auto and cpu, and for a diffusion model.
    """
    if request.device not in ("auto", "cpu"):
        pick_device(request.device)
    model = find_model(request.model)
    if not model.is_mini:
        with user_errors():
            _check_diffusion(request, model)


def check_subject_image(path: Path) -> tuple[str, ...]:
    """Read the user's own picture of the subject as mini does. Returns notes on it. Raises UserError."""
    from analogen.relsim.images import open_checked, read_image
    from analogen.relsim.world.subject_image import read_subject_image

    with user_errors():
        if path.suffix.lower() == ".svg":
            open_checked(path, max_bytes=4 * 2**20).close()
            notes: tuple[str, ...] = ()
        else:
            notes = read_image(path).notes
        read_subject_image(path)
    return notes


def check_own_art(path: Path) -> None:
    """Check that a folder or library of the user's own art can be opened. Raises UserError."""
    from analogen.own_art import open_art

    with user_errors():
        open_art(path)


def plan_of(request: Request) -> dict[str, Any]:
    """What a run would make, as plain data: subject, other, style, size and seeds, with notes."""
    model = find_model(request.model)
    subject = request.subject
    notes: list[str] = []
    own = {} if request.art is None else _own_names(request)
    if own.get(subject) is not None:
        subject = own[subject]
    elif model.is_mini and subject is not None and request.subject_image is None:
        found = _drawn_as(subject, "--subject", notes)
        if found is None:
            notes.append(f"no drawing is called {subject!r}: the run looks for the nearest in meaning")
        else:
            subject = found
    if request.subject_image is not None:
        subject = f"{subject} ({request.subject_image.name})" if subject else request.subject_image.name
    other, style = request.other, request.style
    if own.get(other) is not None:
        other = own[other]
    elif model.is_mini and other is not None:
        other = _drawn_as(other, "--other", notes) or other
    if not model.is_mini:
        from analogen.relsim.hub import is_cached, is_hub_id

        if is_hub_id(model.base) and not Path(model.base).is_dir() and not is_cached(model.base):
            size = f" ({model.weight_gb(2):.0f} GB)" if model.parts else ""
            notes.append(f"{model.base} is downloaded first{size}")
    elif request.negative_prompt is not None:
        notes.append("mini does not use --negative-prompt: it changes nothing")
    return {
        "subject": subject, "other": other, "style": style, "width": request.width, "height": request.height,
        "model": model.name, "candidates": request.candidates, "num_images": request.num_images,
        "seeds": list(request.candidate_seeds), "notes": notes,
    }  # fmt: skip


def _own_names(request: Request) -> dict[str | None, str]:
    """What subject and other are called in the user's own art, where it has their names."""
    from analogen.own_art import named_own

    assert request.art is not None
    found = {text: named_own(request.art, text) for text in (request.subject, request.other) if text is not None}
    return {text: name for text, name in found.items() if name is not None}


def _drawn_as(text: str, flag: str, notes: list[str]) -> str | None:
    """The name of the drawing for a text, None if only its meaning could find one; adds a note on it."""
    from analogen.relsim.world.subject_names import subject_finder

    match = subject_finder().find(text)
    note = match.note(flag, text) if match.name is not None else None
    if note is not None:
        notes.append(note)
    return match.name


def _check_diffusion(request: Request, model: Model) -> None:
    import torch

    from analogen.pipelines.adapter.families import check_kind
    from analogen.pipelines.adapter.model import check_adapter
    from analogen.pipelines.diffusion.layout import known_control
    from analogen.pipelines.diffusion.memory_check import check_memory
    from analogen.pipelines.diffusion.runtime import Lora, RuntimeOptions
    from analogen.relsim.vlm.loading import pick_dtype

    device = torch.device(pick_device(request.device))
    loras = tuple(Lora.parse(text) for text in request.lora)
    for flag, package in (("quantize", "bitsandbytes"), ("attention_backend", "xformers")):
        if getattr(request, flag) in ("8bit", "4bit", "xformers") and importlib.util.find_spec(package) is None:
            extra = "quantize" if package == "bitsandbytes" else package
            raise UserError(f'--{flag.replace("_", "-")} needs {package}: pip install "{PACKAGE}[{extra}]"')
    if request.cpu_offload == "sequential" and device.type == "cpu":
        raise UserError("--cpu-offload sequential came with --device cpu: leave one of them out")
    if request.adapter is not None:
        check_kind(check_adapter(request.adapter).family, model.kind, model.name)
    runtime = RuntimeOptions(request.attention_backend, request.cpu_offload, request.compile, request.quantize, loras)
    check_memory(model.parts, model.base, device, pick_dtype(request.dtype, str(device)), runtime)
    _check_named("model", model.base)
    for flag in ("encoder", "captioner", "control_model"):
        name = getattr(request, flag)
        if name not in (None, "mini"):
            _check_named(flag.replace("_", "-"), name)
    for lora in loras:
        _check_named("lora", lora.path)
    if request.control is not None and request.control_model is None and model.kind:
        _check_named("control-model", known_control(model.kind, request.control))


def _check_named(flag: str, name: str) -> None:
    """Raises UserError or HubError for a name that is neither a file or folder here nor a hub id that can be had."""
    from analogen.relsim.hub import check_reachable, is_hub_id

    if Path(name).exists():
        return
    if not is_hub_id(name):
        raise UserError(f"--{flag} {name}: no such file or folder, and no hub id: check the path")
    check_reachable(name)
