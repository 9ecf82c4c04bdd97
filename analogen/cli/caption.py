"""`analogen caption`: the anonymous captions nearest to what pictures show."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from analogen.cli import HELP, debug_option, quick_imports
from analogen.cli.similarity import read_pictures
from analogen.errors import UserError, user_errors
from analogen.models import check_device, pick_device


@click.command("caption", context_settings=HELP)
@click.argument("images", metavar="IMG [IMG ...]", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--top-k", type=int, default=3, show_default=True, help="Captions per picture.")
@click.option("--encoder", default="mini", show_default=True, help="Name, folder or hub id of a relational encoder.")
@click.option("--device", default="auto", show_default=True)
@click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True)
@debug_option
def command(images: tuple[Path, ...], top_k: int, encoder: str, device: str, format_: str) -> None:
    """Say in anonymous words what relational logic each IMG shows: the nearest captions of the catalogue."""
    if top_k < 1:
        raise UserError(f"--top-k is {top_k}: expected 1 or more")
    check_device(device)
    pictures = read_pictures(images)

    with quick_imports(), user_errors():
        from analogen.relsim.encoder import load_mini

        model = load_mini(encoder, pick_device(device))
    answers: list[dict[str, Any]] = []
    looked = model.look(pictures)
    for path, relation, known in zip(images, looked.relation, looked.known, strict=True):
        nearest = [
            {"caption": match.caption, "relation": match.relation, "score": round(match.score, 4)}
            for match in model.nearest_captions(relation, top_k)
        ]
        confidence = round(model.confidence(relation, float(known)), 4)
        answers.append({"path": str(path), "confidence": confidence, "captions": nearest})
    if format_ == "json":
        click.echo(json.dumps({"encoder": encoder, "images": answers}))
        return
    for path, answer in zip(images, answers, strict=True):
        click.echo(f"{click.format_filename(path)}  (confidence {answer['confidence']:.2f})")
        for row in answer["captions"]:
            click.echo(f"  {row['score']:.3f}  {row['caption']}  ({row['relation']})")
