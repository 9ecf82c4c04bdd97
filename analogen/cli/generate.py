"""`analogen generate`: makes pictures from a reference and a subject."""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from analogen.cli import HELP, debug_option, quick_imports
from analogen.cli.common_options import format_option
from analogen.cli.generation_options import settings_options
from analogen.cli.help_sections import SectionedCommand
from analogen.cli.local_path import LocalPath
from analogen.errors import UserError, plain_line, user_errors
from analogen.files import check_output, output_paths, sheet_path, write_atomic
from analogen.models import find_model
from analogen.preflight import check_loadable, check_own_art, check_subject_image, plan_of
from analogen.types import Candidate, Request, Result, random_seed

if TYPE_CHECKING:
    from analogen.relsim.images import Picture

_FILE = LocalPath()


@click.command("generate", cls=SectionedCommand, context_settings=HELP)
@click.option(
    "--reference",
    "references",
    metavar="IMG",
    multiple=True,
    type=_FILE,
    help="Picture whose relational logic is kept. May be given several times; then what the pictures share is kept.",
)
@click.option(
    "--reference-weight",
    "reference_weights",
    metavar="F",
    multiple=True,
    type=float,
    help="Weight of a --reference. Give it once per --reference, in the same order. A negative weight steers away from "
    "the picture, for example: --reference-weight 1 --reference-weight -0.5.",
)
@click.option(
    "--becomes",
    metavar="IMG",
    type=_FILE,
    help="What the one --reference becomes. The change that is seen between the two is made to your own picture, for "
    "example: --reference upright.png --becomes turned.png --subject-image logo.svg. With --subject alone it is made "
    "to the reference with the subject in it.",
)
@click.option(
    "--scene",
    metavar="FILE",
    type=_FILE,
    help="A reading in place of a reference: the file of `analogen read IMG --output scene.json`, edited by hand or "
    "not; or a PNG that was made from one.",
)
@click.option(
    "--relation",
    metavar="TEXT",
    help="The logic in words, alone or added to the references. {subject} stands for the subject, for example: "
    '"{subject} stacked into a pyramid".',
)
@click.option(
    "--subject",
    "subjects",
    metavar="TEXT",
    multiple=True,
    help="What the new picture shows, for example: bicycle, 自転車, or red bicycle. A note tells what was taken. "
    "May be given several times; then each gets its own pictures.",
)
@click.option(
    "--subject-image",
    metavar="FILE",
    type=_FILE,
    help="Your own picture of the subject, for example logo.svg: a PNG with transparency, a picture on a plain "
    "background, or an SVG.",
)
@click.option(
    "--style-image",
    metavar="IMG",
    type=_FILE,
    help="Picture that the new ones are to look like: its colours, materials and way of painting. Only with diffusion "
    "models that take one, see docs/big_models.md.",
)
@click.option(
    "--other",
    metavar="TEXT",
    help="Second thing, for relations between two things. Example, one different among many: --subject tulip --other "
    "ladybug draws one ladybug among tulips.  [default: chosen at random to contrast with the subject]",
)
@click.option(
    "--seed",
    type=int,
    help="Candidate i uses seed + i. The same seed gives the same pictures.  [default: random, and printed]",
)
@settings_options
@click.option(
    "--output",
    metavar="PATH",
    default="out",
    show_default=True,
    help="Folder for 0000.png, 0001.png, ..., or the name of a .png file.",
)
@format_option
@click.option(
    "--sheet", is_flag=True, help="Also write a contact sheet: one page with the references and the new pictures."
)
@click.option(
    "--layout-json",
    metavar="FILE",
    type=_FILE,
    help="Also write where the things stand, as boxes for other tools: in FLUX.3's, Ideogram's and FIBO's forms. With "
    "mini, or with --layout.",
)
@click.option(
    "--recall",
    metavar="PNG",
    type=_FILE,
    help="Make a picture again from the settings in its PNG; give its --reference again too. Other options change "
    "single settings, for example: --width 2048 --height 2048.",
)
@click.option(
    "--ground",
    metavar="IMG",
    type=_FILE,
    help="With --recall: your own picture that the things lie on, where the studio drew them on one.",
)
@click.option(
    "--dry-run",
    is_flag=True,
    help="Check everything that can be known without loading a model, and print what would be made; for a diffusion "
    "model also the very prompt. Writes nothing.",
)
@debug_option
def command(
    output: str,
    format_: str,
    metadata: bool,
    sheet: bool,
    layout_json: Path | None,
    recall: Path | None,
    ground: Path | None,
    dry_run: bool,
    **options: Any,
) -> None:
    """Make pictures that keep the relational logic of a reference and show a new subject.

    \b
    generate --reference ring_of_owls.png --subject bicycle --output out
    generate --reference before.png --becomes after.png --subject-image logo.svg
    generate --relation "{subject} getting smaller and smaller" --subject-image logo.svg --svg
    generate --recall out/0000.png --reference ring_of_owls.png --width 2048 --height 2048 --output large.png
    """
    started = time.perf_counter()
    if options["art"] is not None:
        options["art"] = Path(options["art"])
    if ground is not None and recall is None:
        raise UserError("--ground is for --recall of a picture that the studio drew on your own: leave it out")
    lies_on: Path | str | None = None
    if recall is not None:
        from analogen.reproduce import recorded_ground

        with user_errors():
            lies_on = recorded_ground(recall, ground)
        from analogen.cli.recall_edited import draw_again, is_edited

        if is_edited(recall):
            draw_again(recall, output, format_, metadata, dry_run, options, lies_on)
            return
        options = _recalled_options(recall, options)
    if options["candidates"] < options["num_images"]:
        _note(f"--candidates raised from {options['candidates']} to --num-images {options['num_images']}")
        options["candidates"] = options["num_images"]
    if options["seed"] is None:
        options["seed"] = random_seed()
    requests = _requests(options)
    num_images = requests[0].num_images
    paths = output_paths(output, num_images * len(requests))
    pictures = _read_inputs(requests[0])
    check_loadable(requests[0])
    check_output(paths)
    own_paths = [paths[start : start + num_images] for start in range(0, len(paths), num_images)]
    if layout_json is not None:
        if not (find_model(requests[0].model).is_mini or requests[0].layout):
            raise UserError("--layout-json needs a layout: add --layout, or leave --model out")
        check_output([layout_json])
    if dry_run:
        for request, own in zip(requests, own_paths, strict=True):
            _print_plan(request, own, format_)
        return

    progress = _Progress()
    with quick_imports():
        from analogen.loading import load_generator

        generator = load_generator(requests[0])
    layouts: list[dict[str, Any]] = []
    for request, own in zip(requests, own_paths, strict=True):
        try:
            result = generator.run(request, progress)
        finally:
            progress.clear()
        kept = _save(request, result, own, pictures if sheet else None, metadata, format_, started, lies_on)
        if layout_json is not None:
            from analogen.layout_export import layouts_of

            layouts += layouts_of(request, result.subject, kept, own)
        started = time.perf_counter()
    if layout_json is not None:
        from analogen.layout_export import layouts_to_json

        write_atomic(layout_json, layouts_to_json(layouts).encode())


