"""`analogen filter`: finds the pictures in a folder that have a transferable logic."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from analogen.cli import HELP, debug_option, quick_imports
from analogen.cli.common_options import device_option, dtype_option, format_option
from analogen.cli.image_inputs import report_unreadable
from analogen.cli.local_path import LocalPath
from analogen.errors import RunError, UserError, user_errors
from analogen.files import check_output
from analogen.models import check_device, pick_device


@click.command("filter", context_settings=HELP)
@click.argument("folder", metavar="DIR", type=LocalPath())
@click.option(
    "--filter",
    "name",
    default="Qwen/Qwen2.5-VL-7B-Instruct",
    show_default=True,
    help="Folder or hub id of a filter on Qwen2.5-VL, or of the model without an adapter.",
)
@click.option(
    "--threshold", type=float, default=0.5, show_default=True, help="Keep pictures with at least this probability."
)
@click.option("--output", metavar="FILE.jsonl", type=LocalPath(), help="Also write one line "
              "for each picture to this file. If it exists, only pictures that it lacks are judged.")  # fmt: skip
@click.option("--batch-size", type=int, default=16, show_default=True, help="How many pictures to judge at once.")
@device_option
@dtype_option
@format_option
@debug_option
def command(
    folder: Path,
    name: str,
    threshold: float,
    output: Path | None,
    batch_size: int,
    device: str,
    dtype: str,
    format_: str,
) -> int:
    """List the pictures in DIR and its subfolders that have a transferable logic, with the probability.

    \b
    analogen filter pictures --output judged.jsonl

    Files are not copied or moved. Pictures that cannot be read are listed at the end; the exit code is then 2.
    """
    check_device(device)
    if batch_size < 1:
        raise UserError(f"--batch-size is {batch_size}: expected 1 or more")
    with quick_imports(), user_errors():
        from analogen.relsim.picture_folders import scan_pictures
        from analogen.relsim.vlm.filter import load_filter
        from analogen.relsim.vlm.filter_results import ResultsFile, check_threshold

        check_threshold(threshold)
        found_pictures = scan_pictures(folder)
        paths = found_pictures.paths
        if not paths:
            raise UserError(f"{folder}: {found_pictures.nothing}")
        if output is not None:
            check_output([output])
        ledger = None if output is None else ResultsFile(output, name, threshold)
        done = {} if ledger is None else dict(ledger.done)
        left = [path for path in paths if str(path) not in done]
        # If all pictures are judged already, no model is needed.
        model = load_filter(name, pick_device(device), dtype) if left else None
    if done:
        click.echo(f"{len(paths) - len(left)} of {len(paths)} pictures are in {output} already", err=True)
    refused = list(found_pictures.left_out)
    for batch in model.judge_files(left, batch_size, progress=True) if model else ():
        if ledger is not None:
            try:
                ledger.add(batch)
            except OSError as error:
                reason = (error.strerror or type(error).__name__).lower()
                raise RunError(
                    f"{output}: cannot be written ({reason}): check the disk and run the same command again"
                ) from error
        for found in batch:
            if found.probability is None:
                refused.append({"path": found.path, "reason": found.reason})
            else:
                done[found.path] = found.probability
    rows: list[dict[str, Any]] = [
        {"path": str(path), "probability": round(done[str(path)], 4)} for path in paths if str(path) in done
    ]
    kept = [row for row in rows if done[row["path"]] >= threshold]
    dropped = [row for row in rows if done[row["path"]] < threshold]
    if format_ == "json":
        lists = {"kept": kept, "dropped": dropped, "refused": refused}
        click.echo(json.dumps({"filter": name, "threshold": threshold, **lists}))
    else:
        for word, some in (("kept", kept), ("dropped", dropped)):
            for row in some:
                click.echo(f"{word:7}  {row['probability']:.3f}  {click.format_filename(row['path'])}")
    click.echo(f"{len(kept)} kept, {len(dropped)} dropped, {len(refused)} could not be read", err=True)
    return report_unreadable(refused)
