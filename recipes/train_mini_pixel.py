"""Train and measure mini-pixel: base model, relational adapter, and relation success by the judge.

    python recipes/train_mini_pixel.py --size gpu    # an accelerator; all relations and subjects, 128 px
    python recipes/train_mini_pixel.py --size cpu    # ten relations, eight subjects, 64 px, an hour on one core
    python recipes/train_mini_pixel.py --size cpu-30 --each 10 --curve --sheet docs/images/mini_pixel.webp
                                                     # thirty relations, sixteen subjects, 96 px, a night or two

Each stage resumes where it was stopped. The base is trained on drawings with prompts ("rows of apples", "an apple") and
then frozen. A relational adapter is trained on it by `analogen train adapter`. Then pictures of a new subject are made
from hard references, and judges that took no part in the training predict their relation and their subject.

--curve also measures both at several strengths of the adapter, and the strength at which they are balanced: where the
relation and the subject have lost the same share of what they reach at their best.
"""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image

from analogen.pipelines.adapter.model import load_adapter
from analogen.pipelines.adapter_training import train as train_adapter
from analogen.pipelines.diffusion.device_placement import DevicePlacement
from analogen.pipelines.diffusion.image_spec import ImageSpec
from analogen.pipelines.diffusion.loading import load_pipeline
from analogen.pipelines.diffusion.sampler import DiffusionSampler
from analogen.pipelines.mini_pixel import train as pixel
from analogen.relsim.config import read_settings
from analogen.relsim.encoder import load_mini
from analogen.relsim.english import with_article
from analogen.relsim.evaluation.judge_classifiers import ClassifierJudge
from analogen.relsim.mini.encoder import MiniEncoder
from analogen.relsim.vlm.prompts import fill
from analogen.relsim.world.dataset import chosen_relations, draw_sample
from analogen.relsim.world.render import render

ROOT = Path(__file__).resolve().parents[1]
PRESETS = ROOT / "pipelines" / "mini_pixel" / "presets"
REFERENCE_PX = 160  # input of the encoder
SCALES = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5)


class Task(NamedTuple):
    """A hard reference of one subject, and another subject to generate."""

    relation: str
    reference: Image.Image
    subject: str
    other: str
    truth: Image.Image  # a drawing of the answer, at the size of the model


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=["cpu", "cpu-30", "gpu"], required=True)
    parser.add_argument("--set", dest="base_settings", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--set-adapter", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--each", type=int, default=10, help="pictures per relation")
    parser.add_argument("--steps", type=int, default=25)
    parser.add_argument("--guidance", type=float, default=2.5)
    parser.add_argument("--curve", action="store_true", help="measure several strengths of the adapter")
    parser.add_argument("--sheet", type=Path, help="write a picture of the first rows")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    wanted = dict(text.split("=", 1) for text in options.base_settings)
    settings = read_settings(pixel.PixelSettings, PRESETS / f"pixel-{options.size}.toml", wanted)
    base = pixel.run(PRESETS / f"pixel-{options.size}.toml", wanted)
    found = {"base": str(base), "data": settings.data, **dict(text.split("=", 1) for text in options.set_adapter)}
    adapter = train_adapter.prepare(
        ROOT / "pipelines" / "adapter_training" / "presets" / f"adapter-pixel-{options.size}.toml", found
    ).run()
    scales = SCALES if options.curve else ()
    table = measure(base, adapter, settings, options.each, options.steps, options.guidance, options.sheet, scales)
    print(json.dumps(table, indent=1))
    return table


