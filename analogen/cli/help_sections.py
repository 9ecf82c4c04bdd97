"""The help of `generate` and `batch` with its options in sections."""

from __future__ import annotations

import click

from analogen.errors import plain_line

# Heading -> options in the order of the help; a command may have only some of them.
SECTIONS = {
    "What": (
        "--reference", "--reference-weight", "--becomes", "--scene", "--structure-scale", "--relation",
        "--relation-scale", "--subject", "--subject-image", "--art", "--style-image", "--other",
    ),
    "How many": ("--num-images", "--candidates", "--seed"),
    "Looks": ("--model", "--style", "--palette", "--width", "--height", "--steps", "--guidance-scale"),
    "Big models (mini does without these, and refuses all but the first)": (
        "--negative-prompt", "--encoder", "--captioner", "--adapter", "--adapter-strength", "--reference-as",
        "--style-by", "--style-scale", "--layout", "--control", "--control-model", "--strength", "--retries",
        "--lora", "--quantize", "--attention-backend", "--cpu-offload", "--compile",
    ),
    "Output": (
        "--output", "--svg", "--sheet", "--metadata", "--format", "--layout-json", "--recall", "--ground", "--dry-run",
    ),
    "Run": (
        "--device", "--dtype", "--engine", "--workers", "--address", "--resume", "--retry-failed", "--debug", "--help",
    ),
}  # fmt: skip


# What somebody who repeats these wants is more than the last one.
_ONE_MEANT = {
    "--relation": "say the logic in one text, or run once for each",
    "--other": "name one second thing, or run once for each",
    "--subject-image": "give one picture, or run once for each",
    "--becomes": "give one picture, or run once for each",
    "--scene": "give one scene, or run once for each",
    "--style-image": "give one picture, or run once for each",
}


class SectionedCommand(click.Command):
    """A command whose help lists its options in SECTIONS, and that tells options which were given again.

    An option without a section comes last.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse as click does, and tell options that were given again: click takes the last one in silence."""
        given = list(args)
        try:
            rest = super().parse_args(ctx, args)
        except click.NoSuchOption:
            raise
        except click.UsageError as error:
            if self.name != "generate" or "unexpected extra" not in error.message:
                raise
            _, left, _ = self.make_parser(ctx).parse_args(args=list(given))
            raise click.UsageError(_bare(left[0]), ctx) from error
        _, _, order = self.make_parser(ctx).parse_args(args=given)
        for option in dict.fromkeys(order):
            times = order.count(option)
            if times < 2 or not isinstance(option, click.Option) or option.multiple or option.is_flag:
                continue
            flag = max(option.opts, key=len)
            if flag in _ONE_MEANT:
                raise click.UsageError(f"{flag} was given {times} times: {_ONE_MEANT[flag]}", ctx)
            value = ctx.params[str(option.name)]
            click.echo(plain_line(f"note: {flag} was given {times} times: the last one, {value}, is used"), err=True)
        return rest

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        records = {
            flag: record
            for parameter in self.get_params(ctx)
            if (record := parameter.get_help_record(ctx)) is not None
            for flag in parameter.opts
            if flag.startswith("--")
        }
        rest = tuple(flag for flag in records if not any(flag in flags for flags in SECTIONS.values()))
        for heading, flags in (*SECTIONS.items(), ("Other", rest)):
            rows = [records[flag] for flag in flags if flag in records]
            if rows:
                with formatter.section(heading):
                    formatter.write_dl(rows)


def _bare(word: str) -> str:
    """What a bare argument of `generate` should be."""
    if "." in word or "/" in word or "\\" in word:
        return f"{word!r} stands alone: a picture is named with --reference {word}"
    return f"{word!r} stands alone: the subject is named with --subject {word!r}, in quotes if it has several words"
