"""Promises of big models behind `generate` and `batch`: every family end to end, at tiny size, from real classes."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers.modular_pipelines.flux3.prompt_upsampler import split_caption
from PIL import Image

from analogen import prompting
from analogen.batch.chunk_processor import ChunkProcessor, ChunkRow, RunLocation
from analogen.cli import main
from analogen.diffusion_generator import DiffusionGenerator
from analogen.errors import UserError
from analogen.loading import load_generator
from analogen.metadata import _diffusion_settings, read_metadata
from analogen.models import MODELS, find_model
from analogen.pipelines.adapter.model import build_adapter, save_adapter
from analogen.pipelines.diffusion import redux
from analogen.pipelines.diffusion.layout import control_picture, with_placeholder_discs
from analogen.pipelines.diffusion.memory_check import check_memory
from analogen.pipelines.diffusion.runtime import RuntimeOptions
from analogen.pipelines.diffusion.tiny import TINY_PIPELINES, build_pipeline, save_control, save_pipeline, save_redux
from analogen.relsim.mini.reading import reading_of
from analogen.relsim.world.scene import Element, Scene
from analogen.request_schema import checked_value
from analogen.types import Request

EXAMPLES = Path(__file__).parents[2] / "examples"
SMALL: dict[str, Any] = {
    "width": 64, "height": 64, "steps": 2, "candidates": 1, "seed": 5, "device": "cpu", "dtype": "float32",
}  # fmt: skip


@pytest.fixture(autouse=True)
def small_references(monkeypatch: pytest.MonkeyPatch) -> None:
    """Qwen's edit pipelines take every reference to a megapixel, which takes this machine half a minute."""
    import diffusers

    for name, found in (("QwenImageEditPipeline", (64, 64, None)), ("QwenImageEditPlusPipeline", (64, 64))):
        module = sys.modules[getattr(diffusers, name).__module__]
        monkeypatch.setattr(module, "calculate_dimensions", lambda area, ratio, found=found: found)


