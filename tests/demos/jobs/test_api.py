"""Tests of the API: every endpoint works as documented, refuses bad input in one sentence, and is an MCP tool too."""

from __future__ import annotations

import asyncio
import json
import re
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from studio_server import EXAMPLES, FEW_STEPS, TREE, served

gradio_client = pytest.importorskip("gradio_client", reason='the studio needs Gradio: pip install "analogen[demo]"')
pytest.importorskip("lancedb", reason='galleries need LanceDB: pip install "analogen[gallery]"')

pytest.importorskip("analogen.demos.app", reason="the tabs are served by the studio's app")

OWLS, BOOKS = EXAMPLES / "ring_of_owls.png", EXAMPLES / "tower_of_books.png"
ENDPOINTS = {
    "search", "index_pictures", "similarity", "caption", "batch_check", "batch_start", "batch_list", "batch_status",
    "batch_results", "batch_pause", "batch_resume", "batch_cancel", "batch_download",
}  # fmt: skip


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(tmp_path_factory.mktemp("studio"), mcp=True) as found:
        yield found


@pytest.fixture(scope="module")
def client(address: str, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return gradio_client.Client(address, verbose=False, download_files=str(tmp_path_factory.mktemp("downloads")))


def files(*paths: Path) -> list[Any]:
    return [gradio_client.handle_file(str(path)) for path in paths]


def wait_for_state(client: Any, batch: str, *states: str) -> dict[str, Any]:
    end = time.monotonic() + 90
    while (status := client.predict(batch, api_name="/batch_status"))["state"] not in states:
        assert time.monotonic() < end, status
        time.sleep(0.2)
    return dict(status)


def test_every_endpoint_is_named_documented_and_described(client: Any) -> None:
    info = client.view_api(return_format="dict", print_info=False)
    assert not info["unnamed_endpoints"]
    names = {name.lstrip("/") for name in info["named_endpoints"]}
    assert names >= ENDPOINTS
    page = (TREE / "docs" / "studio_api.md").read_text()
    assert {name for name in names if f"`{name}" not in page} == set()


def test_similarities_and_captions_are_those_of_mini(client: Any) -> None:
    answer = client.predict(
        reference=gradio_client.handle_file(str(OWLS)), images=files(BOOKS, OWLS), api_name="/similarity"
    )
    assert answer["reference"]["caption"] == "many {subject} arranged in a circle"
    assert [row["name"] for row in answer["scores"]] == ["ring_of_owls.png", "tower_of_books.png"]
    assert answer["scores"][0]["relation"] == pytest.approx(1, abs=1e-3)
    assert answer["scores"][1]["relation"] < 0.5
    (row,) = client.predict(images=files(BOOKS), api_name="/caption")["images"]
    assert "tower" in row["captions"][0]["caption"]
    assert len(row["captions"]) == 3


def test_indexed_pictures_are_found_by_picture_and_words(client: Any) -> None:
    assert re.match(r"\d+ new pictures, \d+ in all", client.predict(api_name="/index_pictures"))
    by_picture = client.predict(reference=gradio_client.handle_file(str(OWLS)), words="", count=4, api_name="/search")
    assert by_picture["results"][0]["name"] == "ring_of_owls.png"
    by_words = client.predict(reference=None, words="{subject} stacked into a tower", count=4, api_name="/search")
    assert len(by_words["results"]) == 4
    assert "tower_of_books.png" in [row["name"] for row in by_words["results"]]
    assert not any("/" in row["name"] for row in by_words["results"])


def test_a_batch_goes_from_files_to_a_zip(client: Any) -> None:
    small = {"num_images": 1, "candidates": 1, "size": 256, "steps": FEW_STEPS}
    batch_values = {"files": files(OWLS, BOOKS), "subjects": "bicycle\nteapot", **small}
    assert client.predict(**batch_values, api_name="/batch_check") == {
        "ok": True,
        "rows": 4,
        "pictures": 4,
        "candidates": 4,
    }
    batch = client.predict(**batch_values, title="two by two", api_name="/batch_start")["batch"]
    assert {"batch": batch, "title": "two by two"} in client.predict(api_name="/batch_list")
    status = wait_for_state(client, batch, "done")
    assert (status["rows"], status["done"], status["failed"]) == (4, 4, 0)
    rows = client.predict(batch, api_name="/batch_results")["rows"]
    assert sorted(row["subject"] for row in rows) == ["bicycle", "bicycle", "teapot", "teapot"]
    with zipfile.ZipFile(client.predict(batch, api_name="/batch_download")) as file:
        lines = [json.loads(line) for line in file.read("results.jsonl").splitlines()]
        for line in lines:
            assert Image.open(file.open(line["images"][0]["path"])).size == (256, 256)
    assert len(lines) == 4


def test_a_batch_is_paused_resumed_and_cancelled(client: Any) -> None:
    subjects = "\n".join(f"apple {n}" for n in range(30))
    batch = client.predict(
        files=files(OWLS), subjects=subjects, candidates=8, size=1024, steps=24, api_name="/batch_start"
    )["batch"]
    assert client.predict(batch, api_name="/batch_pause")["state"] in ("pausing", "paused")
    wait_for_state(client, batch, "paused")
    assert client.predict(batch, api_name="/batch_resume")["state"] in ("waiting", "running")
    assert client.predict(batch, api_name="/batch_cancel")["state"] == "cancelled"
    assert client.predict(batch, api_name="/batch_resume")["state"] == "cancelled"


def test_problems_of_a_manifest_come_with_their_lines(client: Any, tmp_path: Path) -> None:
    table = tmp_path / "assets.csv"
    table.write_text("reference,subject\nring_of_owls.png,bicycle\n/etc/passwd,bicycle\nring_of_owls.png,\n")
    answer = client.predict(files=files(table, OWLS), subjects="", api_name="/batch_check")
    assert answer["ok"] is False
    assert [line.split(":")[0] for line in answer["problems"]] == ["line 3", "line 4"]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("/caption", {"images": [{"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}]}),
        ("/caption", {"images": [{"path": "/etc/passwd"}]}),
        ("/caption", {"images": [{"path": "http://127.0.0.1:9/x.png", "meta": {"_type": "gradio.FileData"}}]}),
        ("/batch_status", {"batch": "../../../etc"}),
        ("/batch_download", {"batch": "no such batch"}),
        ("/search", {"reference": None, "words": ""}),
    ],
)
def test_paths_addresses_and_unknown_names_are_refused_in_one_sentence(
    client: Any, name: str, values: dict[str, Any]
) -> None:
    with pytest.raises(Exception) as refused:  # noqa: PT011  gradio_client has several classes for it
        client.predict(**values, api_name=name)
    answer = str(refused.value)
    assert "root:" not in answer
    assert "Traceback" not in answer
    assert answer.strip()


def test_a_corrupt_upload_is_one_sentence(client: Any, tmp_path: Path) -> None:
    bad = tmp_path / "bad.png"
    bad.write_bytes(OWLS.read_bytes()[:2000])
    with pytest.raises(gradio_client.exceptions.AppError, match=r"[Bb]ad\.png: the picture is damaged"):
        client.predict(images=files(bad), api_name="/caption")


def test_examples_of_the_page_run(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(TREE)
    page = (TREE / "docs" / "studio_api.md").read_text()
    examples = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert examples
    scope: dict[str, Any] = {}
    for example in examples:
        exec(example.replace("http://127.0.0.1:7860/", address), scope)


def test_the_endpoints_are_tools_of_an_mcp_server(address: str) -> None:
    mcp = pytest.importorskip("mcp", reason="gradio's MCP server needs mcp")
    from mcp.client.streamable_http import streamablehttp_client

    async def tools() -> dict[str, str]:
        async with (
            streamablehttp_client(f"{address}gradio_api/mcp/") as (read, write, _),
            mcp.ClientSession(read, write) as session,
        ):
            await session.initialize()
            return {tool.name: tool.description or "" for tool in (await session.list_tools()).tools}

    found = asyncio.run(tools())
    missing = {name for name in ENDPOINTS if not any(tool.endswith(name) for tool in found)}
    assert missing == set()
    assert all(found.values()), "every tool says what it does"


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("size", 32, "64 to 4096"), ("size", 128.5, "a whole number, 64 to 4096"),
        ("num_images", 0, "1 to 16"), ("candidates", 99, "1 to 16"), ("steps", -1, "1 to 100"),
        ("seed", -1, "0 to 9223372036854775807"),
    ],
)  # fmt: skip
def test_batch_check_names_the_field(client: Any, field: str, value: Any, expected: str) -> None:
    answer = client.predict(files=files(OWLS), subjects="bicycle", **{field: value}, api_name="/batch_check")
    assert answer["ok"] is False
    assert answer["message"].lower().startswith(f"{field} is ")
    assert expected in answer["message"]


def test_a_size_of_128_is_fine_in_every_place(client: Any, tmp_path: Path) -> None:
    assert client.predict(files=files(OWLS), subjects="bicycle", size=128, api_name="/batch_check")["ok"]
    from analogen import Request
    from analogen.demos.studio import Limits

    Request(relation="any", subject="any", width=128, height=128)
    assert Limits().least_side_px <= 128 <= Limits().side_px


def test_status_carries_the_notes_that_the_page_shows(client: Any) -> None:
    small = {"candidates": 1, "num_images": 1, "side_px": 128, "steps": FEW_STEPS}
    run = client.predict(
        references=[], relation="many {object} in a ring", subjects="bicycle", **small, api_name="/create"
    )["run"]
    end = time.monotonic() + 90
    while (answer := client.predict(run, api_name="/status"))["state"] not in ("done", "failed"):
        assert time.monotonic() < end, answer
        time.sleep(0.2)
    assert "{object} in the words is read as {subject}" in answer["jobs"][0]["notes"]
    with pytest.raises(Exception, match=r"(?i)side_px is 32: expected 64 to 4096"):
        client.predict(references=[], relation="any", subjects="x", side_px=32, api_name="/create")
