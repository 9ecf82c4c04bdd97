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

from analogen.conditioning import Conditioning, of_scene
from analogen.errors import UserError, user_errors
from analogen.layout_composer import LayoutComposer
from analogen.models import find_model, pick_device
from analogen.pipelines.adapter.families import check_kind
from analogen.pipelines.adapter.model import load_adapter
from analogen.pipelines.adapter.strength import Strength
from analogen.pipelines.diffusion.device_placement import DevicePlacement, weight_budget_bytes
from analogen.pipelines.diffusion.image_spec import ImageSpec
from analogen.pipelines.diffusion.layout import MODES, known_control
from analogen.pipelines.diffusion.loading import LoadedPipeline, load_control, load_pipeline
from analogen.pipelines.diffusion.memory_check import check_memory
from analogen.pipelines.diffusion.pipeline_call import Use
from analogen.pipelines.diffusion.runtime import Lora, RuntimeOptions
from analogen.pipelines.diffusion.sampler import DiffusionSampler
from analogen.pipelines.diffusion.style_choice import way_of
from analogen.pipelines.diffusion.style_picture import load_style
from analogen.prompting import PreparedPrompt, Prompting, Told, needs_layouts, prepare_prompt
from analogen.read_back import WEIGHT, ReadBack, SceneChecker, compared
from analogen.reference_reader import ReferenceReader, load_reference_reader
from analogen.relsim.mini.reading import SceneReading, reading_of
from analogen.relsim.vlm.loading import pick_dtype
from analogen.relsim.world.scene import Scene
from analogen.scoring import explained
from analogen.stages import Composed, Preview, Progress, Stages, Stopwatch, check_one_pass
from analogen.types import MAX_SEED, Candidate, Request

START_STRENGTH, CONTROL_STRENGTH = 0.75, 0.8
RETRY_STRIDE = 1_000_003  # between the seeds of tries, so that they are none of the other candidates'


@dataclass(frozen=True)
class Attempt:
    """One generated picture. seed: of its layout; paint_seed: of the painting, another one after a retry."""

    told: Told
    scene: Scene | None
    picture: Image.Image
    seed: int
    paint_seed: int
    read: ReadBack