@pytest.fixture(scope="module")
def references(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Four drawings, small, since edit models look at them as they are."""
    folder = tmp_path_factory.mktemp("references")
    for path in sorted(EXAMPLES.glob("*.png"))[:4]:
        with Image.open(path) as image:
            image.convert("RGB").resize((128, 128)).save(folder / path.name)
    return sorted(folder.glob("*.png"))


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("models")
    return {name: str(save_pipeline(folder / name, name)) for name in TINY_PIPELINES}


def request(model: str, reference: Path, **more: Any) -> Request:
    return Request(**{**SMALL, "references": (reference,), "subject": "bicycle", "model": model, **more})


def pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image).astype(np.int16)


@pytest.mark.parametrize("name", list(TINY_PIPELINES))
def test_every_family_makes_a_batch_of_different_references(
    name: str, models: dict[str, str], tmp_path: Path, references: list[Path]
) -> None:
    stages = load_generator(request(models[name], references[0]))
    asked = [request(models[name], reference) for reference in references[:2]]
    together = stages.compose([stages.prepare(one) for one in asked])
    for composed in together:
        (best,) = stages.finish(composed)
        assert best.image.size == (64, 64)
        assert best.seed == 5
        assert np.isfinite([best.scores.relation, best.scores.subject, best.scores.copy]).all()
    (alone,) = stages.finish(stages.compose([stages.prepare(asked[-1])])[0])
    assert np.abs(pixels(best.image) - pixels(alone.image)).max() <= 2  # of 255
    assert len({composed.prompt for composed in together}) > 1
    assert all("bicycle" in composed.prompt and "{" not in composed.prompt for composed in together)


def test_generate_and_recall_with_a_big_model(
    models: dict[str, str], tmp_path: Path, references: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    reference = ["--reference", str(references[0]), "--device", "cpu", "--model", models["sdxl"]]
    settings = ["--subject", "bicycle", "--width", "64", "--height", "64", "--steps", "2", "--dtype", "float32"]
    many = ["--candidates", "3", "--num-images", "2", "--seed", "1", "--style", "watercolour"]
    output = ["--output", str(tmp_path / "out"), "--format", "json"]
    assert main(["generate", *reference, *settings, *many, *output]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [image["rank"] for image in told["images"]] == [0, 1]
    first = tmp_path / "out" / "0000.png"
    record = read_metadata(first)
    assert record["model"] == "sdxl"  # the name alone, no path of the user's
    assert record["settings"]["style"] == "watercolour"
    again = tmp_path / "again.png"
    assert main(["generate", "--recall", str(first), *reference, "--output", str(again)]) == 0
    # Among others or alone, up to rounding.
    assert np.abs(pixels(Image.open(first)) - pixels(Image.open(again))).max() <= 2


def test_chunks_of_a_batch_take_big_models(models: dict[str, str], tmp_path: Path, references: list[Path]) -> None:
    values = [
        {**{k: v for k, v in SMALL.items() if k != "device"}, "model": models["flux"], "subject": subject,
         "reference": str(reference)}
        for subject, reference in zip(("cat", "key", "cup"), references, strict=False)
    ]  # fmt: skip
    processor = ChunkProcessor(RunLocation(tmp_path, tmp_path, "cpu"))
    ends = list(processor.process([ChunkRow(n, str(n), value, True) for n, value in enumerate(values)]))
    assert [end.error for end in ends] == [None] * 3
    assert sorted(path.name for path in tmp_path.glob("*.png")) == ["0-0.png", "1-0.png", "2-0.png"]


@pytest.mark.parametrize("name", ["sd15", "sdxl", "sd3", "flux"])
def test_an_adapter_acts_on_each_row_by_its_own_reference(
    name: str, models: dict[str, str], tmp_path: Path, references: list[Path]
) -> None:
    pipeline = build_pipeline(name)
    denoiser = pipeline.components.get("unet") or pipeline.transformer
    adapter = build_adapter(denoiser, seed=3, width=64 if name == "sd3" else None)
    generator = torch.Generator().manual_seed(0)
    loud = {
        part: {key: torch.randn(value.shape, generator=generator) * 0.3 for key, value in tensors.items()}
        for part, tensors in adapter.weights.items()
    }
    save_adapter(type(adapter)(adapter.config, loud), tmp_path / "adapter")
    with_it: dict[str, Any] = {"adapter": str(tmp_path / "adapter"), "relation": None}
    stages = load_generator(request(models[name], references[0], **with_it))
    asked = [request(models[name], reference, **with_it) for reference in references[:2]]
    together = [next(stages.finish(one)) for one in stages.compose([stages.prepare(one) for one in asked])]
    for one, found in zip(asked, together, strict=True):
        (alone,) = stages.finish(stages.compose([stages.prepare(one)])[0])
        assert np.abs(pixels(found.image) - pixels(alone.image)).max() <= 2
    (first,) = stages.finish(stages.compose([stages.prepare(asked[0])])[0])
    weaker = request(models[name], references[0], **with_it, relation_scale=0.2)
    (weak,) = stages.finish(stages.compose([stages.prepare(weaker)])[0])
    assert not np.array_equal(pixels(weak.image), pixels(first.image))
    # At no moment of these few steps, and in no block, it does not act at all; always and everywhere is the default.
    shown = {}
    for words in ("start=0", "rest=0", "start=0.01,end=0.02"):
        told = request(models[name], references[0], **with_it, adapter_strength=words)
        (made,) = stages.finish(stages.compose([stages.prepare(told)])[0])
        shown[words] = pixels(made.image)
    assert np.array_equal(shown["start=0"], pixels(first.image))
    assert not np.array_equal(shown["rest=0"], shown["start=0"])
    assert np.abs(shown["start=0.01,end=0.02"] - shown["rest=0"]).max() <= 2
    with pytest.raises(UserError, match="has no block 'cellar' with an adapter; it has: "):
        stages.compose([stages.prepare(request(models[name], references[0], **with_it, adapter_strength="cellar=1"))])


def test_the_strength_of_an_adapter_is_recorded_and_needs_one(models: dict[str, str], references: list[Path]) -> None:
    with pytest.raises(UserError, match="add --adapter"):
        request(models["sdxl"], references[0], adapter_strength="start=0.2")
    with pytest.raises(UserError, match="expected parts such as"):
        request(models["sdxl"], references[0], adapter="a", adapter_strength="strong")
    with pytest.raises(UserError, match="--adapter-strength is for diffusion models"):
        Request(references=tuple(references[:1]), subject="cat", adapter_strength="start=0.2")
    told = request(models["sdxl"], references[0], adapter="a", adapter_strength="start=0.2,mid_block=0")
    assert _diffusion_settings(told)["adapter_strength"] == "start=0.2,mid_block=0"
    assert checked_value("adapter_strength", "start=0.2") == "start=0.2"


@pytest.mark.parametrize(("name", "control"), [("sdxl", None), ("flux", None), ("sd15", "scribble"), ("sd3", "depth")])
def test_layout_guides_by_start_or_control(
    name: str, control: str | None, models: dict[str, str], tmp_path: Path, references: list[Path]
) -> None:
    more: dict[str, Any] = {"layout": True}
    if control:
        more |= {"control": control, "control_model": str(save_control(tmp_path / "control", name))}
    stages = load_generator(request(models[name], references[0], **more))
    (composed,) = stages.compose([stages.prepare(request(models[name], references[0], **more, strength=0.6))])
    (best,) = stages.finish(composed)
    assert best.scene is not None
    assert len(best.scene.elements) > 1
    plain = load_generator(request(models[name], references[0]))
    (other,) = plain.finish(plain.compose([plain.prepare(request(models[name], references[0]))])[0])
    assert not np.array_equal(pixels(best.image), pixels(other.image))


def test_control_images_show_the_scene() -> None:
    scene = Scene((Element("subject", -0.4, 0, 0.6), Element("other", 0.4, 0, 0.6)), subject="apple", other="key")
    depth = np.asarray(control_picture(scene, None, 256, 256, "depth"))[..., 0]
    left, right = depth[:, :128].max(), depth[:, 128:].max()
    assert depth[0, 0] == 0
    assert 0 < left < right
    scribble = np.asarray(control_picture(scene, None, 256, 256, "scribble"))[..., 0]
    assert scribble[0, 0] == 0
    assert 0.005 < (scribble > 127).mean() < 0.2
    canny = np.asarray(control_picture(scene, None, 256, 256, "canny"))[..., 0]
    assert 0.005 < (canny > 127).mean() < 0.3
    assert {element.kind for element in with_placeholder_discs(scene).elements} == {"ellipse"}


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"svg": True}, "--svg"),
        ({"width": 100, "height": 64}, "try --width 96"),
        ({"control": "canny"}, "add --layout"),
        ({"lora": ("x.bin",)}, "pickle"),
        ({"strength": 2.0, "layout": True}, "--strength is 2.0"),
        ({"cpu_offload": "disk"}, "--cpu-offload"),
        ({"subject_image": Path("a.png")}, "--layout"),
    ],
)
def test_what_a_big_model_cannot_do_is_refused(
    more: dict[str, Any], message: str, models: dict[str, str], references: list[Path]
) -> None:
    with pytest.raises(UserError, match=message):
        request(models["sdxl"], references[0], **more)


def test_edit_models_want_a_reference(models: dict[str, str]) -> None:
    words = {**SMALL, "relation": "many {subject} in a row", "subject": "cat", "model": models["kontext"]}
    with pytest.raises(UserError, match="--reference-as original shows a reference, and none was given"):
        Request(**words, reference_as="original")
    assert Request(**words).reference_as == "auto"  # mini draws what it is to see


def test_mini_refuses_what_only_big_models_take(references: list[Path]) -> None:
    with pytest.raises(UserError, match="--lora is for diffusion models"):
        Request(references=(references[0],), subject="cat", lora=("a.safetensors",))


def test_models_are_found_by_name_folder_and_hub_id(models: dict[str, str], tmp_path: Path) -> None:
    assert find_model("sdxl").base.startswith("stabilityai/")
    assert find_model(models["flux"]).kind == "flux"
    assert find_model("org/some-model").base == "org/some-model"
    with pytest.raises(UserError, match="did you mean 'flux'"):
        find_model("fluxx")
    with pytest.raises(UserError, match=r"model_index\.json"):
        find_model(str(tmp_path))


def test_a_model_that_cannot_fit_says_so_before_it_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    flux = find_model("flux")
    monkeypatch.setattr("analogen.pipelines.diffusion.memory_check._memory_bytes", lambda: 40 * 10**9)
    with pytest.raises(ValueError, match="bfloat16"):
        check_memory(flux.parts, flux.base, torch.device("cpu"), torch.float32, RuntimeOptions())
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: type("Card", (), {"total_memory": 12e9})())
    with pytest.raises(ValueError, match="--quantize 4bit or --cpu-offload sequential"):
        check_memory(flux.parts, flux.base, torch.device("cuda"), torch.bfloat16, RuntimeOptions())


def test_out_of_memory_names_what_would_help(
    models: dict[str, str], monkeypatch: pytest.MonkeyPatch, references: list[Path]
) -> None:
    stages = load_generator(request(models["sd15"], references[0]))
    assert isinstance(stages, DiffusionGenerator)

    def full(*args: Any, **settings: Any) -> Any:
        raise MemoryError("a row does not fit in memory even alone")

    monkeypatch.setattr(stages.sampler, "sample", full)
    with pytest.raises(UserError, match=r"--cpu-offload model.*--width 32"):
        stages.compose([stages.prepare(request(models["sd15"], references[0]))])


def test_catalogue_counts_are_those_of_the_real_classes() -> None:
    from analogen.pipelines.diffusion.full_size import meta_denoiser

    counted = {"sd15": "sd15", "sdxl": "sdxl", "sd35": "sd35-medium", "sd35-large": "sd35", "flux": "flux"}
    for model in MODELS:
        if model.name in counted:
            millions = sum(p.numel() for p in meta_denoiser(counted[model.name]).parameters()) / 1e6
            assert dict(model.parts)[model.parts[0][0]] == pytest.approx(millions, abs=0.1)


def test_weights_of_references_reach_the_relation(models: dict[str, str], references: list[Path]) -> None:
    two: dict[str, Any] = {"references": tuple(references[:2])}
    stages = load_generator(request(models["sd15"], references[0]))

    def relation(**more: Any) -> np.ndarray:
        (composed,) = stages.compose([stages.prepare(request(models["sd15"], references[0], **more))])
        return composed.conditioning.relation

    first, second = (relation(references=(one,), reference_weights=(1.0,)) for one in references[:2])
    np.testing.assert_allclose(relation(**two, reference_weights=(1, 0)), first, atol=1e-6)
    away = relation(**two, reference_weights=(1, -0.5))
    assert away @ second < first @ second - 0.05
    both = relation(**two, reference_weights=(3, 1))
    assert both @ first > both @ second


def test_adapter_of_another_family_is_refused_before_weights_are_read(
    models: dict[str, str], references: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_adapter(build_adapter(build_pipeline("sd15").unet), tmp_path / "adapter")
    loaded: list[Any] = []
    monkeypatch.setattr("analogen.diffusion_generator.load_pipeline", lambda *what: loaded.append(what))
    for name, message in (("flux", "family unet.*is of family flux"), ("qwen-image", "takes no relational adapter")):
        with pytest.raises(UserError, match=message):
            load_generator(request(models[name], references[0], adapter=str(tmp_path / "adapter")))
    assert loaded == []


def made(stages: Any, one: Request) -> Any:
    (composed,) = stages.compose([stages.prepare(one)])
    return composed


def test_edit_models_see_no_looks_unless_they_are_asked_to(models: dict[str, str], references: list[Path]) -> None:
    shown = {}
    for way in ("auto", "layout", "flattened", "original"):
        one = request(models["kontext"], references[0], reference_as=way)
        composed = made(load_generator(one), one)
        shown[way] = composed.attempts[0].told
        assert not any(word in composed.prompt.lower() for word in ("preserve", "keep the subject", "same subject"))
    assert shown["auto"].prompt == shown["layout"].prompt
    with Image.open(references[0]) as image:
        original = pixels(image.convert("RGB"))
    assert np.array_equal(pixels(shown["original"].picture), original)
    flat = pixels(shown["flattened"].picture)
    assert flat.shape == original.shape
    assert (flat[..., 0] == flat[..., 2]).all()
    assert shown["layout"].picture.size == (64, 64)
    assert "rough drawing" in shown["layout"].prompt
    with pytest.raises(UserError, match="sees no picture"):
        request(models["sdxl"], references[0], reference_as="flattened")


@pytest.mark.parametrize("name", ["flux3", "ideogram4", "fibo2", "sdxl"])
def test_dry_run_prints_the_very_prompt(
    name: str, models: dict[str, str], references: list[Path], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    line = ["generate", "--reference", str(references[1]), "--subject", "bicycle", "--model", models[name], "--width",
            "64", "--height", "64", "--device", "cpu", "--dtype", "float32", "--candidates", "2", "--seed", "5",
            "--steps", "1", "--layout", "boxes", "--format", "json", "--output", str(tmp_path / "out")]  # fmt: skip
    assert main([*line, "--dry-run"]) == 0
    told = {row["seed"]: row["prompt"] for row in json.loads(capsys.readouterr().out)["rows"]}
    boxes = tmp_path / "boxes.json"
    assert main([*line, "--num-images", "2", "--layout-json", str(boxes)]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert {image["seed"]: image["prompt"] for image in answer["images"]} == told
    assert min(image["read"]["wanted_things"] for image in answer["images"]) > 1
    assert read_metadata(tmp_path / "out" / "0000.png")["prompt"] == told[answer["images"][0]["seed"]]
    layouts = json.loads(boxes.read_text())["layouts"]
    assert len(layouts) == 2
    assert all(box["desc"].endswith("bicycle") or "bicycle" in box["desc"] for box in layouts[0]["boxes"])
    if name == "sdxl":
        assert ": " in told[5]
        assert "bicycles" in told[5].split(": ")[1]
    else:
        assert json.loads(layouts[0]["ideogram4"])


def test_style_and_subject_are_the_second_and_third_picture(models: dict[str, str], references: list[Path]) -> None:
    both: dict[str, Any] = {"style_image": references[1], "subject_image": references[2]}
    one = request(models["klein"], references[0], **both)
    told = made(load_generator(one), one).attempts[0].told
    assert len(told.more) == 2
    assert "second picture says only how it is to look" in told.prompt
    assert "third picture shows the bicycle" in told.prompt
    with pytest.raises(UserError, match=r"takes no second picture; these do: sd15, sdxl, flux, flux2, klein"):
        request(models["kontext"], references[0], style_image=references[1])
    with pytest.raises(UserError, match="leave one of them out"):
        request(models["sdxl"], references[0], style_image=references[1], adapter="a")


def test_redux_gives_the_looks_beside_an_adapter_and_the_record_says_how_much(
    models: dict[str, str], references: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = save_redux(tmp_path / "redux")
    monkeypatch.setattr(redux, "fetch", lambda repo, files: folder)
    save_adapter(build_adapter(build_pipeline("flux").transformer, seed=3), tmp_path / "adapter")
    both: dict[str, Any] = {"adapter": str(tmp_path / "adapter"), "style_scale": 1.0}
    looks = [tmp_path / "red.png", tmp_path / "blue.png"]
    for path in looks:
        Image.new("RGB", (64, 64), path.stem).save(path)
    asked = [request(models["flux"], references[0], style_image=path, **both) for path in looks]
    stages = load_generator(asked[0])
    assert isinstance(stages, DiffusionGenerator)
    assert stages.sampler.attached is not None  # the adapter has the attention, Redux the prompt
    assert stages.sampler.redux is not None
    assert stages.sampler.redux.scale == 1
    first, second, again = (pixels(made(stages, one).pictures[0]) for one in (*asked, asked[0]))
    assert (first != second).any()  # by little: random weights hardly heed four tokens among 512
    assert np.array_equal(first, again)
    by_redux = request(models["flux"], references[0], style_image=looks[0], style_by="redux")
    assert _diffusion_settings(by_redux)["style_by"] == "redux"
    with pytest.raises(UserError, match="--style-scale is of a style picture: add --style-image"):
        request(models["flux"], references[0], style_scale=0.5)
    with pytest.raises(UserError, match="--style-scale is 2: expected 0 to 1"):
        request(models["flux"], references[0], style_image=references[1], style_scale=2)
    with pytest.raises(UserError, match="klein sees the style picture itself, which has no strength"):
        request("klein", references[0], style_image=references[1], style_scale=0.5)
    with pytest.raises(UserError, match="--style-by redux: is for flux"):
        request("sdxl", references[0], style_image=references[1], style_by="redux")


@pytest.mark.parametrize("way", ["original", "flattened", "layout"])
def test_flux3_is_told_what_moves_where_in_the_reference_that_it_sees(
    way: str, models: dict[str, str], references: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    read = reading_of(Scene((Element("subject", -0.5, 0, 0.3), Element("subject", 0.5, 0, 0.3))), (64, 64))
    whole = replace(read, certainty=0.9, crop=(0, 32, 128, 96), size=(128, 64))
    monkeypatch.setattr(prompting, "read_scene", lambda picture, encoder: whole)
    one = request(models["flux3"], references[1], layout="boxes", reference_as=way)
    told = made(load_generator(one), one).attempts[0].told
    _, rows = split_caption(told.prompt)
    assert rows
    moves = [row["src_bbox"] for row in rows if row["from"] == "ref_image_0"]
    assert len(moves) == (0 if way == "layout" else 2)
    assert all(250 <= box[0] < box[2] <= 750 for box in moves)  # within the part of the picture that was read


def test_retries_take_new_seeds_and_the_record_says_which(
    models: dict[str, str], references: list[Path], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    one = request(models["sd15"], references[0], layout="boxes", candidates=2, retries=2)
    stages = load_generator(one)
    first = made(stages, request(models["sd15"], references[0], layout="boxes", candidates=2))
    tried = made(stages, one)
    for before, after in zip(first.attempts, tried.attempts, strict=True):
        assert after.read.agreement >= before.read.agreement
        changed = after.paint_seed != before.paint_seed
        assert changed == (after.read.agreement > before.read.agreement)
    candidates = list(stages.finish(tried))
    again = request(
        models["sd15"], references[0], layout="boxes", seed=candidates[0].seed, paint_seed=candidates[0].paint_seed
    )
    (same,) = stages.finish(made(stages, again))
    assert np.abs(pixels(same.image) - pixels(candidates[0].image)).max() <= 2


def test_what_nothing_can_run_is_refused_with_the_reason() -> None:
    with pytest.raises(UserError, match="no pipeline of HunyuanImage 3"):
        find_model("hunyuan-image-3")
    with pytest.raises(UserError, match="from_single_file"):
        find_model("illustrious")
