"""`analogen similarity`: compares the first picture with the others, by relation and by looks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from analogen.cli import HELP, debug_option, quick_imports
from analogen.cli.common_options import device_option, dtype_option, encoder_option, format_option
from analogen.cli.image_inputs import embed_files, find_pictures, report_unreadable, unreadable_field
from analogen.cli.local_path import LocalPath
from analogen.errors import user_errors
from analogen.models import check_device, pick_device


@click.command("similarity", context_settings=HELP)
@click.argument("images", metavar="IMG IMG|DIR ...", nargs=-1, required=True, type=LocalPath())
@encoder_option
@click.option(
    "--unresized",
    is_flag=True,
    help="For encoders on Qwen2.5-VL: embed pictures in their own size, instead of squares of 448 pixels.",
)
@device_option
@dtype_option
@format_option
@debug_option
def command(images: tuple[Path, ...], encoder: str, unresized: bool, device: str, dtype: str, format_: str) -> int:
    """Compare the first IMG with each of the others: by relation (logic) and by attribute (looks).

    \b
    analogen similarity ring_of_owls.png pictures

    Both numbers are cosines; 1 means the same. A DIR stands for all pictures in it and in its subfolders. Pictures in
    folders that cannot be read are skipped and listed at the end; the exit code is then 2.
    """
    if len(images) < 2:
        raise click.UsageError("one picture was given, at least two are needed: name a second one")
    check_device(device)
    others = find_pictures(images[1:])
    paths = find_pictures(images[:1], folders=False).paths + others.paths

    with quick_imports(), user_errors():
        from analogen.relsim.encoder import load_encoder

        model = load_encoder(encoder, pick_device(device), dtype, unresized)
    embedded = embed_files(model, paths)
    first = embedded.embeddings[0]
    rows = [
        {
            "path": str(path), "relation": round(float(seen.relation @ first.relation), 4),
            "attribute": round(float(seen.attributes @ first.attributes), 4),
        }
        for path, seen in zip(embedded.paths[1:], embedded.embeddings[1:], strict=True)
    ]  # fmt: skip
    refused = [*embedded.refused, *others.left_out]
    if format_ == "json":
        answer: dict[str, Any] = {"encoder": encoder, "reference": str(images[0]), "scores": rows}
        click.echo(json.dumps(answer | unreadable_field(refused)))
    else:
        for path, row in zip(embedded.paths[1:], rows, strict=True):
            shown = f"relation {row['relation']:.3f}  attribute {row['attribute']:.3f}"
            click.echo(f"{click.format_filename(path)}  {shown}")
    return report_unreadable(refused)