def _requests(options: dict[str, Any]) -> list[Request]:
    """One request for each --subject, which may also be missing; all have the same seeds."""
    subjects = options.pop("subjects")
    if len(subjects) > 1 and options["subject_image"] is not None:
        raise UserError(f"--subject-image is one subject, and {len(subjects)} --subject were given: name at most one")
    for name in dict.fromkeys(subjects):
        if subjects.count(name) > 1:
            _note(f"--subject {name!r} was given {subjects.count(name)} times: it is made once")
    return [Request(**options, subject=subject) for subject in dict.fromkeys(subjects)] or [Request(**options)]


def _save(
    request: Request,
    result: Result,
    paths: list[Path],
    sheet: list[Picture] | None,
    metadata: bool,
    format_: str,
    started: float,
    ground: Path | str | None = None,
) -> tuple[Candidate, ...]:
    """Save and print what came of one request, and return the candidates that were kept.

    sheet: the references of a contact sheet, None for no sheet.
    """
    for note in result.notes:
        _note(note)
    from analogen.saving import save_candidate

    save_started = time.perf_counter()
    kept = result.candidates[: len(paths)]
    if ground is not None:
        from analogen.relsim.encoder import load_mini
        from analogen.scene_editing import on_ground, selection_of

        selection, picture = selection_of(request, load_mini()), picture_of(ground)
        kept = tuple(on_ground(request, candidate, selection, picture) for candidate in kept)
    for candidate, path in zip(kept, paths, strict=True):
        save_candidate(request, result, candidate, path, metadata, ground=ground)
    if sheet is not None:
        _save_sheet(sheet, result, len(paths), paths)
    now = time.perf_counter()
    seconds = {**result.seconds, "save": now - save_started, "total": now - started}
    left_out = [(candidate, _reason(candidate, kept)) for candidate in result.candidates[len(paths) :]]
    if left_out:
        _note(f"kept {len(kept)} of {len(result.candidates)}")
    for candidate, reason in left_out:
        _note(f"not kept: seed {candidate.seed}  {_scores(candidate)}{f': {reason}' if reason else ''}")
    _print_result(dataclasses.replace(result, candidates=kept, seconds=seconds), paths, format_, left_out)
    return kept


