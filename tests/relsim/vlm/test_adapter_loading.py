"""Promises of adapters by name: one base for all roles of a process, each adapter loaded once."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from transformers import Qwen2_5_VLForConditionalGeneration

from analogen.relsim.vlm.adapter_loading import load_base_model, load_qwen_adapter
from analogen.relsim.vlm.captioner import load_captioner
from analogen.relsim.vlm.encoder import load_qwen
from analogen.relsim.vlm.filter import load_filter
from analogen.relsim.vlm.loading import _load_vlm
from analogen.relsim.vlm.model import Vlm
from analogen.relsim.vlm.preprocessing import Preprocessing
from analogen.relsim.vlm.prompts import PromptWriter
from analogen.relsim.vlm.query import Sampling
from analogen.relsim.vlm.subject_check import SubjectCheck
from analogen.relsim.vlm.tiny import save_adapter

SMALL = Preprocessing(size=56)


def test_all_roles_alternate_on_one_base_without_loading_it_again(
    tiny_qwen_folder: Path,
    tiny_vlm_folder: Path,
    tiny_adapter_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loads = {"base": 0, "adapters": 0}
    really_load, really_add = Qwen2_5_VLForConditionalGeneration.from_pretrained, Vlm.add_adapter

    def count_base(*args: object, **more: object) -> object:
        loads["base"] += 1
        return really_load(*args, **more)

    def count_adapter(*args: object, **more: object) -> object:
        loads["adapters"] += 1
        return really_add(*args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(Qwen2_5_VLForConditionalGeneration, "from_pretrained", count_base)
    monkeypatch.setattr(Vlm, "add_adapter", count_adapter)
    _load_vlm.cache_clear()
    other = save_adapter(tmp_path / "filter", str(tiny_vlm_folder), seed=7)
    pictures = [Image.fromarray(np.random.default_rng(n).integers(0, 256, (60, 60, 3), dtype=np.uint8)) for n in (0, 1)]
    seen = []
    for _ in range(3):
        encoder = load_qwen(tiny_qwen_folder, dtype="float32", preprocessing=SMALL)
        captioner = load_captioner(tiny_adapter_folder, dtype="float32", preprocessing=SMALL)
        sieve = load_filter(other, dtype="float32", preprocessing=SMALL)
        plain = load_base_model(tiny_vlm_folder, dtype="float32")
        assert encoder.vlm is captioner.vlm is sieve.vlm is plain
        seen.append(
            (
                encoder.embed(pictures).tolist(),
                captioner.caption(pictures, Sampling(0, max_new_tokens=4), tries=1),
                sieve.probabilities(pictures).tolist(),
                SubjectCheck(plain, SMALL).probabilities(pictures, "a cat").tolist(),
                PromptWriter(plain).write(["{subject} in a ring"], ["cat"], sampling=Sampling(0, 1, 4), tries=1),
            )
        )
        assert plain._active is None
    assert seen[0] == seen[1] == seen[2]
    assert loads == {"base": 1, "adapters": 3}


def test_adapter_changes_answers_and_its_base_is_the_base_model(
    tiny_adapter_folder: Path, tiny_vlm_folder: Path, tiny_qwen_folder: Path
) -> None:
    worn, bare = load_qwen_adapter(tiny_adapter_folder, "filter"), load_qwen_adapter(tiny_vlm_folder, "filter")
    assert worn.adapter is not None
    assert bare.adapter is None
    assert worn.vlm is bare.vlm is load_base_model(tiny_adapter_folder) is load_base_model(tiny_qwen_folder)
    picture = Image.new("RGB", (60, 60), "teal")
    found = [load_filter(folder).probabilities([picture])[0] for folder in (tiny_adapter_folder, tiny_vlm_folder)]
    assert found[0] != found[1]


def test_rewritten_adapter_is_another_adapter(tiny_vlm_folder: Path, tmp_path: Path) -> None:
    first = load_qwen_adapter(save_adapter(tmp_path, str(tiny_vlm_folder), seed=1), "captioner")
    (tmp_path / "adapter_model.safetensors").unlink()
    second = load_qwen_adapter(save_adapter(tmp_path, str(tiny_vlm_folder), seed=2), "captioner")
    assert first.vlm is second.vlm
    assert first.adapter != second.adapter


def test_base_can_be_named_beside_the_adapter(tiny_vlm_folder: Path, tmp_path: Path) -> None:
    folder = save_adapter(tmp_path, "org/not-here", seed=1)
    assert load_qwen_adapter(folder, "captioner", base=str(tiny_vlm_folder)).vlm is load_base_model(tiny_vlm_folder)
    with pytest.raises(ValueError, match=r"org/not-here: no such folder here.*HF_HUB_OFFLINE is set"):
        load_qwen_adapter(folder, "captioner")


def test_what_is_no_adapter_is_refused(tiny_qwen_folder: Path, tiny_adapter_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is a checkpoint of the encoder, expected one of the captioner"):
        load_captioner(tiny_qwen_folder)
    with pytest.raises(FileNotFoundError, match="captioner 'nothing': no such folder and no hub id"):
        load_captioner("nothing")
    with pytest.raises(
        ValueError,
        match=r"org/none: no such folder here.*HF_HUB_OFFLINE is set",
    ):
        load_filter("org/none")
    with pytest.raises(FileNotFoundError, match=r"has no config.json"):
        load_filter(tmp_path)
    shutil.copytree(tiny_adapter_folder, tmp_path / "nameless")
    config = json.loads((tmp_path / "nameless" / "adapter_config.json").read_text())
    (tmp_path / "nameless" / "adapter_config.json").write_text(json.dumps({**config, "base_model_name_or_path": None}))
    with pytest.raises(ValueError, match="names no base model"):
        load_filter(tmp_path / "nameless")
