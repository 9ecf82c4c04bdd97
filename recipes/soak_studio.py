"""Soak test of the studio: many clients at once for minutes, with a check of every answer and of the memory.

    python recipes/soak_studio.py                                  # 20 clients, 5 minutes
    python recipes/soak_studio.py --clients 4 --seconds 10

Starts `analogen demo` with mini in a temporary folder. Each client repeats: a comparison of two pictures with names of
its own, a caption, a search with one of them, a run of Create with a seed of its own, and a batch of one row with a
subject of its own, at few steps and a small size, each until its end. Prints one JSON line. Exit code 1 if an answer is
lost, belongs to another client or failed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

from gradio_client import Client, handle_file

TREE = Path(__file__).parents[1]
PATIENT = {"timeout": 120}  # seconds; while the model loads, a busy machine takes longer than the client's five
# Subjects that mini can draw; each client has its own.
SUBJECTS = (
    "bicycle", "teapot", "penguin", "cactus", "rocket", "banana", "frog", "lemon", "key", "robot", "cat", "apple",
    "balloon", "guitar", "umbrella", "mushroom", "snail", "tree", "kite", "car",
)  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=300)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        server, address = serve(Path(folder) / "studio", Path(folder) / "server.log")
        try:
            report = soak(address, server.pid, Path(folder), options.clients, options.seconds)
        finally:
            server.terminate()
            server.wait(60)
        log = (Path(folder) / "server.log").read_text()
    report["tracebacks_of_the_server"] = log.count("Traceback")
    print(json.dumps(report))
    return 1 if report["wrong"] or report["tracebacks_of_the_server"] else 0


def serve(output: Path, log: Path) -> tuple[subprocess.Popen[bytes], str]:
    """Start a studio in another process. Returns the process, and the address once it answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # Pictures for the search.
    (output / "pictures").mkdir(parents=True)
    for path in (TREE / "examples").glob("*.png"):
        shutil.copyfile(path, output / "pictures" / path.name)
    command = [sys.executable, "-P", "-m", "analogen.demos.app", "--output", str(output), "--port", str(port)]
    with log.open("wb") as file:
        server = subprocess.Popen([*command, "--device", "cpu"], stdout=file, stderr=file)
    end = time.monotonic() + 180
    while time.monotonic() < end and server.poll() is None:
        with socket.socket() as trial:
            if trial.connect_ex(("127.0.0.1", port)) == 0:
                return server, f"http://127.0.0.1:{port}/"
        time.sleep(0.5)
    server.kill()
    raise SystemExit(f"the studio did not start:\n{log.read_text()}")


