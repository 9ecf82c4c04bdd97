"""`analogen evaluate space`: plots pictures by their similarity to a reference, in looks and in logic."""

from __future__ import annotations

import io
import json
from pathlib import Path

import click

from analogen.cli import HELP, debug_option, quick_imports
from analogen.cli.common_options import device_option, dtype_option, encoder_option
from analogen.cli.evaluate_options import FILE, check_positive, report_unreadable_rows, run_errors
from analogen.errors import UserError, user_errors
from analogen.files import check_output, write_atomic
from analogen.models import check_device, pick_device


@click.command("space", context_settings=HELP)
@click.argument("folder", metavar="DIR", type=FILE)
@click.option("--reference", metavar="IMG", type=FILE, required=True, help="Picture that the others are compared with.")
@click.option(
    "--attribute",
    default="attributes",
    show_default=True,
    help="What the x axis shows: a measure of looks, as in `analogen evaluate retrieval --by`, for example histogram.",
)
@encoder_option
@click.option(
    "--count", type=int, default=200, show_default=True, help="Plot at most this many pictures, sorted by name."
)
@click.option(
    "--output",
    metavar="FILE.png",
    type=FILE,
    default=Path("out/space.png"),
    show_default=True,
    help="The plot.",
)
@click.option(
    "--size", type=int, default=1200, show_default=True, help="Width and height of the plot in pixels, 400 to 8000."
)
@device_option
@dtype_option
@debug_option
def space(
    folder: Path,
    reference: Path,
    attribute: str,
    encoder: str,
    count: int,
    output: Path,
    size: int,
    device: str,
    dtype: str,
) -> int:
    """Plot the pictures in DIR by their similarity to the reference: looks on the x axis, logic on the y axis.

    Pictures that cannot be read are listed at the end; the exit code is then 2.
    """
    check_positive("count", count)
    check_device(device)
    if not 400 <= size <= 8000:
        raise UserError(f"--size is {size}: expected 400 to 8000")
    if output.suffix.lower() != ".png":
        raise UserError(f"--output {output}: plots are PNG: end it in .png")
    check_output([output])
    with quick_imports(), user_errors():
        from analogen.relsim.data.shards import find_pictures
        from analogen.relsim.evaluation.similarity_measures import check_measures, compute_rows, load_measures
        from analogen.relsim.evaluation.similarity_space import Point, plot_similarity_space
        from analogen.relsim.images import read_image

        check_measures((attribute,))
        if attribute == "relation":
            raise UserError("--attribute is 'relation', which is on the y axis: expected another measure")
        center = read_image(reference).image
        pictures = [p for p in find_pictures(folder).pictures if p.path.resolve() != reference.resolve()][:count]
        measures = load_measures(("relation", attribute), encoder, pick_device(device), dtype, search=True)
    with run_errors():
        found = compute_rows(pictures, measures, "gallery")
    logic, looks = (m.similarity(m.embed_queries([center]), found.rows[m.name])[0] for m in measures)
    points = [
        Point(pictures[place].read().image, float(x), float(y))
        for place, x, y in zip(found.kept, looks, logic, strict=True)
    ]
    with io.BytesIO() as file:
        plot_similarity_space(center, points, size).save(file, "PNG")
        write_atomic(output, file.getvalue())
    click.echo(json.dumps({"output": str(output), "reference": str(reference), "pictures": len(points)}))
    return report_unreadable_rows(found.refused)
