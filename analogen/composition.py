"""Composes the candidates of a request with mini: plans each one and samples all scenes in one pass."""

from __future__ import annotations

import dataclasses
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch

from analogen.art_selection import ArtSelection
from analogen.conditioning import Conditioning, guidance
from analogen.pipelines.composer.features import decode
from analogen.pipelines.composer.readings import NOTHING_READ, ReadingBatch, collate_readings, element_tensors
from analogen.pipelines.composer.scene_composer import SceneComposer
from analogen.pipelines.composer.settle import settle
from analogen.relsim.mini.reading import SceneReading
from analogen.relsim.mini.reading.rule_fitting import without_weak_looks
from analogen.relsim.world.arrangement_distance import arrangement_distance
from analogen.relsim.world.art import ArtLibrary
from analogen.relsim.world.palette import MADE_IN, harmonious_background
from analogen.relsim.world.render import SceneArt
from analogen.relsim.world.scene import Element, Scene
from analogen.relsim.world.visibility import LOST, Outline, contrast_of, outline_of, suited_background
from analogen.scoring import Vectors
from analogen.stages import Progress
from analogen.types import Request

STEPS, GUIDANCE = 24, 1.0  # more guidance takes twice the time and kept no more relations (docs/experiments.md, 8)
OTHERS_TRIED = 8  # second things that are tried, until one is seen on the ground
STRAYS = 0.12  # distance from the arrangement that was read from which on a scene is another one
PREVIEW_SECONDS = 0.4  # previews are at least this far apart, so that drawing them costs little beside a step


@dataclass(frozen=True)
class CandidatePlan:
    """Everything that decides one candidate's picture.

    relation  (384,) unit vector.
    scene     The scene with its background, palette and names, still without elements.
    contrast  Of the subject's outline with the background, see `analogen.relsim.world.visibility`.
    reading         What was read of the reference, for a composer that takes readings; None without.
    looseness       How loosely that is followed, [0, 1].
    relation_scale  Strength of the relation, 0 for one that says nothing; times that of the request.
    kept            Whether the reading is the very scene: nothing is composed.
    faithful        Whether a scene that strays from the reading gives way to it.
    """

    seed: int
    relation: Vectors
    scene: Scene
    scene_art: SceneArt
    contrast: float = 21.0
    reading: SceneReading | None = None
    looseness: float = 0.0
    relation_scale: float = 1.0
    kept: bool = False
    faithful: bool = False


def plan_candidates(
    request: Request, conditioning: Conditioning, selection: ArtSelection, library: ArtLibrary
) -> list[CandidatePlan]:
    """One plan for each candidate; its seed alone decides its palette, background, art family and second thing.

    The background drawn gives way to another where the subject would not be seen on it, and so does a second thing that
    nobody named.
    """
    plans = []
    for seed in request.candidate_seeds:
        rng = np.random.default_rng(seed)
        drawn = list(MADE_IN)[int(rng.integers(len(MADE_IN)))]
        palette = request.palette or drawn
        background = harmonious_background(palette, rng)
        style = selection.style or library.styles[int(rng.integers(2))]
        other = selection.others[int(rng.integers(len(selection.others)))]

        def outline(kind: str, other: str, style: str = style) -> Outline:
            scene = Scene((), subject=selection.subject, other=other, style=style)
            return outline_of(selection.scene_art(library, other, style).art(scene, Element(kind, 0, 0, 1)))

        subject = outline("subject", other)
        again = np.random.default_rng((seed, 1))  # of its own, so that the draws above stay what they were
        outlines = [subject] if request.other is None else [subject, outline("other", other)]
        background = suited_background(background, palette, outlines, again)
        if request.other is None:
            more = [selection.others[int(n)] for n in again.integers(len(selection.others), size=OTHERS_TRIED)]
            seen = (name for name in (other, *more) if contrast_of(background, [outline("other", name)]) >= LOST)
            other = next(seen, other)
        scene = Scene(
            (), background=background, subject=selection.subject, other=other, style=style, palette=palette, shadow=0.4
        )
        guided = guidance(conditioning, seed, request.structure_scale, request.relation_scale)
        is_given = request.scene is not None or request.becomes is not None
        plans.append(
            CandidatePlan(
                seed, conditioning.relation_of(seed), scene, selection.scene_art(library, other, style),
                contrast_of(background, [subject]), conditioning.reading, guided.looseness, guided.relation_scale,
                is_given and request.structure_scale == 1, guided.faithful,
            )
        )  # fmt: skip
    return plans


