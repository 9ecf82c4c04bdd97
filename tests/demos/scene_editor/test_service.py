"""Tests of what the scene editor does on the server: readings, drawings, and edited pictures that are saved."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from studio_server import EXAMPLES, FEW_STEPS, served

from analogen import UserError, read_metadata
from analogen.cli import main

gradio_client = pytest.importorskip("gradio_client", reason='the studio needs Gradio: pip install "analogen[demo]"')
pytest.importorskip("gradio", reason='the studio needs Gradio: pip install "analogen[demo]"')
from analogen.demos.scene_editor.component import edited_scene, parse_value  # noqa: E402
from analogen.demos.scene_editor.service import SceneService  # noqa: E402
from analogen.demos.studio import Studio  # noqa: E402
from analogen.demos.tabs import picture_cards  # noqa: E402
from analogen.demos.tabs.canvas import canvas  # noqa: E402

OWLS = EXAMPLES / "ring_of_owls.png"
SMALL = {"candidates": 2, "num_images": 1, "width": 128, "height": 128, "steps": FEW_STEPS, "seed": 5}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SceneService]:
    studio = Studio(tmp_path_factory.mktemp("studio"), device="cpu")
    studio.start()
    yield SceneService(studio)
    studio.close()


@pytest.fixture(scope="module")
def made(service: SceneService) -> int:
    """The job of a picture that was made from an edited reading."""
    studio = service.studio
    name = studio.files.save_reference(OWLS)
    scene = service.reading_of(name)["scene"]
    scene["elements"] = scene["elements"][:6]
    run = studio.submit({**SMALL, "relation": None}, [name], ["blue bicycle"], scene=json.dumps(scene))
    end = time.monotonic() + 120
    while not (status := studio.status(run)).ended:
        assert time.monotonic() < end, status
        time.sleep(0.05)
    assert status.state == "done", status.jobs[0].error
    return status.jobs[0].id


def test_a_reading_is_described_again_after_an_edit(service: SceneService) -> None:
    state = service.reading_of(service.studio.files.save_reference(OWLS))
    assert state["sentence"].startswith("thirteen things in a ring")
    del state["scene"]["elements"][6]
    assert service.describe(json.dumps(state["scene"]))["sentence"].startswith("twelve things")
    state["scene"]["elements"].clear()
    with pytest.raises(UserError, match="holds no thing"):
        service.describe(json.dumps(state["scene"]))


def test_a_run_from_an_edited_scene_records_it_and_still_shows_its_reference(service: SceneService, made: int) -> None:
    job = service.studio.store.get(made)
    assert job is not None
    assert job.result is not None
    path = service.studio.files.pictures / job.result["images"][0]["path"]
    record = read_metadata(path)
    assert len(record["scene"]["elements"]) == 6
    assert record["references"] == []
    number = made * picture_cards.CARDS_PER_JOB
    assert 'alt="The reference"' in canvas(service.studio, number)
    references, settings = picture_cards.form_values(service.studio, number) or ([], {})
    assert len(references) == 1
    kept = service.studio.files.scene_text(settings["scene"])
    assert len(service.edited_reading(kept or "", references[0])["scene"]["elements"]) == 6


def test_an_edited_picture_is_saved_beside_its_original_and_recalled(
    service: SceneService, made: int, tmp_path: Path
) -> None:
    scene = service.picture_of(made, 0)["scene"]
    scene["elements"][0] |= {"x": 0.0, "y": 0.0, "noun": "owl"}
    text = json.dumps(scene)
    assert service.preview(made, 0, text).startswith("data:image/jpeg;base64,")
    image = service.save(made, 0, text)
    path = service.studio.files.pictures / image["path"]
    record = read_metadata(path)
    assert record["edited"]["scene"]["elements"][0]["noun"] == "owl"
    assert record["scores"] == {}
    assert "<svg" in path.with_suffix(".svg").read_text()[:300]
    again = tmp_path / "again.png"
    assert main(["generate", "--recall", str(path), "--output", str(again)]) == 0
    with Image.open(path) as one, Image.open(again) as other:
        assert one.tobytes() == other.tobytes()
    # An edited picture can be edited further; the cards show all of them.
    second = service.save(made, image["rank"], text)
    cards = picture_cards.strip(service.studio, service.studio.status(service.studio.store.get(made).group))  # type: ignore[union-attr]
    assert cards.count(" · edited") == 2
    assert second["path"] != image["path"]


def test_options_that_would_undo_the_edit_are_refused(
    service: SceneService, made: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = service.save(made, 0, json.dumps(service.picture_of(made, 0)["scene"]))
    path = service.studio.files.pictures / image["path"]
    large = tmp_path / "large.png"
    capsys.readouterr()
    assert main(["generate", "--recall", str(path), "--seed", "3", "--output", str(large)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "was edited by hand" in line
    sides = ("--width", "256", "--height", "192", "--svg", "--format", "json")
    assert main(["generate", "--recall", str(path), *sides, "--output", str(large)]) == 0
    assert json.loads(capsys.readouterr().out)["edited"] is True
    with Image.open(large) as picture:
        assert picture.size == (256, 192)
    assert large.with_suffix(".svg").is_file()


def test_an_unchanged_scene_is_drawn_as_it_was_made(service: SceneService, made: int) -> None:
    # The subject is a blue bicycle, which the library's drawing is painted for.
    found = service.find(made, 0)
    path = found.path.with_name(service.save(made, 0, found.scene)["path"])
    with Image.open(found.path) as one, Image.open(path) as other:
        assert one.tobytes() == other.tobytes()


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"elements": [{"kind": "subject", "x": 0, "y": 0, "size": -1}]}', "x" * 200_000]
)
def test_a_scene_that_cannot_be_drawn_is_one_line(service: SceneService, made: int, text: str) -> None:
    with pytest.raises(UserError) as error:
        service.preview(made, 0, text)
    assert len(str(error.value).splitlines()) == 1
    assert len(str(error.value)) < 500


def test_generate_takes_an_edited_scene_of_the_same_reference_only() -> None:
    state = {"mode": "reading", "reference": "a.png", "scene": {"elements": []}, "edited": True}
    assert edited_scene(json.dumps(state), ["a.png"]) == '{"elements": []}'
    assert edited_scene(json.dumps(state), ["b.png"]) is None
    assert edited_scene(json.dumps(state), ["a.png", "b.png"]) is None
    assert edited_scene(json.dumps({**state, "edited": False}), ["a.png"]) is None
    assert parse_value("[1]") == {}
    assert edited_scene("{", ["a.png"]) is None


def test_programs_read_edit_and_draw_scenes(tmp_path: Path) -> None:
    with served(tmp_path) as address:
        client = gradio_client.Client(address, verbose=False)
        read = client.predict(gradio_client.handle_file(str(OWLS)), api_name="/read_scene")
        scene = read["scene"]
        del scene["elements"][0]
        assert client.predict(scene, api_name="/describe_scene")["sentence"].startswith("twelve things")
        drawn = client.predict(scene, 256, 128, False, api_name="/draw_scene")
        with Image.open(drawn) as picture:
            assert picture.size == (256, 128)
        assert "<svg" in Path(client.predict(scene, 256, 128, True, api_name="/draw_scene")).read_text()[:300]
        asked = {"references": [], "relation": "", "subjects": "bicycle", "candidates": 1, "side_px": 128, "steps": 2}
        run = client.predict(**asked, scene=scene, api_name="/create")["run"]
        end = time.monotonic() + 120
        while (status := client.predict(run, api_name="/status"))["state"] not in ("done", "failed"):
            assert time.monotonic() < end
            time.sleep(0.2)
        assert status["state"] == "done", status
        job = client.predict("", 1, api_name="/history")[0]["job"]
        own = client.predict(job, 0, api_name="/picture_scene")
        own["background"]["color"] = "#102030"
        saved = client.predict(job, 0, own, api_name="/edit_picture")
        assert saved["rank"] == 1
        with pytest.raises(Exception, match="no picture 9 of job"):
            client.predict(job, 9, api_name="/picture_scene")
        with pytest.raises(Exception, match="expected 64 to"):
            client.predict(scene, 9, 9, False, api_name="/draw_scene")
