"""The main flow with mini, stage by stage: start reading here.

read -> encode_relations -> plan -> sample -> score -> select -> draw. `Generator.run` (stages.py) takes one request
through it; the batch takes many at once through the same methods (`prepare`, `compose`, `finish`). Callers save what
comes back. Big models go the same way in diffusion_generator.py.
"""

from __future__ import annotations

import dataclasses
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from analogen.conditioning import Conditioning, encode_relations, normalized
from analogen.errors import UserError, user_errors
from analogen.models import find_model, pick_device
from analogen.pipelines.composer.features import decode
from analogen.pipelines.composer.pipeline import ComposerOutput, ComposerPipeline, load_composer
from analogen.relsim.encoder import load_mini
from analogen.relsim.images import read_image
from analogen.relsim.mini.encoder import Looked, MiniEncoder
from analogen.relsim.world.art import Art, ArtLibrary
from analogen.relsim.world.palette import PALETTES, flattering_background
from analogen.relsim.world.render import Cast, render
from analogen.relsim.world.scene import Scene
from analogen.relsim.world.subject_image import read_subject_image
from analogen.relsim.world.svg import to_svg
from analogen.scoring import ScoreWeights, Vectors, ranked, score
from analogen.stages import Composed, Prepared, Preview, Progress, Stages, Stopwatch, check_one_pass
from analogen.types import DTYPES, Candidate, Request, Scores

# Candidates are judged at this size; only those that are kept are drawn at full size.
PREVIEW_PX = 224
# What is shown of a scene under way: so small and so seldom that drawing it costs little beside a step.
SKETCH_PX, PREVIEW_SECONDS = 144, 0.4
STEPS, GUIDANCE = 24, 1.0  # more guidance costs twice the time and kept no more relations (docs/experiments.md, 8)


@dataclass(frozen=True)
class ArtSelection:
    """Who plays the things. `subject_vector`: (384,), what the subject score compares with; drawable: whether the
    art is the subject's own, or a stand-in for it."""

    subject: str
    subject_vector: Vectors
    art: Art | None
    others: tuple[str, ...]
    style: str | None
    notes: tuple[str, ...] = ()
    drawable: bool = True


@dataclass(frozen=True)
class CandidatePlan:
    """One candidate to make: everything that decides its picture. relation: (384,) unit vector; patches: (P, dim) of
    the reference, for a composer that takes them."""

    seed: int
    relation: Vectors
    scene: Scene  # still without elements
    cast: Cast
    patches: Vectors | None = None


@dataclass(frozen=True)
class PreparedRequest(Prepared):
    """A request whose things have been found their art."""

    selection: ArtSelection


@dataclass(frozen=True)
class ComposedScenes(Composed):
    """A request with its candidates as scenes, still undrawn; scenes[i] is of rows[i], as malformed as errors[i]."""

    selection: ArtSelection
    rows: tuple[CandidatePlan, ...]
    scenes: tuple[Scene, ...]
    errors: tuple[float, ...]


