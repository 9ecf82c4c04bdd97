"""Reads, describes, draws and saves scenes for the editor on the page and for programs."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from analogen import (
    ArtSelection,
    EditedPicture,
    Job,
    SceneReading,
    UserError,
    checked_reading,
    checked_scene,
    draw_reading,
    drawing_names,
    find_drawing,
    palette_colors,
    read_metadata,
    reading_to_json,
    request_from,
    scene_art_of,
    selection_of,
)
from analogen.demos.components import data_url
from analogen.demos.job_values import subject_of
from analogen.demos.jobs.grounds import ground_of
from analogen.demos.studio import Studio

SURE, FAIRLY_SURE = 0.7, 0.35
PREVIEW_PX = 768  # longest side of a picture that is drawn again during an edit


def certainty_words(certainty: float) -> str:
    """A certainty in [0, 1] in words."""
    return "sure" if certainty > SURE else "fairly sure" if certainty > FAIRLY_SURE else "unsure"


@dataclass(frozen=True)
class PictureToEdit:
    """A generated picture whose scene is known. image: its entry in the result of the job."""

    job: Job
    image: dict[str, Any]
    path: Path
    scene: str


class SceneService:
    """What the editor and the endpoints do. Scenes come and go as JSON, and are checked each time."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        self._selected: tuple[int, ArtSelection] | None = None

    # Readings of references.

    def reading_of(self, name: str) -> dict[str, Any]:
        """What the editor shows for a saved reference: its picture, the boxes, and the sentence."""
        path = self.studio.files.reference_path(name)
        reading = self.studio.read_reference_scene(name)
        return {
            **self._reading_view(reading),
            "reference": name,
            "picture": self.studio.files.url(path),
            "edited": False,
        }

    def edited_reading(self, text: str, name: str | None) -> dict[str, Any]:
        """What the editor shows for a reading that was edited before.

        name: of the reference that it was read in; None shows the drawing that stands in for it.
        """
        reading = checked_reading(text)
        if name is None:
            picture = _source(draw_reading(reading))
            view = {**self._reading_view(reading), "crop": [0, 0, *reading.size]}
        else:
            picture = self.studio.files.url(self.studio.files.reference_path(name))
            view = self._reading_view(reading)
            view["original"] = self._reading_view(self.studio.read_reference_scene(name))["scene"]
        return {**view, "reference": name, "picture": picture, "edited": True}

    def describe(self, text: str) -> dict[str, Any]:
        """Sentence, anonymous caption and certainty of an edited reading."""
        return self._words(checked_reading(text))

    def _reading_view(self, reading: SceneReading) -> dict[str, Any]:
        data = json.loads(reading_to_json(reading))
        told = data.pop("reading")
        data["reading"] = {"size": told["size"], "crop": told["crop"]}
        return {"mode": "reading", "scene": data, "crop": told["crop"], "notes": told["notes"], **self._words(reading)}

    @staticmethod
    def _words(reading: SceneReading) -> dict[str, Any]:
        return {
            "sentence": reading.sentence, "caption": reading.caption, "certainty": round(reading.certainty, 2),
            "words": certainty_words(reading.certainty),
        }  # fmt: skip

    # Generated pictures.

    def find(self, job: int, rank: int) -> PictureToEdit:
        """A picture of a finished job with its scene. Raises UserError if there is none, or its scene was not kept."""
        found = self.studio.store.get(job)
        images = found.result["images"] if found is not None and found.result else ()
        for image in images:
            if image["rank"] == rank and found is not None:
                path = self.studio.files.pictures / image["path"]
                scene = self.studio.files.drawn_scene(path)
                if not path.is_file() or not scene.is_file():
                    raise UserError("this picture cannot be edited: its scene was not kept, make it again")
                return PictureToEdit(found, image, path, scene.read_text(encoding="utf-8"))
        raise UserError(f"there is no picture {rank} of job {job} here")

    def can_edit(self, path: Path) -> bool:
        """Whether the scene of a generated picture was kept."""
        return self.studio.files.drawn_scene(path).is_file()

    def picture_of(self, job: int, rank: int) -> dict[str, Any]:
        """What the editor shows for a generated picture."""
        found = self.find(job, rank)
        edited = self._edited(found, found.scene)
        width, height = _preview_size(edited.width, edited.height)
        return {
            "mode": "result", "job": job, "rank": rank, "scene": json.loads(found.scene), "edited": False,
            "size": [edited.width, edited.height], "picture": _source(edited.draw(width, height)),
            "colors": palette_colors(edited.scene), "name": subject_of(found.job),
        }  # fmt: skip

    def preview(self, job: int, rank: int, text: str) -> str:
        """The picture of an edited scene as a data URL, at most PREVIEW_PX large."""
        edited = self._edited(self.find(job, rank), text)
        return _source(edited.draw(*_preview_size(edited.width, edited.height)))

    def save(self, job: int, rank: int, text: str) -> dict[str, Any]:
        """Save an edited scene as a picture of its own, PNG and SVG, after the one that it was made of.

        Returns its entry in the result of the job.
        """
        found = self.find(job, rank)
        edited = self._edited(found, text, record=True)
        with self.studio.store.transaction():
            images = self.find(job, rank).job.result["images"]  # type: ignore[index]
            number = max(image["rank"] for image in images) + 1
            path = found.path.with_name(f"{found.path.stem.split('-edit-')[0]}-edit-{number}.png")
            edited.save(path)
            self.studio.files.drawn_scene(path).write_text(text, encoding="utf-8")
            self.studio.files.thumbnail(path)
            image = {**found.image, "path": path.name, "rank": number, "svg": True, "scores": {}, "edited": True}
            place = next(place for place, one in enumerate(images) if one["rank"] == rank)
            result = {**(found.job.result or {}), "images": [*images[: place + 1], image, *images[place + 1 :]]}
            if not self.studio.store.replace_result(job, result):
                raise UserError("this run was taken up again: wait until it is done, then save once more")
        return image

    def _edited(self, found: PictureToEdit, text: str, record: bool = False) -> EditedPicture:
        values = found.job.payload["values"]
        selection = self._selection(found.job)
        scene = checked_scene(text, selection)
        written = found.job.payload.get("metadata", True)
        return EditedPicture(
            scene, int(values.get("width") or 1024), int(values.get("height") or 1024),
            read_metadata(found.path) if record and written else None, scene_art_of(selection, scene),
            ground_of(self.studio.files, found.job),
        )  # fmt: skip

    def _selection(self, job: Job) -> ArtSelection:
        """The drawings that a job's pictures were made with; remembered for the one that is edited."""
        if self._selected is None or self._selected[0] != job.id:
            request = request_from(job.payload["values"], self.studio.output, self.studio.device)
            self._selected = (job.id, selection_of(request, self.studio.reader()))
        return self._selected[1]

    # Drawings.

    @staticmethod
    def nouns() -> list[str]:
        """The names of all drawings."""
        return list(drawing_names())

    def find_noun(self, text: str) -> dict[str, str]:
        """The drawing for a name or words: its `noun`, and a `note` if it is another than was asked for."""
        noun, note = find_drawing(text, self.studio.reader())
        return {"noun": noun, "note": note}


def _preview_size(width: int, height: int) -> tuple[int, int]:
    scale = min(1.0, PREVIEW_PX / max(width, height))
    return max(64, round(width * scale)), max(64, round(height * scale))


def _source(picture: Image.Image) -> str:
    buffer = io.BytesIO()
    if picture.mode == "RGBA":  # a cut-out
        picture.save(buffer, "WEBP", quality=88, method=2)
        return data_url(buffer.getvalue(), "webp")
    picture.save(buffer, "JPEG", quality=88)
    return data_url(buffer.getvalue())
