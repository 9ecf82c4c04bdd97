"""Promises of the Qwen encoder, with a random model of the real classes."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize

from analogen.cli import main
from analogen.relsim.compat import RelationalSimilarity, relsim
from analogen.relsim.encoder import RelationalEncoder, load_encoder, load_mini
from analogen.relsim.mini.encoder import MiniEncoder
from analogen.relsim.vlm.checkpoint import convert, read_checkpoint
from analogen.relsim.vlm.encoder import QwenEncoder, load_qwen
from analogen.relsim.vlm.model import Vlm
from analogen.relsim.vlm.preprocessing import Preprocessing

WHOLE = Preprocessing(size=None)


def blots(width: int, height: int, seed: int = 0, mode: str = "RGB") -> Image.Image:
    """Coloured blots: pictures that differ in more than noise."""
    values = np.random.default_rng(seed).integers(0, 256, (5, 5, len(mode)), dtype=np.uint8)
    return Image.fromarray(values, mode).resize((width, height), Image.Resampling.BICUBIC)


PICTURES = [blots(200, 160), blots(90, 300, 1), blots(64, 64, 2), blots(130, 60, 3), blots(448, 448, 4)]


@pytest.fixture(scope="module")
def encoder(tiny_qwen_folder: Path) -> QwenEncoder:
    return load_qwen(tiny_qwen_folder, dtype="float32")


@pytest.fixture(scope="module")
def whole(tiny_qwen_folder: Path) -> QwenEncoder:
    return load_qwen(tiny_qwen_folder, dtype="float32", preprocessing=WHOLE)


def cosines(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return (first * second).sum(1)


def test_every_part_gives_unit_rows(encoder: QwenEncoder) -> None:
    offered: RelationalEncoder = encoder
    for rows, dim in (
        (offered.embed(PICTURES), 384),
        (offered.embed_text(["many {subject} in a ring"]), 384),
        (offered.embed_subject(PICTURES[:2]), 384),
        (offered.attributes(PICTURES), 64),
    ):
        assert rows.dtype == np.float32
        assert rows.shape[1] == dim
        np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    assert offered.name


def test_different_pictures_get_different_relations(encoder: QwenEncoder) -> None:
    relations, looks = encoder.similarity(PICTURES, PICTURES), encoder.attributes(PICTURES)
    np.testing.assert_allclose(np.diag(relations), 1, atol=1e-5)
    assert relations[~np.eye(5, dtype=bool)].max() < 0.99
    assert (looks @ looks.T)[~np.eye(5, dtype=bool)].max() < 0.999


@pytest.mark.parametrize("preprocessing", ["square", "whole"])
@pytest.mark.parametrize("batch_size", [1, 2, 4])
def test_batch_equals_single(preprocessing: str, batch_size: int, encoder: QwenEncoder, whole: QwenEncoder) -> None:
    model = encoder if preprocessing == "square" else whole
    single = np.concatenate([model.embed([picture]) for picture in PICTURES])
    assert cosines(model.embed(PICTURES, batch_size), single).min() > 0.99999


def test_batch_equals_single_in_half_precision(tiny_qwen_folder: Path) -> None:
    model = load_qwen(tiny_qwen_folder, dtype="bfloat16", preprocessing=WHOLE)
    single = np.concatenate([model.embed([picture]) for picture in PICTURES])
    assert cosines(model.embed(PICTURES), single).min() > 0.999


def test_no_pictures_give_no_rows(encoder: QwenEncoder) -> None:
    assert encoder.embed([]).shape == (0, 384)
    assert encoder.attributes([]).shape == (0, 64)
    assert encoder.embed_subject([]).shape == (0, 384)


def test_files_equal_pictures_and_transparent_parts_lie_on_white(encoder: QwenEncoder, tmp_path: Path) -> None:
    picture = blots(80, 70, mode="RGBA")
    picture.save(tmp_path / "a.png")
    rows = encoder.embed([tmp_path / "a.png", str(tmp_path / "a.png"), picture])
    assert cosines(rows[1:], rows[:1]).min() > 0.99999


def test_square_is_cut_from_the_middle() -> None:
    picture = Image.new("RGB", (300, 100), "red")
    picture.paste("blue", (100, 0, 200, 100))
    pixels = Preprocessing(size=56).apply(picture, 28)
    assert pixels.shape == (56, 56, 3)
    assert (pixels[..., 2] > 250).all()


@pytest.mark.parametrize("size", [(640, 480), (30, 40), (5000, 3000), (1, 150), (28, 28), (901, 77), (2000, 2000)])
def test_whole_pictures_follow_qwens_own_rule(size: tuple[int, int]) -> None:
    width, height = size
    shape = WHOLE.apply(Image.new("RGB", size), 28).shape[:2]
    assert shape == smart_resize(height, width, 28, WHOLE.min_pixels, WHOLE.max_pixels)
    assert shape[0] * shape[1] <= WHOLE.max_pixels


def test_line_of_a_picture_is_refused_whole_and_taken_as_a_square(whole: QwenEncoder, encoder: QwenEncoder) -> None:
    with pytest.raises(ValueError, match="the picture: is 1000 x 3 pixels, longer than 200 times its width: crop it"):
        whole.embed([Image.new("RGB", (1000, 3))])
    assert np.isfinite(encoder.embed([Image.new("RGB", (1000, 3)), Image.new("L", (1, 1))])).all()


def test_first_bad_picture_raises(encoder: QwenEncoder, picture: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such file"):
        encoder.embed([picture, tmp_path / "none.png"])


@pytest.fixture
def folder_with_bad_files(tmp_path: Path) -> list[Path]:
    """Forty files, every fifth of them bad in one of four ways."""
    paths = []
    for number in range(40):
        path = tmp_path / f"{number:02d}.png"
        if number % 5 != 3:
            blots(40 + number, 50, number).save(path)
        elif number % 4 == 0:
            path.touch()
        elif number % 4 == 1:
            path.write_text("hello")
        elif number % 4 == 2:
            blots(64, 64).save(path)
            path.write_bytes(path.read_bytes()[:200])
        paths.append(path)
    return paths


def test_good_files_finish_and_bad_ones_are_listed(encoder: QwenEncoder, folder_with_bad_files: list[Path]) -> None:
    found = encoder.embed_files(folder_with_bad_files, batch_size=8, workers=3)
    bad = [path for number, path in enumerate(folder_with_bad_files) if number % 5 == 3]
    good = [path for path in folder_with_bad_files if path not in bad]
    assert found.paths == [str(path) for path in good]
    assert [refused.path for refused in found.refused] == [str(path) for path in bad]
    assert all(refused.path in refused.reason and "\n" not in refused.reason for refused in found.refused)
    reasons = " ".join(refused.reason for refused in found.refused)
    for words in ("no such file", "is empty", "is not a picture", "damaged or truncated"):
        assert words in reasons
    assert cosines(found.vectors, encoder.embed(good)).min() > 0.99999


def test_nothing_good_gives_an_empty_table(encoder: QwenEncoder, tmp_path: Path) -> None:
    found = encoder.embed_files([tmp_path / "none.png"])
    assert found.vectors.shape == (0, 384)
    assert encoder.embed_files([]) == (pytest.approx(np.zeros((0, 384))), [], [])


def test_batch_is_halved_when_memory_runs_out(encoder: QwenEncoder, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    really = Vlm.last_hidden

    def scarce(self: Vlm, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        sizes.append(len(inputs["input_ids"]))
        if sizes[-1] > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return really(self, inputs)

    expected = encoder.embed(PICTURES)
    monkeypatch.setattr(Vlm, "last_hidden", scarce)
    assert cosines(encoder.embed(PICTURES, batch_size=16), expected).min() > 0.99999
    assert sizes == [5, 2, 2, 1]
    assert encoder.vlm._active is None


def test_picture_too_big_for_memory_is_listed(
    whole: QwenEncoder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    paths = []
    for number, side in enumerate((60, 600, 80)):
        paths.append(tmp_path / f"{number}.png")
        blots(side, side, number).save(paths[-1])
    really = Vlm.last_hidden

    def scarce(self: Vlm, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        if inputs["input_ids"].shape[1] > 300:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return really(self, inputs)

    monkeypatch.setattr(Vlm, "last_hidden", scarce)
    found = whole.embed_files(paths)
    assert found.paths == [str(paths[0]), str(paths[2])]
    assert [(refused.path, refused.reason) for refused in found.refused] == [
        (str(paths[1]), "not enough memory for it, even alone: shrink it")
    ]
    with pytest.raises(MemoryError, match="not enough memory"):
        whole.embed(paths)


def test_no_head_is_computed(encoder: QwenEncoder, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("the language head ran")

    monkeypatch.setattr(encoder.vlm.model.lm_head, "forward", fail)
    encoder.embed(PICTURES[:1])


def test_nothing_is_printed(encoder: QwenEncoder, capfd: pytest.CaptureFixture[str], picture: Path) -> None:
    encoder.embed_files([picture], progress=True)
    assert capfd.readouterr() == ("", "")


def test_encoders_share_one_base(
    encoder: QwenEncoder, whole: QwenEncoder, tiny_qwen_folder: Path, tmp_path: Path
) -> None:
    assert whole.vlm is encoder.vlm
    assert whole.adapter == encoder.adapter
    convert(tiny_qwen_folder, tmp_path / "ours", "analogen")
    other = load_qwen(tmp_path / "ours", dtype="float32")
    assert other.vlm is encoder.vlm
    assert other.adapter != encoder.adapter
    np.testing.assert_array_equal(other.embed(PICTURES), encoder.embed(PICTURES))


def test_projection_of_another_width_is_refused(encoder: QwenEncoder, tiny_qwen_folder: Path) -> None:
    checkpoint = read_checkpoint(tiny_qwen_folder)
    other = dataclasses.replace(checkpoint, projection_weight=torch.zeros(384, 32))
    with pytest.raises(ValueError, match=r"takes 32 numbers and .* has 64: it was trained on another base model"):
        QwenEncoder(encoder.vlm, other)
    with pytest.raises(ValueError, match="pictures of 450 px: expected a multiple of 28"):
        QwenEncoder(encoder.vlm, checkpoint, preprocessing=Preprocessing(size=450))


# By name


def test_encoder_loads_by_folder_in_either_layout(tiny_qwen_folder: Path, tmp_path: Path) -> None:
    convert(tiny_qwen_folder, tmp_path / "ours", "analogen")
    first, second = (load_encoder(str(folder), "cpu", "float32") for folder in (tiny_qwen_folder, tmp_path / "ours"))
    assert isinstance(first, QwenEncoder)
    assert first.name == str(tiny_qwen_folder)
    assert cosines(first.embed(PICTURES), second.embed(PICTURES)).min() > 0.99999
    with pytest.raises(ValueError, match="has no catalogue of captions: expected 'mini'"):
        load_mini(str(tiny_qwen_folder))


def test_hub_id_that_is_not_here_is_one_line() -> None:
    with pytest.raises(
        ValueError,
        match=r"org/none: no such folder here.*HF_HUB_OFFLINE is set",
    ):
        load_encoder("org/none")


def test_similarity_on_the_command_line(
    tiny_qwen_folder: Path, picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    blots(60, 60, 9).save(tmp_path / "other.png")
    arguments = ["similarity", str(picture), str(tmp_path / "other.png"), "--device", "cpu", "--encoder"]
    assert main([*arguments, str(tiny_qwen_folder)]) == 0
    assert "relation" in capsys.readouterr().out
    assert main([*arguments, "org/none"]) == 2
    assert "org/none: no such folder here" in capsys.readouterr().err


def test_mini_starts_without_what_qwen_needs() -> None:
    code = (
        "import sys; from analogen.relsim.encoder import load_encoder; load_encoder('mini');"
        "print([name for name in ('peft', 'transformers', 'huggingface_hub') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert isinstance(load_encoder("mini"), MiniEncoder)


# The authors' call


@pytest.fixture(scope="module")
def model(tiny_qwen_folder: Path) -> RelationalSimilarity:
    return relsim(pretrained=True, checkpoint_dir=str(tiny_qwen_folder), device="cpu", dtype="float32")[0]


def test_authors_call_gives_vectors_and_scores(model: RelationalSimilarity, whole: QwenEncoder) -> None:
    _, preprocess = relsim(checkpoint_dir=model.encoder.name, device="cpu", dtype="float32")
    first, second = (preprocess(picture) for picture in PICTURES[:2])
    vector = model.eval().embed(first)
    assert isinstance(vector, torch.Tensor)
    assert (vector.shape, vector.dtype, vector.device) == ((1, 384), torch.float32, model.device)
    assert model(first, second) == pytest.approx(float((vector * model.embed(second)).sum()), abs=1e-5)
    assert model.embed([first, second]).shape == (2, 384)
    assert cosines(model.embed(PICTURES).numpy(), whole.embed(PICTURES)).min() > 0.99999  # none is over our cap


def test_authors_call_can_cut_squares(model: RelationalSimilarity, encoder: QwenEncoder) -> None:
    square, _ = relsim(checkpoint_dir=model.encoder.name, device="cpu", dtype="float32", square=True)
    assert cosines(square.embed(PICTURES).numpy(), encoder.embed(PICTURES)).min() > 0.99999


def test_authors_call_refuses_what_it_cannot_do(picture: Path, tiny_qwen_folder: Path) -> None:
    with pytest.raises(ValueError, match="only pretrained=True"):
        relsim(pretrained=False)
    with pytest.raises(ValueError, match="checkpoint_dir is missing"):
        relsim()
    with pytest.raises(ValueError, match="not wholly in the cache"):
        relsim(checkpoint_dir="org/none")
    with pytest.raises(TypeError, match="expected a PIL image, got str"):
        relsim(checkpoint_dir=tiny_qwen_folder, device="cpu", dtype="float32")[1](str(picture))  # type: ignore[arg-type]
