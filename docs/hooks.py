"""What mkdocs does beside its own: pages that lie elsewhere in the tree, and a tree that the API reference can follow.

README, CONTRIBUTING, SECURITY, CHANGELOG and the model cards are pages of the site as they are; their links, and the
guides' links to files of the tree, are turned so that they hold on both.
"""

from __future__ import annotations

import posixpath
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

from mkdocs.plugins import event_priority
from mkdocs.structure.files import File

TREE = Path(__file__).parents[1]
ELSEWHERE = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "CHANGELOG.md": "changelog.md",
    **{f"model_cards/{path.name}": f"model_cards/{path.name}" for path in sorted((TREE / "model_cards").glob("*.md"))},
}
PACKAGES = ("relsim", "pipelines", "demos")
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")


@event_priority(100)  # before mkdocstrings reads its settings
def on_config(config: Any) -> Any:
    """Shows mkdocstrings the import names: the folders at the top are one package once installed."""
    global _shadow
    _shadow = tempfile.TemporaryDirectory()
    package = Path(_shadow.name) / "analogen"
    for source in ("analogen", *PACKAGES):  # copies, since links are not followed
        target = package if source == "analogen" else package / source
        for path in (TREE / source).rglob("*.py"):
            copy = target / path.relative_to(TREE / source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, copy)
    python = config.plugins["mkdocstrings"].config.handlers.setdefault("python", {})
    python["paths"] = [_shadow.name]
    return config


def on_files(files: Any, config: Any) -> Any:
    for source, target in ELSEWHERE.items():
        if (TREE / source).is_file():
            files.append(File.generated(config, target, content=(TREE / source).read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    target = page.file.src_uri
    source = next((source for source, there in ELSEWHERE.items() if there == target), f"docs/{target}")
    return LINK.sub(lambda match: _turned(match, source, target), markdown)


def on_post_build(**_: Any) -> None:
    _shadow.cleanup()


def _turned(match: re.Match[str], source: str, target: str) -> str:
    """A link as it holds on the site; what is no page of it stays as words.

    source: the page's path in the tree; target: the same on the site.
    """
    image, words, link = match.groups()
    if re.match(r"[a-z]+:|#", link):
        return match[0]
    path, hash, anchor = link.partition("#")
    path = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
    if path in ELSEWHERE:
        there = ELSEWHERE[path]
    elif path.startswith("docs/") and (TREE / path).is_file():
        there = path.removeprefix("docs/")
    else:
        return match[0] if image else f"{words} (`{path}`)" if path not in words else f"`{words}`"
    return f"{image}[{words}]({posixpath.relpath(there, posixpath.dirname(target) or '.')}{hash}{anchor})"
