"""Promises of --help: examples come first, options stand in groups, and say what mini does with them."""

from __future__ import annotations

import re

import pytest

from analogen.cli import main
from analogen.cli.help_sections import SECTIONS


def help_of(capsys: pytest.CaptureFixture[str], *command: str) -> str:
    assert main([*command, "--help"]) == 0
    return " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("command", ["generate", "batch"])
def test_options_stand_in_groups_and_none_is_left_over(capsys: pytest.CaptureFixture[str], command: str) -> None:
    assert main([command, "--help"]) == 0
    shown = capsys.readouterr().out
    headings = re.findall(r"^(\S.*):$", shown, re.MULTILINE)
    assert headings == [name for name in SECTIONS if name in headings]
    groups = [name.split(" (")[0] for name in headings]
    assert groups == ["What", "How many", "Looks", "Big models", "Output", "Run"]
    assert "Other:" not in shown


@pytest.mark.parametrize(
    "command",
    [
        ["generate"], ["batch"], ["caption"], ["similarity"], ["read"], ["filter"], ["gallery", "add"],
        ["gallery", "search"], ["world", "draw"],
    ],
)  # fmt: skip
def test_examples_come_before_the_options(capsys: pytest.CaptureFixture[str], command: list[str]) -> None:
    assert main([*command, "--help"]) == 0
    shown = capsys.readouterr().out
    name = " ".join(["analogen", *command]) if command != ["generate"] else "generate"
    first_option = re.search(r"^\s+-", shown, re.MULTILINE)
    assert first_option
    example = re.search(rf"^\s+{name} \S", shown, re.MULTILINE)
    assert example
    assert example.start() < first_option.start()


def test_styles_are_named_and_what_mini_ignores_is_said_at_the_flag(capsys: pytest.CaptureFixture[str]) -> None:
    shown = help_of(capsys, "generate")
    for style in ("noto", "fluent-flat", "fluent-color"):
        assert style in shown.replace("- ", "-")  # a line may break at a hyphen
    assert "mini ignores it, with a note" in shown
    assert "Big models (mini does without these, and refuses all but the first)" in shown
