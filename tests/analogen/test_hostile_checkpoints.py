"""Checkpoints may come from anyone: a pickle in any place where a file of weights may lie is refused and never run."""

from __future__ import annotations

import contextlib
import io
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from analogen.cli import main
from analogen.relsim.encoder import load_mini


class Payload:
    """Writes a folder when it is unpickled."""

    def __init__(self, trap: Path) -> None:
        self.trap = trap

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.trap),)


def as_torch(trap: Path) -> bytes:
    buffer = io.BytesIO()
    torch.save({"state_dict": Payload(trap), "weight": torch.zeros(2)}, buffer)
    return buffer.getvalue()


def as_old_torch(trap: Path) -> bytes:
    buffer = io.BytesIO()
    torch.save({"weight": Payload(trap)}, buffer, _use_new_zipfile_serialization=False)
    return buffer.getvalue()


def as_plain(trap: Path) -> bytes:
    return pickle.dumps(Payload(trap))


FORMS: dict[str, Callable[[Path], bytes]] = {"torch": as_torch, "old torch": as_old_torch, "plain": as_plain}


@pytest.fixture(params=FORMS)
def payload(request: pytest.FixtureRequest, tmp_path: Path) -> bytes:
    return FORMS[request.param](tmp_path / "sprung")


@pytest.fixture
def no_trap(tmp_path: Path) -> Any:
    yield
    assert not (tmp_path / "sprung").exists(), "the payload ran"


def test_payloads_are_live(payload: bytes, tmp_path: Path) -> None:
    """Or the tests below would show nothing."""
    with contextlib.suppress(RuntimeError):  # of a plain pickle, after it has run: it is none of torch's
        torch.load(io.BytesIO(payload), weights_only=False)
    assert (tmp_path / "sprung").exists()


def refused(open_it: Callable[[], object]) -> str:
    with pytest.raises((ValueError, FileNotFoundError)) as caught:
        open_it()
    assert len(str(caught.value).splitlines()) == 1, str(caught.value)
    return str(caught.value)


@pytest.fixture(scope="module")
def pipeline_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from analogen.pipelines.diffusion.tiny import save_pipeline

    return save_pipeline(tmp_path_factory.mktemp("pipeline") / "sd15", "sd15")


WEIGHTS = [
    ("unet", "diffusion_pytorch_model"),
    ("vae", "diffusion_pytorch_model"),
    ("text_encoder", "model"),
]


@pytest.mark.parametrize("under", ["pickle", "safetensors"])
@pytest.mark.parametrize(("part", "stem"), WEIGHTS)
def test_part_of_a_pipeline(
    part: str, stem: str, under: str, payload: bytes, pipeline_folder: Path, tmp_path: Path, no_trap: None
) -> None:
    from analogen.pipelines.diffusion.device_placement import DevicePlacement
    from analogen.pipelines.diffusion.loading import load_pipeline

    copy = tmp_path / "copy"
    shutil.copytree(pipeline_folder, copy)
    (copy / part / f"{stem}.safetensors").unlink()
    names = ["pytorch_model.bin", f"{stem}.bin"] if under == "pickle" else [f"{stem}.safetensors"]
    for name in names:
        (copy / part / name).write_bytes(payload)
    refused(lambda: load_pipeline(str(copy), DevicePlacement("cpu"), torch.float32))


@pytest.mark.parametrize("name", ["pytorch_lora_weights.bin", "pytorch_lora_weights.safetensors", "lora.ckpt"])
@pytest.mark.parametrize("way", ["file", "folder"])
def test_lora(name: str, way: str, payload: bytes, pipeline_folder: Path, tmp_path: Path, no_trap: None) -> None:
    from analogen.pipelines.diffusion.device_placement import DevicePlacement
    from analogen.pipelines.diffusion.loading import load_pipeline
    from analogen.pipelines.diffusion.runtime import Lora, RuntimeOptions

    folder = tmp_path / "lora"
    folder.mkdir()
    (folder / name).write_bytes(payload)
    path = folder / name if way == "file" else folder
    refused(
        lambda: load_pipeline(
            str(pipeline_folder), DevicePlacement("cpu"), torch.float32, RuntimeOptions(loras=(Lora.parse(str(path)),))
        )
    )


def test_control(payload: bytes, tmp_path: Path, no_trap: None) -> None:
    from analogen.pipelines.diffusion.loading import load_control
    from analogen.pipelines.diffusion.tiny import save_control

    folder = save_control(tmp_path / "control", "sd15")
    (folder / "diffusion_pytorch_model.safetensors").unlink()
    (folder / "diffusion_pytorch_model.bin").write_bytes(payload)
    refused(lambda: load_control(str(folder), torch.float32))


@pytest.mark.parametrize("name", ["ip_adapter.bin", "ip_adapter.pt", "ip_adapter.ckpt", "ip_adapter.safetensors"])
@pytest.mark.parametrize("way", ["file", "folder"])
def test_adapter(name: str, way: str, payload: bytes, tmp_path: Path, no_trap: None) -> None:
    from analogen.pipelines.adapter.model import load_adapter

    (tmp_path / "adapter").mkdir()
    (tmp_path / "adapter" / "adapter_config.json").write_text(
        '{"kind": "relational-adapter", "format": 1, "family": "unet", "tokens": 4, "width": 32, "relation_dim": 384, '
        '"base_model": "a", "encoder": "mini", "projection": "linear"}'
    )
    (tmp_path / "adapter" / name).write_bytes(payload)
    refused(lambda: load_adapter(tmp_path / "adapter" / name if way == "file" else tmp_path / "adapter"))


