"""What all tests share: one thread per worker, no network, no state of the user's."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile

# Before torch is imported anywhere: two pools of threads on two cores stand in each other's way.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["ACCELERATE_USE_CPU"] = "true"
# A folder a worker, as `use_own_upload_folder` gives each studio: a server that ends deletes all that it holds.
os.environ["GRADIO_TEMP_DIR"] = tempfile.mkdtemp(prefix="analogen-tests-")

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

if TYPE_CHECKING:
    from analogen.pipelines.composer.data import SceneSet
    from analogen.pipelines.composer.denoiser import SceneDenoiser
    from analogen.pipelines.composer.pipeline import ComposerPipeline
    from analogen.pipelines.composer.prior import SkeletonPrior
    from analogen.relsim.mini.model import MiniNet
    from analogen.relsim.world.dataset import Selection

atexit.register(shutil.rmtree, os.environ["GRADIO_TEMP_DIR"], ignore_errors=True)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    monkeypatch.delenv("ANALOGEN_DEBUG", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("home")))


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A small RGB picture with something in it."""
    values = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    path = tmp_path / "picture.png"
    Image.fromarray(values).save(path)
    return path


# Tiny real models, made once. What loads torch is imported in here: the command line's tests do without.
# A few real relations of several families, so that a tiny pool and a tiny catalogue stay quick.
FEW_RELATIONS = ("ring", "grid", "before_after", "peeking")


@pytest.fixture(scope="session")
def few_selection() -> Selection:
    from analogen.relsim.world.dataset import Selection

    return Selection(("apple", "banana", "cactus", "frog", "lemon", "rocket"), ("key", "robot", "cat"), ("noto",))


@pytest.fixture(scope="session")
def tiny_net() -> MiniNet:
    """Untrained relsim-mini of 32 px; never train it, it is shared."""
    import torch

    from analogen.relsim.mini.model import MiniConfig, MiniNet

    torch.manual_seed(0)
    return MiniNet(MiniConfig(image_size=32, widths=(16, 16, 32), blocks=(1, 1, 1), dim=32, depth=1, heads=2)).eval()


@pytest.fixture(scope="session")
def tiny_encoder_folder(tiny_net: MiniNet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that MiniEncoder loads: the tiny network and a catalogue of a few relations."""
    from analogen.relsim.mini.encoder import CaptionBank
    from analogen.relsim.text import load_text_tower
    from analogen.relsim.world.relations import RELATIONS

    folder = tmp_path_factory.mktemp("encoder")
    tiny_net.save_pretrained(folder)
    captions = [caption for name in FEW_RELATIONS for caption in RELATIONS[name].captions]
    owners = [name for name in FEW_RELATIONS for _ in RELATIONS[name].captions]
    vectors = load_text_tower().embed(captions)
    CaptionBank(captions, owners, vectors, temperature=0.05).save(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_scenes() -> SceneSet:
    """Training scenes of the composer, without reference pictures."""
    from analogen.pipelines.composer.data import draw_scenes

    return draw_scenes(96, seed=0)


@pytest.fixture(scope="session")
def tiny_prior(tiny_scenes: SceneSet) -> SkeletonPrior:
    """Untrained, but with a head wide enough to make different relations tell; shared, never train it."""
    import torch

    from analogen.pipelines.composer.prior import SkeletonPrior, vocabulary_of

    torch.manual_seed(0)
    prior = SkeletonPrior(vocabulary_of([tiny_scenes.tokens]), dim=32, depth=2, heads=2, num_relation_tokens=2)
    with torch.no_grad():
        prior.head.weight.mul_(2)
        prior.head.bias[prior.end] += 4  # or a random scene has dozens of elements
    return prior.eval()


@pytest.fixture(scope="session")
def tiny_denoiser() -> SceneDenoiser:
    """Untrained, with a head that does something (it starts at zero); shared, never train it."""
    import torch

    from analogen.pipelines.composer.denoiser import SceneDenoiser

    torch.manual_seed(1)
    denoiser = SceneDenoiser(dim=32, depth=2, heads=2, num_relation_tokens=2)
    torch.nn.init.normal_(denoiser.head.weight, std=0.1)
    return denoiser.eval()


@pytest.fixture(scope="session")
def tiny_composer(tiny_prior: SkeletonPrior, tiny_denoiser: SceneDenoiser) -> ComposerPipeline:
    from diffusers import FlowMatchEulerDiscreteScheduler

    from analogen.pipelines.composer.pipeline import ComposerPipeline

    pipeline = ComposerPipeline(tiny_prior, tiny_denoiser, FlowMatchEulerDiscreteScheduler(shift=1.0))
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@pytest.fixture(scope="session")
def tiny_composer_folder(tiny_composer: ComposerPipeline, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("composer")
    tiny_composer.save_pretrained(str(folder))
    return folder


@pytest.fixture(scope="session")
def tiny_vlm_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Qwen2.5-VL base of a few hundred thousand weights."""
    from analogen.relsim.vlm.tiny import save_base

    return save_base(tmp_path_factory.mktemp("vlm"))


@pytest.fixture(scope="session")
def tiny_qwen_folder(tiny_vlm_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random checkpoint of the Qwen encoder for that base, in the authors' layout."""
    from analogen.relsim.vlm.tiny import save_checkpoint

    return save_checkpoint(tmp_path_factory.mktemp("qwen") / "checkpoint", str(tiny_vlm_folder))


@pytest.fixture(scope="session")
def tiny_adapter_folder(tiny_vlm_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random LoRA adapter for that base, as captioners and filters are."""
    from analogen.relsim.vlm.tiny import save_adapter

    return save_adapter(tmp_path_factory.mktemp("hat"), str(tiny_vlm_folder))


@pytest.fixture(scope="session")
def world_index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of 64 pictures of the relational world, each of another relation, as `analogen corpus` writes it."""
    from analogen.relsim.data.corpus import Corpus
    from analogen.relsim.world.dataset import write_samples

    folder = tmp_path_factory.mktemp("world")
    Corpus.build(write_samples(folder, 64, size=112), folder).save(folder / "index.json")
    return folder / "index.json"


@pytest.fixture(scope="module")
def tiny_shipped(tiny_encoder_folder: Path, tiny_composer_folder: Path) -> Iterator[None]:
    """The tiny models in the place of those that are shipped, for the whole module."""
    from analogen.pipelines.composer import scene_composer as composer
    from analogen.relsim import encoder

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(encoder, "SHIPPED", tiny_encoder_folder)
        patch.setattr(composer, "SHIPPED", tiny_composer_folder)
        encoder.load_encoder.cache_clear()
        yield
        encoder.load_encoder.cache_clear()
