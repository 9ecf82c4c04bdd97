"""Promises of the sceptic's table, with tiny untrained models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from torch import Tensor

from analogen import conditioning
from analogen.cli.evaluate import command
from analogen.evaluation.analogy import draw_tasks
from analogen.evaluation.baselines import NearestSceneBaseline, condition_on_nearest_caption, run_baselines
from analogen.generator import Generator
from analogen.pipelines.composer import scene_composer as composer
from analogen.pipelines.composer.pipeline import ComposerPipeline
from analogen.pipelines.composer.scene_composer import SceneComposer
from analogen.pipelines.composer.train import Models, save_composer, widened
from analogen.relsim.mini.reading.scene_reading import reading_of
from analogen.relsim.world.dataset import held_out_selection
from analogen.relsim.world.relations import RELATIONS
from analogen.relsim.world.scene import Element, Scene

SEEN = reading_of(Scene((Element("subject", -0.4, 0.1, 0.3), Element("subject", 0.4, 0.1, 0.3))))
TWO = [RELATIONS["ring"], RELATIONS["caged"]]


def test_copies_are_whole_scenes_of_the_predicted_relation(tiny_shipped: None) -> None:
    generator = Generator(device="cpu")
    tasks = draw_tasks(TWO, held_out_selection(), 2, seed=4)
    for task, tries in zip(tasks, NearestSceneBaseline(generator, 0).judge_candidates(tasks, 2, {}), strict=True):
        relation = generator.encoder.embed([task.reference])[0]
        predicted = generator.encoder.nearest_captions(relation, 1)[0].relation
        assert [a.checker for a in tries] == [predicted == task.relation] * 2


def test_the_bridge_passes_on_nothing_but_words(tiny_shipped: None) -> None:
    generator = Generator(device="cpu")
    tasks = draw_tasks(TWO, held_out_selection(), 4, seed=4)
    found = condition_on_nearest_caption(generator)(tasks)
    by_caption: dict[str, list[np.ndarray]] = {}
    for one in found:
        assert one.looks is None
        assert one.reading is None
        by_caption.setdefault(one.found.caption, []).append(one.relation)
    assert all(np.array_equal(one, same[0]) for same in by_caption.values() for one in same)


def test_every_way_is_tried_on_the_same_rows(tiny_shipped: None, tmp_path: Path) -> None:
    rows = list(run_baselines(rows=2, candidates=2, seed=3, device="cpu", output=tmp_path, relations=TWO))
    assert [str(row["way"])[1] for row in rows] == ["a", "b", "c", "c", "f", "g"]
    assert all(row["rows"] == 2 and 0 <= float(str(row["structure"])) <= 1 for row in rows)
    assert {path.name[:8] for path in tmp_path.iterdir()} == {f"chosen-{way}" for way in "abcfg"}


def test_readings_are_a_way_of_their_own_beside_the_vector_alone(
    tiny_shipped: None, tiny_composer: ComposerPipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vocabulary = tiny_composer.prior.table.tolist()
    save_composer(widened(Models(tiny_composer.prior, tiny_composer.denoiser), vocabulary, True), tmp_path / "reads")
    monkeypatch.setattr(composer, "SHIPPED", tmp_path / "reads")
    monkeypatch.setattr(Generator, "reads", True)
    monkeypatch.setattr(conditioning, "read_scenes", lambda images, encoder: [SEEN for _ in images])
    passed: list[bool] = []
    sample = SceneComposer.sample

    def watched(self: SceneComposer, relation: Tensor, readings: object, *more: Any, **options: Any) -> Any:
        passed.append(readings is not None)
        return sample(self, relation, readings, *more, **options)

    monkeypatch.setattr(SceneComposer, "sample", watched)
    rows = list(run_baselines(rows=2, candidates=2, seed=3, device="cpu", output=tmp_path / "out", relations=TWO))
    assert [str(row["way"])[1] for row in rows] == ["a", "b", "c", "c", "d", "e", "f", "h", "g"]
    # Without relation, bridge, vector, reading, true caption: one pass each.
    assert passed[1:] == [False, False, True, False]


def test_two_measures_at_once_are_refused(tmp_path: Path) -> None:
    result = CliRunner().invoke(command, ["analogy", "--table", str(tmp_path / "made.csv"), "--baselines"])
    assert result.exit_code != 0
    assert "give one of them" in str(result.exception or result.output)
