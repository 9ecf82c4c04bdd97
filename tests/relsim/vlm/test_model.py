"""Promises of the shared VLM: adapters are switched without a trace, and batches equal single rows."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from analogen.relsim.vlm.attention import WindowedAttention
from analogen.relsim.vlm.checkpoint import read_adapter
from analogen.relsim.vlm.loading import load_vlm, pick_dtype
from analogen.relsim.vlm.model import Pixels, UserMessage, Vlm
from analogen.relsim.vlm.processor import load_processor
from analogen.relsim.vlm.tiny import TINY, build_processor, random_adapter, random_model, save_processor

EMBEDDINGS = "base_model.model.model.language_model.embed_tokens"


def noise(height: int = 56, width: int = 56, seed: int = 0) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.fixture
def vlm() -> Vlm:
    return Vlm(random_model(), build_processor(), "a random base")


MESSAGES = [
    UserMessage([noise()], "what?"),
    UserMessage([noise(84, 28, 1), noise(28, 28, 2)], "and now, at greater length?"),
]


@torch.inference_mode()
def hidden(vlm: Vlm, adapter: str | None = None, messages: list[UserMessage] | None = None) -> Tensor:
    with vlm.using_adapter(adapter):
        return vlm.last_hidden(vlm.inputs(messages or MESSAGES))


def add(vlm: Vlm, name: str, seed: int, **more: Any) -> None:
    vlm.add_adapter(name, *random_adapter(seed=seed), **more)


def test_adapters_alternate_and_leave_no_trace(vlm: Vlm) -> None:
    bare = hidden(vlm)
    add(vlm, "first", 1)
    first = hidden(vlm, "first")
    add(vlm, "second", 2)
    second = hidden(vlm, "second")
    assert (first - bare).abs().max() > 0.1
    assert (second - first).abs().max() > 0.1
    for _ in range(2):
        torch.testing.assert_close(hidden(vlm, "first"), first, rtol=0, atol=0)
        torch.testing.assert_close(hidden(vlm, None), bare, rtol=0, atol=0)
        torch.testing.assert_close(hidden(vlm, "second"), second, rtol=0, atol=0)


def test_adapter_does_not_depend_on_the_others(vlm: Vlm) -> None:
    add(vlm, "first", 1)
    add(vlm, "second", 2)
    alone = Vlm(random_model(), build_processor(), "the same base")
    add(alone, "second", 2)
    torch.testing.assert_close(hidden(alone, "second"), hidden(vlm, "second"))


def test_adapters_nest_and_are_deactivated_after_errors(vlm: Vlm) -> None:
    add(vlm, "first", 1)
    bare, first = hidden(vlm), hidden(vlm, "first")
    with vlm.using_adapter("first"):
        torch.testing.assert_close(hidden(vlm, None), bare)
        with pytest.raises(RuntimeError), vlm.using_adapter(None):
            raise RuntimeError
        with torch.inference_mode():
            torch.testing.assert_close(vlm.last_hidden(vlm.inputs(MESSAGES)), first)
    torch.testing.assert_close(hidden(vlm), bare)


def test_threads_wait_for_each_other(vlm: Vlm) -> None:
    add(vlm, "first", 1)
    add(vlm, "second", 2)
    expected = {name: hidden(vlm, name) for name in ("first", "second", None)}
    wrong: list[str | None] = []

    def work(name: str | None) -> None:
        for _ in range(6):
            if not torch.allclose(hidden(vlm, name), expected[name]):
                wrong.append(name)

    threads = [threading.Thread(target=work, args=(name,)) for name in expected]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_three_adapters_share_one_base(vlm: Vlm) -> None:
    def weights() -> int:
        stores = {p.untyped_storage().data_ptr(): p.untyped_storage().nbytes() for p in vlm.model.parameters()}
        return sum(stores.values())

    base = weights()
    for number, name in enumerate(("encoder", "captioner", "filter")):
        add(vlm, name, number)
    adapter = sum(tensor.nbytes for tensor in random_adapter()[1].values())
    assert weights() == base + 3 * adapter
    hidden(vlm, "captioner")
    assert weights() == base + 3 * adapter


def test_no_gradients_are_kept(vlm: Vlm) -> None:
    add(vlm, "first", 1)
    with vlm.using_adapter("first"):
        assert not any(parameter.requires_grad for parameter in vlm.model.parameters())


def test_trainable_adapter_learns_and_no_other_weight_does(vlm: Vlm) -> None:
    config, _ = random_adapter()
    vlm.add_adapter("student", config, trainable=True)
    add(vlm, "first", 1)
    bare = hidden(vlm)
    torch.testing.assert_close(hidden(vlm, "student"), bare)  # fresh: nothing is learned yet
    with vlm.using_adapter("student"):
        learning = [name for name, parameter in vlm.model.named_parameters() if parameter.requires_grad]
        vlm.last_hidden(vlm.inputs(MESSAGES)).sum().backward()
    assert learning
    assert all(".student." in name for name in learning)
    with torch.no_grad():
        for name, parameter in vlm.model.named_parameters():
            if ".student." in name:
                parameter.add_(0.1)
    assert (hidden(vlm, "student") - bare).abs().max() > 1e-3
    torch.testing.assert_close(hidden(vlm), bare)


def test_trained_token_row_is_saved_and_used_again(vlm: Vlm) -> None:
    letter = vlm.processor.tokenizer("w")["input_ids"][0]
    add(vlm, "other", 3)
    bare, other = hidden(vlm), hidden(vlm, "other")
    config = {**random_adapter()[0], "trainable_token_indices": {"embed_tokens": [letter]}}
    vlm.add_adapter("student", config, trainable=True)
    with vlm.using_adapter("student"):
        vlm.last_hidden(vlm.inputs(MESSAGES)).sum().backward()
        learning = {name: p for name, p in vlm.model.named_parameters() if p.requires_grad}
        rows = [p for name, p in learning.items() if "trainable_tokens_delta" in name]
        assert [tuple(row.shape) for row in rows] == [(1, TINY.hidden)]
        assert rows[0].grad is not None
        assert rows[0].grad.abs().sum() > 0
        with torch.no_grad():
            for parameter in learning.values():
                parameter.add_(0.1)
    student = hidden(vlm, "student")
    assert (student - bare).abs().max() > 1e-2
    torch.testing.assert_close(hidden(vlm), bare)
    torch.testing.assert_close(hidden(vlm, "other"), other)
    add(vlm, "later", 4)
    torch.testing.assert_close(hidden(vlm, "student"), student)
    fresh = Vlm(random_model(), build_processor(), "the same base")
    fresh.add_adapter("worn", config, vlm.adapter_state("student"))
    torch.testing.assert_close(hidden(fresh, "worn"), student)


def with_row(vlm: Vlm, whole: str, row: Tensor, token: int) -> Tensor:
    weight = {"embed_tokens": vlm.model.get_input_embeddings(), "lm_head": vlm.model.get_output_embeddings()}[
        whole
    ].weight
    changed = weight.detach().clone()
    changed[token] = row
    return changed


def test_saved_embeddings_of_an_adapter_are_used_with_it(vlm: Vlm) -> None:
    config, adapter = random_adapter(seed=1)
    row = torch.randn(TINY.hidden)
    letter = vlm.processor.tokenizer("w")["input_ids"][0]
    saved = {
        f"{EMBEDDINGS}.weight": with_row(vlm, "embed_tokens", row, letter)[:300],  # of a vocabulary cut to its size
        "base_model.model.lm_head.weight": with_row(vlm, "lm_head", -row, 7)[:300],
    }
    bare, logits = hidden(vlm), vlm.next_token_logits(vlm.inputs(MESSAGES))
    vlm.add_adapter("first", config, {**adapter, **saved})
    assert [(rows.weight, rows.ids.tolist()) for rows in vlm.adapters["first"].rows] == [
        ("embed_tokens", [letter]),
        ("lm_head", [7]),
    ]
    worn = hidden(vlm, "first")
    torch.testing.assert_close(hidden(vlm), bare, rtol=0, atol=0)
    torch.testing.assert_close(vlm.next_token_logits(vlm.inputs(MESSAGES)), logits, rtol=0, atol=0)
    # The slow way: a base whose weights are those.
    other = Vlm(random_model(), build_processor(), "changed")
    with torch.no_grad():
        other.model.get_input_embeddings().weight[letter] = row
    other.add_adapter("first", config, adapter)
    torch.testing.assert_close(worn, hidden(other, "first"))


def test_token_rows_that_peft_trained_are_used(vlm: Vlm, tmp_path: Path) -> None:
    import peft

    letter = vlm.processor.tokenizer("w")["input_ids"][0]
    config = peft.LoraConfig(
        r=2, target_modules=["q_proj"], init_lora_weights=False, trainable_token_indices={"embed_tokens": [letter, 9]}
    )
    theirs = peft.get_peft_model(random_model(), config)
    with torch.no_grad():
        for name, parameter in theirs.named_parameters():
            if "trainable_tokens_delta" in name:
                parameter.add_(1)
    theirs.save_pretrained(tmp_path)
    vlm.add_adapter("first", *read_adapter(tmp_path))
    with torch.inference_mode():
        expected = theirs.get_base_model().model(**vlm.inputs(MESSAGES), use_cache=False).last_hidden_state[:, -1]
    assert (expected - hidden(vlm)).abs().max() > 0.1
    torch.testing.assert_close(hidden(vlm, "first"), expected)


def test_adapter_of_an_older_release_is_taken(vlm: Vlm) -> None:
    config, adapter = random_adapter(seed=1)
    vlm.add_adapter("new", config, adapter)
    vlm.add_adapter("old", config, {key.replace("language_model.", ""): value for key, value in adapter.items()})
    torch.testing.assert_close(hidden(vlm, "old"), hidden(vlm, "new"))


MISFITS: dict[str, tuple[Callable[[dict[str, Any], dict[str, Tensor]], object], str]] = {
    "lacking": (lambda config, adapter: adapter.pop(next(iter(adapter))), "it lacks .*1 missing, 0 too many"),
    "strange": (lambda config, adapter: adapter.update({"visual.weight": torch.zeros(1)}), "it holds visual.weight"),
    "other width": (
        lambda config, adapter: adapter.update({key: value[..., :3] for key, value in adapter.items()}),
        "does not fit a random base",
    ),
    "other kind": (lambda config, adapter: config.update(peft_type="IA3"), "of kind 'IA3', expected 'LORA'"),
    "whole modules": (lambda config, adapter: config.update(modules_to_save=["visual"]), "whole modules"),
    "names code": (lambda config, adapter: config.update(megatron_config={"a": 1}), "sets megatron_config"),
    "embeddings": (
        lambda config, adapter: adapter.update({f"{EMBEDDINGS}.weight": torch.zeros(300, 8)}),
        "does not fit a random base",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", MISFITS)
@pytest.mark.parametrize("others", [0, 1])
def test_adapter_that_does_not_fit_is_refused_and_changes_nothing(case: str, others: int, vlm: Vlm) -> None:
    for number in range(others):
        add(vlm, f"other{number}", number)
    config, adapter = random_adapter(seed=5)
    damage, expected = MISFITS[case]
    damage(config, adapter)
    bare = hidden(vlm)
    with pytest.raises(ValueError, match=expected):
        vlm.add_adapter("bad", config, adapter)
    torch.testing.assert_close(hidden(vlm), bare, rtol=0, atol=0)
    add(vlm, "bad", 5)
    assert (hidden(vlm, "bad") - bare).abs().max() > 0.1


def test_unknown_and_existing_adapter_names_are_refused(vlm: Vlm) -> None:
    add(vlm, "first", 1)
    with pytest.raises(ValueError, match="no adapter 'second': known are first"), vlm.using_adapter("second"):
        pass
    with pytest.raises(ValueError, match="adapter 'first': expected a new name"):
        add(vlm, "first", 2)


def test_tokenizer_with_more_tokens_enlarges_embeddings_and_changes_nothing(vlm: Vlm, tmp_path: Path) -> None:
    many = [f"<|extra{number}|>" for number in range(TINY.vocabulary)]
    save_processor(build_processor(*many), tmp_path)
    bare = hidden(vlm)
    add(vlm, "first", 1, processor_folder=tmp_path)
    assert vlm.model.get_input_embeddings().weight.shape[0] == 264 + TINY.vocabulary
    torch.testing.assert_close(hidden(vlm), bare, rtol=0, atol=0)


def test_inputs_equal_those_of_qwens_own_processor(vlm: Vlm) -> None:
    ours = vlm.inputs(MESSAGES[1:])
    message = {
        "role": "user",
        "content": [{"type": "image"}, {"type": "image"}, {"type": "text", "text": MESSAGES[1].text}],
    }
    text = vlm.processor.apply_chat_template([message], tokenize=False, add_generation_prompt=True)
    pictures = [Image.fromarray(pixels) for pixels in MESSAGES[1].images]
    # 28 x 28 is below its least number of pixels.
    theirs = vlm.processor(
        text=[text], images=pictures, size={"shortest_edge": 28 * 28, "longest_edge": 10**7}, return_tensors="pt"
    )
    assert set(ours) == set(theirs)
    for key, value in theirs.items():
        torch.testing.assert_close(ours[key], value.to(ours[key].dtype), rtol=0, atol=1e-5)


def test_row_alone_equals_row_in_a_batch(vlm: Vlm) -> None:
    add(vlm, "first", 1)
    together = hidden(vlm, "first")
    for row, message in zip(together, MESSAGES, strict=True):
        torch.testing.assert_close(hidden(vlm, "first", [message])[0], row, rtol=1e-4, atol=1e-5)


def test_cut_prompt_ends_at_its_token_and_nothing_after_it_matters(vlm: Vlm) -> None:
    letter = vlm.processor.tokenizer("?")["input_ids"][0]
    cut = vlm.inputs(MESSAGES[:1], cut_after=letter)
    assert cut["input_ids"][0, -1] == letter
    whole = vlm.inputs(MESSAGES[:1])
    with torch.inference_mode():
        every = vlm.model.model(**whole, use_cache=False).last_hidden_state
        torch.testing.assert_close(vlm.last_hidden(cut)[0], every[0, cut["input_ids"].shape[1] - 1])
    with pytest.raises(ValueError, match="is 0 times in the prompt"):
        vlm.inputs([UserMessage([noise()], "no mark")], cut_after=letter)


def test_text_with_image_tokens_is_refused(vlm: Vlm) -> None:
    with pytest.raises(ValueError, match="stands for pictures"):
        vlm.inputs([UserMessage([noise()], "a <|image_pad|> cat")])


def test_picture_of_odd_sides_is_refused(vlm: Vlm) -> None:
    with pytest.raises(ValueError, match="a picture of 60 x 56 pixels: sides must be multiples of 28"):
        vlm.inputs([UserMessage([noise(56, 60)], "a")])


@pytest.mark.parametrize("shapes", [[(56, 56)] * 2, [(448, 448)], [(224, 112), (112, 112)], [(84, 140), (28, 28)]])
def test_windows_in_one_call_equal_the_original(shapes: list[tuple[int, int]], vlm: Vlm) -> None:
    pictures = [noise(height, width, seed) for seed, (height, width) in enumerate(shapes)]
    with torch.inference_mode():
        ours = vlm.image_features(pictures)
        for block in vlm.model.model.visual.blocks:
            assert type(block.attn) is WindowedAttention
            block.attn.__class__ = WindowedAttention.__base__
        theirs = vlm.image_features(pictures)
    for mine, original in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, original, rtol=1e-4, atol=1e-5)


def test_answers_are_the_same_alone_and_with_the_same_seed(vlm: Vlm) -> None:
    greedy = vlm.generate(vlm.inputs(MESSAGES), max_new_tokens=6)
    assert len(greedy) == 2
    assert [vlm.generate(vlm.inputs([message]), max_new_tokens=6)[0] for message in MESSAGES] == greedy
    state = torch.random.get_rng_state()
    drawn = [vlm.generate(vlm.inputs(MESSAGES), 12, temperature=3.0, top_p=0.95, seed=seed) for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    torch.testing.assert_close(torch.random.get_rng_state(), state)


def test_logits_are_those_of_the_whole_model(vlm: Vlm) -> None:
    inputs = vlm.inputs(MESSAGES)
    with torch.inference_mode():
        torch.testing.assert_close(vlm.next_token_logits(inputs), vlm.model(**inputs).logits[:, -1].float())


def test_processor_is_saved_under_its_public_name(tmp_path: Path) -> None:
    build_processor("<|query|>").save_pretrained(tmp_path)
    assert "torchvision" not in sys.modules
    assert any('"Qwen2_5_VLProcessor"' in path.read_text() for path in tmp_path.glob("*.json"))
    assert load_processor(tmp_path).tokenizer.convert_tokens_to_ids("<|query|>") == 264


def test_base_is_loaded_once(tiny_vlm_folder: Path) -> None:
    assert load_vlm(str(tiny_vlm_folder), dtype="float32") is load_vlm(str(tiny_vlm_folder), None, "cpu", "float32")


def test_what_is_no_base_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such folder and no hub id"):
        load_vlm("nowhere")
    with pytest.raises(FileNotFoundError, match=r"has no config\.json"):
        load_vlm(str(tmp_path))
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    with pytest.raises(ValueError, match="its model type is 'llama', expected 'qwen2_5_vl'"):
        load_vlm(str(tmp_path))
    (tmp_path / "config.json").write_text('{"model_type": "qwen2_5_vl"}')
    (tmp_path / "pytorch_model.bin").touch()
    with pytest.raises(FileNotFoundError, match="weights in pickles are not opened"):
        load_vlm(str(tmp_path))


def test_missing_peft_is_one_line(monkeypatch: pytest.MonkeyPatch, tiny_vlm_folder: Path) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(ImportError, match=r'need peft: pip install "analogen\[qwen\]"'):
        load_vlm(str(tiny_vlm_folder), dtype="bfloat16")


def test_types_of_weights() -> None:
    assert pick_dtype("float16", "cpu") == torch.float16
    assert pick_dtype("auto", "cpu") in (torch.float32, torch.bfloat16)
    with pytest.raises(ValueError, match="dtype is 'int3': expected auto"):
        pick_dtype("int3", "cpu")
