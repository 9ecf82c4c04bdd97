"""`analogen evaluate`: measures retrieval, triplets and analogies, on the relational world or on your own pictures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from analogen.cli import HELP, debug_option, quick_imports
from analogen.cli.evaluate_changes import changes
from analogen.cli.evaluate_folder import folder
from analogen.cli.evaluate_options import (
    BY,
    FILE,
    JUDGE,
    MODEL,
    check_positive,
    load_judge,
    progress_counter,
    report_unreadable_rows,
    run_errors,
)
from analogen.cli.evaluate_space import space
from analogen.cli.evaluate_study import study, tally
from analogen.errors import UserError, user_errors
from analogen.files import check_output
from analogen.models import check_device, pick_device


@click.group("evaluate", context_settings=HELP, no_args_is_help=False)
def command() -> None:
    """Measure encoders, analogies and any pictures of your own."""


@command.command("retrieval", context_settings=HELP)
@click.option(
    "--gallery",
    metavar="DIR",
    type=FILE,
    help="Search your own pictures: a folder with subfolders, or tar shards.  [default: the relational world]",
)
@click.option(
    "--query-dir", metavar="DIR", type=FILE, help="Pictures to search with.  [default: the pictures of the gallery]"
)
@click.option(
    "--groups",
    metavar="folders|FILE",
    help="Which pictures belong together: folders, for one group per folder, or a table.",
)
@BY
@click.option(
    "--queries",
    type=int,
    default=1000,
    show_default=True,
    help="How many queries per split of the world, or at most for your own pictures.",
)
@MODEL
@JUDGE
@click.option("--output", metavar="FILE.jsonl", type=FILE, help="Also write what each query finds to this file.")
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
    """Measure retrieval: R@k, and with --judge a score of the first picture found; one JSON line per --by.

    R@k is how often one of the first k pictures found belongs to the query's group. Without --gallery, pictures of the
    relational world are searched, among others that share subject or colours but not the relation. With --gallery,
    --groups names the groups: folders, or a table with path, image_hash or url, and relation, group or caption, such as
    the data.jsonl of `analogen world`. Pictures that cannot be read are listed at the end; the exit code is then 2.
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
                raise UserError(f"--{name} is for your own pictures: name them with --gallery")
        return _world_retrieval(encoder, queries, seed, device)
    if groups is None and judge is None:
        raise UserError("--gallery needs --groups for R@k, or --judge for a judged score: add one of them")
    if output is not None:
        check_output([output])
    with quick_imports(), user_errors():
        from analogen.relsim.evaluation.folder_retrieval import prepare_retrieval, run_folder_retrieval
        from analogen.relsim.evaluation.judging import AnswerCache
        from analogen.relsim.evaluation.similarity_measures import check_measures, load_measures
        from analogen.relsim.evaluation.tables import write_rows

        check_measures(by)
        search = prepare_retrieval(gallery, query_dir, groups, queries, seed)
        loaded_judge = load_judge(judge, judge_model, judge_key_env, judge_workers, device, dtype)
        measures = load_measures(by or ("relation",), encoder, pick_device(device), dtype, search=True)
    found: list[dict[str, Any]] = []
    with run_errors():
        for row, hits in run_folder_retrieval(
            search, measures, loaded_judge, AnswerCache(judge_cache), seed, progress_counter()
        ):
            click.echo(json.dumps(row))
            found += hits
    if output is not None:
        write_rows(output, found)
    return report_unreadable_rows(search.refused)


def _world_retrieval(encoder: str, queries: int, seed: int, device: str) -> int:
    with quick_imports(), user_errors():
        from analogen.relsim.encoder import load_encoder
        from analogen.relsim.evaluation.world_retrieval import run_retrieval

        # On the CPU by default, as the figures of the results table.
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
    """Measure how often the anchor is nearer to the positive than to the negative, with 95 % intervals.

    FILE is CSV or JSON lines with anchor, positive, negative and group; results are for each group and for all.
    Pictures that cannot be read are listed at the end; the exit code is then 2.
    """
    check_device(device)
    with quick_imports(), user_errors():
        from analogen.relsim.evaluation.similarity_measures import check_measures, load_measures
        from analogen.relsim.evaluation.triplets import read_triplets, run_triplets

        check_measures(by)
        rows = read_triplets(table)
        measures = load_measures(by or ("relation",), encoder, pick_device(device), dtype)
    refused: list[dict[str, str]] = []
    with run_errors():
        for row in run_triplets(rows, measures, refused, seed):
            click.echo(json.dumps(row))
    return report_unreadable_rows(refused)


@command.command("analogy", context_settings=HELP)
@click.option(
    "--table",
    metavar="FILE",
    type=FILE,
    help="Measure pictures that any generator made: CSV or JSON lines with input, instruction, output and optionally "
    "model.",
)
@BY
@MODEL
@click.option(
    "--rows",
    "num_rows",
    type=int,
    default=200,
    show_default=True,
    help="How many references of the relational world to try.",
)
@click.option(
    "--candidates", type=int, default=4, show_default=True, help="How many candidates to make for each reference."
)
@click.option(
    "--judges",
    metavar="DIR",
    type=FILE,
    help="Folder with classifiers that judge the pictures, for example benchmarks/judges.",
)
@click.option(
    "--references", metavar="FILE.csv", type=FILE, help="Use your own references: a table of path, relation and manner."
)
@click.option(
    "--words", metavar="FILE.csv", type=FILE, help="Use words instead of references: a table of relation and text."
)
@click.option(
    "--baselines", is_flag=True, help="Also measure simpler baselines on the same rows, such as the caption bridge."
)
@click.option(
    "--output",
    metavar="DIR",
    type=FILE,
    default=Path("out/analogy"),
    show_default=True,
    help="Folder for the contact sheets.",
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
    """Measure analogies: how often mini keeps relation and structure, and shows the subject; one JSON line per choice.

    The judges are not part of the score that ranks the candidates. With --table, pictures that any generator made are
    measured instead, by relation, clip-i and lpips or by --by. Pictures that cannot be read are listed at the end; the
    exit code is then 2.
    """
    check_positive("rows", num_rows)
    check_positive("candidates", candidates)
    check_device(device)
    sources = {"table": table, "references": references, "words": words, "baselines": baselines or None}
    ways = [f"--{name}" for name, given in sources.items() if given is not None]
    if len(ways) > 1:
        raise UserError(f"{' and '.join(ways)} are measured separately: give one of them")
    if table is not None:
        return _table_analogy(table, by, encoder, seed, device, dtype)
    if by:
        raise UserError("--by is for your own pictures: name them with --table")
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
        from analogen.relsim.evaluation.analogies import MEASURES, read_analogies, run_analogies
        from analogen.relsim.evaluation.similarity_measures import check_measures, load_measures

        check_measures(by or MEASURES)
        made = read_analogies(table)
        measures = load_measures(by or MEASURES, encoder, pick_device(device), dtype)
    refused: list[dict[str, str]] = []
    with run_errors():
        for row in run_analogies(made, measures, refused, seed):
            click.echo(json.dumps(row))
    return report_unreadable_rows(refused)


for _other in (changes, folder, space, study, tally):
    command.add_command(_other)
