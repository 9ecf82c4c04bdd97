"""Promises of the training of relational adapters, on tiny bases of every family, from the real classes."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from diffusers.pipelines.pipeline_utils import DiffusionPipeline
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from analogen.cli import main
from analogen.pipelines.adapter.model import build_adapter, load_adapter, save_adapter
from analogen.pipelines.adapter_training.data import Conditions, open_corpus, prompt_of
from analogen.pipelines.adapter_training.train import AdapterTraining, prepare
from analogen.pipelines.diffusion.device_placement import DevicePlacement
from analogen.pipelines.diffusion.image_spec import ImageSpec
from analogen.pipelines.diffusion.loading import load_pipeline
from analogen.pipelines.diffusion.sampler import DiffusionSampler
from analogen.pipelines.diffusion.tiny import save_pipeline
from analogen.relsim.data.corpus import Corpus, Entry, Report
from analogen.relsim.data.shards import StoredPicture
from analogen.relsim.world.dataset import write_groups

FAMILIES = ("sd15", "sdxl", "sd3", "flux")
TINY = {
    "steps": "6", "batch_size": "4", "micro_batch": "3", "warmup": "0", "lr": "1e-2", "save_every": "3", "keep": "0",
    "sample_every": "0", "sample_steps": "2", "samples": "2", "size": "64", "dtype": "float32", "device": "cpu",
}  # fmt: skip


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    write_groups(folder, 3, members=3, size=64)
    return folder


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("bases")
    return {name: save_pipeline(folder / name, name) for name in FAMILIES}


def training(base: Path, data: Path, output: Path, **more: str) -> AdapterTraining:
    if base.name == "sd3":
        more = {"width": "64", **more}  # its own is made for a model of billions
    return prepare(None, {**TINY, "base": str(base), "data": str(data), "output": str(output), **more})


def weights(training: AdapterTraining) -> dict[str, torch.Tensor]:
    """Of the whole pipeline but the adapter."""
    ours = {id(parameter) for parameter in training.trained.values()}
    return {
        f"{part}.{name}": tensor.detach().clone()
        for part, module in training.sampler.loaded.pipeline.components.items()
        if isinstance(module, torch.nn.Module)
        for name, tensor in module.named_parameters()
        if id(tensor) not in ours
    }


@pytest.mark.parametrize("name", FAMILIES)
def test_adapter_learns_a_batch_and_the_base_stays_as_it_is(
    name: str, bases: dict[str, Path], world: Path, tmp_path: Path
) -> None:
    run = training(bases[name], world, tmp_path / "out", sample_every="2", steps="3", save_every="9")
    before = weights(run)
    run.run()  # with sheets between the steps
    batch = [(number, number) for number in range(4)]
    losses = []
    for _ in range(12):
        run.trainer.optimizer.zero_grad()
        loss = run.loss(0, batch)
        loss.backward()
        assert all(parameter.grad is not None for parameter in run.trained.values())
        run.trainer.optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0] - 1e-4 * abs(losses[0])
    after = weights(run)
    assert before.keys() == after.keys()
    assert all(torch.equal(before[key], after[key]) for key in before)
    assert {path.name for path in (tmp_path / "out" / "samples").iterdir()} == {"step-000002.png", "step-000003.png"}


@pytest.mark.parametrize("name", FAMILIES)
def test_checkpoint_is_read_by_us_and_by_diffusers_alone(
    name: str, bases: dict[str, Path], world: Path, tmp_path: Path
) -> None:
    last = training(bases[name], world, tmp_path / "out", steps="2").run()
    adapter = load_adapter(last)
    assert adapter.config.base_model == name
    assert adapter.config.encoder == "mini"
    relation = np.random.default_rng(0).normal(size=384).astype(np.float32)
    relation /= np.linalg.norm(relation)
    ours = DiffusionSampler(load_pipeline(str(bases[name]), DevicePlacement("cpu"), torch.float32), adapter=adapter)
    (found,) = ours.sample([ImageSpec("a bicycle", 3, 64, 64, relation=relation)], steps=2, guidance_scale=4.0)
    stock: Any = DiffusionPipeline.from_pretrained(str(bases[name]))
    stock.set_progress_bar_config(disable=True)
    card = (last / "README.md").read_text()
    # The card's own lines, with this folder and a picture that can be compared.
    lines = card.partition("```python\n")[2].partition("\n```")[0].replace("FOLDER", str(last))
    more = "width=64, height=64, num_inference_steps=2, guidance_scale=4.0, generator=generator, "
    lines = lines.replace('pipe("a bicycle", ', f'theirs = pipe("a bicycle", {more}')
    names: dict[str, Any] = {
        "torch": torch, "pipe": stock, "generator": [torch.Generator().manual_seed(3)],
        "relation": torch.from_numpy(relation).view(1, 1, 384),
    }  # fmt: skip
    exec(lines, names)
    theirs = names["theirs"].images[0]
    assert np.abs(np.asarray(found, np.int16) - np.asarray(theirs, np.int16)).max() <= 2
    assert f"| {adapter.parameters - sum(t.numel() for t in adapter.weights['image_proj'].values()):,} |" in card
    assert str(tmp_path) not in card
    assert "generate --model" in card


def test_resumed_run_repeats_the_undisturbed_one(bases: dict[str, Path], world: Path, tmp_path: Path) -> None:
    class Stop(Exception):
        pass

    undisturbed: dict[int, float] = {}
    whole = training(bases["sdxl"], world, tmp_path / "whole", sample_every="3")
    last = whole.run(lambda step, shown: undisturbed.update({step: shown["loss"]}))
    interrupted: dict[int, float] = {}

    def stop(step: int, shown: Any) -> None:
        interrupted[step] = shown["loss"]
        if step == 4:
            raise Stop

    with pytest.raises(Stop):
        training(bases["sdxl"], world, tmp_path / "parts").run(stop)
    again = training(bases["sdxl"], world, tmp_path / "parts", micro_batch="3")
    assert again.trainer.start == 3
    ended = again.run(lambda step, shown: interrupted.update({step: shown["loss"]}))
    assert interrupted == undisturbed
    ours, theirs = (load_adapter(folder).weights for folder in (ended, last))
    assert all(torch.equal(ours[part][key], theirs[part][key]) for part in ours for key in ours[part])
    assert again.run() == ended  # there is nothing left to do
    with pytest.raises(ValueError, match=r"was begun with lr=0\.01, now 0\.5"):
        training(bases["sdxl"], world, tmp_path / "parts", lr="0.5")


def test_gradient_does_not_hang_on_how_a_batch_is_cut(bases: dict[str, Path], world: Path, tmp_path: Path) -> None:
    def gradients(micro_batch: str) -> dict[str, torch.Tensor]:
        run = training(bases["sd15"], world, tmp_path / "out", micro_batch=micro_batch)
        run.backward_share(0)
        return {name: p.grad.clone() for name, p in run.trained.items() if p.grad is not None}

    whole, parts = gradients("4"), gradients("1")
    # Two processes, one after the other: their gradients add up in one model.
    run: Any = training(bases["sd15"], world, tmp_path / "out")
    losses = []
    for index in range(2):
        run.accelerator = SimpleNamespace(process_index=index, num_processes=2, device=torch.device("cpu"))
        losses.append(run.backward_share(0))
    shared = {name: p.grad.clone() for name, p in run.trained.items() if p.grad is not None}
    assert all(loss > 0 for loss in losses)
    assert whole.keys() == parts.keys() == shared.keys()
    for name, gradient in whole.items():
        torch.testing.assert_close(parts[name], gradient, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(shared[name], gradient, atol=1e-5, rtol=1e-4)


def test_training_goes_on_from_a_given_adapter(bases: dict[str, Path], world: Path, tmp_path: Path) -> None:
    unet = load_pipeline(str(bases["sd15"]), DevicePlacement("cpu")).denoiser
    start = build_adapter(unet, tokens=3, seed=9)
    save_adapter(start, tmp_path / "start")
    run = training(bases["sd15"], world, tmp_path / "out", init=str(tmp_path / "start"))
    found = run.adapter()
    assert found.config.tokens == 3
    assert torch.equal(found.weights["ip_adapter"]["1.to_k_ip.weight"], start.weights["ip_adapter"]["1.to_k_ip.weight"])
    with pytest.raises(ValueError, match="family unet"):
        training(bases["flux"], world, tmp_path / "other", init=str(tmp_path / "start"))


# What a row is conditioned on


def corpus_of(rows: list[tuple[str, str, int]]) -> Corpus:
    """(caption, subject, group) each; row i is picture i."""
    entries = [
        Entry(StoredPicture(Path(f"{number}.png"), None, 0, 0), caption, group, subject)
        for number, (caption, subject, group) in enumerate(rows)
    ]
    return Corpus(entries, Report())


def conditions(rows: list[tuple[str, str, int]], share: float = 1.0, near: float = 0.9) -> Conditions:
    names = list(dict.fromkeys(caption for caption, _, _ in rows))
    # "near" captions lie close together, all others apart.
    axes = np.eye(384, dtype=np.float32)
    vectors = np.stack([axes[0] + 0.1 * axes[n + 1] if "near" in name else axes[n + 1] for n, name in enumerate(names)])
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    of = np.array([names.index(caption) for caption, _, _ in rows])
    pictures = np.stack([axes[100 + number] for number in range(len(rows))])
    return Conditions(corpus_of(rows), vectors, of, pictures, share, near)


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(("cat", "dog", "")), st.integers(0, 2)), min_size=1,
             max_size=8),
    st.integers(0, 99),
)  # fmt: skip
def test_no_row_is_conditioned_on_its_own_picture(rows: list[tuple[str, str, int]], seed: int) -> None:
    asked = conditions(rows, share=0.7)
    for row, (_, subject, group) in enumerate(rows):
        found = asked.choose(row, np.random.default_rng(seed))
        if found.row is None:
            np.testing.assert_array_equal(found.relation, asked.captions[asked.caption_of[row]])
            continue
        assert found.row != row
        assert rows[found.row][2] == group
        assert not subject or rows[found.row][1] != subject
        np.testing.assert_array_equal(found.relation, asked.pictures[found.row])


def test_pictures_of_nearly_the_same_caption_stand_for_each_other() -> None:
    rows = [("near one", "cat", 0), ("near two", "dog", 1), ("far", "key", 2), ("near three", "cat", 3)]
    asked = conditions(rows)
    assert {asked.other_picture(0, np.random.default_rng(seed)) for seed in range(9)} == {1}  # 3 shows a cat as well
    assert asked.other_picture(2, np.random.default_rng(0)) is None
    assert asked.choose(2, np.random.default_rng(0)).row is None


def test_share_of_pictures_is_as_asked() -> None:
    asked = conditions([("a", "cat", 0), ("a", "dog", 0)], share=0.25)
    rng = np.random.default_rng(0)
    assert np.mean([asked.choose(0, rng).row is not None for _ in range(800)]) == pytest.approx(0.25, abs=0.05)


def test_prompt_says_the_subject_and_never_the_caption() -> None:
    stored = StoredPicture(Path("a.png"), None, 0, 0)
    assert prompt_of(Entry(stored, "many {subject} in a ring", 0, "owl")) == "an owl"
    assert prompt_of(Entry(stored, "many {subject} in a ring", 0, "owl", "a painted owl")) == "a painted owl"
    assert prompt_of(Entry(stored, "many {subject} in a ring", 0)) == ""


def test_index_of_a_corpus_keeps_subjects_and_prompts(world: Path, tmp_path: Path) -> None:
    corpus = open_corpus(world)
    corpus.save(tmp_path / "index.json")
    assert open_corpus(tmp_path / "index.json").entries == corpus.entries
    assert all(entry.subject for entry in corpus.entries)


# Errors, in one line


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"base": ""}, "setting base is missing"),
        ({"pictured": "1.5"}, r"pictured=1\.5 must be from 0 to 1"),
        ({"drop_both": "0.95"}, "leave no row to learn from"),
        ({"steps": "0"}, "steps=0 must be 1 or more"),
        ({"dtype": "float16"}, "dtype='float16' must be bfloat16 or float32"),
        ({"size": "60"}, "try --width 64"),
        ({"rank": "4"}, "unknown setting 'rank'"),
        ({"data": "nowhere"}, "no such index"),
        ({"tokens": "5", "base": "flux"}, "tokens is 5: expected 4"),
    ],
)
def test_wrong_settings_are_refused(
    more: dict[str, str], message: str, bases: dict[str, Path], world: Path, tmp_path: Path
) -> None:
    base = bases[more.get("base") or "sd15"]
    more = {**more, **({"base": str(base)} if more.get("base") else {})}
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        prepare(None, {**TINY, "base": str(base), "data": str(world), "output": str(tmp_path / "out"), **more})


def test_edit_models_are_no_bases(world: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"FLUX\.1 Kontext: adapters are trained on sd15, sdxl, sd3, flux"):
        training(save_pipeline(tmp_path / "kontext", "kontext"), world, tmp_path / "out")


def test_command_line_trains_and_shows(
    bases: dict[str, Path], world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    preset = tmp_path / "tiny.toml"
    numbers = {k: v for k, v in TINY.items() if k not in ("dtype", "device", "lr")}
    preset.write_text("".join(f"{k} = {v}\n" for k, v in numbers.items()) + 'dtype = "float32"\ndevice = "cpu"\n')
    base = ["--base", str(bases["sd15"]), "--data", str(world), "--output", str(tmp_path / "out")]
    more = ["--set", "steps=2", "--set", "sample_every=2"]
    assert main(["train", "adapter", "--config", str(preset), *base, *more]) == 0
    folder = Path(capsys.readouterr().out.strip())
    assert folder == tmp_path / "out" / "step-000002"
    assert json.loads((folder / "training.json").read_text())["settings"]["lr"] == 1e-4
    with Image.open(tmp_path / "out" / "samples" / "step-000002.png") as image:
        assert image.width > 3 * 192
    assert main(["train", "adapter", "--base", str(bases["sd15"]), "--output", "x"]) == 2
    assert "setting data is missing" in capsys.readouterr().err


def test_presets_are_proper_settings() -> None:
    from analogen.pipelines.adapter_training.settings import AdapterSettings
    from analogen.pipelines.mini_pixel.train import PixelSettings
    from analogen.relsim.config import read_settings

    presets = Path(__file__).parents[3] / "pipelines"
    found = sorted(presets.rglob("presets/adapter-*.toml"))
    assert len(found) >= 5
    for path in found:
        assert read_settings(AdapterSettings, path, {"data": "x", "output": "y"}).steps > 0
    for path in presets.rglob("presets/pixel-*.toml"):
        assert read_settings(PixelSettings, path).selection.subjects
