"""Every example of the README and the guides runs as it stands, page by page, in a folder of its own.

Blocks fenced as `sh` or `python` are run in their order; small settings are added (`SMALL`), published weights are
replaced by random ones of the same classes (`STAND_INS`). What a page wants otherwise stands in a comment above the
block, and shows in the report:

    <!-- example: not run, needs a GPU -->            skipped, with that reason
    <!-- example: exit 1, a random captioner says nothing that can be used -->    ends with that code
    <!-- example: file assets.csv -->                 the block, of whatever language, becomes a file
    <!-- example: first
    python that is run before the block
    -->
"""

from __future__ import annotations

import contextlib
import dataclasses
import glob
import io
import re
import runpy
import shlex
import shutil
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from analogen import composition, models
from analogen.cli import generate_main, main
from analogen.relsim.world.relations import RELATIONS
from analogen.relsim.world.relations.base import REGISTRY

TREE = Path(__file__).resolve().parents[2]
PAGES = ["README.md", *(f"docs/{path.name}" for path in sorted((TREE / "docs").glob("*.md")))]
SIDE_PX, STEPS = 96, 3  # of pictures that no example looks at closely

_SIZES = f"--width {SIDE_PX} --height {SIDE_PX} --steps {STEPS}"
_BIG = "--width 64 --height 64 --steps 2 --candidates 1 --num-images 1"
# Added to a command's arguments, where the last one of a kind holds.
SMALL = {
    "generate": _SIZES,
    "batch": _SIZES + " --device cpu",
    "world draw": f"--count 12 --size {SIDE_PX}",
    "world groups": f"--count 3 --members 2 --size {SIDE_PX}",
    "evaluate retrieval": "--queries 6",
    "evaluate analogy": "--rows 2 --candidates 2",
    "filter": "--filter stand-ins/vlm --device cpu --batch-size 4",
    "train qwen": "base=stand-ins/vlm image_size=112 dtype=float32 batch_size=4 micro_batch=4 steps=2 save_every=2",
}
STAND_INS = {
    "thaoshibe/relsim-qwenvl25-lora": "stand-ins/relsim",
    "thaoshibe/relsim-anonymous-caption-qwen25vl-lora": "stand-ins/hat",
    "Qwen/Qwen2.5-VL-7B-Instruct": "stand-ins/vlm",
    "runs/captioner": "stand-ins/hat",
    'device="cuda"': 'device="cpu"',
    "load_base_model(device": 'load_base_model("stand-ins/vlm", device',
}
PAINTERS = ("sd15", "sdxl", "sd35", "flux", "kontext", "qwen-image", "qwen-edit")
# Tables that examples name without showing them.
TABLES = {
    "assets.csv": "id,reference,subject,num_images\nlogo-01,refs/ring_of_owls.png,bicycle,2\n",
    "triplets.csv": "anchor,positive,negative,group\na.png,b.png,c.png,one\n",
    "labels.jsonl": "".join(f'{{"path": "{name}.png", "label": {str(name < "d").lower()}}}\n' for name in "abcdef"),
    "pairs.csv": "reference,a,b,a_method,b_method\na.png,b.png,c.png,ours,theirs\n",
}
FENCE = re.compile(
    r"(?P<notes>(?:^<!-- example: (?:(?!-->).)*-->\s*\n)*)^```(?P<language>\w+)[^\n]*\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    language: str
    text: str
    line: int
    notes: tuple[str, ...] = ()

    def told(self, word: str) -> str | None:
        """What a note that starts with `word` goes on to say."""
        for note in self.notes:
            if note.startswith(word):
                return note.removeprefix(word).lstrip(", ")
        return None


def blocks_of(page: str) -> list[Block]:
    text = (TREE / page).read_text(encoding="utf-8")
    found = []
    for match in FENCE.finditer(text):
        notes = re.findall(r"<!-- example: (.*?)\s*-->", match["notes"], re.DOTALL)
        line = text.count("\n", 0, match.start("language")) + 1
        found.append(Block(match["language"], match["text"], line, tuple(notes)))
    return found


def commands_of(text: str) -> Iterator[list[str]]:
    """The commands of a block, as lists of words: comments gone, lines joined, chains by && taken apart."""
    for line in text.replace("\\\n", " ").splitlines():
        words: list[str] = []
        for word in shlex.split(line, comments=True):
            if word == "&&":
                yield words
                words = []
            elif word in ("|", ">", "<", ";", "||"):
                raise AssertionError(f"{line!r}: the examples' runner knows no {word!r}: write the example without")
            else:
                words.append(word)
        if words:
            yield words


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with the files that examples speak of, and mini at small settings; what examples register is undone."""
    presets = {
        path.parent.relative_to(TREE) for home in ("relsim", "pipelines") for path in (TREE / home).rglob("*.toml")
    }
    for name in ("examples", "recipes", "benchmarks/judges", *presets):
        shutil.copytree(TREE / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    pictures = [Image.open(path).convert("RGB").resize((160, 160)) for path in sorted(tmp_path.glob("examples/*.png"))]
    for folder in ("", "photos", "drawings", "refs"):
        (tmp_path / folder).mkdir(exist_ok=True)
        for name, picture in zip("abcdef", pictures, strict=False):
            picture.save(tmp_path / folder / f"{name}.png")
    for number, name in enumerate(("reference.jpg", "a.jpg", "b.jpg", "0.png", "1.png")):
        pictures[number].save(tmp_path / name)
    for path in (tmp_path / "examples").glob("*.png"):
        shutil.copy(path, tmp_path / "refs" / path.name)
        shutil.copy(path, tmp_path / path.name)
    for name, text in TABLES.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "logo.svg").write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 20 20"><path d="M3 17L10 3l7 14z" fill="#c33"/></svg>'
    )
    monkeypatch.chdir(tmp_path)
    small = tuple(dataclasses.replace(row, side_px=SIDE_PX) if row.is_mini else row for row in models.MODELS)
    monkeypatch.setattr(models, "MODELS", small)
    monkeypatch.setattr(composition, "STEPS", STEPS)
    models.find_model.cache_clear()
    before = dict(RELATIONS), dict(REGISTRY)
    yield tmp_path
    for live, kept in zip((RELATIONS, REGISTRY), before, strict=True):
        live.clear()
        live.update(kept)
    models.find_model.cache_clear()


@dataclass
class Runner:
    """Runs the blocks of one page. namespace: what its python blocks share."""

    page: str
    stand_ins: StandIns
    namespace: dict[str, Any] = field(default_factory=dict)

    def run(self, block: Block) -> None:
        name, first = block.told("file"), block.told("first")
        if first:
            self.python(first, block.line)
        if name:
            Path(name).parent.mkdir(parents=True, exist_ok=True)
            Path(name).write_text(block.text, encoding="utf-8")
        elif block.language == "python":
            self.python(block.text, block.line)
        elif block.language == "sh":
            expected = int((block.told("exit") or "0").split(",")[0])
            for words in commands_of(block.text):
                self.command(words, expected)

    def python(self, text: str, line: int) -> None:
        text = self.stand_ins.put_into(text)
        exec(compile("\n" * line + text, self.page, "exec"), self.namespace)

    def command(self, words: list[str], expected: int) -> None:
        program, *rest = (self.stand_ins.put_into(word) for word in words)
        arguments = [path for word in rest for path in (sorted(glob.glob(word)) if "*" in word else ()) or (word,)]
        if program == "pip":
            check_extras(arguments)
        elif program == "pytest":
            pass  # this is it
        elif program == "mkdir":
            Path(arguments[-1]).mkdir(parents="-p" in arguments)
        elif program == "cp":
            for source in arguments[:-1]:
                shutil.copy(source, arguments[-1])
        elif program == "python" and arguments[0] == "-c":
            self.python(arguments[1], 0)
        elif program == "python":
            run_script(arguments)
        elif program in ("analogen", "generate"):
            more = [self.stand_ins.put_into(word) for word in self.more(program, arguments)]
            invoke(program, [*arguments, *more], expected)
        else:
            raise AssertionError(f"{program!r} is no command that the examples' runner knows: mark the block")

    def more(self, program: str, arguments: list[str]) -> list[str]:
        """The small settings of a command."""
        command = [program] if program == "generate" else [word for word in arguments if word[0] != "-"]
        for depth in (2, 1):
            name = " ".join(command[:depth])
            if name in ("train encoder", "train captioner", "train filter") and of_qwen(arguments):
                name = "train qwen"
            if name in SMALL:
                added = _BIG if name == "generate" and self.stand_ins.painter(arguments) else SMALL[name]
                if not name.startswith("train"):
                    return added.split()
                return [word for setting in added.split() for word in ("--set", setting)]
        return []


class StandIns:
    """Random weights in place of published ones, made when an example first names them."""

    def __init__(self, request: pytest.FixtureRequest) -> None:
        self.request = request

    def put_into(self, text: str) -> str:
        for published, ours in STAND_INS.items():
            text = text.replace(published, ours)
        if text in PAINTERS:
            self._paint(text)
            text = f"stand-ins/{text}"
        for name, fixture in (
            ("vlm", "tiny_vlm_folder"),
            ("relsim", "tiny_qwen_folder"),
            ("hat", "tiny_adapter_folder"),
        ):
            if f"stand-ins/{name}" in text:
                self._link(name, self.request.getfixturevalue(fixture))
        return _latest_step(text)

    def painter(self, arguments: list[str]) -> bool:
        return any(word.startswith("stand-ins/") and Path(word, "model_index.json").exists() for word in arguments)

    def _paint(self, name: str) -> None:
        from analogen.pipelines.diffusion.tiny import save_pipeline

        if not Path("stand-ins", name).exists():
            save_pipeline(Path("stand-ins", name), "sd3" if name == "sd35" else name)

    def _link(self, name: str, folder: Path) -> None:
        Path("stand-ins").mkdir(exist_ok=True)
        if not Path("stand-ins", name).exists():
            Path("stand-ins", name).symlink_to(folder)


def _latest_step(text: str) -> str:
    """A checkpoint of a long training: the last one of the short training that stood in for it."""
    if match := re.search(r"(runs/[\w-]+)/step-\d+", text):
        made = sorted(Path(match[1]).glob("step-*"))
        assert made, f"{match[0]}: no example before wrote into {match[1]}"
        return text.replace(match[0], str(made[-1]))
    return text


def of_qwen(arguments: list[str]) -> bool:
    return "base" in tomllib.loads(Path(arguments[arguments.index("--config") + 1]).read_text())


def check_extras(arguments: list[str]) -> None:
    """Nothing is installed; extras that an example names have to be there."""
    known = tomllib.loads((TREE / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for word in arguments:
        if match := re.search(r"\[(.+)\]", word):
            assert set(match[1].split(",")) <= set(known), f"no such extra: {word}"


def run_script(arguments: list[str]) -> None:
    kept = sys.argv
    sys.argv = arguments
    try:
        runpy.run_path(str(TREE / arguments[0]), run_name="__main__")
    finally:
        sys.argv = kept


def invoke(program: str, arguments: list[str], expected: int) -> None:
    said, printed = io.StringIO(), io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(printed):
        code = generate_main(arguments) if program == "generate" else main(arguments)
    shown = f"{program} {shlex.join(arguments)}\nexit {code}\n{printed.getvalue()[-2000:]}{said.getvalue()[-2000:]}"
    assert code == expected, shown
    assert "Traceback" not in said.getvalue(), shown


@pytest.mark.parametrize("page", PAGES)
def test_every_example_runs(
    page: str, scratch: Path, request: pytest.FixtureRequest, subtests: pytest.Subtests
) -> None:
    runner = Runner(page, StandIns(request))
    for block in blocks_of(page):
        if block.language in ("sh", "python") or block.told("file"):
            with subtests.test(f"{page}:{block.line}"):
                if reason := block.told("not run"):
                    pytest.skip(f"{page}:{block.line} {reason}")
                runner.run(block)


def test_the_runner_sees_blocks_notes_and_chains() -> None:
    text = "<!-- example: exit 2, why -->\n```sh\na 'b c' \\\n  d  # e\nf && g\n```\n"
    (match,) = FENCE.finditer(text)
    assert match["language"] == "sh"
    assert list(commands_of(match["text"])) == [["a", "b c", "d"], ["f"], ["g"]]
    assert Block("sh", "", 1, ("exit 2, why",)).told("exit") == "2, why"
    with pytest.raises(AssertionError, match="knows no '>'"):
        list(commands_of("a > b"))