class Generator(Stages):
    """Mini, loaded once, for any number of requests.

    model: "mini"; device: "auto" takes an accelerator if there is one.
    Raises UserError for what cannot be had.
    """

    def __init__(self, model: str = "mini", device: str = "auto", dtype: str = "auto") -> None:
        if not find_model(model).is_mini:
            raise UserError(
                f"Generator is mini alone, and {model!r} came: analogen.load_generator(Request(...)) takes all"
            )
        self.model = model
        self.device = pick_device(device)
        if dtype not in DTYPES:
            raise UserError(f"dtype is {dtype!r}: expected one of {', '.join(DTYPES)}")
        self.encoder: MiniEncoder = load_mini(model, self.device)
        self.composer: ComposerPipeline = load_composer(device=self.device)
        if dtype not in ("auto", "float32"):
            self.composer.to(getattr(torch, dtype))
        self.library = ArtLibrary.shipped()

    def prepare(
        self, request: Request, images: dict[Path, Image.Image] | None = None, watch: Stopwatch | None = None
    ) -> PreparedRequest:
        """Read the files of one request and find its art.

        images: pictures read so far, for requests that share theirs; new ones are added. Raises UserError for bad
        input.
        """
        images = {} if images is None else images
        with (watch or Stopwatch())("read"), user_errors():
            for path in request.references:
                if path not in images:
                    images[path] = self.encoder.reduced(read_image(path).image)
            references = tuple(images[path] for path in request.references)
            return PreparedRequest(request, references, select_art(request, self.library, self.encoder))

    def understand(self, references: Sequence[Image.Image], words: str | None = None) -> Conditioning:
        """What would be kept of pictures, words or both."""
        reduced = [self.encoder.reduced(image) for image in references]
        return encode_relations([(reduced, words)], self.encoder)[0]

    def compose(
        self,
        prepared: Sequence[PreparedRequest],
        progress: Progress | None = None,
        watch: Stopwatch | None = None,
        preview: Preview | None = None,
    ) -> list[ComposedScenes]:
        """The scenes of all candidates of all requests, whatever their references, in one pass.

        Raises ValueError if the requests do not agree in what `Request.pass_settings` names.
        """
        if not prepared:
            return []
        watch = watch or Stopwatch()
        check_one_pass([one.request for one in prepared])
        with watch("encode"), user_errors():
            conditioning = encode_relations(
                [(one.references, one.request.relation) for one in prepared],
                self.encoder, patches=self.composer.takes_patches,
                weights=[one.request.reference_weights for one in prepared],
            )  # fmt: skip
        planned = [
            plan_candidates(one.request, found, one.selection, self.library)
            for one, found in zip(prepared, conditioning, strict=True)
        ]
        request = prepared[0].request
        rows = [row for own in planned for row in own]
        with watch("compose"):
            composed = compose_scenes(
                rows,
                self.composer,
                request.steps,
                request.guidance_scale,
                request.relation_scale,
                progress,
                _drawn_small(planned, preview),
            )
            # One candidate has nobody to be ranked against.
            alone = all(len(own) == 1 for own in planned)
            errors = [1.0] * len(rows) if alone else scene_errors(composed, rows, self.composer, request.relation_scale)
        results: list[ComposedScenes] = []
        start = 0
        for one, found, own in zip(prepared, conditioning, planned, strict=True):
            part = slice(start, start + len(own))
            start = part.stop
            notes = found.notes + one.selection.notes
            made, form = tuple(composed[part]), tuple(errors[part])
            results.append(
                ComposedScenes(one.request, found, one.selection.subject, notes, one.selection, tuple(own), made, form)
            )
        return results

    def finish(
        self, composed: ComposedScenes, progress: Progress | None = None, watch: Stopwatch | None = None
    ) -> Iterator[Candidate]:
        """Score one request's candidates and draw those that are kept, best first, each as it is asked for."""
        watch = watch or Stopwatch()
        request, pairs = composed.request, list(zip(composed.scenes, composed.rows, strict=True))
        with watch("score"):
            previews = [draw_scene(scene, row.cast, PREVIEW_PX, PREVIEW_PX) for scene, row in pairs]
            scores = score_pictures(previews, composed.conditioning, composed.selection, self.encoder)
        for rank, index in enumerate(ranked(scores, composed.errors)):
            scene, row = pairs[index]
            picture, drawing = previews[index], None
            if rank < request.num_images:
                if progress is not None:
                    progress("draw", rank, request.num_images)
                with watch("draw"):
                    picture = draw_scene(scene, row.cast, request.width, request.height)
                    if request.svg:
                        drawing = to_svg(scene, request.width, request.height, art=row.cast)
            yield Candidate(picture, row.seed, scores[index], rank, scene, drawing)


def select_art(request: Request, library: ArtLibrary, encoder: MiniEncoder) -> ArtSelection:
    """Find the art of subject and second thing. Raises ValueError for a style or picture that cannot be used."""
    notes: list[str] = []

    near = {"--subject": True}

    def look_up(text: str, flag: str) -> str:
        try:
            match = library.find(text)
        except ValueError:  # not a name of the library: by meaning, which needs the text tower
            match = library.find(text, lambda texts: encoder.embed_text(texts))
        near[flag] = match.near
        if not match.near:
            notes.append(
                f"no drawing is near {flag} {text!r}: {match.name!r} stands in; give your own with --subject-image"
            )
        elif not match.exact:
            notes.append(f"{flag} {text!r} is drawn as {match.name!r}")
        return match.name

    if request.style is not None and request.style not in library.styles:
        raise ValueError(f"unknown style {request.style!r}: expected one of {', '.join(library.styles)}")
    art: Art | None = None
    if request.subject_image is not None:
        art = read_subject_image(request.subject_image)
        subject = request.subject or art.name
        # What the user's own picture looks like to the encoder, since its name may say little.
        vector = encoder.embed_subject([_on_white(art)])[0]
        if request.subject:
            vector = normalized(vector + encoder.embed_text([request.subject])[0])
    else:
        assert request.subject is not None, "a request names a subject or its picture"
        subject = look_up(request.subject, "--subject")
        vector = library.meaning(subject)
    if request.other is not None:
        others: tuple[str, ...] = (look_up(request.other, "--other"),)
    else:
        others = fitting_others(subject if art is None else None, library)
    if request.negative_prompt is not None:
        notes.append("mini reads no --negative-prompt: it changes nothing")
    return ArtSelection(subject, vector, art, others, request.style, tuple(notes), near["--subject"])


def fitting_others(subject: str | None, library: ArtLibrary) -> tuple[str, ...]:
    """Second things that contrast with the subject: clear drawings of another kind."""
    stock = library.nouns(stock=True)
    if subject is None:
        return stock
    return tuple(name for name in stock if library.category(name) != library.category(subject)) or stock


