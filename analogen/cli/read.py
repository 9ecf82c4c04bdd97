"""`analogen read`: what pictures show as scenes, with the rule that their things follow."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from analogen.cli import HELP, debug_option, quick_imports
from analogen.cli.common_options import device_option, format_option
from analogen.cli.image_inputs import find_pictures, report_unreadable, unreadable_field
from analogen.cli.local_path import LocalPath
from analogen.errors import UserError, plain_line, user_errors
from analogen.files import check_output, write_atomic
from analogen.models import check_device, pick_device

if TYPE_CHECKING:
    from analogen.relsim.mini.encoder import MiniEncoder
    from analogen.relsim.mini.reading import SceneReading


@click.command("read", context_settings=HELP)
@click.argument("images", metavar="IMG|DIR ...", nargs=-1, required=True, type=LocalPath())
@click.option(
    "--output",
    type=LocalPath(),
    help="Write the scene as JSON to this file; for several pictures, to this folder.",
)
@click.option("--svg", type=LocalPath(), help="Draw the scene as SVG to this file or folder.")
@click.option(
    "--overlay",
    type=LocalPath(),
    help="Write a PNG of the picture with boxes around the things that were found, to this file or folder.",
)
@click.option(
    "--encoder",
    default="mini",
    show_default=True,
    help="mini, or the folder of an encoder with a dense head.",
)
@device_option
@format_option
@debug_option
def command(
    images: tuple[Path, ...],
    output: Path | None,
    svg: Path | None,
    overlay: Path | None,
    encoder: str,
    device: str,
    format_: str,
) -> int:
    """Read each IMG as a scene: its things, which are alike, and the rule that they follow, in one sentence.

    \b
    analogen read ring_of_owls.png --output scene.json

    You can edit the file of --output by hand. A uniform border is cut off before reading. A DIR stands for all
    pictures in it and in its subfolders. Pictures in folders that cannot be read are skipped and listed at the end;
    the exit code is then 2.
    """
    check_device(device)
    found = find_pictures(images)
    paths = found.paths
    many = len(paths) > 1 or images[0].is_dir()
    places = {
        suffix: _places(base, paths, suffix, many)
        for base, suffix in ((output, ".json"), (svg, ".svg"), (overlay, ".png"))
        if base is not None
    }
    with quick_imports(), user_errors():
        from analogen.relsim.encoder import load_reader

        model = load_reader(encoder, pick_device(device))
    refused = list(found.left_out)
    rows = []
    for number, path in enumerate(paths):
        try:
            reading = _read(path, model, {suffix: to[number] for suffix, to in places.items()})
        except (ValueError, FileNotFoundError) as error:
            if not many:
                raise UserError(str(error)) from error
            refused.append({"path": str(path), "reason": str(error)})
            continue
        for note in reading.notes:
            click.echo(plain_line(f"note: {click.format_filename(path)}: {note}"), err=True)
        if format_ == "text":
            where = f"{click.format_filename(path)}: " if many else ""
            click.echo(plain_line(f"{where}{reading.sentence}  (certainty {reading.certainty:.2f})"))
        rows.append(_row(path, reading))
    if format_ == "json":
        click.echo(json.dumps({"encoder": encoder, "images": rows} | unreadable_field(refused)))
    return report_unreadable(refused)


def _places(base: Path, paths: Sequence[Path], suffix: str, many: bool) -> list[Path]:
    """Where to write for each picture; checked before anything is read. Raises UserError."""
    if not many:
        single = base / (paths[0].stem + suffix) if base.is_dir() else base
        check_output([single])
        return [single]
    if base.exists() and not base.is_dir():
        raise UserError(f"{base}: is a file, and {len(paths)} pictures came: name a folder")
    seen = Counter[str]()
    made = []
    for path in paths:
        seen[path.stem] += 1
        again = f"-{seen[path.stem]}" if seen[path.stem] > 1 else ""
        made.append(base / f"{path.stem}{again}{suffix}")
    check_output(made)
    return made


def _read(path: Path, model: MiniEncoder, places: dict[str, Path]) -> SceneReading:
    import io

    from analogen.relsim.images import read_image
    from analogen.relsim.mini.reading import read_scene, reading_to_json
    from analogen.relsim.mini.reading.overlay import overlay
    from analogen.relsim.world.svg import to_svg

    image = read_image(path).image
    reading = read_scene(image, model)
    if ".json" in places:
        write_atomic(places[".json"], (reading_to_json(reading) + "\n").encode())
    if ".svg" in places:
        width, height = drawn_size(*reading.size)
        write_atomic(places[".svg"], to_svg(reading.scene, width, height).encode())
    if ".png" in places:
        file = io.BytesIO()
        overlay(image, reading).save(file, "PNG")
        write_atomic(places[".png"], file.getvalue())
    return reading


def drawn_size(width: int, height: int, longest: int = 1024, shortest: int = 64) -> tuple[int, int]:
    """The size at which a reading of a picture is drawn: its shape, the longer side 1024 px."""
    scale = longest / max(width, height)
    return max(shortest, round(width * scale)), max(shortest, round(height * scale))


def _row(path: Path, reading: SceneReading) -> dict[str, Any]:
    from analogen.relsim.mini.reading import reading_to_json

    return {
        "path": str(path), "sentence": reading.sentence, "certainty": reading.certainty, "things": reading.count,
        "caption": reading.caption, "composition": reading.rule.composition or None, "notes": list(reading.notes),
        "scene": json.loads(reading_to_json(reading)),
    }  # fmt: skip
