"""Promises of the route through big models: every kind of pipeline, at tiny size, from the real classes."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from analogen.pipelines.diffusion.device_placement import DevicePlacement
from analogen.pipelines.diffusion.image_spec import ImageSpec
from analogen.pipelines.diffusion.loading import call_arguments, load_control, load_pipeline, pipeline_kind
from analogen.pipelines.diffusion.model_defaults import kind_by_call, kind_of, read_index
from analogen.pipelines.diffusion.runtime import Lora, RuntimeOptions, few_steps
from analogen.pipelines.diffusion.sampler import DiffusionSampler
from analogen.pipelines.diffusion.tiny import TINY_PIPELINES, build_pipeline, save_control, save_pipeline

WORDS = ("sd15", "sdxl", "sd3", "flux", "qwen-image")
EDITS = ("kontext", "klein", "qwen-edit", "qwen-edit-plus", "pix2pix")
PROMPTS = ("a ring of bicycles", "cats, ever smaller", "one owl among many identical umbrellas", "x")
LIMIT = 30_000_000  # bytes: the denoiser and the autoencoder of a stand-in, and not everything else besides


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    place = tmp_path_factory.mktemp("pipelines")
    return {name: save_pipeline(place / name, name) for name in TINY_PIPELINES}


@pytest.fixture(autouse=True)
def small_references(monkeypatch: pytest.MonkeyPatch) -> None:
    """Qwen's edit pipelines take every reference to a megapixel, which takes this machine half a minute."""
    import diffusers

    for name, found in (("QwenImageEditPipeline", (64, 64, None)), ("QwenImageEditPlusPipeline", (64, 64))):
        module = sys.modules[getattr(diffusers, name).__module__]
        monkeypatch.setattr(module, "calculate_dimensions", lambda area, ratio, found=found: found)


def load(folder: Path, runtime: RuntimeOptions | None = None, limit: int | None = None) -> DiffusionSampler:
    return DiffusionSampler(load_pipeline(str(folder), DevicePlacement("cpu", limit), torch.float32, runtime))


def picture(seed: int) -> Image.Image:
    blots = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return Image.fromarray(blots).resize((64, 64), Image.Resampling.BICUBIC)


def rows(count: int, edit: bool = False, **more: Any) -> list[ImageSpec]:
    return [
        ImageSpec(PROMPTS[n % len(PROMPTS)], n, 64, 64, picture=picture(n) if edit else None, **more)
        for n in range(count)
    ]


def apart(one: Image.Image, other: Image.Image) -> int:
    return int(np.abs(np.asarray(one, np.int16) - np.asarray(other, np.int16)).max())


@pytest.mark.parametrize("name", TINY_PIPELINES)
def test_kind_is_recognised_by_its_index(name: str, folders: dict[str, Path]) -> None:
    assert pipeline_kind(folders[name]).name == name


@pytest.mark.parametrize("name", WORDS)
def test_row_is_the_same_picture_alone_or_among_others(name: str, folders: dict[str, Path]) -> None:
    sampler = load(folders[name])
    together = sampler.sample(rows(4), steps=2)
    (alone,) = sampler.sample(rows(4)[2:3], steps=2)
    assert apart(together[2], alone) <= 2
    assert apart(together[2], together[1]) > 20


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(WORDS),
    seeds=st.lists(st.integers(0, 9), min_size=2, max_size=5),
    batch_size=st.integers(1, 4),
    guided=st.booleans(),
)
def test_rows_do_not_mix_whatever_the_batch(
    name: str, seeds: list[int], batch_size: int, guided: bool, folders: dict[str, Path]
) -> None:
    sampler = load(folders[name])
    asked = [ImageSpec(PROMPTS[seed % 4], seed, 64 + 16 * (seed % 2), 64, "dull" if guided else None) for seed in seeds]
    scale = sampler.kind.guidance if guided else 0.0
    together = sampler.sample(asked, steps=1, guidance_scale=scale, batch_size=batch_size)
    for row, found in zip(asked, together, strict=True):
        assert found.size == (row.width, row.height)
        assert apart(found, sampler.sample([row], steps=1, guidance_scale=scale)[0]) <= 2


