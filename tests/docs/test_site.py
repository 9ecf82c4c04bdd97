"""Tests of the documentation site: it builds without warnings, loads nothing from other servers, and its links work."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import analogen

TREE = Path(__file__).resolve().parents[2]
# Texts that link to each other and to files of the tree.
TEXTS = sorted(
    path for pattern in ("*.md", "docs/*.md", "model_cards/*.md") for path in TREE.glob(pattern) if path.is_file()
)
LINK = re.compile(r"(?<!`)\[[^\]\n]*\]\(([^)\s]+)\)")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=TREE, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_site_builds_strictly_with_its_reference(site: Path) -> None:
    reference = (site / "api.html").read_text(encoding="utf-8")
    for name in set(analogen.__all__) - {"__version__"}:
        assert re.search(rf'id="analogen\.[\w.]*{name}"', reference), f"docs/api.md lacks {name}"
    assert "All fields are checked" in reference  # Request's own docstring


def test_site_loads_nothing_from_elsewhere(site: Path) -> None:
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        loaded = re.findall(r"<(?:script|img|iframe)[^>]*\ssrc=[\"']?([^\"'\s>]+)", text)
        loaded += re.findall(r"<link[^>]*rel=[\"']?(?:stylesheet|preconnect|icon)[^>]*href=[\"']?([^\"'\s>]+)", text)
        assert loaded, page
        assert [one for one in loaded if re.match(r"(?:https?:)?//", one)] == [], page
        assert "unpkg.com" not in text, page
    assert (site / "search").is_dir()


def test_every_page_is_in_the_navigation() -> None:
    nav = re.sub(r"(?s).*\nnav:\n", "", (TREE / "mkdocs.yml").read_text(encoding="utf-8"))
    listed = re.findall(r"[\w/-]+\.md", str(yaml.safe_load(nav)))
    assert len(listed) == len(set(listed))
    missing = {path.name for path in (TREE / "docs").glob("*.md")} - set(listed)
    assert missing == set(), "add these pages to nav in mkdocs.yml"


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(TREE)))
def test_links_lead_to_files_and_headings(path: Path) -> None:
    for link in LINK.findall(path.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", link):
            continue
        target, _, anchor = link.partition("#")
        there = (path.parent / target).resolve() if target else path
        assert there.exists(), f"{link}: no such file"
        assert there.is_relative_to(TREE), link
        if anchor:
            assert anchor in headings(there), f"{link}: no such heading"


def headings(path: Path) -> set[str]:
    """Anchors as GitHub and mkdocs make them of headings."""
    found = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", one.lower()).strip().replace(" ", "-") for one in found}


def test_command_help_in_the_docs_is_the_programs_own() -> None:
    written = runpy.run_path(str(TREE / "recipes" / "make_cli_docs.py"))
    assert written["PAGE"].read_text(encoding="utf-8") == written["page"](), "run python recipes/make_cli_docs.py"
