"""`analogen caption`: describes the relation of pictures, with mini's captions or a captioner model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from analogen.cli import HELP, debug_option, quick_imports
from analogen.cli.common_options import device_option, dtype_option, format_option
from analogen.cli.image_inputs import embed_files, find_pictures, report_unreadable, unreadable_field
from analogen.cli.local_path import LocalPath
from analogen.errors import RunError, UserError, user_errors
from analogen.models import check_device, pick_device

if TYPE_CHECKING:
    from analogen.relsim.vlm.query import Answer

DEFAULT_TOP_K, DEFAULT_ENCODER = 3, "mini"


@click.command("caption", context_settings=HELP)
@click.argument("images", metavar="IMG|DIR ...", nargs=-1, required=True, type=LocalPath())
@click.option("--group", is_flag=True, help="Caption the one logic that all IMGs share; 2 to 10 pictures.")
@click.option(
    "--captioner",
    metavar="NAME",
    help="Folder or hub id of a captioner on Qwen2.5-VL, which writes captions of its own.  [default: none, search "
    "mini's catalogue]",
)
@click.option("--sample", is_flag=True, help="Let the captioner sample its words, with temperature 0.7 and top-p 0.9.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed for --sample.")
@click.option(
    "--top-k",
    type=int,
    help=f"How many captions of the catalogue to print for each picture.  [default: {DEFAULT_TOP_K}]",
)
@click.option("--encoder", help=f"Encoder that searches the catalogue: mini or a folder.  [default: {DEFAULT_ENCODER}]")
@device_option
@dtype_option
@format_option
@debug_option
def command(
    images: tuple[Path, ...],
    group: bool,
    captioner: str | None,
    sample: bool,
    seed: int,
    top_k: int | None,
    encoder: str | None,
    device: str,
    dtype: str,
    format_: str,
) -> int:
    """Caption the relational logic of each IMG, or with --group the logic that all of them share.

    \b
    analogen caption ring_of_owls.png
    analogen caption --group first.png second.png

    Captions are anonymous: {subject} stands for whatever is shown. A DIR stands for all pictures in it and in its
    subfolders. Pictures in folders that cannot be read are skipped and listed at the end; the exit code is then 2.
    """
    if top_k is not None and top_k < 1:
        raise UserError(f"--top-k is {top_k}: expected 1 or more")
    if group and not 2 <= len(images) <= 10:
        raise UserError(f"--group was given with {len(images)} pictures: expected 2 to 10 that share one logic")
    check_device(device)
    refused: list[dict[str, str]] = []
    if captioner is None:
        if sample:
            raise UserError("--sample is for captioners: name one with --captioner")
        found_pictures = find_pictures(images, folders=not group)
        answers = _nearest(
            found_pictures.paths, group, top_k or DEFAULT_TOP_K, encoder or DEFAULT_ENCODER, device, refused
        )
    else:
        if top_k is not None or encoder is not None:
            given = "--encoder" if top_k is None else "--top-k"
            raise UserError(
                f"{given} is for catalogues, and --captioner writes its own captions: leave one of them out"
            )
        found_pictures = find_pictures(images, folders=not group)
        answers = _written(found_pictures.paths, group, captioner, sample, seed, device, dtype, refused)
    refused += found_pictures.left_out
    failed = [row for row in answers if "problem" in row]
    if format_ == "json":
        named = encoder or DEFAULT_ENCODER if captioner is None else None
        answer = {"encoder": named, "captioner": captioner, "images": answers}
        click.echo(json.dumps(answer | unreadable_field(refused)))
        return report_unreadable(refused) or (1 if failed else 0)
    for row in answers:
        where = ", ".join(click.format_filename(path) for path in row.get("paths", [row.get("path")]))
        if "problem" in row:
            click.echo(f"{where}: no caption after {row['tries']} tries: {row['problem']}", err=True)
            continue
        click.echo(where if row["confidence"] is None else f"{where}  (confidence {row['confidence']:.2f})")
        for found in row["captions"]:
            known = found["relation"] is not None
            click.echo(
                f"  {found['score']:.3f}  {found['caption']}  ({found['relation']})"
                if known
                else f"  {found['caption']}"
            )
    return report_unreadable(refused) or (1 if failed else 0)


def _nearest(
    images: Sequence[Path], group: bool, top_k: int, encoder: str, device: str, refused: list[dict[str, str]]
) -> list[dict[str, Any]]:
    """The captions of the catalogue that are nearest to each picture, or to the mean of the group.

    refused: pictures that cannot be read are appended.
    """
    with quick_imports(), user_errors():
        import numpy as np

        from analogen.relsim.encoder import load_mini

        model = load_mini(encoder, pick_device(device))
    embedded = embed_files(model, images, as_references=True)
    refused += embedded.refused
    relations, names = [seen.relation for seen in embedded.embeddings], [{"path": str(path)} for path in embedded.paths]
    known = [seen.known or 0.0 for seen in embedded.embeddings]
    if group:
        mean = np.mean(relations, axis=0)
        relations, known = [mean / max(float(np.linalg.norm(mean)), 1e-12)], [float(np.mean(known))]
        names = [_named(images)]
    return [
        {
            **name,
            "confidence": round(model.confidence(relation, sure), 4),
            "captions": [
                {"caption": match.caption, "relation": match.relation, "score": round(match.score, 4)}
                for match in model.nearest_captions(relation, top_k)
            ],
        }
        for name, relation, sure in zip(names, relations, known, strict=True)
    ]


def _written(
    images: Sequence[Path],
    group: bool,
    captioner: str,
    sample: bool,
    seed: int,
    device: str,
    dtype: str,
    refused: list[dict[str, str]],
) -> list[dict[str, Any]]:
    """The captions that a captioner writes; a row without a caption has `problem` and `tries`.

    refused: pictures that cannot be read are appended.
    """
    with quick_imports(), user_errors():
        from analogen.relsim.vlm.captioner import load_captioner
        from analogen.relsim.vlm.query import GREEDY, Sampling

        model = load_captioner(captioner, pick_device(device), dtype)
    sampling = Sampling(seed=seed) if sample else Sampling(temperature=GREEDY.temperature, seed=seed)
    bad: dict[int, str] = {}
    try:
        if group:
            return [_row(_named(images), answer) for answer in model.caption_groups([images], sampling)]
        answers = model.caption(images, sampling, progress=True, on_refused=bad.__setitem__)
    except MemoryError as error:
        raise RunError(str(error)) from error
    refused += [{"path": str(images[index]), "reason": bad[index]} for index in sorted(bad)]
    good = [path for index, path in enumerate(images) if index not in bad]
    return [_row({"path": str(path)}, answer) for path, answer in zip(good, answers, strict=True)]


def _named(images: Sequence[Path]) -> dict[str, Any]:
    return {"paths": [str(path) for path in images]}


def _row(name: dict[str, Any], answer: Answer) -> dict[str, Any]:
    if answer.text is None:
        return {**name, "confidence": None, "captions": [], "problem": answer.problem, "tries": answer.tries}
    return {**name, "confidence": None, "captions": [{"caption": answer.text, "relation": None, "score": None}]}