def measure(
    base: Path, adapter: Path, settings: pixel.PixelSettings, each: int, steps: int, guidance: float,
    sheet: Path | None = None, scales: Sequence[float] = (),
) -> dict[str, Any]:  # fmt: skip
    """The share of pictures whose relation the judge predicts right, by method; under "subjects" that of the subject.

    each: pictures per relation; sheet: where a contact sheet of the first rows goes; scales: strengths of the adapter
    that are measured as well, for "curve" and "balanced".
    """
    encoder = load_mini()
    judge, subject_judge = (ClassifierJudge.load(ROOT / "benchmarks" / "judges" / of) for of in ("relation", "subject"))
    tasks = draw_tasks(settings, each)
    relations = encoder.embed([task.reference for task in tasks])
    subject_prompts = [with_article(task.subject) for task in tasks]
    loaded = load_pipeline(str(base), DevicePlacement(settings.device), torch.float32)
    drawn = np.stack([np.asarray(task.truth) for task in tasks])
    coded = loaded.pipeline.vae.decode(
        pixel.encode_all(loaded.pipeline.vae, drawn, torch.device(settings.device)).to(settings.device)
    ).sample.detach()
    pictures_by_method: dict[str, Sequence[Image.Image]] = {
        "drawings": [task.truth for task in tasks],
        "drawings through the autoencoder": loaded.pipeline.image_processor.postprocess(coded, output_type="pil"),
    }

    def sample(sampler: DiffusionSampler, prompts: list[str]) -> list[Image.Image]:
        rows = [
            ImageSpec(prompt, number, settings.size, settings.size, relation=relations[number])
            for number, prompt in enumerate(prompts)
        ]
        return sampler.sample(rows, steps=steps, guidance_scale=guidance, batch_size=32)

    pictures_by_method["caption bridge"] = sample(DiffusionSampler(loaded), bridge(encoder, tasks, relations))
    with_adapter = DiffusionSampler(loaded, adapter=load_adapter(adapter))
    assert with_adapter.attached is not None
    pictures_by_method["adapter"] = sample(with_adapter, subject_prompts)
    pictures_by_method["adapter and bridge"] = sample(with_adapter, bridge(encoder, tasks, relations))
    with_adapter.attached.set_strength(0)
    pictures_by_method["scale 0"] = sample(with_adapter, subject_prompts)
    truth, subjects = [task.relation for task in tasks], [task.subject for task in tasks]
    table: dict[str, Any] = {"pictures": len(tasks), "relations": len(set(truth)), "chance": 1 / len(set(truth))}
    table["subjects"] = {}
    for name, pictures in pictures_by_method.items():
        table[name] = share_named(judge, pictures, truth)
        table["subjects"][name] = share_named(subject_judge, pictures, subjects)
    if scales:
        table["curve"] = []
        for scale in scales:
            with_adapter.attached.set_strength(scale)
            pictures = sample(with_adapter, subject_prompts)
            relation, subject = (
                share_named(one, pictures, names) for one, names in ((judge, truth), (subject_judge, subjects))
            )
            table["curve"].append({"scale": scale, "relation": relation, "subject": subject})
        table["balanced"] = balanced_scale(table["curve"])
    if sheet is not None:
        columns = {name: pictures_by_method[name] for name in ("scale 0", "caption bridge", "adapter")}
        shown = [task.reference for task in tasks[:16]]
        train_adapter.sheet(shown, columns, truth[:16], subject_prompts[:16]).save(sheet)
    return table


def share_named(judge: ClassifierJudge, pictures: Sequence[Image.Image], truth: Sequence[str]) -> float:
    """The share of pictures of which a judge predicts what they were to show."""
    return float(np.mean([a == b for a, b in zip(judge.predict(list(pictures)), truth, strict=True)]))


def balanced_scale(curve: Sequence[dict[str, float]]) -> float | None:
    """The strength at which relation and subject reach the same share of their best; None if they never meet.

    curve: by rising strength, of which the relation grows and the subject falls; straight lines in between.
    """
    best = {name: max(row[name] for row in curve) or 1.0 for name in ("relation", "subject")}
    gaps = [row["relation"] / best["relation"] - row["subject"] / best["subject"] for row in curve]
    for before, after, one, other in zip(gaps, gaps[1:], curve, curve[1:], strict=False):
        if before <= 0 <= after and before < after:
            return one["scale"] - before / (after - before) * (other["scale"] - one["scale"])
    return None


def draw_tasks(settings: pixel.PixelSettings, each: int) -> list[Task]:
    """Tasks of alternating relations, from seeds that no training uses."""
    rng = np.random.default_rng([settings.seed, 10**6])
    tasks = []
    for kind in chosen_relations(settings.kinds) * each:
        reference = draw_sample(kind, settings.selection, rng)
        allowed = [name for name in settings.selection.subjects if name != reference.subject]
        answer = draw_sample(kind, settings.selection, rng, hard=False, subject=str(rng.choice(allowed)))
        shown = Image.fromarray(render(reference.scene, REFERENCE_PX))
        truth = Image.fromarray(render(answer.scene, settings.size))
        tasks.append(Task(kind.id, shown, answer.subject, answer.other, truth))
    return tasks


def bridge(encoder: MiniEncoder, tasks: Sequence[Task], relations: Any) -> list[str]:
    """The nearest caption of each relation with the new subject: the prompt of `generate` without an adapter."""
    return [
        fill(encoder.nearest_captions(relation, 1)[0].caption, task.subject, task.other)
        for task, relation in zip(tasks, relations, strict=True)
    ]


if __name__ == "__main__":
    main()
