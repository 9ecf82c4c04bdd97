"""`analogen convert`: converts a checkpoint of an encoder on Qwen2.5-VL between two layouts."""

from __future__ import annotations

from pathlib import Path

import click

from analogen.cli import HELP, debug_option, quick_imports
from analogen.cli.local_path import LocalPath
from analogen.errors import user_errors


@click.command("convert", context_settings=HELP)
@click.argument("source", metavar="SRC")
@click.argument("target", metavar="DST", type=LocalPath())
@click.option(
    "--layout",
    type=click.Choice(["analogen", "authors"]),
    default="analogen",
    show_default=True,
    help="analogen writes safetensors files only. authors writes the files of the paper's published checkpoint, for "
    "the authors' own package.",
)
@click.option("--base", metavar="ID", help="Hub id or folder of the base model.  [default: the one that SRC names]")
@debug_option
def command(source: str, target: Path, layout: str, base: str | None) -> None:
    """Convert the checkpoint SRC, a folder or hub id in either layout, and write it to the new folder DST."""
    with user_errors():
        with quick_imports():
            from analogen.relsim.vlm.checkpoint import check_target, convert
        check_target(target)
        folder = Path(source)
        if not folder.is_dir():
            from analogen.relsim.hub import fetch, is_hub_id

            if not is_hub_id(source):
                raise FileNotFoundError(f"{source}: no such folder and no hub id: check the name")
            folder = fetch(source)
        convert(folder, target, "authors" if layout == "authors" else "analogen", base)
    click.echo(click.format_filename(target))
