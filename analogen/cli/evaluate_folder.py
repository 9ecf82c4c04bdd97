"""`analogen evaluate folder`: scores any generator's folder of results on the benchmark of analogies."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from analogen.cli import HELP, debug_option, quick_imports
from analogen.cli.common_options import format_option
from analogen.cli.evaluate_options import FILE, MODEL, progress_counter
from analogen.errors import UserError, plain_line, user_errors
from analogen.files import check_output, write_atomic
from analogen.models import check_device, pick_device

if TYPE_CHECKING:
    from analogen.evaluation.folder import ResultFolder

NAMED = 3  # so many files are named, the others counted


@click.command("folder", context_settings=HELP)
@click.argument("results", metavar="RESULTS", type=FILE)
@click.option(
    "--benchmark",
    metavar="DIR",
    type=FILE,
    default=Path("benchmarks/analogies"),
    show_default=True,
    help="Folder with the references and references.jsonl.",
)
@click.option(
    "--subjects",
    metavar="FILE",
    type=FILE,
    help="Table of id and subject, CSV or JSON lines, for results that show other subjects than those asked for.",
)
@click.option(
    "--judges", metavar="DIR", type=FILE, help="Folder with classifiers that judge too, for example benchmarks/judges."
)
@click.option("--output", metavar="FILE.json", type=FILE, help="Also write all figures, with those of each picture.")
@MODEL
@format_option
@debug_option
def folder(
    results: Path,
    benchmark: Path,
    subjects: Path | None,
    judges: Path | None,
    output: Path | None,
    encoder: str,
    seed: int,
    device: str,
    dtype: str,
    format_: str,
) -> int:
    """Score the pictures in RESULTS, by any generator, on the benchmark of analogies, with 95 % intervals.

    \b
    analogen evaluate folder my-results --output my-results.json

    The result of a reference is the file with its id as name, such as drawn-001.png. Of drawn-001-0.png,
    drawn-001-1.png and so on the first counts. Figures are of the pictures that are there; kept_of_all counts missing
    ones as not kept. Missing and unreadable pictures are told in one line each, and the exit code is then 2; files that
    belong to no reference are counted.
    """
    check_device(device)
    if output is not None:
        check_output([output])
    with quick_imports(), user_errors():
        from analogen.evaluation.analogy import load_judges
        from analogen.evaluation.benchmark import read_benchmark, read_subjects
        from analogen.evaluation.folder import as_table, find_results, score_results, summarised
        from analogen.relsim.encoder import load_reader

        references = read_benchmark(benchmark)
        asked = {} if subjects is None else read_subjects(subjects, {reference.id for reference in references})
        found = find_results(results, references)
        if not found.pictures:
            raise UserError(_nothing(results, found, references[0].id))
        loaded = load_judges(judges)
        # On the CPU by default, so that figures do not depend on the machine.
        model = load_reader(encoder, "cpu" if device == "auto" else pick_device(device))
        scored = score_results(references, found, model, asked, loaded, progress_counter())
    rows = summarised(scored, len(references), seed)
    coverage = {
        "references": len(references), "measured": len(scored), "missing": list(found.missing),
        "unreadable": list(found.unreadable), "extra": len(found.extra), "further": len(found.further),
    }  # fmt: skip
    told = {"benchmark": str(benchmark), "results": str(results), "encoder": encoder, "seed": seed, **coverage}
    answer = {**told, "figures": rows, "pictures": [one.row() for one in scored]}
    if output is not None:
        write_atomic(output, (json.dumps(answer, ensure_ascii=False, indent=1) + "\n").encode())
    if format_ == "json":
        click.echo(json.dumps({**told, "figures": rows}))
    else:
        click.echo(as_table(rows))
        click.echo(f"kept of all {len(references)} references: {100 * rows[0]['kept_of_all']:.1f} %")
    return _report(found, len(references))


def _nothing(results: Path, found: ResultFolder, example: str) -> str:
    """The one line for a folder without any result."""
    others = len(found.extra) + len(found.unreadable)
    return (
        f"{results}: holds no result for any reference ({others} other pictures): the name of a file is the id of its "
        f"reference, such as {example}.png"
    )


def _report(found: ResultFolder, references: int) -> int:
    """One line for each kind of fault on stderr. Returns the exit code."""
    lines = [
        f"{row['path']} {row['reason']}" if row["path"] not in row["reason"] else row["reason"]
        for row in found.unreadable
    ]
    if found.missing:
        lines.append(f"{len(found.missing)} of {references} references have no result: {_some(found.missing)}")
    notes = []
    if found.extra:
        notes.append(f"{len(found.extra)} other files were not looked at: {_some([p.name for p in found.extra])}")
    if found.further:
        notes.append(f"{len(found.further)} further results were not looked at: the first of each reference counts")
    for line in lines:
        click.echo(plain_line(f"analogen: {line}"), err=True)
    for note in notes:
        click.echo(plain_line(f"note: {note}"), err=True)
    return 2 if lines else 0


def _some(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")
