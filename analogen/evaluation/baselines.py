"""Compares analogies with simpler baselines on the same rows and seeds: caption bridge, nearest scenes and others."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from analogen.conditioning import Conditioning, encode_relations
from analogen.evaluation.analogy import (
    REFERENCE_PX,
    ConditionTasks,
    JudgedCandidate,
    Judges,
    Task,
    best,
    candidate_plan,
    condition_on_pictures,
    draw_tasks,
    judge_candidates,
    judge_scenes,
    load_judges,
    rates,
    repeats,
    write_sheets,
)
from analogen.generator import Generator
from analogen.pipelines.composer.settle import settle
from analogen.relsim.mini.encoder import EncoderOutput
from analogen.relsim.world.dataset import (
    draw_sample,
    held_out_relations,
    held_out_selection,
    trained_relations,
    training_selection,
)
from analogen.relsim.world.relations import RELATIONS, Relation
from analogen.relsim.world.render import render
from analogen.relsim.world.scene import Scene
from analogen.scoring import ScoreWeights

# Training scenes of each relation, among which the baseline finds the nearest.
SCENES_PER_RELATION = 16


def condition_on_nearest_caption(generator: Generator) -> ConditionTasks:
    """The caption bridge: condition on the words of the nearest caption only."""

    def condition(tasks: Sequence[Task]) -> list[Conditioning]:
        relations = generator.encoder.embed([task.reference for task in tasks])
        words = [generator.encoder.nearest_captions(relation, 1)[0].caption for relation in relations]
        return encode_relations([((), text) for text in words], generator.encoder)

    return condition


def condition_on_vector(generator: Generator) -> ConditionTasks:
    """Condition on the relation vector only, without patch features."""

    def condition(tasks: Sequence[Task]) -> list[Conditioning]:
        return encode_relations([((task.reference,), None) for task in tasks], generator.encoder)

    return condition


def condition_on_true_caption(generator: Generator) -> ConditionTasks:
    """Condition on the caption that the reference was drawn from, which is known in the relational world only."""

    def condition(tasks: Sequence[Task]) -> list[Conditioning]:
        return encode_relations([((), RELATIONS[task.relation].caption) for task in tasks], generator.encoder)

    return condition


class NearestSceneBaseline:
    """Copies the training scene of the predicted relation whose picture is nearest to the reference.

    Nearest by relation and structure, weighted as in the score.
    """

    def __init__(self, generator: Generator, seed: int) -> None:
        self.generator, self.seed = generator, seed
        self._scenes: dict[str, tuple[list[Scene], EncoderOutput]] = {}

    def training_scenes(self, relation: str) -> tuple[list[Scene], EncoderOutput]:
        """SCENES_PER_RELATION scenes with training subjects, and the embeddings of their pictures."""
        if relation not in self._scenes:
            rng = np.random.default_rng([self.seed, 42, list(RELATIONS).index(relation)])
            drawn = [
                draw_sample(RELATIONS[relation], training_selection(), rng, hard=False).scene
                for _ in range(SCENES_PER_RELATION)
            ]
            pictures = [Image.fromarray(render(scene, REFERENCE_PX)) for scene in drawn]
            self._scenes[relation] = drawn, self.generator.encoder.encode_all(pictures)
        return self._scenes[relation]

    def judge_candidates(self, tasks: Sequence[Task], candidates: int, judges: Judges) -> list[list[JudgedCandidate]]:
        """The nearest `candidates` scenes with the new subject, nearest first."""
        found = condition_on_pictures(self.generator)(tasks)
        results = []
        for task, conditioning in zip(tasks, found, strict=True):
            relation = self.generator.encoder.nearest_captions(conditioning.relation, 1)[0].relation
            scenes, seen = self.training_scenes(relation)
            assert conditioning.structure is not None, "every task has one reference"
            alike = seen.relation @ conditioning.relation + ScoreWeights().structure * (
                seen.structure @ conditioning.structure
            )
            nearest = np.argsort(-alike)[:candidates]
            redrawn = [
                dataclasses.replace(scenes[i], subject=task.subject, other=task.other, style=task.style)
                for i in nearest
            ]
            results.append(judge_scenes(task, conditioning, redrawn, self.generator, judges))
        return results


def judge_copied_readings(tasks: Sequence[Task], generator: Generator, judges: Judges) -> list[list[JudgedCandidate]]:
    """Copies what was read of the reference, with the new subject: nothing is composed."""
    results = []
    for task, conditioning in zip(tasks, condition_on_pictures(generator)(tasks), strict=True):
        read = () if conditioning.reading is None else conditioning.reading.scene.elements
        plan = candidate_plan(task, conditioning, 0, generator)
        copied = dataclasses.replace(plan.scene, elements=tuple(settle(read)))
        results.append(judge_scenes(task, conditioning, [copied], generator, judges))
    return results


def run_baselines(
    rows: int = 114,
    candidates: int = 4,
    seed: int = 0,
    device: str = "auto",
    judges: Path | None = None,
    output: Path = Path("out/baselines"),
    relations: Sequence[Relation] | None = None,
) -> Iterator[dict[str, object]]:
    """One result per baseline, for trained and for held-out relations, or for the given ones. Writes contact sheets."""
    loaded = load_judges(judges)
    generator = Generator(device=device)
    nearest_scenes = NearestSceneBaseline(generator, seed)
    output.mkdir(parents=True, exist_ok=True)
    splits: dict[str, Sequence[Relation]] = {"chosen relations": relations or ()}
    if relations is None:
        splits = {"trained relations": trained_relations(), "held-out relations": held_out_relations()}
    for split, kinds in splits.items():
        tasks = draw_tasks(kinds, held_out_selection(), rows, seed)
        looks = generator.encoder.attributes([task.reference for task in tasks])
        for name, chosen in _baselines(tasks, generator, nearest_scenes, candidates, seed, loaded):
            write_sheets(tasks, chosen, output, f"{split.split()[0]}-{name[1]}")
            yield {"split": split, "way": name, "rows": len(chosen), **rates(chosen), "repeats": repeats(chosen, looks)}


def _baselines(
    tasks: Sequence[Task],
    generator: Generator,
    nearest_scenes: NearestSceneBaseline,
    candidates: int,
    seed: int,
    judges: Judges,
) -> Iterator[tuple[str, list[JudgedCandidate]]]:
    of_n = f"best of {candidates}"
    free = judge_candidates(tasks, generator, 1, seed, 0.0, judges)
    yield "(a) composer without relation", [tries[0] for tries in free]
    bridge = judge_candidates(tasks, generator, candidates, seed, 1.0, judges, condition_on_nearest_caption(generator))
    yield f"(b) caption bridge, {of_n}", [best(tries) for tries in bridge]
    tried = judge_candidates(tasks, generator, candidates, seed, 1.0, judges, condition_on_vector(generator))
    yield "(c) relation vector, one sample", [tries[0] for tries in tried]
    yield f"(c) relation vector, {of_n}", [best(tries) for tries in tried]
    if generator.reads:
        tried = judge_candidates(tasks, generator, candidates, seed, 1.0, judges)
        yield "(d) with its reading, one sample", [tries[0] for tries in tried]
        yield f"(e) with its reading, {of_n}", [best(tries) for tries in tried]
    true_captions = judge_candidates(
        tasks, generator, candidates, seed, 1.0, judges, condition_on_true_caption(generator)
    )
    yield f"(f) true caption, {of_n}", [best(tries) for tries in true_captions]
    if generator.reads:
        copied = judge_copied_readings(tasks, generator, judges)
        yield "(h) the reading itself, one copy", [tries[0] for tries in copied]
    copied = nearest_scenes.judge_candidates(tasks, candidates, judges)
    yield f"(g) nearest training scenes, {of_n}", [best(tries) for tries in copied]
