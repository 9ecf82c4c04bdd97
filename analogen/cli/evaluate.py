"""`analogen evaluate`: the figures of the results tables, and the same measures over pictures of your own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from analogen.cli import HELP, debug_option, quick_imports
from analogen.cli.evaluate_options import (
    BY,
    FILE,
    JUDGE,
    MODEL,
    check_positive,
    counter,
    load_judge,
    report_unreadable_rows,
    run_errors,
)
from analogen.cli.evaluate_people import space, study, tally
from analogen.errors import UserError, user_errors
from analogen.files import check_output
from analogen.models import check_device, pick_device


@click.group("evaluate", context_settings=HELP, no_args_is_help=False)
def command() -> None:
    """Measure the encoder, the whole way from picture to picture, or anybody's pictures."""


@command.command("retrieval", context_settings=HELP)
@click.option(
    "--gallery",
    metavar="DIR",
    type=FILE,
    help="Search pictures of your own: folders or tar shards.",
)
@click.option("--query-dir", metavar="DIR", type=FILE, help="Pictures to search with.  [default: those of the gallery]")
@click.option(
    "--groups",
    metavar="folders|FILE",
    help="What belongs together: each folder, or by a table.",
)
@BY
@click.option("--queries", type=int, default=1000, show_default=True, help="Queries per split, or at most of a folder.")
@MODEL
@JUDGE
@click.option("--output", metavar="FILE.jsonl", type=FILE, help="Also write what every query finds first.")
@debug_option
def retrieval(
    gallery: Path | None,
    query_dir: Path | None,
    groups: str | None,
    by: tuple[str, ...],
    queries: int,
    encoder: str,
    seed: int,
    device: str,
    dtype: str,
    judge: str | None,
    judge_model: str,
    judge_key_env: str,
    judge_cache: Path,
    judge_workers: int,
    output: Path | None,
) -> int:
    """R@k, and with --judge a score of what is found first; one JSON line per way of comparing.

    Without --gallery: galleries of the relational world with attribute traps. With it, R@k counts by --groups: the
    folders, or a table of `path`, `image_hash` or url with `relation`, `group` or `caption`, such as data.jsonl. Exit
    code 2 if some pictures could not be read; they are listed last.
    """
    check_positive("queries", queries)
    check_device(device)
    if gallery is None:
        for name, value in (
            ("query-dir", query_dir),
            ("groups", groups),
            ("by", by),
            ("judge", judge),
            ("output", output),
        ):
            if value:
                raise UserError(f"--{name} is for pictures of your own: name them with --gallery")
        return _world_retrieval(encoder, queries, seed, device)
    if groups is None and judge is None:
        raise UserError("--gallery alone leaves nothing to count: add --groups for R@k, or --judge for a judged score")
    if output is not None:
        check_output([output])
    with quick_imports(), user_errors():
        from analogen.relsim.evaluation.folder_retrieval import prepare_search, run_search
        from analogen.relsim.evaluation.judging import AnswerCache
        from analogen.relsim.evaluation.similarity_measures import check_ways, load_ways
        from analogen.relsim.evaluation.tables import write_rows

        check_ways(by)
        search = prepare_search(gallery, query_dir, groups, queries, seed)
        asked = load_judge(judge, judge_model, judge_key_env, judge_workers, device, dtype)
        ways = load_ways(by or ("relation",), encoder, pick_device(device), dtype, search=True)
    found: list[dict[str, Any]] = []
    with run_errors():
        for row, hits in run_search(search, ways, asked, AnswerCache(judge_cache), seed, counter()):
            click.echo(json.dumps(row))
            found += hits
    if output is not None:
        write_rows(output, found)
    return report_unreadable_rows(search.refused)


def _world_retrieval(encoder: str, queries: int, seed: int, device: str) -> int:
    with quick_imports(), user_errors():
        from analogen.relsim.encoder import load_encoder
        from analogen.relsim.evaluation.world_retrieval import run_retrieval

        # Always on the CPU unless told otherwise: the figures of the results table come from there.
        place = "cpu" if device == "auto" else pick_device(device)
        load_encoder(encoder, place)
    for row in run_retrieval(encoder=encoder, queries=queries, seed=seed, device=place):
        click.echo(json.dumps(row))
    return 0