@pytest.mark.parametrize("name", EDITS)
def test_edit_models_look_at_their_own_rows_picture(name: str, folders: dict[str, Path]) -> None:
    sampler = load(folders[name])
    asked = rows(3, edit=True)
    found = sampler.sample(asked, "edit", steps=2)
    (alone,) = sampler.sample(asked[1:2], "edit", steps=2)
    assert apart(found[1], alone) <= 2
    other = ImageSpec(asked[1].prompt, asked[1].seed, 64, 64, picture=picture(77))
    assert sampler.sample(asked[1:2], "edit", steps=2)[0].tobytes() == alone.tobytes()
    assert sampler.sample([other], "edit", steps=2)[0].tobytes() != alone.tobytes()
    assert found[0].size == (64, 64)


@pytest.mark.parametrize("name", WORDS)
def test_picture_equals_the_stock_pipelines(name: str, folders: dict[str, Path]) -> None:
    sampler = load(folders[name])
    asked = [ImageSpec("a ring of owls", 5, 64, 64, negative) for negative in ("dull", None)]
    for row, ours in zip(asked, sampler.sample(asked, steps=2, guidance_scale=4.0), strict=True):
        stock = build_pipeline(name)
        stock.set_progress_bar_config(disable=True)
        negative = row.negative_prompt or (" " if name == "qwen-image" else None)  # its guidance needs words
        call = {"prompt": row.prompt, "negative_prompt": negative, "num_inference_steps": 2, "width": 64, "height": 64}
        call[sampler.kind.guidance_name] = 4.0
        if name == "flux" and negative:
            call["true_cfg_scale"] = 4.0
        theirs = stock(**call, generator=[torch.Generator().manual_seed(5)]).images[0]
        assert apart(ours, theirs) <= 2


@pytest.mark.parametrize("name", WORDS)
def test_start_is_painted_over_as_far_as_the_strength_says(name: str, folders: dict[str, Path]) -> None:
    sampler = load(folders[name])
    asked = rows(2, edit=True)
    little = sampler.sample(asked, "start", steps=10, strength=0.2)
    much = sampler.sample(asked, "start", steps=10, strength=1.0)
    assert apart(little[0], much[0]) > 10
    (alone,) = sampler.sample(asked[1:], "start", steps=10, strength=0.2)
    assert apart(little[1], alone) <= 2


@pytest.mark.parametrize("name", ["sd15", "sdxl", "sdxl-union", "flux"])
def test_control_image_is_followed(name: str, folders: dict[str, Path], tmp_path: Path) -> None:
    control = load_control(str(save_control(tmp_path / "control", name)), torch.float32)
    loaded = load_pipeline(str(folders[name.removesuffix("-union")]), DevicePlacement("cpu"), torch.float32)
    sampler = DiffusionSampler(loaded, control, 2 if name == "sdxl-union" else None)
    one, other = sampler.sample([ImageSpec("a", 1, 64, 64, picture=picture(n)) for n in (1, 2)], "control", steps=2)
    assert apart(one, other) > 0
    (alone,) = sampler.sample([ImageSpec("a", 1, 64, 64, picture=picture(2))], "control", steps=2)
    assert apart(other, alone) <= 2


def test_a_union_of_controls_says_of_a_row_what_it_says_of_it_alone(folders: dict[str, Path], tmp_path: Path) -> None:
    """Beside pixels, which so small a model hardly moves: what the union itself says, whose attention mixes rows."""
    control = load_control(str(save_control(tmp_path / "control", "sdxl-union")), torch.float32)
    sampler = DiffusionSampler(load_pipeline(str(folders["sdxl"]), DevicePlacement("cpu"), torch.float32), control, 2)
    said: list[torch.Tensor] = []
    control.register_forward_hook(lambda module, given, found: said.append(found[1][-1].clone()))
    both = [ImageSpec("a", n, 64, 64, picture=picture(n)) for n in (1, 2)]
    sampler.sample(both, "control", steps=1)
    among = said[-1]
    sampler.sample(both[1:], "control", steps=1)
    torch.testing.assert_close(among, said[-1], rtol=1e-3, atol=1e-5 * float(among.abs().max()))


