"""Read hostile files in a process with limited memory: `hostile_run.py ENTRY FOLDER [...] [--skip PREFIX ...]`.

ENTRY: read, subject, api, cli or app. Prints a JSON line per file: outcome, seconds, and the peak memory of the
process. A line {"at": name} comes before each file, so that a crash names its file. Each file has a time limit.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import re
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

SECONDS = 20
# In addition to the mappings of Python, torch and the libraries; a picture of 64 megapixels takes 0.2 GiB as RGB.
HEADROOM_BYTES = 3 * 2**30


class Hang(BaseException):
    """The time limit was exceeded. Not an Exception, so that no `except Exception` hides it."""


@contextlib.contextmanager
def time_limit(seconds: int) -> Iterator[None]:
    def on_alarm(*_: object) -> None:
        raise Hang(f"over {seconds} s")

    signal.signal(signal.SIGALRM, on_alarm)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)


def peak_mib() -> float:
    """Peak memory of this process in MiB.

    Not ru_maxrss, which starts with the memory of the parent process; that can be larger than all of ours.
    """
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 2**10


def read(path: Path) -> str:
    from analogen.relsim.images import MAX_PIXELS, read_image

    image = read_image(path).image
    assert image.mode == "RGB"
    assert 0 < image.width * image.height <= MAX_PIXELS, image.size
    return "read"


def subject(path: Path) -> str:
    from analogen.relsim.world.subject_image import read_subject_image

    art = read_subject_image(path)
    pixels = art.pixels(64)
    assert pixels.shape == (64, 64, 4), pixels.shape
    return "read"


def refused(error: Exception) -> str:
    """The outcome of an error that a user may see; fails unless it is ours, one line and of moderate length."""
    from analogen.errors import UserError

    assert isinstance(error, ValueError | FileNotFoundError | UserError), f"{type(error).__name__}: {error}"
    text = str(error)
    assert text.strip(), "an empty message"
    assert "\n" not in text, f"several lines: {text!r}"
    assert len(text) < 600, f"long: {text[:200]!r}"
    return f"refused: {text}"


def api(models: str, encoder: str) -> Callable[[Path], str]:
    """Read by the public classes, with tiny models."""
    from analogen import Generator, Request
    from analogen.pipelines.composer import scene_composer as composer
    from analogen.relsim import encoder as encoders

    composer.SHIPPED, encoders.SHIPPED = Path(models), Path(encoder)
    generator = Generator(device="cpu")
    encoder_model = encoders.load_encoder(encoder, "cpu", "auto")
    small: dict[str, Any] = {"subject": "apple", "width": 64, "height": 64, "steps": 1, "candidates": 1, "seed": 3}

    counter = itertools.count()

    def run(path: Path) -> str:
        # Whether generate refuses with the same words is checked for every eighth file.
        checks_generator = next(counter) % 8 == 0
        try:
            vectors = encoder_model.embed([path])
        except ValueError as error:
            if checks_generator:
                with pytest.raises(ValueError, match=re.escape(str(error))):
                    generator.run(Request(references=(path,), **small))
            raise
        assert vectors.shape == (1, 384)
        if checks_generator:
            result = generator.run(Request(references=(path,), **small))
            assert result.candidates[0].image.size == (64, 64)
        return "read"

    return run


def cli(good: Path) -> Callable[[Path], str]:
    """Read by the commands that take a file, until a model would be loaded."""
    from analogen.cli import main

    commands: list[Callable[[str], list[str]]] = [
        lambda bad: ["generate", "--reference", bad, "--subject", "apple", "--dry-run"],
        lambda bad: ["generate", "--relation", "{subject} in a ring", "--subject-image", bad, "--dry-run"],
        lambda bad: ["generate", "--recall", bad, "--reference", str(good), "--dry-run"],
        lambda bad: ["batch", bad, "--output", "out", "--dry-run"],
    ]

    def run(path: Path) -> str:
        codes = []
        for command in commands:
            out, err = io.StringIO(), io.StringIO()
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                code = main(command(str(path)))
            lines = err.getvalue().splitlines()
            assert code in (0, 2), f"{command('')[0:2]}: exit {code}: {lines[-1:]}"
            assert "Traceback" not in err.getvalue(), err.getvalue()
            # Notes may come first; the error itself is one line.
            assert code == 0 or sum(not line.startswith("note: ") for line in lines) == 1, lines
            codes.append(str(code))
        return " ".join(codes)

    return run


def app(folder: str) -> Callable[[Path], str]:
    """Read as an upload to the studio, as its pages and endpoints do."""
    from analogen.demos.studio import Studio

    studio = Studio(Path(folder), device="cpu")

    def run(path: Path) -> str:
        name = studio.files.save_reference(path)
        saved = studio.files.reference_path(name)
        assert saved.parent == studio.files.references
        assert read(saved) == "read"
        return "read"

    return run


def main() -> None:
    entry, folder, *more = sys.argv[1:]
    skip: tuple[str, ...] = ()
    if "--skip" in more:
        more, skip = more[: more.index("--skip")], tuple(more[more.index("--skip") + 1 :])
    entries: dict[str, Callable[[], Callable[[Path], str]]] = {
        "read": lambda: read,
        "subject": lambda: subject,
        "api": lambda: api(*more),
        "cli": lambda: cli(Path(more[0])),
        "app": lambda: app(*more),
    }
    run = entries[entry]()
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (mapped + HEADROOM_BYTES,) * 2)
    for path in sorted(Path(folder).iterdir()):
        if path.name.startswith(skip or "\0"):
            continue
        print(json.dumps({"at": path.name}), flush=True)
        started = time.perf_counter()
        try:
            with time_limit(SECONDS):
                outcome = run(path)
        except Hang as error:
            outcome = f"BAD hang: {error}"
        except MemoryError:
            outcome = "BAD memory"
        except AssertionError as error:
            outcome = f"BAD {' '.join(str(error).split())[:300]}"
        except Exception as error:
            try:
                outcome = refused(error)
            except AssertionError as problem:
                outcome = f"BAD {' '.join(str(problem).split())[:300]}"
        peak = peak_mib()
        taken = time.perf_counter() - started
        print(
            json.dumps({"file": path.name, "outcome": outcome, "seconds": round(taken, 2), "peak_mib": round(peak)}),
            flush=True,
        )


if __name__ == "__main__":
    main()
