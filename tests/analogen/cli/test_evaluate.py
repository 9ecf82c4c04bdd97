"""Promises of `analogen evaluate` and `analogen corpus` on the command line, over pictures of one's own."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from analogen.cli import main


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two groups of three pictures, and tables of them."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    rows = []
    for number in range(6):
        path = tmp_path / "pictures" / "ab"[number // 3] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (70, 70, 3), dtype=np.uint8)).save(path)
        rows.append(path.relative_to(tmp_path))
    (tmp_path / "triplets.csv").write_text(f"anchor,positive,negative,group\n{rows[0]},{rows[1]},{rows[3]},x\n")
    (tmp_path / "made.csv").write_text(f"input,instruction,output\n{rows[0]},the same for a cat,{rows[1]}\n")
    (tmp_path / "pairs.csv").write_text(f"reference,a,b,a_method,b_method\n{rows[0]},{rows[1]},{rows[2]},ours,theirs\n")
    return tmp_path


@pytest.fixture
def endpoint() -> Iterator[str]:
    """A server that finds everything worth a 6."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.reply(401 if self.headers["Authorization"] == "Bearer wrong" else 200, {"data": []})

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.reply(200, {"choices": [{"message": {"content": "6"}}]})

        def reply(self, status: int, told: dict[str, Any]) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(told).encode())

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    server.shutdown()
    server.server_close()
    thread.join()


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_retrieval_without_a_gallery_is_that_of_the_world(
    tiny_encoder_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", "retrieval", "--queries", "2", "--encoder", str(tiny_encoder_folder)]) == 0
    rows = lines(capsys)
    assert len(rows) == 25  # five ways of comparing, five splits
    assert set(rows[0]) == {"split", "by", "queries", "gallery", "r_at_1", "r_at_5", "chance"}


def test_retrieval_over_a_folder_prints_a_row_per_way(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["evaluate", "retrieval", "--gallery", "pictures", "--groups", "folders", "--output", "found.jsonl"]
    assert main([*command, "--by", "pixels", "--by", "histogram"]) == 0
    assert [(row["by"], row["queries"]) for row in lines(capsys)] == [("pixels", 6), ("histogram", 6)]
    found = [json.loads(line) for line in (folder / "found.jsonl").read_text().splitlines()]
    assert len(found) == 12
    assert set(found[0]) == {"by", "query", "found", "nearness"}


def test_bad_pictures_are_listed_last_and_change_the_exit_code(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "pictures" / "bad.jpg").write_bytes(b"no picture")
    assert main(["evaluate", "retrieval", "--gallery", "pictures", "--groups", "folders", "--by", "pixels"]) == 2
    seen = capsys.readouterr()
    row, last = (json.loads(line) for line in seen.out.splitlines())
    assert row["gallery"] == 6
    assert last["refused"][0]["path"].endswith("bad.jpg")
    assert "bad.jpg: is not a picture" in seen.err


def test_judge_is_asked_once_and_its_answers_are_kept(
    folder: Path, endpoint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["evaluate", "retrieval", "--gallery", "pictures", "--by", "pixels", "--judge", endpoint]
    for _ in range(2):
        assert main([*command, "--judge-model", "some-vlm", "--queries", "2"]) == 0
        (row,) = lines(capsys)
        assert (row["judged"]["mean"], row["judged_pairs"], row["unanswered"]) == (6.0, 2, 0)
    assert len(list((folder / "out" / "judge").rglob("*.json"))) == 2


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ([], "names no model"),
        (["--judge-model", "m", "--judge-workers", "0"], "expected 1 or more"),
        (["--judge-model", "m", "--by", "dinno"], "did you mean 'dino'"),
    ],
)
def test_wrong_use_of_a_judge_is_one_line(
    folder: Path, endpoint: str, more: list[str], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", "retrieval", "--gallery", "pictures", "--judge", endpoint, *more]) == 2
    seen = capsys.readouterr()
    assert text in seen.err
    assert seen.err.count("\n") == 1


def test_wrong_key_and_absent_server_are_found_before_anything_is_loaded(
    folder: Path, endpoint: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ["evaluate", "retrieval", "--gallery", "pictures", "--encoder", "absent", "--judge-model", "m", "--judge"]
    monkeypatch.setenv("SOME_KEY", "wrong")
    assert main([*command, endpoint, "--judge-key-env", "SOME_KEY"]) == 2
    assert "key is not accepted" in capsys.readouterr().err
    assert main([*command, "http://127.0.0.1:9/v1"]) == 2
    assert "cannot be reached" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "text"),
    [
        (["retrieval", "--by", "pixels"], "name them with --gallery"),
        (["retrieval", "--gallery", "pictures"], "needs --groups for R@k"),
        (["retrieval", "--gallery", "absent", "--groups", "folders"], "no such folder"),
        (["retrieval", "--encoder", "absent"], "unknown encoder 'absent'"),
        (["retrieval", "--seed", "-1"], "--seed"),
        (["triplets", "absent.csv"], "no such file"),
        (["triplets", "made.csv"], "has no anchor"),
        (["analogy", "--by", "relation"], "name them with --table"),
        (["study", "pairs.csv", "--output", "page.txt"], "ends in .html"),
        (["space", "pictures", "--reference", "absent.png"], "no such file"),
        (["space", "pictures", "--reference", "a.png", "--output", "plot.jpg"], "plots are PNG"),
        (["tally", "absent.json", "--key", "absent.json"], "no such file"),
    ],
)
def test_bad_use_is_one_line(folder: Path, command: list[str], text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", *command]) == 2
    seen = capsys.readouterr()
    assert text in seen.err
    assert (seen.out, seen.err.count("\n")) == ("", 1)


def test_triplets_and_analogies_print_rows(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "triplets", "triplets.csv", "--by", "pixels"]) == 0
    assert [row["group"] for row in lines(capsys)] == ["x", "all"]
    assert main(["evaluate", "analogy", "--table", "made.csv", "--by", "pixels", "--by", "histogram"]) == 0
    assert [(row["by"], row["rows"]) for row in lines(capsys)] == [("pixels", 1), ("histogram", 1)]


def test_space_is_a_picture(folder: Path, tiny_encoder_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["evaluate", "space", "pictures", "--reference", "pictures/a/0.png", "--size", "400"]
    assert main([*command, "--encoder", str(tiny_encoder_folder), "--output", "plot.png"]) == 0
    assert lines(capsys)[0]["pictures"] == 5
    with Image.open("plot.png") as plot:
        assert (plot.format, plot.size) == ("PNG", (400, 400))


def test_changes_are_measured_on_exact_scenes_and_on_readings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import torch

    from analogen.relsim.mini.model import MiniConfig, MiniNet

    torch.manual_seed(0)
    net = MiniNet(MiniConfig(image_size=64, trunk="efficientnet-lite0", dense_dim=8, dim=32, depth=1, heads=2))
    net.save_pretrained(tmp_path / "encoder")
    assert main(["evaluate", "changes", "--rows", "3", "--encoder", str(tmp_path / "encoder")]) == 0
    rows = lines(capsys)
    exact, read = ([row for row in rows if row["on"] == way] for way in ("exact scenes", "readings of pictures"))
    assert [row["part"] for row in exact] == [row["part"] for row in read]
    assert exact[-1]["part"] == "all"
    assert exact[-1]["rows"] == 3
    assert set(exact[-1]["right"]) == {"changed", "copied", "unchanged"}
    assert exact[-1]["right"]["unchanged"] == 0
    assert 0 <= read[-1]["counted"] <= 1
    assert main(["evaluate", "changes", "--rows", "0"]) == 2


def test_study_and_tally_fit_together(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "study", "pairs.csv", "--output", "page.html"]) == 0
    (told,) = lines(capsys)
    assert (told["output"], told["key"], told["pairs"]) == ("page.html", "page.key.json", 1)
    key = json.loads((folder / "page.key.json").read_text())
    (pair,) = key["pairs"]
    answers = {"study": key["study"], "session": "s", "answers": [{"pair": pair, "choice": "left"}]}
    (folder / "answers.json").write_text(json.dumps(answers))
    assert main(["evaluate", "tally", "answers.json", "--key", "page.key.json"]) == 0
    (row,) = lines(capsys)
    assert (row["first"], row["second"], row["answers"]) == ("ours", "theirs", 1)


def test_corpus_writes_the_index_and_says_what_is_left_out(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from analogen.relsim.data.corpus import Corpus

    main(["world", "groups", "drawn", "--count", "2", "--members", "2", "--size", "64"])
    first = next(iter(sorted((folder / "drawn").glob("*.png"))))
    first.write_bytes(b"broken")
    capsys.readouterr()
    assert main(["corpus", "drawn/data.jsonl", "drawn", "--output", "index.json", "--report", "report.json"]) == 0
    seen = capsys.readouterr()
    told = json.loads(seen.out)
    assert (told["rows"], told["kept"], told["left_out"]) == (4, 3, {"damaged": 1})
    assert "1 damaged, the first:" in seen.err
    assert len(Corpus.load("index.json")) == 3
    assert json.loads((folder / "report.json").read_text())["counts"] == {"damaged": 1}
    assert main(["corpus", "drawn/data.jsonl", "pictures", "--output", "index.json"]) == 2
    assert "nothing is left to train on" in capsys.readouterr().err