def compose_scenes(
    plans: Sequence[CandidatePlan],
    composer: SceneComposer,
    steps: int | None = None,
    guidance_scale: float | None = None,
    relation_scale: float = 1.0,
    report: Progress | None = None,
    preview: Callable[[int, Scene], None] | None = None,
) -> list[Scene]:
    """Compose the scenes of all plans in one sampling pass; each plan may have a relation of its own. Scenes that are
    to be kept are taken as they are.

    report: called after each step. preview: called from time to time with each plan's index and the scene that it is
    becoming.
    """
    rows = [row for row, plan in enumerate(plans) if not plan.kept]
    if len(rows) < len(plans):
        show = None if preview is None else partial(_preview_row, preview, rows)
        own = [plans[row] for row in rows]
        made = compose_scenes(own, composer, steps, guidance_scale, relation_scale, report, show) if own else []
        composed = dict(zip(rows, made, strict=True))
        return [composed[row] if row in composed else _kept_scene(plan) for row, plan in enumerate(plans)]
    steps = steps or STEPS
    steps_done = 0  # plans times steps: the composer takes plans of different length one group after the other
    previewed_at = 0.0

    def on_step(composer: object, step: int, timestep: int, values: dict[str, Any]) -> dict[str, object]:
        nonlocal steps_done, previewed_at
        steps_done += len(values["latents"])
        if report is not None:
            report("compose", steps_done // len(plans), steps)
        if preview is not None and (step == 0 or time.monotonic() - previewed_at >= PREVIEW_SECONDS):
            for place, index in enumerate(values["rows"]):
                mask = values["mask"][place].cpu()
                elements = decode(values["tokens"][place].cpu()[mask], values["clean"][place].float().cpu()[mask])
                preview(index, dataclasses.replace(plans[index].scene, elements=tuple(elements)))
            previewed_at = time.monotonic()
        return {}

    sampled = composer.sample(
        torch.from_numpy(np.stack([plan.relation for plan in plans])),
        _readings(plans, composer),
        generator=[torch.Generator().manual_seed(_torch_seed(plan.seed)) for plan in plans],
        num_inference_steps=steps,
        guidance_scale=GUIDANCE if guidance_scale is None else guidance_scale,
        relation_scale=relation_scale * torch.tensor([plan.relation_scale for plan in plans]),
        callback_on_step_end=on_step,
    )
    pairs = zip(plans, sampled, strict=True)
    return [dataclasses.replace(plan.scene, elements=_faithful(plan, elements)) for plan, elements in pairs]


def strays_of(scenes: Sequence[Scene], plans: Sequence[CandidatePlan]) -> list[float]:
    """How far each scene is from the arrangement that its plan follows, less where that is followed loosely or was read
    with little certainty; empty if there is none to follow."""
    if any(plan.reading is None or not plan.reading.count for plan in plans):
        return []
    found = []
    for scene, plan in zip(scenes, plans, strict=True):
        assert plan.reading is not None
        distance = arrangement_distance(scene.things, plan.reading.scene.things) if scene.things else 1.0
        found.append((1 - plan.looseness) * plan.reading.certainty * min(distance, 1.0))
    return found


def _faithful(plan: CandidatePlan, elements: Sequence[Element]) -> tuple[Element, ...]:
    """The elements, or those that were read, made even, where the plan is to be faithful to them and they stray."""
    if not plan.faithful or plan.reading is None:
        return tuple(elements)
    things = [e for e in elements if e.is_thing]
    if things and arrangement_distance(things, plan.reading.scene.things) < STRAYS:
        return tuple(elements)
    scene = plan.reading.scene
    plain = dict(zip(map(id, scene.things), without_weak_looks(scene.things), strict=True))
    return tuple(settle([plain.get(id(e), e) for e in scene.elements]))


def _preview_row(preview: Callable[[int, Scene], None], rows: Sequence[int], index: int, scene: Scene) -> None:
    preview(rows[index], scene)


def _kept_scene(plan: CandidatePlan) -> Scene:
    assert plan.reading is not None, "only readings are kept"
    scene = plan.reading.scene
    return dataclasses.replace(plan.scene, elements=scene.elements, frame=scene.frame)


def scene_errors(
    scenes: Sequence[Scene], plans: Sequence[CandidatePlan], composer: SceneComposer, relation_scale: float = 1.0
) -> list[float]:
    """The composer's denoising error of each scene under its plan's relation, above 0: large for malformed scenes.

    `scoring.ranked` takes these as `errors`.
    """
    relation = torch.from_numpy(np.stack([plan.relation for plan in plans]))
    scale = relation_scale * torch.tensor([plan.relation_scale for plan in plans])
    errors = composer.denoising_error([s.elements for s in scenes], relation, _readings(plans, composer), scale)
    return [max(float(error), 1e-9) for error in errors]


def _readings(plans: Sequence[CandidatePlan], composer: SceneComposer) -> ReadingBatch | None:
    """The readings of the plans; None if no plan has any, or the composer takes none."""
    if not composer.reads or all(plan.reading is None for plan in plans):
        return None
    tensors = [
        NOTHING_READ if plan.reading is None else element_tensors(plan.reading.scene.elements, plan.reading.confidences)
        for plan in plans
    ]
    return collate_readings(tensors, torch.tensor([plan.looseness for plan in plans]))


def _torch_seed(seed: int) -> int:
    """A seed for torch, whose generator gives related first draws for neighbouring seeds."""
    return random.Random(seed).getrandbits(63)
