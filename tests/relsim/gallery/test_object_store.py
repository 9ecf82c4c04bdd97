"""Tests of galleries in an object store, with the S3 server of moto on localhost."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from analogen.cli import main

URI = "s3://studio/pictures"


@pytest.fixture(scope="module")
def store() -> Iterator[str]:
    boto3 = pytest.importorskip("boto3")
    server_of = pytest.importorskip("moto.server").ThreadedMotoServer
    server = server_of(ip_address="127.0.0.1", port=0, verbose=False)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server.start()
    host, port = server.get_host_and_port()
    given = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_ACCESS_KEY_ID": "who", "AWS_SECRET_ACCESS_KEY": "what",
        "AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1", "AWS_ALLOW_HTTP": "true",
    }  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        for name, value in given.items():
            patch.setenv(name, value)
        boto3.client("s3").create_bucket(Bucket="studio")
        yield given["AWS_ENDPOINT_URL"]
    server.stop()


def pictures(folder: Path, numbers: range) -> Path:
    folder.mkdir(exist_ok=True)
    for number in numbers:
        pixels = np.random.default_rng(number).integers(0, 256, (48, 48, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


def run(*arguments: str | Path) -> int:
    return main(["gallery", *map(str, arguments)])


def printed_json(capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    found: dict[str, object] = json.loads(capsys.readouterr().out)
    return found


def test_everyday_commands_at_an_object_store(store: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = pictures(tmp_path / "p", range(4))
    json_ = ("--gallery", URI, "--format", "json")
    assert run("add", folder, *json_) == 0
    assert printed_json(capsys)["rows"] == 4
    pictures(folder, range(4, 6))
    assert run("add", folder, *json_) == 0
    again = printed_json(capsys)
    assert (again["added"], again["unchanged"], again["rows"]) == (2, 4, 6)

    assert run("search", "--reference", folder / "5.png", *json_) == 0
    results = printed_json(capsys)["results"]
    assert isinstance(results, list)
    assert results[0]["path"] == str(folder / "5.png")
    assert run("remove", folder / "5.png", "--gallery", URI) == 0
    capsys.readouterr()
    assert run("info", *json_) == 0
    assert printed_json(capsys)["pictures"] == 5
    # Nothing of it lies on this machine.
    assert not Path("s3:").exists()


def test_two_processes_that_add_lose_nothing(store: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    uri = "s3://studio/both"
    folders = [pictures(tmp_path / f"p{n}", range(10 * n, 10 * n + 3)) for n in range(3)]
    assert run("add", folders[0], "--gallery", uri) == 0
    code = "import sys; from analogen.cli import main; sys.exit(main(sys.argv[1:]))"
    both = [
        subprocess.Popen([sys.executable, "-P", "-c", code, "gallery", "add", str(folder), "--gallery", uri], text=True,
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=dict(os.environ))
        for folder in folders[1:]
    ]  # fmt: skip
    for one in both:
        _, said = one.communicate(timeout=120)
        assert one.returncode == 0, said
    capsys.readouterr()
    assert run("info", "--gallery", uri, "--format", "json") == 0
    assert printed_json(capsys)["pictures"] == 9


def test_a_store_that_cannot_be_used_is_one_short_line(
    store: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refusal(*arguments: str | Path) -> str:
        assert run(*arguments) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert len(line) < 250
        return line

    folder = pictures(tmp_path / "p", range(1))
    assert "holds no gallery" in refusal("info", "--gallery", "s3://studio/none")
    assert "no such bucket" in refusal("add", folder, "--gallery", "s3://nowhere/pictures")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")  # nobody listens there
    assert "does not answer: check the network and AWS_ENDPOINT_URL" in refusal("info", "--gallery", URI)
