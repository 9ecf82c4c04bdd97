"""`Generator`, the implementation for mini: the main flow. Start reading here.

A request goes through these stages:

    prepare  read the references or the scene (scene_reference.py), or make it (scene_change.py); choose the art
             (art_selection.py)
    compose  embed the references (conditioning.py), compose a scene for each candidate (composition.py)
    finish   draw small previews, score and rank them (scoring.py), draw the best at full size

`Generator.run` (stages.py) takes one request through them; a batch takes many requests through the same methods.
Callers save what comes back (saving.py). diffusion_generator.py has the same stages for diffusion models.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from PIL import Image

from analogen.art_selection import ArtSelection, select_art
from analogen.composition import CandidatePlan, compose_scenes, plan_candidates, scene_errors, strays_of
from analogen.conditioning import Conditioning, encode_relations, of_scene
from analogen.errors import UserError, user_errors
from analogen.models import find_model, pick_device
from analogen.pipelines.composer.scene_composer import SceneComposer
from analogen.relsim.encoder import load_mini
from analogen.relsim.images import read_reference
from analogen.relsim.mini.encoder import MiniEncoder
from analogen.relsim.mini.reading import SceneReading
from analogen.relsim.world.art import ArtLibrary
from analogen.relsim.world.direction import kept_in_direction
from analogen.relsim.world.relation_words import RelationWords, read_words
from analogen.relsim.world.render import SceneArt, render
from analogen.relsim.world.scene import Scene
from analogen.relsim.world.svg import to_svg
from analogen.relsim.world.visibility import SEEN_BY_COLOR
from analogen.scene_change import make_changed_scene
from analogen.scene_reference import draw_reading, read_scene_file
from analogen.scoring import ScoreWeights, explained, score
from analogen.stages import Composed, Prepared, Preview, Progress, Stages, Stopwatch, check_one_pass
from analogen.types import DTYPES, Candidate, Request, Scores

# Candidates are scored at this size; only those that are kept are drawn at full size.
PREVIEW_PX = 224
# Size of the sketches that are shown while a scene is composed.
SKETCH_PX = 144


@dataclass(frozen=True)
class PreparedRequest(Prepared):
    """A request whose references have been read and whose art has been chosen.

    reading: of its scene, given or made; None for a request without one.
    """

    selection: ArtSelection
    reading: SceneReading | None = None


@dataclass(frozen=True)
class ComposedScenes(Composed):
    """A request with the scenes of its candidates, not drawn yet.

    scenes[i] belongs to plans[i]; errors[i] is its denoising error (see `composition.scene_errors`); in_direction[i]:
    whether it keeps the direction that the words name, true where they name none.
    """

    selection: ArtSelection
    plans: tuple[CandidatePlan, ...]
    scenes: tuple[Scene, ...]
    errors: tuple[float, ...]
    in_direction: tuple[bool, ...] = ()


class Generator(Stages):
    """Generates pictures with mini; loaded once, for any number of requests.

    model: "mini". device: "auto" takes an accelerator if there is one. dtype: one of `types.DTYPES`, of the composer.
    Raises UserError for another model, and for a device that this machine lacks.

    Example:
        generator = Generator()
        result = generator.run(Request(references=(Path("ring_of_owls.png"),), subject="bicycle", seed=7))
        result.candidates[0].image.save("bicycles.png")
    """

    def __init__(self, model: str = "mini", device: str = "auto", dtype: str = "auto") -> None:
        if not find_model(model).is_mini:
            raise UserError(
                f"Generator runs mini only, and {model!r} was given: analogen.load_generator(Request(...)) loads all"
            )
        self.model = model
        self.device = pick_device(device)
        if dtype not in DTYPES:
            raise UserError(f"dtype is {dtype!r}: expected one of {', '.join(DTYPES)}")
        self.encoder: MiniEncoder = load_mini(model, self.device)
        self.composer = SceneComposer.load(device=self.device)
        if dtype not in ("auto", "float32"):
            self.composer.to(getattr(torch, dtype))
        self.library = ArtLibrary.shipped()

    @property
    def reads(self) -> bool:
        """Whether references are read as scenes: the encoder can, and the composer takes readings."""
        return self.composer.reads and bool(self.encoder.net.config.dense_dim)

    def prepare(
        self, request: Request, images: dict[Path, Image.Image] | None = None, watch: Stopwatch | None = None
    ) -> PreparedRequest:
        """Read the references of one request and choose its art.

        images: the pictures that earlier requests have read, by path; new ones are added. Raises UserError for bad
        input.
        """
        images = {} if images is None else images
        with (watch or Stopwatch())("read"), user_errors():
            for path in request.references:
                if path not in images:
                    images[path] = self.encoder.preprocess(read_reference(path).image)
            references = tuple(images[path] for path in request.references)
            reading = None if request.scene is None else read_scene_file(request.scene)
            made = None if request.becomes is None else make_changed_scene(request, self.encoder)
            if made is not None:
                reading, request = made.reading, replace(request, subject_part=made.subject_part)
            if reading is not None:
                references = (self.encoder.preprocess(draw_reading(reading)),)
            selection = select_art(request, self.library, self.encoder)
            return PreparedRequest(request, references, selection, reading, made=made)

    def understand(self, references: Sequence[Image.Image], words: str | None = None) -> Conditioning:
        """Embed pictures, words or both as the relation that a request with them would keep."""
        reduced = [self.encoder.preprocess(image) for image in references]
        return encode_relations([(reduced, words)], self.encoder)[0]

    def compose(
        self,
        prepared: Sequence[PreparedRequest],
        progress: Progress | None = None,
        watch: Stopwatch | None = None,
        preview: Preview | None = None,
    ) -> list[ComposedScenes]:
        """Compose the scenes of all candidates of all requests in one sampling pass.

        Each request may have references of its own. Raises ValueError if the requests do not agree in
        `Request.pass_settings`.
        """
        if not prepared:
            return []
        watch = watch or Stopwatch()
        check_one_pass([one.request for one in prepared])
        with watch("encode"), user_errors():
            conditionings = encode_relations(
                [(one.references, _words(one.request)) for one in prepared],
                self.encoder, read=self.reads,
                weights=[one.request.reference_weights for one in prepared],
            )  # fmt: skip
            conditionings = [
                found if one.reading is None else of_scene(found, one.reading, one.made.note if one.made else None)
                for one, found in zip(prepared, conditionings, strict=True)
            ]
        planned = [
            plan_candidates(one.request, conditioning, one.selection, self.library)
            for one, conditioning in zip(prepared, conditionings, strict=True)
        ]
        request = prepared[0].request
        plans = [plan for own in planned for plan in own]
        with watch("compose"):
            scenes = compose_scenes(
                plans,
                self.composer,
                request.steps,
                request.guidance_scale,
                request.relation_scale,
                progress,
                _sketch_callback(planned, preview),
            )
            # A single candidate is not ranked, and needs no error.
            is_ranked = any(len(own) > 1 for own in planned)
            errors = (
                scene_errors(scenes, plans, self.composer, request.relation_scale) if is_ranked else [1.0] * len(plans)
            )
        results: list[ComposedScenes] = []
        start = 0
        directions = [found.direction for found, own in zip(conditionings, planned, strict=True) for _ in own]
        turned = [kept_in_direction(scene, way) for scene, way in zip(scenes, directions, strict=True)]
        for one, conditioning, own in zip(prepared, conditionings, planned, strict=True):
            part = slice(start, start + len(own))
            start = part.stop
            if conditioning.doubtful:  # the errors of two ways to make it cannot be compared
                errors[part] = [1.0] * len(own)
            notes = conditioning.notes + one.selection.notes
            if not any(kept for _, kept in turned[part]):
                notes += ("no candidate shows the direction that the words name: try more --candidates",)
            results.append(
                ComposedScenes(
                    one.request, conditioning, one.selection.subject, notes, one.selection, tuple(own),
                    tuple(scene for scene, _ in turned[part]), tuple(errors[part]),
                    tuple(kept for _, kept in turned[part]), made=one.made,
                )
            )  # fmt: skip
        return results

    def finish(
        self, composed: ComposedScenes, progress: Progress | None = None, watch: Stopwatch | None = None
    ) -> Iterator[Candidate]:
        """Score the candidates of one request, then draw those that are kept.

        Yields them best first; each is drawn when it is asked for.
        """
        watch = watch or Stopwatch()
        request, pairs = composed.request, list(zip(composed.scenes, composed.plans, strict=True))
        with watch("score"):
            previews = [draw_scene(scene, plan.scene_art, PREVIEW_PX, PREVIEW_PX) for scene, plan in pairs]
            strays = strays_of(composed.scenes, composed.plans)
            scores = score_pictures(previews, composed.conditioning, composed.selection, self.encoder, strays=strays)
        lost = [plan.contrast < SEEN_BY_COLOR for plan in composed.plans]
        kept = min(request.num_images, len(scores))
        order = explained(scores, kept, composed.errors, lost, in_direction=composed.in_direction)
        for rank, (index, reason) in enumerate(order):
            scene, plan = pairs[index]
            picture, drawing = previews[index], None
            if rank < request.num_images:
                if progress is not None:
                    progress("draw", rank, request.num_images)
                with watch("draw"):
                    picture = draw_scene(scene, plan.scene_art, request.width, request.height)
                    if request.svg:
                        drawing = to_svg(scene, request.width, request.height, art=plan.scene_art)
            yield Candidate(picture, plan.seed, scores[index], rank, scene, drawing, reason=reason)


def _words(request: Request) -> RelationWords | None:
    return None if request.relation is None else read_words(request.relation, request.subject, request.other)


def draw_scene(scene: Scene, scene_art: SceneArt, width: int, height: int) -> Image.Image:
    return Image.fromarray(render(scene, width, height, art=scene_art))


def score_pictures(
    pictures: Sequence[Image.Image],
    conditioning: Conditioning,
    selection: ArtSelection,
    encoder: MiniEncoder,
    weights: ScoreWeights | None = None,
    strays: Sequence[float] = (),
) -> list[Scores]:
    """Scores of finished pictures, see `analogen.scoring.score`."""
    seen = encoder.encode_all(list(pictures))
    return score(
        conditioning.compared, seen.relation, selection.subject_vector, seen.subject, conditioning.looks,
        seen.attributes, weights, conditioning.structure, seen.structure, encoder.calibration, strays,
    )  # fmt: skip


def _sketch_callback(
    planned: Sequence[Sequence[CandidatePlan]], preview: Preview | None
) -> Callable[[int, Scene], None] | None:
    """A `preview` for `compose_scenes` that draws the scene small and calls `preview` with the numbers of request and
    candidate."""
    if preview is None:
        return None
    numbers = [(request, candidate) for request, plans in enumerate(planned) for candidate in range(len(plans))]

    def show(index: int, scene: Scene) -> None:
        request, candidate = numbers[index]
        preview(request, candidate, draw_scene(scene, planned[request][candidate].scene_art, SKETCH_PX, SKETCH_PX))

    return show
