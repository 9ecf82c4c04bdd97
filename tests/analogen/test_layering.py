"""The wheel: whole, in layers, well typed; and the tree in house style.

Checkers cannot follow the mapping of folders to import names, so they read what a user would install.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

TREE = Path(__file__).resolve().parents[2]
HOMES = {
    "analogen": "analogen",
    "relsim": "analogen/relsim",
    "pipelines": "analogen/pipelines",
    "demos": "analogen/demos",
}
NOT_SHIPPED = shutil.ignore_patterns(
    "__pycache__", "*.pyc", "*.egg-info", ".*", "build", "dist", "out", "runs", "tests"
)


def run(*command: str, cwd: Path, **environment: str) -> None:
    """Run one of the tools of this interpreter's environment; its report is the failure's message."""
    done = subprocess.run(
        [sys.executable, *command],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel of a copy of the tree: setuptools leaves a build folder behind, and takes up files from an old one."""
    folder = tmp_path_factory.mktemp("wheel")
    shutil.copytree(TREE, folder / "tree", ignore=NOT_SHIPPED)
    options = ("--no-deps", "--no-build-isolation", "--disable-pip-version-check", "-q")
    run("-m", "pip", "wheel", *options, "-w", str(folder), str(folder / "tree"), cwd=folder)
    return zipfile.ZipFile(next(folder.glob("*.whl")))


@pytest.fixture(scope="session")
def installed(wheel: zipfile.ZipFile, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds the package as installed and nothing else."""
    folder = tmp_path_factory.mktemp("installed")
    wheel.extractall(folder)
    return folder


def test_wheel_holds_every_file_of_the_package(wheel: zipfile.ZipFile) -> None:
    expected = {
        str(Path(home, path.relative_to(TREE / top)).as_posix())
        for top, home in HOMES.items()
        for path in (TREE / top).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and not path.name.startswith(".")
    }
    # demos and pipelines may be nearly empty, the package never is.
    assert len(expected) > 20
    assert expected - set(wheel.namelist()) == set()


def test_wheel_holds_nothing_else(wheel: zipfile.ZipFile) -> None:
    names = [name for name in wheel.namelist() if ".dist-info/" not in name]
    assert [name for name in names if not name.startswith("analogen/")] == []


def test_wheel_carries_licence_and_programs(wheel: zipfile.ZipFile) -> None:
    names = {name.split(".dist-info/")[1]: name for name in wheel.namelist() if ".dist-info/" in name}
    assert b"Apache License" in wheel.read(names["licenses/LICENSE"])
    programs = wheel.read(names["entry_points.txt"]).decode()
    assert "generate = analogen.cli:generate_main" in programs
    assert "analogen = analogen.cli:main" in programs


def test_imports_point_one_way(installed: Path) -> None:
    code = "import sys; from importlinter.cli import lint_imports_command as lint; sys.exit(lint())"
    run("-c", code, "--config", str(TREE / ".importlinter"), "--no-cache", cwd=installed, PYTHONPATH=str(installed))


def test_library_does_not_print() -> None:
    run("-m", "ruff", "check", "--select", "T20", "--exclude", "analogen/cli,demos", *HOMES, cwd=TREE)


def test_tree_passes_ruff() -> None:
    run("-m", "ruff", "check", "--no-cache", ".", cwd=TREE)
    run("-m", "ruff", "format", "--check", "--no-cache", ".", cwd=TREE)


@pytest.mark.slow
def test_package_passes_mypy(installed: Path) -> None:
    cache = str(installed.parent / "mypy-cache")
    config = str(TREE / "pyproject.toml")
    run(
        "-m",
        "mypy",
        "-p",
        "analogen",
        "--config-file",
        config,
        "--cache-dir",
        cache,
        cwd=installed,
        MYPYPATH=str(installed),
    )
