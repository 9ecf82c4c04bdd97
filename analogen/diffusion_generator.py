"""`DiffusionGenerator`, the implementation for diffusion models such as SDXL and FLUX: prepare -> compose -> finish.

The reference's relation reaches the model as a prompt, an instruction, a layout or adapter tokens. Each stage takes all
requests of a batch before the next one starts, so that on a small GPU each model is moved there once for a chunk.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from PIL import Image

from analogen.art_selection import ArtSelection, select_art
from analogen.composition import compose_scenes, plan_candidates
from analogen.conditioning import Conditioning, of_scene
from analogen.errors import UserError, user_errors
from analogen.models import find_model, pick_device
from analogen.pipelines.adapter.families import check_kind
from analogen.pipelines.adapter.model import load_adapter
from analogen.pipelines.adapter.strength import Strength
from analogen.pipelines.composer.pipeline import load_composer
from analogen.pipelines.diffusion.device_placement import DevicePlacement, weight_budget_bytes
from analogen.pipelines.diffusion.image_spec import ImageSpec
from analogen.pipelines.diffusion.layout import (
    MODES,
    control_picture,
    known_control,
    start_picture,
    with_placeholder_discs,
)
from analogen.pipelines.diffusion.loading import LoadedPipeline, load_control, load_pipeline
from analogen.pipelines.diffusion.memory_check import check_memory
from analogen.pipelines.diffusion.pipeline_call import Use
from analogen.pipelines.diffusion.runtime import Lora, RuntimeOptions
from analogen.pipelines.diffusion.sampler import DiffusionSampler
from analogen.reference_reader import ReferenceReader, load_reference_reader
from analogen.relsim.encoder import load_mini
from analogen.relsim.english import with_article
from analogen.relsim.images import read_reference
from analogen.relsim.mini.reading import SceneReading
from analogen.relsim.vlm.loading import pick_dtype
from analogen.relsim.vlm.prompts import instruct
from analogen.relsim.world.art import ArtLibrary
from analogen.relsim.world.scene import Scene
from analogen.scene_reference import draw_reading, read_scene_file
from analogen.scoring import ranked
from analogen.stages import Composed, Prepared, Preview, Progress, Stages, Stopwatch, check_one_pass
from analogen.types import Candidate, Request

REFERENCE_PX = 1024  # longest side of a reference in memory; no model here reads more
START_STRENGTH, CONTROL_STRENGTH = 0.75, 0.8


@dataclass(frozen=True)
class PreparedPrompt(Prepared):
    """A request whose references have been read.

    subject    The subject's name in the prompt.
    selection  The art of the layout, None without --layout.
    reading    Of the request's scene, None without one.
    """

    subject: str
    selection: ArtSelection | None
    reading: SceneReading | None = None


@dataclass(frozen=True)
class GeneratedPictures(Composed):
    """A request with its generated candidates; pictures[i] and scenes[i] belong to request.candidate_seeds[i].

    scenes: the layouts, None where there is none.
    """

    prompt: str
    pictures: tuple[Image.Image, ...]
    scenes: tuple[Scene | None, ...]


class DiffusionGenerator(Stages):
    """Generates pictures with a diffusion model; loaded once, for all requests with the same `Request.loaded_with`.

    Raises UserError for a model, adapter or device that cannot be used; where that is known before the download,
    nothing is downloaded.
    """

    def __init__(self, request: Request) -> None:
        self._row = row = find_model(request.model)
        self.model = row.name
        with user_errors():
            device = torch.device(pick_device(request.device))
            dtype = pick_dtype(request.dtype, str(device))
            loras = tuple(Lora.parse(text) for text in request.lora)
            runtime = RuntimeOptions(
                request.attention_backend, request.cpu_offload, request.compile, request.quantize, loras
            )  # fmt: skip
            # Small files are read first, so that a bad one is reported before gigabytes are loaded.
            adapter = None if request.adapter is None else load_adapter(request.adapter)
            if adapter is not None:
                check_kind(adapter.config.family, row.kind, row.name)
            check_memory(row.parts, row.base, device, dtype, runtime)
            placement = DevicePlacement(device, 0 if request.cpu_offload == "model" else weight_budget_bytes(device))
            self.loaded: LoadedPipeline = load_pipeline(row.base, placement, dtype, runtime)
            control = _control_of(request, self.loaded, dtype)
            mode = MODES.get((self.loaded.kind.name, request.control or ""))
            self.sampler = DiffusionSampler(self.loaded, control, mode, adapter)
            named = str(dtype).removeprefix("torch.")
            self.reader: ReferenceReader = load_reference_reader(placement, named, request.encoder, request.captioner)
        self._layouts = _LayoutComposer() if request.layout else None

    def prepare(
        self, request: Request, images: dict[Path, Image.Image] | None = None, watch: Stopwatch | None = None
    ) -> PreparedPrompt:
        images = {} if images is None else images
        with (watch or Stopwatch())("read"), user_errors():
            if self.loaded.kind.takes == "picture" and not request.references:
                raise UserError(f"{self.model} edits a reference, and none was given: name a picture with --reference")
            for path in request.references:
                if path not in images:
                    images[path] = read_reference(path).image
                    images[path].thumbnail((REFERENCE_PX, REFERENCE_PX), Image.Resampling.LANCZOS)
            references = tuple(images[path] for path in request.references)
            reading = None if request.scene is None else read_scene_file(request.scene)
            if reading is not None:
                references = (draw_reading(reading),)
            selection = None if self._layouts is None else self._layouts.select_art(request)
        subject = request.subject or (selection.subject if selection else "")
        return PreparedPrompt(request, references, subject, selection, reading)

    def understand(self, references: Sequence[Image.Image], words: str | None = None) -> Conditioning:
        (found,) = self.reader.read([(references, words)])
        return found

    def compose(
        self,
        prepared: Sequence[PreparedPrompt],
        progress: Progress | None = None,
        watch: Stopwatch | None = None,
        preview: Preview | None = None,
    ) -> list[GeneratedPictures]:
        if not prepared:
            return []
        watch = watch or Stopwatch()
        check_one_pass([one.request for one in prepared])
        request = prepared[0].request
        with user_errors():
            with watch("encode"):
                conditionings = self.reader.read(
                    [(one.references, one.request.relation) for one in prepared],
                    [one.request.reference_weights for one in prepared],
                )
                conditionings = [
                    found if one.reading is None else of_scene(found, one.reading)
                    for one, found in zip(prepared, conditionings, strict=True)
                ]
            with watch("prompt"):
                prompts = self._prompts(prepared, conditionings)
            with watch("layout"):
                scenes = [
                    self._scenes(one, found, request) for one, found in zip(prepared, conditionings, strict=True)
                ]  # fmt: skip
            rows = [
                row
                for one, found, prompt, laid in zip(prepared, conditionings, prompts, scenes, strict=True)
                for row in self._rows(one, found, prompt, laid)
            ]
            if self.sampler.attached is not None:
                self.sampler.attached.set_strength(_strength_of(request))
            strength = request.strength or (CONTROL_STRENGTH if request.control else START_STRENGTH)
            with watch("paint"):
                try:
                    painted = iter(
                        self.sampler.sample(
                            rows, self._use(request), request.steps or self._row.steps,
                            self._row.guidance if request.guidance_scale is None else request.guidance_scale,
                            strength, progress,
                        )
                    )  # fmt: skip
                except MemoryError as error:
                    raise UserError(_no_memory(request, error)) from error
        return [
            GeneratedPictures(
                one.request, found, one.subject, self._notes(one, found), prompt,
                tuple(next(painted) for _ in one.request.candidate_seeds), tuple(laid),
            )
            for one, found, prompt, laid in zip(prepared, conditionings, prompts, scenes, strict=True)
        ]  # fmt: skip

    def finish(
        self, composed: GeneratedPictures, progress: Progress | None = None, watch: Stopwatch | None = None
    ) -> Iterator[Candidate]:
        with (watch or Stopwatch())("score"), user_errors():
            scores = self.reader.score(composed.pictures, composed.conditioning, composed.subject)
        for rank, index in enumerate(ranked(scores)):
            seed = composed.request.candidate_seeds[index]
            yield Candidate(composed.pictures[index], seed, scores[index], rank, composed.scenes[index])

    def _prompts(self, prepared: Sequence[PreparedPrompt], conditionings: Sequence[Conditioning]) -> list[str]:
        subjects = [one.subject for one in prepared]
        if prepared[0].request.relation_scale == 0:
            prompts = [with_article(subject) for subject in subjects]
        elif self._edits(prepared[0].request):
            prompts = [
                instruct(found.found.caption, one.subject, one.request.other)
                for one, found in zip(prepared, conditionings, strict=True)
            ]
        else:
            prompts = self.reader.prompts(conditionings, subjects, [one.request.other for one in prepared])
        return [
            f"{prompt}, {one.request.style}" if one.request.style else prompt
            for prompt, one in zip(prompts, prepared, strict=True)
        ]

    def _scenes(self, one: PreparedPrompt, found: Conditioning, request: Request) -> list[Scene | None]:
        if self._layouts is None or one.selection is None:
            return [None for _ in one.request.candidate_seeds]
        return list(self._layouts.compose(one.request, found, one.selection))

    def _rows(
        self, one: PreparedPrompt, found: Conditioning, prompt: str, scenes: Sequence[Scene | None]
    ) -> Iterator[ImageSpec]:
        request = one.request
        width, height = request.width, request.height
        for seed, scene in zip(request.candidate_seeds, scenes, strict=True):
            picture = one.references[_edited(request)] if self._edits(request) else None
            if scene is not None and self._layouts is not None and one.selection is not None:
                scene_art = one.selection.scene_art(self._layouts.library, scene.other, scene.style)
                if request.control:
                    picture = control_picture(scene, scene_art, width, height, request.control)
                else:
                    picture = start_picture(scene, scene_art, width, height)
            relation = found.relation if request.relation_scale else None
            yield ImageSpec(prompt, seed, width, height, request.negative_prompt, picture, relation)

    def _use(self, request: Request) -> Use:
        if request.layout:
            return "control" if request.control else "start"
        return "edit" if self._edits(request) else "nothing"

    def _edits(self, request: Request) -> bool:
        """Whether the model sees a picture of the request beside the words."""
        takes = self.loaded.kind.takes
        return takes == "picture" or (takes == "either" and bool(request.references) and not request.layout)

    def _notes(self, one: PreparedPrompt, found: Conditioning) -> tuple[str, ...]:
        notes = [*self.loaded.notes, *found.notes]
        if one.selection is not None:
            notes += [note for note in one.selection.notes if "--negative-prompt" not in note]
        request = one.request
        if self._edits(request) and len(request.references) > 1:
            which = "the reference of the largest weight" if request.reference_weights else "the first reference"
            notes.append(f"{self.model} edits {which}; the others were only read for their logic")
        if self.sampler.attached is None and request.relation_scale not in (0, 1):
            notes.append("--relation-scale acts through an adapter, and none was given: it changes nothing")
        return tuple(notes)


def _strength_of(request: Request) -> Strength:
    scale = request.relation_scale
    return Strength(scale) if request.adapter_strength is None else Strength.parse(request.adapter_strength, scale)


def _edited(request: Request) -> int:
    """The index of the reference that an edit model works on."""
    weights = request.reference_weights
    return weights.index(max(weights)) if weights else 0


class _LayoutComposer:
    """Composes layouts with mini: chooses the art and composes the scenes."""

    def __init__(self) -> None:
        self.encoder, self.composer, self.library = load_mini(), load_composer(), ArtLibrary.shipped()

    def select_art(self, request: Request) -> ArtSelection:
        """The art for a layout; the request's style is a text for the prompt here, not an art family."""
        return select_art(replace(request, style=None), self.library, self.encoder)

    def compose(self, request: Request, found: Conditioning, selection: ArtSelection) -> Iterator[Scene]:
        plans = plan_candidates(request, found, selection, self.library)
        for scene in compose_scenes(plans, self.composer, relation_scale=1.0 if request.relation_scale else 0.0):
            yield scene if selection.drawable else with_placeholder_discs(scene)


def _control_of(request: Request, loaded: LoadedPipeline, dtype: torch.dtype) -> torch.nn.Module | None:
    if request.control is None:
        return None
    return load_control(request.control_model or known_control(loaded.kind.name, request.control), dtype)


def _no_memory(request: Request, error: MemoryError) -> str:
    """An error message with the flags that save memory and have not been given."""
    flags = [
        flag
        for flag, tried in (
            ("--cpu-offload model", request.cpu_offload is not None),
            ("--cpu-offload sequential", request.cpu_offload == "sequential"),
            ("--quantize 4bit", request.quantize == "4bit"),
            ("--dtype bfloat16", request.dtype in ("bfloat16", "float16")),
        )
        if not tried
    ]
    smaller = f"--width {request.width // 2} --height {request.height // 2}"
    return f"{request.model}: {error}: try {', '.join([*flags, smaller])}"
