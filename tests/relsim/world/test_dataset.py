"""Promises of drawing the world: from seeds alone, hard references with the logic intact, splits kept apart."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from analogen.relsim.world.art import ArtLibrary, splits
from analogen.relsim.world.dataset import (
    Sample,
    Selection,
    chosen_relations,
    draw_sample,
    hard_negative_of,
    held_out_relations,
    held_out_selection,
    make_hard_reference,
    trained_relations,
    training_selection,
    write_groups,
    write_samples,
)
from analogen.relsim.world.relations import RELATIONS
from analogen.relsim.world.render import render
from analogen.relsim.world.scene import Frame, from_json

ONE_WAY = [r for r in RELATIONS.values() if not r.mirror_ok]


def sample_of(name: str, selection: Selection, seed: int, **options: Any) -> Sample:
    return draw_sample(RELATIONS[name], selection, np.random.default_rng(seed), **options)


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_sample_depends_on_its_generator_alone(few_selection: Selection) -> None:
    assert sample_of("ring", few_selection, 4) == sample_of("ring", few_selection, 4)
    assert sample_of("ring", few_selection, 4) != sample_of("ring", few_selection, 5)


@pytest.mark.parametrize("hard", [True, False])
def test_every_relation_is_drawn_with_its_logic(few_selection: Selection, hard: bool) -> None:
    for name, relation in RELATIONS.items():
        sample = sample_of(name, few_selection, 1, hard=hard)
        assert relation.holds(sample.scene), name
        assert sample.relation == name
        assert sample.caption in relation.captions
        assert (sample.scene.subject, sample.scene.other) == (sample.subject, sample.other)


def test_target_stands_in_its_own_frame(few_selection: Selection) -> None:
    assert sample_of("ring", few_selection, 0, hard=False).scene.frame == Frame()


def test_subject_can_be_chosen(few_selection: Selection) -> None:
    assert {sample_of("ring", few_selection, seed, subject="frog").subject for seed in range(5)} == {"frog"}


def test_subject_and_other_never_look_alike() -> None:
    library = ArtLibrary.shipped()
    alike = Selection(("cat",), ("cat", "cat face", "key"), ("noto",))
    assert library.group("cat") == library.group("cat face")
    for seed in range(20):
        sample = sample_of("ring", alike, seed)
        assert library.group(sample.other) != library.group(sample.subject)


def test_selection_of_lookalikes_is_refused() -> None:
    alike = Selection(("cat",), ("cat", "cat face"), ("noto",))
    assert ArtLibrary.shipped().group("cat") == ArtLibrary.shipped().group("cat face")
    with pytest.raises(ValueError, match="add another kind of thing"):
        draw_sample(RELATIONS["ring"], alike, np.random.default_rng(0))


def test_hard_reference_keeps_elements_and_stays_on_the_canvas(few_selection: Selection) -> None:
    scene = sample_of("ring", few_selection, 0, hard=False).scene
    frames = []
    for seed in range(200):
        hard = make_hard_reference(scene, np.random.default_rng(seed), mirror=True)
        assert hard.elements == scene.elements
        assert (hard.subject, hard.other, hard.style, hard.palette) == (
            scene.subject, scene.other, scene.style, scene.palette,
        )  # fmt: skip
        frames.append(hard.frame)
    for frame in frames:
        assert 0.5 <= frame.scale <= 1
        assert max(abs(frame.x), abs(frame.y)) + frame.scale <= 1 + 1e-9
        assert abs(frame.turn) <= 8
        assert 0 <= frame.hue < 360
    assert 60 < sum(frame.mirror for frame in frames) < 140


def test_one_way_relations_are_never_mirrored(few_selection: Selection) -> None:
    assert ONE_WAY
    for relation in ONE_WAY:
        for seed in range(20):
            rng = np.random.default_rng(seed)
            sample = draw_sample(relation, few_selection, rng)
            assert not sample.scene.frame.mirror
            mirrored = draw_sample(RELATIONS["ring"], few_selection, rng)
            assert not hard_negative_of(mirrored, relation, rng).scene.frame.mirror


def test_hard_negative_shares_all_but_the_relation(few_selection: Selection) -> None:
    for seed in range(10):
        sample = sample_of("ring", few_selection, seed)
        trap = hard_negative_of(sample, RELATIONS["grid"], np.random.default_rng(seed))
        assert trap.relation == "grid"
        assert trap.caption in RELATIONS["grid"].captions
        assert RELATIONS["grid"].holds(trap.scene)
        assert trap.scene.elements != sample.scene.elements
        assert dataclasses.replace(trap.scene, elements=sample.scene.elements) == sample.scene


def test_training_and_held_out_share_nothing() -> None:
    training, held_out = training_selection(), held_out_selection()
    library = ArtLibrary.shipped()
    seen = {library.first_noun(name) for name in (*training.subjects, *training.others)}
    assert not seen & {library.first_noun(name) for name in (*held_out.subjects, *held_out.others)}
    assert not seen & splits().subjects
    assert training.styles == held_out.styles
    assert not set(training.styles) & set(held_out_selection(held_out_style=True).styles)
    assert not {r.id for r in trained_relations()} & {r.id for r in held_out_relations()}
    assert {r.id for r in held_out_relations()} == set(splits().relations)
    assert len(trained_relations()) + len(held_out_relations()) == len(RELATIONS)


def test_relations_are_chosen_by_id_or_all() -> None:
    assert [r.id for r in chosen_relations(["ring", "grid"])] == ["ring", "grid"]
    assert chosen_relations([]) == list(RELATIONS.values())
    with pytest.raises(ValueError, match=r"unknown relation 'rings'; known: .*ring"):
        chosen_relations(["ring", "rings"])


def test_drawn_folder_holds_what_its_lines_say(tmp_path: Path) -> None:
    path = write_samples(tmp_path / "out", 3, seed=5, size=64, relations=("ring", "grid"))
    lines = lines_of(path)
    assert [line["relation"] for line in lines] == ["ring", "grid", "ring"]
    assert {p.name for p in path.parent.iterdir()} == {"data.jsonl"} | {f"{line['image_hash']}.png" for line in lines}
    for line in lines:
        picture = np.asarray(Image.open(path.parent / f"{line['image_hash']}.png"))
        assert picture.shape == (64, 64, 3)
        assert hashlib.sha256(picture.tobytes()).hexdigest() == line["image_hash"]
        scene = from_json(json.dumps(line["scene"]))
        np.testing.assert_array_equal(render(scene, 64), picture)
        assert RELATIONS[line["relation"]].holds(scene)
        assert line["caption"] in RELATIONS[line["relation"]].captions
        assert (line["subject"], line["other"], line["style"]) == (scene.subject, scene.other, scene.style)
        assert line["seed"] == 5


def test_row_does_not_depend_on_the_count(tmp_path: Path) -> None:
    short, long = (write_samples(tmp_path / str(n), n, seed=1, size=64).read_text().splitlines() for n in (1, 2))
    assert long[:1] == short


def test_groups_share_logic_and_caption(tmp_path: Path) -> None:
    lines = lines_of(write_groups(tmp_path, 2, members=3, seed=0, size=64, relations=("ring", "grid")))
    assert [line["group"] for line in lines] == [0, 0, 0, 1, 1, 1]
    for group in (lines[:3], lines[3:]):
        assert len({line["relation"] for line in group}) == 1
        assert len({line["caption"] for line in group}) == 1
        assert len({line["image_hash"] for line in group}) == 3


def test_group_of_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a group of 1 was asked for: it needs 2 pictures or more"):
        write_groups(tmp_path, 2, members=1)
