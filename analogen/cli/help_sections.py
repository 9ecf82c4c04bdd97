"""The help of `generate` and `batch` with its options in sections."""

from __future__ import annotations

import click

# Heading -> options in the order of the help; a command may have only some of them.
SECTIONS = {
    "What": (
        "--reference", "--reference-weight", "--scene", "--relation", "--relation-scale", "--subject",
        "--subject-image", "--other",
    ),
    "How many": ("--num-images", "--candidates", "--seed"),
    "Looks": ("--model", "--style", "--width", "--height", "--steps", "--guidance-scale"),
    "Output": ("--output", "--svg", "--sheet", "--metadata", "--format", "--recall", "--dry-run"),
    "Run": (
        "--device", "--dtype", "--engine", "--workers", "--address", "--resume", "--retry-failed", "--debug", "--help",
    ),
    "Diffusion models": (
        "--negative-prompt", "--encoder", "--captioner", "--adapter", "--adapter-strength", "--layout", "--control",
        "--control-model", "--strength", "--lora", "--quantize", "--attention-backend", "--cpu-offload", "--compile",
    ),
}  # fmt: skip


class SectionedCommand(click.Command):
    """A command whose help lists its options in SECTIONS. An option without a section comes last."""

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