def picture_of(ground: Path | str) -> Any:
    """The ground as `EditedPicture` takes it: the picture in a file, or "none". Raises UserError for another file."""
    if isinstance(ground, str):
        return ground
    from analogen.relsim.images import read_image

    with user_errors():
        return read_image(ground).image


def _recalled_options(picture: Path, options: dict[str, Any]) -> dict[str, Any]:
    """The options from the picture's record; options given on the command line replace them."""
    from analogen.reproduce import request_fields

    with user_errors():
        files = (options["subject_image"], options["style_image"], options["art"])
        recorded = request_fields(picture, options["references"], *files)
    context = click.get_current_context()
    given = {name for name in options if context.get_parameter_source(name) is ParameterSource.COMMANDLINE}
    subject = recorded.pop("subject", None)
    if subject is not None:
        recorded["subjects"] = (subject,)
    merged = {**options, **{name: value for name, value in recorded.items() if name not in given}}
    if "reference_as" not in recorded and "reference_as" not in given and find_model(merged["model"]).sees_pictures:
        merged["reference_as"] = "original"  # as in 0.2, which recorded none
    return merged


def _read_inputs(request: Request) -> list[Picture]:
    """Read and check all pictures before torch is imported. Returns the references, for the contact sheet."""
    from analogen.relsim.images import read_image, read_reference

    pictures = []
    with user_errors():
        for path in (*request.references, *((request.becomes,) if request.becomes else ())):
            pictures.append(read_reference(path))
            for note in pictures[-1].notes:
                _note(f"{click.format_filename(path)}: {note}")
        if request.scene is not None:
            from analogen.scene_reference import read_scene_file

            read_scene_file(request.scene)
        if request.art is not None:
            check_own_art(request.art)
        if request.subject_image is not None:
            for note in check_subject_image(request.subject_image):
                _note(f"{click.format_filename(request.subject_image)}: {note}")
        if request.style_image is not None:
            for note in read_image(request.style_image).notes:
                _note(f"{click.format_filename(request.style_image)}: {note}")
    return pictures


def _save_sheet(pictures: list[Picture], result: Result, num_images: int, paths: list[Path]) -> None:
    from analogen.contact_sheet import Cell, contact_sheets
    from analogen.metadata import png_bytes

    cells = [Cell(picture.image, "reference", marked=True) for picture in pictures]
    for candidate, path in zip(result.candidates[:num_images], paths, strict=True):
        cells.append(
            Cell(candidate.image, f"{path.name}  seed {candidate.seed}\n" + _scores(candidate).replace(" = ", "\n"))
        )
    for page, image in enumerate(contact_sheets(cells)):
        write_atomic(sheet_path(paths, page), png_bytes(image, None))