@command.command("triplets", context_settings=HELP)
@click.argument("table", metavar="FILE", type=FILE)
@BY
@MODEL
@debug_option
def triplets(table: Path, by: tuple[str, ...], encoder: str, seed: int, device: str, dtype: str) -> int:
    """How often the anchor is nearer to the positive than to the negative, per group, with 95 % intervals.

    FILE is CSV or JSON lines with anchor, positive, negative and group. Exit code 2 if some pictures could not be
    read; they are listed last.
    """
    check_device(device)
    with quick_imports(), user_errors():
        from analogen.relsim.evaluation.similarity_measures import check_ways, load_ways
        from analogen.relsim.evaluation.triplets import read_triplets, run_triplets

        check_ways(by)
        rows = read_triplets(table)
        ways = load_ways(by or ("relation",), encoder, pick_device(device), dtype)
    refused: list[dict[str, str]] = []
    with run_errors():
        for row in run_triplets(rows, ways, refused, seed):
            click.echo(json.dumps(row))
    return report_unreadable_rows(refused)


@command.command("analogy", context_settings=HELP)
@click.option(
    "--table",
    metavar="FILE",
    type=FILE,
    help="Pictures of your own: CSV or JSON lines.",
)
@BY
@MODEL
@click.option("--rows", "num_rows", type=int, default=200, show_default=True, help="References of the world to try.")
@click.option("--candidates", type=int, default=4, show_default=True)
@click.option("--judges", metavar="DIR", type=FILE, help="Folder of the classifiers' weights.")
@click.option("--references", metavar="FILE.csv", type=FILE, help="References of your own: path, relation, manner.")
@click.option("--words", metavar="FILE.csv", type=FILE, help="Paraphrases of relations: relation, text.")
@click.option("--baselines", is_flag=True, help="The same rows by cheaper ways too: caption bridge, copies, ...")
@click.option(
    "--output",
    metavar="DIR",
    type=FILE,
    default=Path("out/analogy"),
    show_default=True,
    help="Folder of the contact sheets.",
)
@debug_option
def analogy(
    table: Path | None,
    by: tuple[str, ...],
    encoder: str,
    seed: int,
    device: str,
    dtype: str,
    num_rows: int,
    candidates: int,
    judges: Path | None,
    references: Path | None,
    words: Path | None,
    baselines: bool,
    output: Path,
) -> int:
    """Relation, subject and structure kept by mini, by judges apart from the reranker; a JSON line per way of choosing.

    With --table, rows of input, instruction, output and optionally model: what any generator made, by relation, clip-i
    and lpips unless --by says otherwise. Exit code 2 if some pictures could not be read; they are listed last.
    """
    check_positive("rows", num_rows)
    check_positive("candidates", candidates)
    check_device(device)
    asked = {"table": table, "references": references, "words": words, "baselines": baselines or None}
    ways = [f"--{name}" for name, given in asked.items() if given is not None]
    if len(ways) > 1:
        raise UserError(f"{' and '.join(ways)} are measured apart: ask for one of them")
    if table is not None:
        return _table_analogy(table, by, encoder, seed, device, dtype)
    if by:
        raise UserError("--by is for pictures of your own: name them with --table")
    check_output([output / "sheet.png"])
    with user_errors():
        from analogen.evaluation.analogy import run_analogy
        from analogen.evaluation.baselines import run_baselines
        from analogen.evaluation.external_references import run_external_references
        from analogen.evaluation.text_relations import run_text_relations

        if references is not None:
            rows = run_external_references(references, candidates, seed, device, judges, output)
        elif words is not None:
            rows = run_text_relations(words, num_rows, seed, device, output)
        elif baselines:
            rows = run_baselines(num_rows, candidates, seed, device, judges, output)
        else:
            rows = run_analogy(num_rows, candidates, seed, device, judges, output)
    for row in rows:
        click.echo(json.dumps(row))
    return 0


def _table_analogy(table: Path, by: tuple[str, ...], encoder: str, seed: int, device: str, dtype: str) -> int:
    with quick_imports(), user_errors():
        from analogen.relsim.evaluation.analogies import WAYS, read_analogies, run_analogies
        from analogen.relsim.evaluation.similarity_measures import check_ways, load_ways

        check_ways(by or WAYS)
        made = read_analogies(table)
        ways = load_ways(by or WAYS, encoder, pick_device(device), dtype)
    refused: list[dict[str, str]] = []
    with run_errors():
        for row in run_analogies(made, ways, refused, seed):
            click.echo(json.dumps(row))
    return report_unreadable_rows(refused)


for _other in (space, study, tally):
    command.add_command(_other)
