"""Promises of the evaluation of analogies, with tiny untrained models."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from analogen.evaluation.analogy import JudgedCandidate, draw_tasks, judge_candidates, rates, repeats, run_analogy
from analogen.generator import Generator
from analogen.relsim.world.dataset import held_out_selection
from analogen.relsim.world.relations import RELATIONS
from analogen.types import Scores

TWO = [RELATIONS["ring"], RELATIONS["caged"]]


def test_tasks_ask_for_another_held_out_subject() -> None:
    selection = held_out_selection()
    tasks = draw_tasks(TWO, selection, 6, seed=1)
    assert [task.relation for task in tasks] == ["ring", "caged"] * 3
    for task in tasks:
        assert len({task.reference_subject, task.subject, task.other}) == 3
        assert {task.reference_subject, task.subject} <= set(selection.subjects)


def test_attempts_do_not_depend_on_their_pass(tiny_shipped: None) -> None:
    generator = Generator(device="cpu")
    tasks = draw_tasks(TWO, held_out_selection(), 3, seed=2)
    together = judge_candidates(tasks, generator, 2, 5, 1.0, {})
    assert [len(tries) for tries in together] == [2, 2, 2]
    again = judge_candidates(tasks[:1], generator, 2, 5, 1.0, {})
    assert again[0][1].scores.relation == pytest.approx(together[0][1].scores.relation, abs=0.02)


def test_rates_count_successes_and_leave_out_absent_judges() -> None:
    picture, scores = Image.new("RGB", (8, 8)), Scores(0.5, 0.5, 0.25, 1.0)

    def tried(checker: bool, subject: bool | None) -> JudgedCandidate:
        return JudgedCandidate(picture, scores, checker, None, subject)

    found = rates([tried(True, True), tried(True, False), tried(False, True), tried(False, False)])
    assert found == {"relation_checker": 0.5, "subject_judge": 0.5, "joint": 0.25, "copy": 0.25}
    assert set(rates([tried(True, None)])) == {"relation_checker", "copy"}


def test_repeats_are_results_that_look_most_like_their_own_reference() -> None:
    picture, scores = Image.new("RGB", (8, 8)), Scores(0.5, 0.5, 0.25, 1.0)
    looks = np.eye(3, dtype=np.float32)
    kept = (("count", True), ("direction", False))
    chosen = [JudgedCandidate(picture, scores, True, None, None, kept, looks[row]) for row in (0, 2, 1)]
    assert repeats(chosen, looks) == pytest.approx(1 / 3, abs=1e-3)
    found = rates(chosen)
    assert found["structure"] == 0.5
    assert found["structure_by_kind"] == {"count": 1.0, "direction": 0.0}


def test_evaluation_reports_every_pick_and_writes_sheets(tiny_shipped: None, tmp_path: Path) -> None:
    rows = list(run_analogy(rows=2, candidates=2, seed=3, device="cpu", output=tmp_path))
    picks = [row["pick"] for row in rows if "pick" in row]
    chosen = [
        "by relation alone",
        "by subject alone",
        "by total alone",
        "by form alone",
        "best of 2 by score",
        "best of 2 by checker",
    ]
    assert picks == ["one sample", "random pick", *chosen, "scale 0"] * 2
    assert all(0 <= float(str(row["relation_checker"])) <= 1 for row in rows if "pick" in row)
    assert {path.name for path in tmp_path.iterdir()} == {"trained-0.png", "held-out-0.png"}