def soak(address: str, pid: int, folder: Path, clients: int, seconds: float) -> dict[str, Any]:
    """Run the clients for some seconds. Returns the report."""
    done: Counter[str] = Counter()
    wrong: list[str] = []
    latencies: list[float] = []
    ready = threading.Barrier(clients + 1)
    ends = threading.Event()
    Client(address, verbose=False, httpx_kwargs=PATIENT).predict(api_name="/index_pictures")

    def work(number: int) -> None:
        own = folder / f"client-{number}"
        own.mkdir()
        pictures = sorted((TREE / "examples").glob("*.png"))
        first, second = own / f"first-{number}.png", own / f"second-{number}.png"
        shutil.copyfile(pictures[number % len(pictures)], first)
        shutil.copyfile(pictures[(number // len(pictures) + number + 1) % len(pictures)], second)
        expected: dict[str, Any] = {}
        client = Client(address, verbose=False, download_files=str(own), httpx_kwargs=PATIENT)
        ready.wait()
        turn = 0
        while not ends.is_set():
            turn += 1
            started = time.monotonic()
            try:
                for name, values in (
                    ("similarity", {"reference": handle_file(str(first)), "images": [handle_file(str(second))]}),
                    ("caption", {"images": [handle_file(str(second))]}),
                ):
                    answer = client.predict(**values, api_name=f"/{name}")
                    done[name] += 1
                    rows = answer.get("scores") or answer.get("images")
                    if [row["name"] for row in rows] != [second.name] or expected.setdefault(name, answer) != answer:
                        wrong.append(f"client {number}: {name} gave {answer}")
                search(client, number, first, expected)
                done["search"] += 1
                create(client, number, turn, first)
                done["create"] += 1
                batch(client, number, turn, first)
                done["batch"] += 1
            except Exception as error:
                wrong.append(f"client {number}: {type(error).__name__}: {error}"[:300])
            latencies.append(time.monotonic() - started)

    def search(client: Any, number: int, picture: Path, expected: dict[str, Any]) -> None:
        """The gallery contains the same picture under its original name."""
        pictures = sorted((TREE / "examples").glob("*.png"))
        answer = client.predict(reference=handle_file(str(picture)), words="", count=4, api_name="/search")
        names = [row["name"] for row in answer["results"]]
        right = names[:1] == [pictures[number % len(pictures)].name]
        if not right or expected.setdefault("search", answer) != answer:
            wrong.append(f"client {number}: search gave {answer}"[:300])

    def create(client: Any, number: int, turn: int, picture: Path) -> None:
        """One picture, with a subject and seed that no other client combines."""
        subject, seed = SUBJECTS[number % len(SUBJECTS)], 1000 * number + turn
        small = {"candidates": 1, "num_images": 1, "side_px": 256, "steps": 2}
        run = client.predict([handle_file(str(picture))], "", subject, seed=seed, **small, api_name="/create")["run"]
        while (status := client.predict(run, api_name="/status"))["state"] in ("queued", "running"):
            time.sleep(0.5)
        made = [(job["subject"], [image["seed"] for image in job["images"]]) for job in status["jobs"]]
        if status["state"] != "done" or status["run"] != run or made != [(subject, [seed])]:
            wrong.append(f"client {number}: run {run} gave {status}"[:300])

    def batch(client: Any, number: int, turn: int, picture: Path) -> None:
        """One row, with a subject and reference that no other client combines."""
        subject, title = SUBJECTS[number % len(SUBJECTS)], f"client {number} turn {turn}"
        small = {"candidates": 1, "size": 256, "steps": 2}
        name = client.predict(
            files=[handle_file(str(picture))], subjects=subject, title=title, **small, api_name="/batch_start"
        )["batch"]
        while (status := client.predict(name, api_name="/batch_status"))["state"] in ("waiting", "running"):
            time.sleep(0.5)
        rows = client.predict(name, api_name="/batch_results")["rows"]
        right = status["state"] == "done" and [row["subject"] for row in rows] == [subject]
        if not right or not rows[0]["id"].startswith(f"first_{number}-") or not rows[0]["images"]:
            wrong.append(f"client {number}: batch {name} gave {status} {rows}"[:300])

    threads = [threading.Thread(target=work, args=(number,), daemon=True) for number in range(clients)]
    for thread in threads:
        thread.start()
    ready.wait()
    started = time.monotonic()
    # Loading and caching at the start is no leak: memory is compared from the first fifth on.
    ends.wait(seconds / 5)
    start = rss_mib(pid)
    ends.wait(seconds - seconds / 5)
    ends.set()
    for thread in threads:
        thread.join(120)
    stuck = sum(thread.is_alive() for thread in threads)
    if stuck:
        wrong.append(f"{stuck} clients did not get their last answer")
    turns = sorted(latencies) or [0.0]
    return {
        "clients": clients, "seconds": round(time.monotonic() - started, 1), "answers": dict(done),
        "turn_median_seconds": round(turns[len(turns) // 2], 2), "turn_longest_seconds": round(turns[-1], 2),
        "rss_mib_after_a_fifth": start, "rss_mib_end": rss_mib(pid), "wrong": wrong[:10], "cpus": os.cpu_count(),
    }  # fmt: skip


def rss_mib(pid: int) -> float:
    """Resident memory of a process in MiB."""
    with open(f"/proc/{pid}/status") as file:
        line = next(line for line in file if line.startswith("VmRSS"))
    return round(int(line.split()[1]) / 1024, 1)


if __name__ == "__main__":
    sys.exit(main())