@pytest.mark.parametrize("name", ["projection_and_config.pt", "adapter_model.bin", "adapter_model.safetensors"])
def test_checkpoint_of_the_authors(
    name: str, payload: bytes, tiny_qwen_folder: Path, tmp_path: Path, no_trap: None, capsys: Any
) -> None:
    from analogen.relsim.vlm.checkpoint import read_checkpoint

    folder = tmp_path / "authors"
    shutil.copytree(tiny_qwen_folder, folder)
    if name == "adapter_model.bin":
        (folder / "adapter_model.safetensors").unlink()
    (folder / name).write_bytes(payload)
    said = refused(lambda: read_checkpoint(folder))
    assert name in said
    assert main(["convert", str(folder), str(tmp_path / "made"), "--layout", "analogen"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.safetensors"])
def test_base_of_a_vision_language_model(
    name: str, payload: bytes, tiny_vlm_folder: Path, tmp_path: Path, no_trap: None
) -> None:
    from analogen.relsim.vlm.loading import load_vlm

    folder = tmp_path / "base"
    shutil.copytree(tiny_vlm_folder, folder)
    (folder / "model.safetensors").unlink()
    (folder / name).write_bytes(payload)
    refused(lambda: load_vlm(str(folder)))


@pytest.mark.parametrize("name", ["model.safetensors", "captions.safetensors"])
def test_encoder_of_mini_s_kind(
    name: str, payload: bytes, tiny_encoder_folder: Path, tmp_path: Path, no_trap: None, picture: Path, capsys: Any
) -> None:
    folder = tmp_path / "encoder"
    shutil.copytree(tiny_encoder_folder, folder)
    (folder / name).write_bytes(payload)
    if name == "model.safetensors":
        assert main(["similarity", str(picture), str(picture), "--encoder", str(folder), "--device", "cpu"]) == 2
        assert capsys.readouterr().err.count("\n") == 1
    else:
        said = refused(lambda: load_mini(str(folder)).nearest_captions(np.zeros(384, np.float32), 1))
        assert name in said


@pytest.mark.parametrize("part", ["prior", "denoiser"])
@pytest.mark.parametrize("name", ["diffusion_pytorch_model.bin", "diffusion_pytorch_model.safetensors"])
def test_composer(
    part: str, name: str, payload: bytes, tiny_composer_folder: Path, tmp_path: Path, no_trap: None
) -> None:
    from analogen.pipelines.composer.pipeline import load_composer

    folder = tmp_path / "composer"
    shutil.copytree(tiny_composer_folder, folder)
    (folder / part / "diffusion_pytorch_model.safetensors").unlink()
    (folder / part / name).write_bytes(payload)
    refused(lambda: load_composer(folder))


def test_state_of_a_training(payload: bytes, tmp_path: Path, no_trap: None) -> None:
    from analogen.relsim.training.loop import LoopSettings, train_loop

    def no_step(step: int, generator: torch.Generator) -> Any:
        raise AssertionError("the state was taken")

    (tmp_path / "state.safetensors").write_bytes(payload)
    for name in ("optimizer.bin", "optimizer.pt", "pytorch_model.bin", "random_states_0.pkl"):
        (tmp_path / name).write_bytes(payload)  # where accelerate keeps them: nobody looks there
    refused(lambda: train_loop(torch.nn.Linear(2, 2), LoopSettings(), no_step, tmp_path))


def test_judge(payload: bytes, tmp_path: Path, no_trap: None) -> None:
    from analogen.relsim.evaluation.judge_classifiers import ClassifierJudge

    (tmp_path / "config.json").write_text(
        '{"classes": ["a", "b"], "size": 32, "width": 8, "trunk": "efficientnet-lite0"}'
    )
    (tmp_path / "model.safetensors").write_bytes(payload)
    refused(lambda: ClassifierJudge.load(tmp_path))


def test_peer_s_model(payload: bytes, tmp_path: Path, no_trap: None) -> None:
    from transformers import Dinov2Config

    from analogen.relsim.evaluation.external_models import Dino

    Dinov2Config(hidden_size=32, num_hidden_layers=1, num_attention_heads=4).save_pretrained(tmp_path)
    (tmp_path / "pytorch_model.bin").write_bytes(payload)
    refused(lambda: Dino(str(tmp_path)))


@pytest.mark.parametrize("name", ["scenes.npz", "scenes.npy"])
def test_pool_of_scenes(name: str, payload: bytes, tmp_path: Path, no_trap: None) -> None:
    from analogen.pipelines.composer.data import load_scenes

    path = tmp_path / name
    if name.endswith("npz"):
        with path.open("wb") as file:
            np.savez(file, tokens=np.array([Payload(tmp_path / "sprung")], dtype=object))
    else:
        path.write_bytes(payload)
    with pytest.raises((ValueError, KeyError, OSError)):
        load_scenes(path)
