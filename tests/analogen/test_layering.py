"""The wheel: whole, in layers, well typed; and the tree in house style.

Checkers cannot follow the mapping of folders to import names, so they read what a user would install.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email.parser import HeaderParser
from pathlib import Path

import pytest

import analogen

TREE = Path(__file__).resolve().parents[2]
LARGEST = 150_000_000  # bytes of an archive that is published
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


def test_wheel_is_typed_and_of_moderate_size(wheel: zipfile.ZipFile) -> None:
    assert "analogen/py.typed" in wheel.namelist()
    assert Path(str(wheel.filename)).stat().st_size < LARGEST


def test_metadata_says_what_pyproject_says(wheel: zipfile.ZipFile) -> None:
    project = tomllib.loads((TREE / "pyproject.toml").read_text())["project"]
    (name,) = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
    metadata = HeaderParser().parsestr(wheel.read(name).decode())
    assert metadata["Version"] == project["version"]
    assert set(metadata["Requires-Python"].split(",")) == set(project["requires-python"].split(","))
    assert set(metadata.get_all("Provides-Extra")) == set(project["optional-dependencies"])
    # An extra that no code asks for, or whose name is misspelt where it is asked for, helps nobody.
    said = "".join(path.read_text() for home in HOMES for path in (TREE / home).rglob("*.py"))
    asked = {part.partition("]")[0] for part in said.split("analogen[")[1:]}
    assert asked <= set(project["optional-dependencies"])


def test_version_comes_from_one_place() -> None:
    now = tomllib.loads((TREE / "pyproject.toml").read_text())["project"]["version"]
    assert analogen.__version__ == now
    code = "import sys; from analogen.cli import main; sys.exit(main(['--version']))"
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split()[-1] == now
    written = [path for home in HOMES for path in (TREE / home).rglob("*.py") if f'"{now}"' in path.read_text()]
    assert written == []
    citation = TREE / "CITATION.cff"
    if citation.exists() and "\nversion:" in citation.read_text():
        assert f"version: {now}" in citation.read_text().replace('"', "").replace("'", "")


def test_source_archive_builds_the_same_wheel(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    shutil.copytree(TREE, tmp_path / "tree", ignore=NOT_SHIPPED)
    run(
        "-m",
        "build",
        "-q",
        "--no-isolation",
        "--sdist",
        "--outdir",
        str(tmp_path),
        str(tmp_path / "tree"),
        cwd=tmp_path,
    )
    (archive,) = tmp_path.glob("*.tar.gz")
    assert archive.stat().st_size < LARGEST
    with tarfile.open(archive) as found:
        names = {name.partition("/")[2] for name in found.getnames()}
        assert {"README.md", "LICENSE", "pyproject.toml"} <= names
        assert not {name for name in names if name.startswith((".git", "benchmarks", "out", "docs"))}
        found.extractall(tmp_path / "again", filter="data")
    (source,) = (tmp_path / "again").iterdir()
    options = ("--no-deps", "--no-build-isolation", "--disable-pip-version-check", "-q")
    run("-m", "pip", "wheel", *options, "-w", str(tmp_path), str(source), cwd=tmp_path)
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as again:
        kept = {one.filename: one.CRC for one in again.infolist() if not one.filename.endswith("RECORD")}
    assert kept == {one.filename: one.CRC for one in wheel.infolist() if not one.filename.endswith("RECORD")}


def test_release_check_holds_version_and_changes_together(tmp_path: Path) -> None:
    def check(changes: str, citation: str | None = None) -> subprocess.CompletedProcess[str]:
        (tmp_path / "pyproject.toml").write_text('[project]\nname = "analogen"\nversion = "9.1.0"\n')
        (tmp_path / "CHANGELOG.md").write_text(changes)
        if citation is not None:
            (tmp_path / "CITATION.cff").write_text(citation)
        command = ["bash", str(TREE / "recipes" / "release_check.sh"), "version"]
        return subprocess.run(
            command, env={**os.environ, "ROOT": str(tmp_path)}, capture_output=True, text=True, check=False
        )

    sound = "# Changes\n\n## 9.1.0\n\n- new\n\n## 9.0.0\n\n- old\n"
    assert check(sound).returncode == 0
    assert "version 9.1.0, 1 entries" in check(sound).stdout
    for changes, message in (
        (sound.replace("9.1.0", "Unreleased"), "CHANGELOG.md begins with 'Unreleased'"),
        (sound.replace("- new", ""), "has no entry for 9.1.0"),
    ):
        done = check(changes)
        assert (done.returncode, message in done.stderr) == (1, True), done.stderr
    assert "another version" in check(sound, "version: 9.0.0\n").stderr
    assert check(sound, 'version: "9.1.0"\n').returncode == 0


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