@dataclass(frozen=True)
class GeneratedPictures(Composed):
    """A request with its generated candidates, in the order of request.candidate_seeds."""

    attempts: tuple[Attempt, ...]

    @property
    def prompt(self) -> str:
        """What the first candidate was made from."""
        return self.attempts[0].told.prompt

    @property
    def pictures(self) -> tuple[Image.Image, ...]:
        return tuple(attempt.picture for attempt in self.attempts)


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
            if request.style_image is not None and self.loaded.kind.takes == "words":
                way = way_of(self.loaded.kind.name, request.style_by, adapter is not None)
                self.sampler.redux = load_style(self.loaded, request.style_scale, way)
            layouts = LayoutComposer() if needs_layouts(request, row, self.loaded.kind) else None
        self.prompting = Prompting(self.loaded.kind, self.reader, layouts)
        self._checker = SceneChecker()

    def prepare(
        self, request: Request, images: dict[Path, Image.Image] | None = None, watch: Stopwatch | None = None
    ) -> PreparedPrompt:
        images = {} if images is None else images
        with (watch or Stopwatch())("read"), user_errors():
            return prepare_prompt(request, self.loaded.kind, self.prompting.layouts, images)

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
                    found if one.reading is None else of_scene(found, one.reading, one.made.note if one.made else None)
                    for one, found in zip(prepared, conditionings, strict=True)
                ]
            with watch("layout"):
                scenes = [self.prompting.scenes(*pair) for pair in zip(prepared, conditionings, strict=True)]
            with watch("prompt"):
                told = self.prompting.told(prepared, conditionings, scenes)
            if self.sampler.attached is not None:
                self.sampler.attached.set_strength(_strength_of(request))
            drafts = [
                _Draft(one, found, each, scene, seed, seed if request.paint_seed is None else request.paint_seed)
                for one, found, some, own in zip(prepared, conditionings, told, scenes, strict=True)
                for each, scene, seed in zip(some, own, one.request.candidate_seeds, strict=True)
            ]
            attempts = self._paint(drafts, progress, watch)
            for number in range(1, request.retries + 1):
                attempts = self._tried_again(drafts, attempts, number, progress, watch)
        made = iter(attempts)
        return [
            GeneratedPictures(
                one.request, found, one.subject, self._notes(one, found),
                tuple(next(made) for _ in one.request.candidate_seeds), made=one.made,
            )
            for one, found in zip(prepared, conditionings, strict=True)
        ]  # fmt: skip

    def finish(
        self, composed: GeneratedPictures, progress: Progress | None = None, watch: Stopwatch | None = None
    ) -> Iterator[Candidate]:
        with (watch or Stopwatch())("score"), user_errors():
            scores = self.reader.score(composed.pictures, composed.conditioning, composed.subject)
        kept = min(composed.request.num_images, len(scores))
        bonus = [WEIGHT * attempt.read.agreement for attempt in composed.attempts]
        for rank, (index, reason) in enumerate(explained(scores, kept, bonus=bonus)):
            made = composed.attempts[index]
            paint_seed = None if made.paint_seed == made.seed else made.paint_seed
            yield Candidate(
                made.picture, made.seed, scores[index], rank, made.scene, read=made.read, prompt=made.told.prompt,
                paint_seed=paint_seed, reason=reason,
            )  # fmt: skip

    def _paint(self, drafts: Sequence[_Draft], progress: Progress | None, watch: Stopwatch) -> list[Attempt]:
        """Paint and read back all drafts; those of one use of pictures share their calls."""
        if not drafts:
            return []
        request = drafts[0].one.request
        strength = request.strength or (CONTROL_STRENGTH if request.control else START_STRENGTH)
        guidance = self._row.guidance if request.guidance_scale is None else request.guidance_scale
        uses = [self._use(draft.one.request, draft.told) for draft in drafts]
        pictures: dict[int, Image.Image] = {}
        with watch("paint"):
            for use in dict.fromkeys(uses):
                chosen = [place for place, own in enumerate(uses) if own == use]
                try:
                    painted = self.sampler.sample(
                        [drafts[place].row() for place in chosen], use, request.steps or self._row.steps, guidance,
                        strength, progress,
                    )  # fmt: skip
                except MemoryError as error:
                    raise UserError(_no_memory(request, error)) from error
                pictures.update(zip(chosen, painted, strict=True))
        with watch("read back"):
            wanted = [draft.wanted(self._checker) for draft in drafts]
            read = self._checker.read([pictures[place] for place in range(len(drafts))], wanted)
        return [
            Attempt(draft.told, draft.scene, pictures[place], draft.seed, draft.paint_seed, read[place])
            for place, draft in enumerate(drafts)
        ]

    def _tried_again(
        self, drafts: list[_Draft], attempts: list[Attempt], number: int, progress: Progress | None, watch: Stopwatch
    ) -> list[Attempt]:
        """The attempts, with better ones for those of requests that have too few good pictures.

        Only the stage that failed is done anew: the layout, where it differs from the reference by more than the
        picture does from it; else the painting alone, by another seed.
        """
        good: dict[int, int] = {}
        for draft, attempt in zip(drafts, attempts, strict=True):
            good[id(draft.one)] = good.get(id(draft.one), 0) + (attempt.read.agreement == 1)
        places, again = [], []
        for place, (draft, attempt) in enumerate(zip(drafts, attempts, strict=True)):
            if attempt.read.agreement < 1 and good[id(draft.one)] < draft.one.request.num_images:
                places.append(place)
                again.append(self._next_draft(draft, attempt, number))
        best = list(attempts)
        for place, draft, attempt in zip(places, again, self._paint(again, progress, watch), strict=True):
            if attempt.read.agreement > best[place].read.agreement:
                best[place], drafts[place] = attempt, draft
        return best

    def _next_draft(self, draft: _Draft, attempt: Attempt, number: int) -> _Draft:
        seed = (draft.seed + number * RETRY_STRIDE) % (MAX_SEED + 1)
        reference = self._checker.wanted(None, draft.one.references, draft.one.reading)
        if draft.scene is None or draft.one.reading is not None or reference is None:
            return replace(draft, paint_seed=seed)
        if compared(reading_of(draft.scene), reference).agreement >= attempt.read.agreement:
            return replace(draft, paint_seed=seed)
        alone = replace(draft.one, request=replace(draft.one.request, seed=seed, candidates=1, num_images=1))
        scenes = self.prompting.scenes(alone, draft.found)
        ((told,),) = self.prompting.told([alone], [draft.found], [scenes])
        return replace(draft, told=told, scene=scenes[0], seed=seed, paint_seed=seed)

    def _use(self, request: Request, told: Told) -> Use:
        if request.layout is True:
            return "control" if request.control else "start"
        return "edit" if told.picture is not None else "nothing"

    def _notes(self, one: PreparedPrompt, found: Conditioning) -> tuple[str, ...]:
        notes = [*self.loaded.notes, *found.notes]
        if one.selection is not None:
            notes += [note for note in one.selection.notes if "--negative-prompt" not in note]
        request, shown = one.request, self.prompting.shown(one, found)
        if shown in ("flattened", "original") and len(request.references) > 1:
            which = "the reference of the largest weight" if request.reference_weights else "the first reference"
            notes.append(f"{self.model} sees {which}; the others were only read for their logic")
        if shown == "flattened" and request.reference_as == "auto":
            notes.append("mini is not sure of the relation: the model sees the reference flattened, not mini's drawing")
        if request.layout == "boxes" and not self.loaded.kind.boxes:
            notes.append(f"{self.loaded.kind.title} takes no boxes: the layout is told in words")
        if self.sampler.attached is None and request.relation_scale not in (0, 1):
            notes.append("--relation-scale acts through an adapter, and none was given: it changes nothing")
        return tuple(notes)


@dataclass(frozen=True)
class _Draft:
    """A picture to paint: what is told, of which request, by which seeds."""

    one: PreparedPrompt
    found: Conditioning
    told: Told
    scene: Scene | None
    seed: int
    paint_seed: int

    def row(self) -> ImageSpec:
        request = self.one.request
        return ImageSpec(
            self.told.prompt, self.paint_seed, request.width, request.height, request.negative_prompt,
            self.told.picture, self.told.more, self.told.style, self.told.boxes,
            self.found.relation if request.relation_scale else None,
        )  # fmt: skip

    def wanted(self, checker: SceneChecker) -> SceneReading | None:
        return checker.wanted(self.scene, self.one.references, self.one.reading)


def _strength_of(request: Request) -> Strength:
    scale = request.relation_scale
    return Strength(scale) if request.adapter_strength is None else Strength.parse(request.adapter_strength, scale)


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
