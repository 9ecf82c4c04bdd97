"""Promises of the start: what mini does without is not imported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
OWLS, DUCK = str(EXAMPLES / "ring_of_owls.png"), str(EXAMPLES / "odd_duck.png")
SMALL = ["--subject", "bicycle", "--candidates", "2", "--steps", "1", "--width", "64", "--height", "64", "--svg"]
SCRIPT = """
import sys
from analogen.cli import main
code = main(sys.argv[1:])
tops = {name.partition(".")[0] for name in sys.modules}
print("imported:", *sorted(tops & {"diffusers", "transformers", "accelerate", "scipy", "sympy", "pandas", "gradio"}))
sys.exit(code)
"""


@pytest.mark.parametrize(
    "arguments",
    [
        ["generate", "--reference", OWLS, *SMALL],
        ["generate", "--reference", OWLS, "--becomes", DUCK, *SMALL],
        ["caption", OWLS],
        ["similarity", OWLS, DUCK],
        ["read", OWLS],
    ],
    ids=lambda arguments: " ".join(one for one in arguments[:4] if "/" not in one and "\\" not in one),
)
def test_mini_imports_neither_diffusers_nor_transformers(arguments: list[str], tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-P", "-c", SCRIPT, *arguments], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines()[-1] == "imported:"


def test_no_lines_of_libraries_come_before_those_of_a_big_model(tmp_path: Path) -> None:
    """transformers tells of torchvision, which nothing here needs, when diffusers imports it."""
    from analogen.pipelines.diffusion.tiny import save_pipeline

    model = str(save_pipeline(tmp_path / "model", "sd15"))
    line = ["generate", "--reference", OWLS, "--subject", "bicycle", "--model", model, "--device", "cpu", "--dry-run"]
    ran = subprocess.run(
        [sys.executable, "-P", "-c", "import sys; from analogen.cli import main; sys.exit(main(sys.argv[1:]))", *line],
        capture_output=True, text=True, cwd=tmp_path, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert "transformers" not in ran.stderr
