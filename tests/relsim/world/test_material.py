"""Scenes photographed with material of one's own, and compositions by their ids, from `world draw` on."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image, ImageDraw

from analogen.cli.world import command
from analogen.relsim.world.dataset import chosen_relations, draw_sample, training_selection, write_samples
from analogen.relsim.world.material import Material
from analogen.relsim.world.relations import RELATIONS


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    cutouts, grounds = tmp_path_factory.mktemp("cutouts"), tmp_path_factory.mktemp("grounds")
    for name, color in (("red_ball", "#d03020"), ("blue_box", "#2050c0"), ("lime", "#70c030")):
        thing = Image.new("RGBA", (96, 96))
        ImageDraw.Draw(thing).ellipse((8, 8, 88, 88), fill=color)
        thing.save(cutouts / f"{name}.png")
    noise = np.random.default_rng(0).integers(90, 160, (240, 320, 3)).astype(np.uint8)
    Image.fromarray(noise).save(grounds / "gravel.jpg")
    return cutouts, grounds


def test_things_are_played_by_the_cut_outs(folders: tuple[Path, Path]) -> None:
    material = Material(*folders)
    scene = draw_sample(RELATIONS["ring"], training_selection(), np.random.default_rng(1), hard=False).scene
    shown = material.photograph(scene, np.random.default_rng(2), 128)
    assert shown.pixels.shape == (128, 128, 3)
    assert {shown.subject, shown.other} < {"red ball", "blue box", "lime"}
    again = material.photograph(scene, np.random.default_rng(2), 128)
    np.testing.assert_array_equal(again.pixels, shown.pixels)


def test_without_a_folder_the_icons_play_on_procedural_grounds() -> None:
    scene = draw_sample(RELATIONS["ring"], training_selection(), np.random.default_rng(1), hard=False).scene
    shown = Material().photograph(scene, np.random.default_rng(2), 96)
    assert (shown.subject, shown.other) == (scene.subject, scene.other)


def test_photographs_and_drawings_are_of_the_same_scenes(folders: tuple[Path, Path], tmp_path: Path) -> None:
    rows = {}
    for name, material in (("drawn", None), ("photographed", Material(*folders))):
        path = write_samples(tmp_path / name, 3, size=64, relations=["ring", "pyramid"], material=material)
        rows[name] = [json.loads(line) for line in path.read_text().splitlines()]
    for drawn, photographed in zip(rows["drawn"], rows["photographed"], strict=True):
        assert drawn["scene"] == photographed["scene"]
        assert drawn["caption"] == photographed["caption"]
        assert drawn["image_hash"] != photographed["image_hash"]


def test_compositions_are_chosen_by_their_ids() -> None:
    ring, composed = chosen_relations(["ring", "ring/shrinking/one_odd/none"])
    assert ring is RELATIONS["ring"]
    assert composed.id == "ring/shrinking/one_odd/none"
    sample = draw_sample(composed, training_selection(), np.random.default_rng(0), hard=False)
    assert composed.holds(sample.scene)


def test_world_draw_photographs_a_composition(folders: tuple[Path, Path], tmp_path: Path) -> None:
    cutouts, grounds = folders
    args = ["draw", str(tmp_path / "out"), "--count", "2", "--size", "64", "--relation", "lattice/none/one_odd/none"]
    result = CliRunner().invoke(command, [*args, "--photographs", "--cutouts", str(cutouts), "--grounds", str(grounds)])
    assert result.exit_code == 0, result.output
    rows = [json.loads(line) for line in (tmp_path / "out" / "data.jsonl").read_text().splitlines()]
    assert [row["relation"] for row in rows] == ["lattice/none/one_odd/none"] * 2
    assert all(row["subject"] in ("red ball", "blue box", "lime") for row in rows)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--cutouts", "here"], "used with --photographs"),
        (["--photographs", "--grounds", "no/such"], "--grounds no/such: no such folder"),
        (["--relation", "ring/shrinkin/alike/none"], "perhaps shrinking"),
        (["--relation", "rign"], "did you mean 'ring'"),
    ],
)
def test_wrong_material_or_composition_is_one_line(tmp_path: Path, more: list[str], message: str) -> None:
    result = CliRunner().invoke(command, ["draw", str(tmp_path / "out"), *more])
    assert result.exit_code != 0
    assert message in str(result.exception)
    assert not (tmp_path / "out").exists()
