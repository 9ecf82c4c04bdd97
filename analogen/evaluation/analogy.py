"""Evaluates analogies: hard references of held-out subjects, redrawn with other held-out subjects, then judged."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from analogen.composition import CandidatePlan, compose_scenes, scene_errors, strays_of
from analogen.conditioning import Conditioning, encode_relations, guidance
from analogen.contact_sheet import Cell, contact_sheets
from analogen.generator import PREVIEW_PX, Generator, draw_scene
from analogen.relsim.evaluation.judge_classifiers import ClassifierJudge
from analogen.relsim.world.dataset import (
    Selection,
    draw_sample,
    held_out_relations,
    held_out_selection,
    trained_relations,
)
from analogen.relsim.world.palette import PALETTES, harmonious_background
from analogen.relsim.world.relations import RELATIONS, Relation
from analogen.relsim.world.render import SceneArt, render
from analogen.relsim.world.scene import Scene
from analogen.relsim.world.structure import kept_facts
from analogen.scoring import Vectors, ranked, score
from analogen.types import Scores

REFERENCE_PX = 192
ROWS_PER_PASS = 16
SHEET_ROWS = 36


@dataclass(frozen=True)
class Task:
    """One row of the evaluation: a reference and the new subject."""

    relation: str
    reference: Image.Image
    reference_subject: str
    subject: str
    other: str
    style: str
    truth: Scene | None = None  # the reference's scene, where it is known


@dataclass(frozen=True)
class JudgedCandidate:
    """One candidate and its judgements.

    checker  Whether the relation holds, by the exact checker of the scene.
    seen     Whether the relation holds, by the judge of pictures; None without that judge.
    subject  Whether the subject is shown, by the judge of pictures; None without that judge.
    kept     (kind, kept) of each fact of the reference that its caption does not say.
    looks    (dim,) attributes of the candidate.
    error    Denoising error of its scene.
    """

    picture: Image.Image
    scores: Scores
    checker: bool
    seen: bool | None
    subject: bool | None
    kept: tuple[tuple[str, bool], ...] = ()
    looks: Vectors | None = None
    error: float = 1.0


# Gives the conditioning of each task.
ConditionTasks = Callable[[Sequence[Task]], list[Conditioning]]
Judges = dict[str, ClassifierJudge]


def draw_tasks(relations: Sequence[Relation], selection: Selection, count: int, seed: int) -> list[Task]:
    """Draw `count` hard references, each with another subject to redraw it with."""
    rng = np.random.default_rng([seed, 40])
    tasks = []
    for number in range(count):
        relation = relations[number % len(relations)]
        drawn = draw_sample(relation, selection, rng)
        subject, other = (str(n) for n in rng.choice(selection.subjects, 2, replace=False))
        while drawn.subject in (subject, other):
            subject, other = (str(n) for n in rng.choice(selection.subjects, 2, replace=False))
        style = str(rng.choice(selection.styles))
        reference = Image.fromarray(render(drawn.scene, REFERENCE_PX))
        tasks.append(Task(relation.id, reference, drawn.subject, subject, other, style, drawn.scene))
    return tasks


def condition_on_pictures(generator: Generator) -> ConditionTasks:
    """Condition on the reference, as `generate` does."""

    def condition(tasks: Sequence[Task]) -> list[Conditioning]:
        queries = [((task.reference,), None) for task in tasks]
        return encode_relations(queries, generator.encoder, read=generator.reads)

    return condition


def load_judges(folder: Path | None) -> Judges:
    """The judges of pictures in a folder, none for None. Raises FileNotFoundError if the folder lacks one."""
    return {} if folder is None else {what: ClassifierJudge.load(folder / what) for what in ("relation", "subject")}


def judge_candidates(
    tasks: Sequence[Task],
    generator: Generator,
    candidates: int,
    seed: int,
    relation_scale: float,
    judges: Judges,
    condition: ConditionTasks | None = None,
) -> list[list[JudgedCandidate]]:
    """Composes and judges `candidates` candidates for each task, many tasks in one pass of the composer."""
    condition = condition or condition_on_pictures(generator)
    results: list[list[JudgedCandidate]] = []
    for start in range(0, len(tasks), ROWS_PER_PASS):
        chunk = tasks[start : start + ROWS_PER_PASS]
        conditionings = condition(chunk)
        plans: list[CandidatePlan] = []
        for number, (task, found) in enumerate(zip(chunk, conditionings, strict=True)):
            first = seed + (start + number) * candidates
            plans += [candidate_plan(task, found, first + i, generator, relation_scale) for i in range(candidates)]
        scenes = compose_scenes(plans, generator.composer, relation_scale=relation_scale)
        errors = scene_errors(scenes, plans, generator.composer, relation_scale)
        for number, (task, found) in enumerate(zip(chunk, conditionings, strict=True)):
            part = slice(number * candidates, (number + 1) * candidates)
            if found.doubtful:  # as in `Generator`
                errors[part] = [1.0] * candidates
            strays = strays_of(scenes[part], plans[part])
            results.append(judge_scenes(task, found, scenes[part], generator, judges, errors[part], strays))
    return results


def judge_scenes(
    task: Task,
    found: Conditioning,
    scenes: Sequence[Scene],
    generator: Generator,
    judges: Judges,
    errors: Sequence[float] | None = None,
    strays: Sequence[float] = (),
) -> list[JudgedCandidate]:
    """Draw the scenes of a task, score and judge them."""
    scene_art = SceneArt(generator.library)
    drawn = [draw_scene(scene, scene_art, PREVIEW_PX, PREVIEW_PX) for scene in scenes]
    looked = generator.encoder.encode_all(drawn)
    meaning = generator.library.meaning(task.subject)
    scores = score(
        found.compared, looked.relation, meaning, looked.subject, found.looks, looked.attributes, None,
        found.structure, looked.structure, generator.encoder.calibration, strays,
    )  # fmt: skip
    seen = judges["relation"].predict(drawn) if "relation" in judges else [None] * len(drawn)
    shown = judges["subject"].predict(drawn) if "subject" in judges else [None] * len(drawn)
    return [
        JudgedCandidate(
            picture, given, RELATIONS[task.relation].holds(scene),
            None if relation is None else relation == task.relation,
            None if subject is None else subject == task.subject,
            () if task.truth is None else tuple(kept_facts(task.relation, task.truth, scene)),
            looks,
            error,
        )
        for picture, given, scene, relation, subject, looks, error in zip(
            drawn, scores, scenes, seen, shown, looked.attributes, errors or [1.0] * len(drawn), strict=True
        )
    ]  # fmt: skip


def candidate_plan(
    task: Task, conditioning: Conditioning, seed: int, generator: Generator, relation_scale: float = 1.0
) -> CandidatePlan:
    """The plan of one candidate for a task; the seed decides palette and background."""
    rng = np.random.default_rng(seed)
    palette = list(PALETTES)[int(rng.integers(len(PALETTES)))]
    scene = Scene(
        (), background=harmonious_background(palette, rng), subject=task.subject, other=task.other, style=task.style,
        palette=palette, shadow=0.4,
    )  # fmt: skip
    guided = guidance(conditioning, seed, None, relation_scale)
    return CandidatePlan(
        seed, conditioning.relation_of(seed), scene, SceneArt(generator.library), reading=conditioning.reading,
        looseness=guided.looseness, relation_scale=guided.relation_scale, faithful=guided.faithful,
    )  # fmt: skip


def run_analogy(
    rows: int = 200,
    candidates: int = 4,
    seed: int = 0,
    device: str = "auto",
    judges: Path | None = None,
    output: Path = Path("out/analogy"),
) -> Iterator[dict[str, object]]:
    """Success rates by the checkers and, with `judges` (a folder with relation/ and subject/), by pictures.

    For trained and for held-out relations, on the same rows: one sample, a random pick, the best of `candidates` by our
    score and by parts of it, the best by the checker (the upper bound of a score), and relation scale 0. Writes contact
    sheets.
    """
    loaded = load_judges(judges)
    generator = Generator(device=device)
    output.mkdir(parents=True, exist_ok=True)
    for split, relations in (("trained relations", trained_relations()), ("held-out relations", held_out_relations())):
        tasks = draw_tasks(relations, held_out_selection(), rows, seed)
        tried = judge_candidates(tasks, generator, candidates, seed, 1.0, loaded)
        free = judge_candidates(tasks, generator, 1, seed, 0.0, loaded)
        rng = np.random.default_rng([seed, 41])
        picks = {
            "one sample": [a[0] for a in tried],
            "random pick": [a[int(rng.integers(len(a)))] for a in tried],
            "by relation alone": [max(a, key=lambda x: x.scores.relation) for a in tried],
            "by subject alone": [max(a, key=lambda x: x.scores.subject) for a in tried],
            "by total alone": [max(a, key=lambda x: x.scores.total) for a in tried],
            "by form alone": [min(a, key=lambda x: x.error) for a in tried],
            f"best of {candidates} by score": [best(a) for a in tried],
            f"best of {candidates} by checker": [max(a, key=lambda x: x.checker) for a in tried],
            "scale 0": [a[0] for a in free],
        }
        looks = generator.encoder.attributes([task.reference for task in tasks])
        for name, chosen in picks.items():
            found = rates(chosen) | {"repeats": repeats(chosen, looks)}
            yield {"split": split, "pick": name, "rows": len(chosen), **found}
        write_sheets(tasks, picks[f"best of {candidates} by score"], output, split.split()[0])
        missed: dict[str, list[bool]] = {}
        for task, tries in zip(tasks, tried, strict=True):
            missed.setdefault(task.relation, []).extend(a.checker for a in tries)
        yield {"split": split, "relation by checker": {k: round(float(np.mean(v)), 2) for k, v in missed.items()}}


def best(tries: Sequence[JudgedCandidate]) -> JudgedCandidate:
    """The candidate that `Generator` would pick."""
    return tries[ranked([a.scores for a in tries], [a.error for a in tries])[0]]


def rates(chosen: Sequence[JudgedCandidate]) -> dict[str, object]:
    """Success rates of the attempts.

    joint: relation by checker and subject by judge. structure: of the facts of the references that their captions do
    not say, in all and by kind.
    """
    found: dict[str, object] = {"relation_checker": _share([a.checker for a in chosen])}
    if chosen and chosen[0].seen is not None:
        found["relation_judge"] = _share([bool(a.seen) for a in chosen])
    if chosen and chosen[0].subject is not None:
        found["subject_judge"] = _share([bool(a.subject) for a in chosen])
        found["joint"] = _share([a.checker and bool(a.subject) for a in chosen])
    facts = [fact for a in chosen for fact in a.kept]
    if facts:
        found["structure"] = _share([kept for _, kept in facts])
        kinds = sorted({kind for kind, _ in facts})
        found["structure_by_kind"] = {kind: _share([k for name, k in facts if name == kind]) for kind in kinds}
        found["structure_where_held"] = _share([kept for a in chosen if a.checker for _, kept in a.kept])
    found["copy"] = round(float(np.mean([a.scores.copy for a in chosen])), 4)
    return found


def repeats(chosen: Sequence[JudgedCandidate], looks: Vectors) -> float:
    """How often a result looks more like its own reference than like that of any other row (chance: 1 / rows).

    looks: (rows, dim), the references' attributes.
    """
    found = np.stack([a.looks for a in chosen if a.looks is not None])
    return _share([bool(nearest == row) for row, nearest in enumerate((found @ looks.T).argmax(axis=1))])


def _share(values: Sequence[bool]) -> float:
    return round(float(np.mean(values)), 4) if values else 0.0


def write_sheets(tasks: Sequence[Task], chosen: Sequence[JudgedCandidate], output: Path, name: str) -> None:
    """Contact sheets of the references and the chosen attempts."""
    cells = []
    for task, picked in list(zip(tasks, chosen, strict=True))[:SHEET_ROWS]:
        cells.append(Cell(task.reference, f"{task.relation}\n{task.reference_subject}", marked=True))
        cells.append(Cell(picked.picture, f"{task.subject}\n{'holds' if picked.checker else 'broken'}"))
    for page, sheet in enumerate(contact_sheets(cells)):
        sheet.save(output / f"{name}-{page}.png")