@pytest.mark.parametrize("name", WORDS)
def test_batch_of_twenty_moves_each_model_once(name: str, folders: dict[str, Path]) -> None:
    """On a device with room for the denoiser alone beside small models; a loop of calls would move them 20 times."""
    placement = DevicePlacement("cpu", 0)
    loaded = load_pipeline(str(folders[name]), placement, torch.float32)
    sizes = placement._sizes
    texts = sum(size for part, size in sizes.items() if part.startswith("text_encoder"))
    placement.limit_bytes = max(texts, *(size for part, size in sizes.items()))
    DiffusionSampler(loaded).sample(rows(20), steps=1)
    assert set(placement.moves.values()) == {1}
    assert set(placement.moves) == set(sizes)


def test_models_stay_where_there_is_room(folders: dict[str, Path]) -> None:
    sampler = load(folders["sdxl"])
    sampler.sample(rows(2), steps=1)
    sampler.sample(rows(2), steps=1)
    assert set(sampler.placement.moves.values()) == {1}


def test_memory_that_runs_out_halves_the_batch_and_then_clears_the_device(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    sampler = load(folders["sd15"])
    expected = sampler.sample(rows(5), steps=1)
    unet = sampler.loaded.denoiser
    forward, sizes, crowded = unet.forward, [], [True]

    def short(sample: torch.Tensor, *more: Any, **named: Any) -> Any:
        sizes.append(len(sample) // 2)
        if len(sample) > 4:
            raise torch.OutOfMemoryError("CUDA out of memory")
        if len(sample) == 2 and crowded:
            crowded.clear()
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(sample, *more, **named)

    monkeypatch.setattr(unet, "forward", short)
    found = sampler.sample(rows(5), steps=1)
    assert sizes[:3] == [5, 2, 2]
    assert all(apart(one, other) <= 2 for one, other in zip(found, expected, strict=True))
    assert sampler.placement.limit_bytes == 0

    def never(*_: Any, **__: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(unet, "forward", never)
    with pytest.raises(MemoryError, match="not enough memory for one picture alone"):
        sampler.sample(rows(1), steps=1)


@pytest.mark.parametrize("name", ["sd15", "flux"])
def test_size_that_a_kind_cannot_make_is_refused_with_the_nearest(name: str, folders: dict[str, Path]) -> None:
    unit = {"sd15": 8, "flux": 16}[name]
    with pytest.raises(ValueError, match=rf"multiples of {unit} .* --width {64 + unit} --height 64"):
        load(folders[name]).sample([ImageSpec("a", 0, 64 + unit - 1, 64)])


def test_other_classes_are_recognised_by_their_call(tmp_path: Path) -> None:
    import diffusers

    (tmp_path / "model_index.json").write_text(json.dumps({"_class_name": "SanaPipeline"}))
    sana = pipeline_kind(tmp_path)
    assert (sana.takes, sana.guidance, sana.steps) == ("words", 4.5, 20)
    fibo = kind_by_call("BriaFiboEditPipeline", call_arguments(diffusers.BriaFiboEditPipeline))
    assert fibo.takes == "picture"
    for name in ("WanPipeline", "StableDiffusionXLInpaintPipeline", "StableAudioPipeline"):
        (tmp_path / "model_index.json").write_text(json.dumps({"_class_name": name}))
        with pytest.raises(ValueError, match="paints neither from words nor from a picture and words"):
            pipeline_kind(tmp_path)


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ("[]", "holds list, expected an object"),
        ("{", "is no JSON"),
        ("{}", "names no diffusers pipeline"),
        ('{"_class_name": "os.system"}', "names no diffusers pipeline"),
        ('{"_class_name": "NewestPipeline"}', "which diffusers .* does not have: update diffusers"),
    ],
)
def test_folder_that_is_no_pipeline_is_refused_in_one_line(tmp_path: Path, index: str, message: str) -> None:
    (tmp_path / "model_index.json").write_text(index)
    with pytest.raises(ValueError, match=message) as caught:
        pipeline_kind(tmp_path)
    assert len(str(caught.value).splitlines()) == 1


def test_folder_without_an_index_is_told_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(
        FileNotFoundError, match=r"has no model_index\.json: expected the folder of a diffusers pipeline"
    ):
        read_index(tmp_path)
    with pytest.raises(ValueError, match="names no diffusers pipeline"):
        kind_of({"_class_name": None}, "here")


def test_weights_that_are_pickles_are_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(folders["sd15"], copy)
    weights = copy / "unet" / "diffusion_pytorch_model.safetensors"
    torch.save({}, weights.with_suffix(".bin"))
    weights.unlink()
    with pytest.raises(ValueError, match="pickles, which can run code"):
        load(copy)


def test_code_that_comes_with_a_model_is_not_run(folders: dict[str, Path], tmp_path: Path) -> None:
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(folders["sd15"], copy)
    index = json.loads((copy / "model_index.json").read_text())
    index["unet"] = ["evil", "UNet2DConditionModel"]
    (copy / "model_index.json").write_text(json.dumps(index))
    (copy / "unet" / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass UNet2DConditionModel: pass\n")
    with pytest.raises(ValueError, match=r"copy: (brings code of its own|cannot be loaded)"):
        load(copy)
    assert not (tmp_path / "ran").exists()


# LoRAs


def save_lora(folder: Path, name: str, seed: int = 0) -> Path:
    """A LoRA for a stand-in, saved as diffusers' own training scripts do."""
    from peft import LoraConfig
    from peft.utils import get_peft_model_state_dict

    pipeline = build_pipeline(name)
    part = "unet" if "unet" in pipeline.components else "transformer"
    model = pipeline.components[part]
    config = LoraConfig(r=2, lora_alpha=4, target_modules=["to_q", "to_v"])
    model.add_adapter(config)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for key, parameter in model.named_parameters():
            if "lora_" in key:
                parameter.data.normal_(0, 1.0)
    layers = get_peft_model_state_dict(model)
    type(pipeline).save_lora_weights(folder, **{f"{part}_lora_layers": layers})
    return folder / "pytorch_lora_weights.safetensors"


@pytest.mark.parametrize("name", ["sd15", "sdxl", "sd3", "flux", "kontext", "qwen-image"])
def test_loras_act_by_their_scales(name: str, folders: dict[str, Path], tmp_path: Path) -> None:
    edit = name == "kontext"
    use: Any = "edit" if edit else "nothing"
    asked = rows(1, edit)
    (plain,) = load(folders[name]).sample(asked, use, steps=2)
    lora = save_lora(tmp_path, name)
    (full,) = load(folders[name], RuntimeOptions(loras=(Lora(str(lora)),))).sample(asked, use, steps=2)
    (none,) = load(folders[name], RuntimeOptions(loras=(Lora(str(lora), 0.0),))).sample(asked, use, steps=2)
    assert apart(plain, none) <= 2
    assert apart(plain, full) > 2


def test_lora_of_another_base_is_refused_in_one_line(folders: dict[str, Path], tmp_path: Path) -> None:
    lora = save_lora(tmp_path, "flux")
    with pytest.raises(ValueError, match=r"--lora .*another base") as caught:
        load(folders["sd15"], RuntimeOptions(loras=(Lora(str(lora)),)))
    assert len(str(caught.value).splitlines()) == 1
    with pytest.raises(FileNotFoundError, match="no such file or folder, and no hub id"):
        load(folders["sd15"], RuntimeOptions(loras=(Lora(str(tmp_path / "gone.safetensors")),)))


def test_lora_is_parsed_from_path_and_scale() -> None:
    assert Lora.parse("style.safetensors:0.6") == Lora("style.safetensors", 0.6)
    assert Lora.parse("org/name") == Lora("org/name", 1.0)
    assert Lora.parse("C:\\loras\\a.safetensors") == Lora("C:\\loras\\a.safetensors", 1.0)
    assert Lora.parse("a.safetensors:-1") == Lora("a.safetensors", -1.0)
    for text in ("a.safetensors:high", "a.safetensors:9", ":1", "a.safetensors:nan"):
        with pytest.raises(ValueError, match="expected PATH or PATH:SCALE"):
            Lora.parse(text)
    with pytest.raises(ValueError, match="is a pickle, which can run code"):
        Lora.parse("style.bin:0.5")


def test_few_step_lora_brings_its_sampler_and_steps(folders: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "lcm-lora-sdv1-5").mkdir()
    save_lora(tmp_path / "lcm-lora-sdv1-5", "sd15")
    loaded = load_pipeline(
        str(folders["sd15"]),
        DevicePlacement("cpu"),
        torch.float32,
        RuntimeOptions(loras=(Lora(str(tmp_path / "lcm-lora-sdv1-5")),)),
    )
    assert type(loaded.pipeline.scheduler).__name__ == "LCMScheduler"
    assert loaded.few_steps is not None
    assert loaded.few_steps.steps == 4
    assert "few-step LoRA (lcm)" in loaded.notes[0]
    found = few_steps(Lora("ByteDance/Hyper-SDXL-8steps-lora.safetensors"))
    assert found is not None
    assert (found.word, found.steps) == ("hyper", 8)
    assert few_steps(Lora("me/flowers")) is None


@pytest.mark.parametrize(
    ("runtime", "message"),
    [
        ({"attention_backend": "fast"}, "--attention-backend is 'fast': expected one of native, xformers"),
        ({"cpu_offload": "all"}, "--cpu-offload is 'all': expected one of model, sequential"),
        ({"quantize": "2bit"}, "--quantize is '2bit'"),
        ({"compile": True, "cpu_offload": "sequential"}, "--compile does not go with"),
        ({"loras": tuple(Lora(str(n)) for n in range(9))}, "9 LoRAs came: expected at most 8"),
    ],
)
def test_settings_of_running_are_checked(runtime: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RuntimeOptions(**runtime)


def test_attention_backends_that_cannot_run_here_are_told(folders: dict[str, Path]) -> None:
    with pytest.raises((ImportError, ValueError), match="--attention-backend xformers"):
        load(folders["sd15"], RuntimeOptions(attention_backend="xformers"))
    with pytest.raises(ValueError, match="does not dispatch its attention"):
        load(folders["sd15"], RuntimeOptions(attention_backend="sage"))
    with pytest.raises(ValueError, match=r"--attention-backend _flash_3: cannot be used here"):
        load(folders["flux"], RuntimeOptions(attention_backend="_flash_3"))
    assert load(folders["flux"], RuntimeOptions(attention_backend="native")).sample(rows(1), steps=1)


def test_offload_flags_do_not_change_the_picture(folders: dict[str, Path]) -> None:
    expected = load(folders["sd15"]).sample(rows(2), steps=2)
    found = load(folders["sd15"], RuntimeOptions(cpu_offload="model"), limit=0).sample(rows(2), steps=2)
    assert max(apart(one, other) for one, other in zip(found, expected, strict=True)) <= 2
    with pytest.raises(ValueError, match="--cpu-offload sequential came with --device cpu"):
        load(folders["sd15"], RuntimeOptions(cpu_offload="sequential"))


def test_progress_tells_every_step(folders: dict[str, Path]) -> None:
    told: list[tuple[str, int, int]] = []
    load(folders["sd15"]).sample(rows(3), steps=2, report=lambda *what: told.append(what), batch_size=2)
    assert told[-1] == ("paint", 6, 6)
    assert [done for _, done, _ in told] == sorted(done for _, done, _ in told)
