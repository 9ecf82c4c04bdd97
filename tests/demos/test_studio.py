"""Tests of the studio's queue with mini at few steps: runs end as requested, also after a restart of the server."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from studio_server import EXAMPLES, FEW_STEPS, served

from analogen import UserError
from analogen.demos.jobs import create
from analogen.demos.studio import CREATE, Limits, Status, Studio
from analogen.demos.tabs.canvas import rank_reason
from analogen.demos.tabs.picture_cards import _status_line

gradio_client = pytest.importorskip("gradio_client", reason='the studio needs Gradio: pip install "analogen[demo]"')

OWLS = EXAMPLES / "ring_of_owls.png"
SMALL = {"candidates": 2, "num_images": 1, "width": 128, "height": 128, "steps": FEW_STEPS, "seed": 5}


def open_studio(output: Path, limits: Limits | None = None) -> Studio:
    studio = Studio(output, device="cpu", limits=limits)
    studio.handlers[CREATE] = partial(create.create_pictures, studio)
    return studio


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    found = open_studio(tmp_path / "studio")
    found.start()
    yield found
    found.close()


def wait_for_end(studio: Studio, run: int) -> Status:
    end = time.monotonic() + 120
    while not (status := studio.status(run)).ended:
        assert time.monotonic() < end, status
        time.sleep(0.05)
    return status


def pixels(studio: Studio, status: Status) -> list[bytes]:
    found = []
    for job in status.jobs:
        assert job.result is not None, job.error
        for image in job.result["images"]:
            with Image.open(studio.files.pictures / image["path"]) as picture:
                found.append(picture.tobytes())
    return found


def test_a_run_makes_a_picture_of_each_subject_and_history_finds_it(studio: Studio) -> None:
    run = studio.submit(SMALL, [studio.files.save_reference(OWLS)], ["bicycle", "cactus"])
    status = wait_for_end(studio, run)
    assert status.state == "done"
    assert [job.payload["values"]["subject"] for job in status.jobs] == ["bicycle", "cactus"]
    assert len(set(pixels(studio, status))) == 2
    assert all((studio.files.thumbnail(path)).is_file() for path in studio.files.pictures.glob("*.png"))
    assert [job.payload["values"]["subject"] for job in studio.history("CACTUS")] == ["cactus"]
    assert studio.history("owl cactus bicycle") == []


def test_a_run_of_a_stopped_server_is_made_by_the_next_one_with_the_same_pictures(tmp_path: Path) -> None:
    first = open_studio(tmp_path / "broken")  # never started: its run waits, as when the server dies at once
    run = first.submit(SMALL, [first.files.save_reference(OWLS)], ["bicycle", "cactus"])
    first.close()
    second = open_studio(tmp_path / "broken")
    second.start()
    undisturbed_studio = open_studio(tmp_path / "undisturbed_studio")
    undisturbed_studio.start()
    try:
        undisturbed = wait_for_end(
            undisturbed_studio,
            undisturbed_studio.submit(SMALL, [undisturbed_studio.files.save_reference(OWLS)], ["bicycle", "cactus"]),
        )
        assert pixels(second, wait_for_end(second, run)) == pixels(undisturbed_studio, undisturbed)
    finally:
        second.close()
        undisturbed_studio.close()


def test_a_server_that_stops_during_a_run_loses_and_doubles_no_picture(tmp_path: Path) -> None:
    slow = {**SMALL, "steps": 60, "candidates": 4}
    first = open_studio(tmp_path / "studio")
    first.start()
    run = first.submit(slow, [first.files.save_reference(OWLS)], ["bicycle", "cactus"])
    end = time.monotonic() + 60
    while first.status(run).stage != "compose":
        assert time.monotonic() < end
        time.sleep(0.01)
    first.close()
    second = open_studio(tmp_path / "studio")
    assert second.status(run).state == "queued"
    second.start()
    try:
        status = wait_for_end(second, run)
        assert status.state == "done"
        assert len(list(second.files.pictures.glob("*.png"))) == len(pixels(second, status)) == 2
    finally:
        second.close()


def test_stop_ends_a_run_within_a_step(studio: Studio) -> None:
    run = studio.submit({**SMALL, "steps": 100, "candidates": 16}, [studio.files.save_reference(OWLS)], ["bicycle"])
    end = time.monotonic() + 60
    while studio.status(run).stage != "compose":
        assert time.monotonic() < end
        time.sleep(0.01)
    assert studio.cancel(run)
    assert wait_for_end(studio, run).state == "cancelled"
    assert not list(studio.files.pictures.glob("*.png"))
    # The worker is free again.
    assert wait_for_end(studio, studio.submit(SMALL, [studio.files.save_reference(OWLS)], ["cactus"])).state == "done"


def test_a_subject_that_fails_does_not_stop_the_others(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    stages = studio.stages()
    prepare = stages.prepare

    def fails(request: Any, *rest: Any) -> Any:
        if request.subject == "cactus":
            raise UserError("no cactus today")
        return prepare(request, *rest)

    monkeypatch.setattr(stages, "prepare", fails)
    status = wait_for_end(studio, studio.submit(SMALL, [studio.files.save_reference(OWLS)], ["cactus", "bicycle"]))
    assert {job.payload["values"]["subject"]: job.state for job in status.jobs} == {
        "cactus": "failed",
        "bicycle": "done",
    }
    assert status.jobs[0].error == "No cactus today."


def test_uploads_that_are_no_pictures_are_refused_in_one_line(studio: Studio, tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(OWLS.read_bytes()[:2000])
    large = tmp_path / "large.png"
    large.write_bytes(b"\x89PNG" + bytes(33 * 2**20))
    for path, words in ((broken, "damaged or truncated"), (large, "is over 32 MB"), (tmp_path / "none.png", "none")):
        with pytest.raises(UserError, match=words) as refused:
            studio.files.save_reference(path)
        assert "\n" not in str(refused.value)
    assert not list(studio.files.references.iterdir())


@pytest.mark.parametrize("name", ["../studio.sqlite", "/etc/hostname", "..", "", "missing.png"])
def test_pages_can_name_saved_references_only(studio: Studio, name: str) -> None:
    with pytest.raises(UserError, match="there is no reference"):
        studio.submit(SMALL, [name], ["bicycle"])


def test_limits_are_enforced(tmp_path: Path) -> None:
    studio = open_studio(tmp_path, Limits(per_user=1, candidates=4, subjects=2))  # not started: runs stay in the queue
    reference = [studio.files.save_reference(OWLS)]
    for changes, references, subjects, words in (
        ({"candidates": 5}, reference, ["a"], "5 candidates are too many"),
        ({}, reference, ["a", "b", "c"], "3 subjects are too many"),
        ({}, reference, [" "], "Name at least one subject"),
        ({}, [], ["a"], "nothing to keep the logic of"),
    ):
        with pytest.raises(UserError, match=words):
            studio.submit({**SMALL, **changes}, references, subjects)
    studio.submit(SMALL, reference, ["bicycle"], "ann")
    with pytest.raises(UserError, match="still under way"):
        studio.submit(SMALL, reference, ["bicycle"], "ann")
    run = studio.submit(SMALL, reference, ["bicycle"], "bob")
    assert (studio.status(run).state, studio.status(run).ahead) == ("queued", 1)
    studio.close()


def test_a_waiting_run_is_told_its_place_and_about_how_long_it_takes(tmp_path: Path) -> None:
    studio = open_studio(tmp_path)  # not started: runs stay in the queue
    reference = [studio.files.save_reference(OWLS)]
    first = studio.submit(SMALL, reference, ["bicycle"], "ann")
    assert (studio.status(first).ahead, studio.status(first).wait_seconds) == (0, None)
    (job,) = studio.store.claim(CREATE)
    studio.store.finish(job.id, {"subject": "bicycle", "images": []})
    again, other = (studio.submit(SMALL, reference, ["bicycle"], owner) for owner in ("ann", "bob"))
    assert studio.status(other).ahead == 0  # ann has had a turn
    waiting = studio.status(again)
    assert waiting.ahead == 1
    assert waiting.wait_seconds is not None
    assert _status_line(waiting) == "In the queue: 1 before yours, about 5 s."
    studio.close()


def test_endpoints_make_a_picture_and_report_on_it(tmp_path: Path) -> None:
    with served(tmp_path / "studio") as address:
        client = gradio_client.Client(address, verbose=False, download_files=str(tmp_path / "downloads"))
        settings = {"candidates": 1, "num_images": 1, "seed": 3, "side_px": 128, "steps": FEW_STEPS}
        references = [gradio_client.handle_file(str(OWLS))]
        run = client.predict(references, "", "bicycle\nteapot", **settings, api_name="/create")["run"]
        end = time.monotonic() + 90
        while (status := client.predict(run, api_name="/status"))["state"] != "done":
            assert time.monotonic() < end, status
            time.sleep(0.1)
        assert [job["subject"] for job in status["jobs"]] == ["bicycle", "teapot"]
        for job in status["jobs"]:
            assert job["relation"]["caption"] == "many {subject} arranged in a circle"
            (image,) = job["images"]
            assert image["seed"] == 3
            with Image.open(tmp_path / "studio" / "pictures" / image["file"]) as picture:
                assert picture.size == (128, 128)
        assert client.predict(run, api_name="/cancel") is False
        (found,) = client.predict("teapot", 10, api_name="/history")
        assert (found["run"], found["subject"], found["state"]) == (run, "teapot", "done")
        with pytest.raises(Exception, match="no run 99"):
            client.predict(99, api_name="/status")


def test_rank_reason_names_the_best_score_of_a_picture(studio: Studio) -> None:
    run = studio.submit({**SMALL, "candidates": 3, "num_images": 3}, [studio.files.save_reference(OWLS)], ["bicycle"])
    (job,) = wait_for_end(studio, run).jobs
    assert job.result is not None
    images = job.result["images"]
    closest = max(images, key=lambda one: one["scores"]["relation"])
    for image in images:
        reason = rank_reason(job, image)
        assert reason.startswith(
            "It is ranked first" if image["rank"] == 0 else f"It is number {image['rank'] + 1} of 3"
        )
        assert ("keeps the logic most closely" in reason) == (
            image["scores"]["relation"] == closest["scores"]["relation"]
        )
        overtaken = [one for one in images if one["rank"] < image["rank"]]
        assert ("behind lower scores" in reason) == any(
            one["scores"]["total"] < image["scores"]["total"] for one in overtaken
        )


def test_rank_reason_explains_a_higher_score_with_a_lower_rank(studio: Studio) -> None:
    run = studio.submit({**SMALL, "candidates": 2, "num_images": 2}, [studio.files.save_reference(OWLS)], ["bicycle"])
    (job,) = wait_for_end(studio, run).jobs
    assert job.result is not None
    first, second = sorted(job.result["images"], key=lambda one: int(one["rank"]))
    second["scores"]["total"] = first["scores"]["total"] + 0.1
    assert "behind lower scores" in rank_reason(job, second)
    assert "behind lower scores" not in rank_reason(job, first)
