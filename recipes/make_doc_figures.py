"""Draw the figures of the guides with the shipped weights.

python recipes/make_doc_figures.py [--output docs/images]
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from PIL import Image, ImageDraw, ImageFont

from analogen import Generator, Request
from analogen.composition import GUIDANCE, STEPS, plan_candidates
from analogen.generator import draw_scene
from analogen.pipelines.composer.features import decode

EXAMPLES = Path(__file__).parents[1] / "examples"
SIDE, GAP, FOOT = 240, 14, 34
SCALES = (0.0, 0.4, 0.7, 1.0)
SHOWN_STEPS = (0, 7, 13, 19)  # of the denoiser


def strip(pictures: list[Image.Image], labels: list[str]) -> Image.Image:
    """Pictures side by side, each with a label below."""
    canvas = Image.new("RGB", (len(pictures) * (SIDE + GAP) - GAP, SIDE + FOOT), "white")
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(17)
    for column, (picture, label) in enumerate(zip(pictures, labels, strict=True)):
        left = column * (SIDE + GAP)
        canvas.paste(picture.convert("RGB").resize((SIDE, SIDE), Image.Resampling.LANCZOS), (left, 0))
        draw.text((left + SIDE / 2, SIDE + FOOT / 2), label, "#8a97a5", font, anchor="mm")
    return canvas


def strengths(generator: Generator) -> Image.Image:
    """The same seed with increasing strength of the relation."""
    reference = EXAMPLES / "ring_of_owls.png"
    pictures, labels = [Image.open(reference)], ["reference"]
    for scale in SCALES:
        request = Request(
            references=(reference,), subject="rocket", seed=11, candidates=1, relation_scale=scale, style="noto",
            width=2 * SIDE, height=2 * SIDE,
        )  # fmt: skip
        pictures.append(generator.run(request).candidates[0].image)
        labels.append(f"--relation-scale {scale:g}")
    return strip(pictures, labels)


def denoising(generator: Generator) -> Image.Image:
    """A reference, and one candidate at several steps of the composer, from noise to scene."""
    reference = EXAMPLES / "toppling_bottles.png"
    request = Request(references=(reference,), subject="penguin", seed=3, candidates=1, style="noto")
    prepared = generator.prepare(request)
    found = generator.understand(prepared.references)
    (row,) = plan_candidates(request, found, prepared.selection, generator.library)
    seen: dict[int, Image.Image] = {}

    def watch(pipeline: object, step: int, timestep: int, values: dict[str, Any]) -> dict[str, object]:
        if step in SHOWN_STEPS:
            present = values["mask"][0]
            noisy = decode(values["tokens"][0][present], values["latents"][0][present].float())
            seen[step] = draw_scene(replace(row.scene, elements=tuple(noisy)), row.scene_art, 2 * SIDE, 2 * SIDE)
        return {}

    (elements,) = generator.composer.sample(
        torch.from_numpy(row.relation[None]), generator=[torch.Generator().manual_seed(3)], num_inference_steps=STEPS,
        guidance_scale=GUIDANCE, callback_on_step_end=watch,
    )  # fmt: skip
    final = draw_scene(replace(row.scene, elements=tuple(elements)), row.scene_art, 2 * SIDE, 2 * SIDE)
    labels = ["reference", *(f"step {step + 1} of {STEPS}" for step in sorted(seen)), "settled"]
    return strip([Image.open(reference), *(seen[step] for step in sorted(seen)), final], labels)


def candidates(generator: Generator) -> Image.Image:
    """Four of eight candidates by rank, each with parts of its score."""
    reference = EXAMPLES / "toppling_bottles.png"
    request = Request(
        references=(reference,), subject="penguin", seed=3, candidates=8, num_images=8, width=2 * SIDE, height=2 * SIDE
    )
    made = generator.run(request).candidates
    chosen = [made[rank] for rank in (0, 1, 3, 7)]
    labels = [
        f"rank {one.rank + 1}: logic {one.scores.relation:.2f}, struct. {one.scores.structure:.2f}" for one in chosen
    ]
    return strip([Image.open(reference), *(one.image for one in chosen)], ["reference", *labels])


def flow() -> str:
    """The stages from a reference to pictures, as an SVG diagram."""
    boxes = [
        ("reference", "PNG, JPEG, ..."), ("relsim-mini", "trunk and heads"), ("relation", "384 numbers"),
        ("prior", "which elements"), ("denoiser", "where, how"), ("settle", "snaps near-equals"),
        ("renderer", "art of your subject"), ("score", "the best stay"),
    ]  # fmt: skip
    width, step, top = 128, 154, 30
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {step * len(boxes) - 14} 150" font-family="sans-serif">'
        '<defs><marker id="a" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0L8 4L0 8z" fill="#8a97a5"/></marker></defs><rect width="100%" height="100%" fill="#fff"/>'
    ]
    for number, (name, what) in enumerate(boxes):
        x = 6 + number * step
        learned = name in ("relsim-mini", "prior", "denoiser")
        fill = "#e2e7fd" if learned else "#f3f4f6"
        parts.append(
            f'<rect x="{x}" y="{top}" width="{width}" height="56" rx="8" fill="{fill}" stroke="#8a97a5"/>'
            f'<text x="{x + width / 2}" y="{top + 25}" font-size="15" font-weight="600" text-anchor="middle" '
            f'fill="#222">{name}</text>'
            f'<text x="{x + width / 2}" y="{top + 43}" font-size="11" text-anchor="middle" fill="#444">{what}</text>'
        )
        if number:
            parts.append(
                f'<path d="M{x - step + width + 3} {top + 28}H{x - 5}" stroke="#8a97a5" marker-end="url(#a)"/>'
            )
    first, last = 6 + step + width / 2, 6 + 7 * step + width / 2
    label = "structure (64 numbers) and looks of the reference: they choose among candidates, and make none"
    parts.append(
        f'<path d="M{first} {top + 56}V{top + 84}H{last}V{top + 61}" fill="none" stroke="#8a97a5" '
        f'stroke-dasharray="4 3" marker-end="url(#a)"/><text x="{(first + last) / 2}" y="{top + 102}" font-size="12" '
        f'text-anchor="middle" fill="#444">{label}</text>'
        '<text x="6" y="18" font-size="12" fill="#444">blue: learned</text></svg>'
    )
    return "".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("docs/images"))
    output = parser.parse_args().output
    output.mkdir(parents=True, exist_ok=True)
    generator = Generator(device="cpu")
    for name, figure in (("strength", strengths), ("becoming", denoising), ("candidates", candidates)):
        figure(generator).save(output / f"{name}.webp", quality=88)
    (output / "flow.svg").write_text(flow() + "\n")


if __name__ == "__main__":
    main()