def plan_candidates(
    request: Request, conditioning: Conditioning, selection: ArtSelection, library: ArtLibrary
) -> list[CandidatePlan]:
    """One row per candidate; a candidate's seed alone decides its palette, ground, art family and second thing."""
    rows = []
    for seed in request.candidate_seeds:
        rng = np.random.default_rng(seed)
        palette = list(PALETTES)[int(rng.integers(len(PALETTES)))]
        background = flattering_background(palette, rng)
        style = selection.style or library.styles[int(rng.integers(2))]
        other = selection.others[int(rng.integers(len(selection.others)))]
        scene = Scene(
            (), background=background, subject=selection.subject, other=other, style=style, palette=palette, shadow=0.4
        )
        rows.append(
            CandidatePlan(
                seed, conditioning.relation, scene, Cast(library, subject=selection.art), conditioning.patches
            )
        )
    return rows


def compose_scenes(
    rows: Sequence[CandidatePlan],
    composer: ComposerPipeline,
    steps: int | None = None,
    guidance_scale: float | None = None,
    relation_scale: float = 1.0,
    report: Progress | None = None,
    show: Callable[[int, Scene], None] | None = None,
) -> list[Scene]:
    """Compose the scenes of all rows in one pass, whatever their relations.

    show: now and then called with each row under way and the scene that it seems to become.
    """
    steps = steps or STEPS
    stepped = 0  # rows times steps: the composer takes rows of unlike length one group after the other
    shown = 0.0

    def on_step(pipeline: object, step: int, timestep: int, values: dict[str, Any]) -> dict[str, object]:
        nonlocal stepped, shown
        stepped += len(values["latents"])
        if report is not None:
            report("compose", stepped // len(rows), steps)
        if show is not None and (step == 0 or time.monotonic() - shown >= PREVIEW_SECONDS):
            for place, row in enumerate(values["rows"]):
                there = values["mask"][place].cpu()
                elements = decode(values["tokens"][place].cpu()[there], values["clean"][place].float().cpu()[there])
                show(row, dataclasses.replace(rows[row].scene, elements=tuple(elements)))
            shown = time.monotonic()
        return {}

    composed = composer(
        torch.from_numpy(np.stack([row.relation for row in rows])),
        _patches(rows),
        generator=[torch.Generator().manual_seed(_torch_seed(row.seed)) for row in rows],
        num_inference_steps=steps,
        guidance_scale=GUIDANCE if guidance_scale is None else guidance_scale,
        relation_scale=relation_scale,
        callback_on_step_end=on_step,
    )
    assert isinstance(composed, ComposerOutput), "return_dict is the default"
    pairs = zip(rows, composed.scenes, strict=True)
    return [dataclasses.replace(row.scene, elements=tuple(elements)) for row, elements in pairs]


def scene_errors(
    scenes: Sequence[Scene], rows: Sequence[CandidatePlan], composer: ComposerPipeline, relation_scale: float = 1.0
) -> list[float]:
    """How malformed each scene is for its row's relation, above 0: what `ranked` takes as errors."""
    relation = torch.from_numpy(np.stack([row.relation for row in rows]))
    found = composer.denoising_error([s.elements for s in scenes], relation, _patches(rows), relation_scale)
    return [max(float(error), 1e-9) for error in found]


def _patches(rows: Sequence[CandidatePlan]) -> torch.Tensor | None:
    """(rows, P, dim), zero where a row has none; None where no row has any."""
    some = next((row.patches for row in rows if row.patches is not None), None)
    if some is None:
        return None
    none = np.zeros_like(some)
    return torch.from_numpy(np.stack([none if row.patches is None else row.patches for row in rows]))


def _drawn_small(
    planned: Sequence[Sequence[CandidatePlan]], preview: Preview | None
) -> Callable[[int, Scene], None] | None:
    if preview is None:
        return None
    places = [(request, candidate) for request, rows in enumerate(planned) for candidate in range(len(rows))]

    def show(number: int, scene: Scene) -> None:
        request, candidate = places[number]
        preview(request, candidate, draw_scene(scene, planned[request][candidate].cast, SKETCH_PX, SKETCH_PX))

    return show


def draw_scene(scene: Scene, cast: Cast, width: int, height: int) -> Image.Image:
    return Image.fromarray(render(scene, width, height, art=cast))


def score_pictures(
    pictures: Sequence[Image.Image],
    conditioning: Conditioning,
    selection: ArtSelection,
    encoder: MiniEncoder,
    weights: ScoreWeights | None = None,
) -> list[Scores]:
    """Scores of finished pictures, see analogen.scoring."""
    looked: Looked = encoder.look(list(pictures))
    return score(
        conditioning.relation, looked.relation, selection.subject_vector, looked.subject, conditioning.looks,
        looked.attributes, weights, conditioning.structure, looked.structure,
    )  # fmt: skip


def _on_white(art: Art) -> Image.Image:
    pixels = Image.fromarray(np.asarray(art.pixels(PREVIEW_PX)))
    ground = Image.new("RGBA", pixels.size, "white")
    ground.alpha_composite(pixels)
    return ground.convert("RGB")


def _torch_seed(seed: int) -> int:
    """Neighbouring seeds of torch's generator give related first draws: spread them."""
    return random.Random(seed).getrandbits(63)