def _print_plan(request: Request, paths: list[Path], format_: str) -> None:
    model = find_model(request.model)
    rows: list[dict[str, Any]] = [
        {"seed": seed, "width": request.width, "height": request.height, "model": model.name}
        for seed in request.candidate_seeds
    ]
    plan = plan_of(request)
    if not model.is_mini:
        with quick_imports():
            from analogen.relsim.text import quiet_transformers

            with quiet_transformers():  # as `load_generator` does
                from analogen.prompt_preview import preview_prompts

        prompts, shown = preview_prompts(request)
        for row, prompt in zip(rows, prompts, strict=True):
            row |= {"prompt": prompt, "reference_as": shown}
    if format_ == "json":
        click.echo(json.dumps({"rows": rows, "outputs": [str(path) for path in paths], **plan}))
        return
    for note in plan["notes"]:
        _note(note)
    by_seed = "chosen by seed" if model.is_mini else "none"
    click.echo(f"subject {plan['subject']}, other {plan['other'] or by_seed}, style {plan['style'] or by_seed}")
    for row in rows:
        click.echo(f"seed {row['seed']}  {row['width']} x {row['height']}  {row['model']} ({model.route})")
    told = dict.fromkeys((row["reference_as"], row["prompt"]) for row in rows if "prompt" in row)
    for shown, prompt in told:
        click.echo(f"sees of the reference: {shown}")
        click.echo(f"prompt: {prompt}")
    for path in paths:
        click.echo(f"to {click.format_filename(path)}")


def _print_result(result: Result, paths: list[Path], format_: str, left_out: list[tuple[Candidate, str]]) -> None:
    if format_ == "text":
        relation = result.relation
        click.echo(f"relation: {relation.caption} (confidence {relation.confidence:.2f})")
        for candidate, path in zip(result.candidates, paths, strict=True):
            read = f"  read: {candidate.read.words}" if candidate.read is not None else ""
            click.echo(f"{click.format_filename(path)}  seed {candidate.seed}  {_scores(candidate)}{read}")
        return
    images = [
        {
            "path": str(path),
            "seed": candidate.seed,
            "rank": candidate.rank,
            "scores": candidate.scores.rounded(),
            **({"read": candidate.read.recorded()} if candidate.read is not None else {}),
            **({"prompt": candidate.prompt} if candidate.prompt is not None else {}),
            "reason": candidate.reason,
        }
        for candidate, path in zip(result.candidates, paths, strict=True)
    ]
    answer = {
        "model": result.model,
        "subject": result.subject,
        "relation": {"caption": result.relation.caption, "confidence": round(result.relation.confidence, 4)},
        "images": images,
        "left_out": [
            {"seed": candidate.seed, "scores": candidate.scores.rounded(), "reason": reason}
            for candidate, reason in left_out
        ],
        "seconds": {stage: round(value, 3) for stage, value in result.seconds.items()},
        "notes": list(result.notes),
    }
    click.echo(json.dumps(answer))


def _scores(candidate: Candidate) -> str:
    s = candidate.scores
    return (
        f"total {s.total:.2f} = relation {s.relation:.2f}, structure {s.structure:.2f}, subject {s.subject:.2f}, "
        f"copy {s.copy:.2f}"
    )


def _reason(candidate: Candidate, kept: Sequence[Candidate]) -> str:
    """Why a candidate was not kept: what comes before its total, where its reading differs, or by which score it is
    behind."""
    from analogen.scoring import LOWER_TOTAL, why_not_kept

    read = candidate.read
    if candidate.reason and candidate.reason != LOWER_TOTAL:
        return candidate.reason
    parts = [candidate.reason] if candidate.reason else []
    parts += [read.words] if read is not None and read.agreement < 1 else []
    return ", ".join([*parts, *filter(None, [why_not_kept(candidate.scores, [one.scores for one in kept])])])


def _note(text: str) -> None:
    click.echo(plain_line(f"note: {text}"), err=True)


class _Progress:
    """Shows the progress on one line of a terminal; nothing if stderr is a file or a pipe."""

    def __init__(self) -> None:
        self.is_terminal = sys.stderr.isatty()

    def __call__(self, stage: str, done: int, total: int) -> None:
        if self.is_terminal:
            sys.stderr.write(f"\r\x1b[K{stage} {done}/{total}")
            sys.stderr.flush()

    def clear(self) -> None:
        if self.is_terminal:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
