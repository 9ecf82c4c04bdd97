"""The files of a studio: pictures, references, thumbnails and downloads in its output folder."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from analogen import Picture, UserError, read_image, read_subject_image, write_atomic

REFERENCE_PX, THUMBNAIL_PX = 1024, 512


class StudioFiles:
    """The folders of one output folder: those that pages may load files from, and the scenes.

    upload_mb: the largest upload that is read.
    Raises UserError if the folders cannot be created.
    """

    def __init__(self, output: Path, upload_mb: int = 32) -> None:
        self.output, self._upload_mb = output, upload_mb
        self.pictures = output / "pictures"
        self.thumbnails = output / "thumbs"
        self.references = output / "references"
        self.downloads = output / "downloads"
        self.scenes = output / "scenes"
        self.subjects = output / "subjects"
        self.art = output / "art"
        self.deleted = output / "deleted"
        try:
            for folder in (*self.allowed_paths, self.scenes, self.subjects, self.art):
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"--output {output}: cannot be written ({error.strerror}): choose another") from error

    @property
    def allowed_paths(self) -> tuple[Path, ...]:
        """The folders whose files the server hands out, beside a page's own uploads.

        Uploaded SVGs lie in none of them: their scripts would run in the name of the page.
        """
        return (self.pictures, self.thumbnails, self.references, self.downloads)

    def save_reference(self, path: str | Path) -> str:
        """Copy an uploaded picture into the references. Returns its file name there.

        The name is a hash of the content, so that the same picture is stored once. Raises UserError with one line for
        a file that cannot be read.
        """
        path = Path(path)
        with self._refusing(path):
            picture = read_image(path)
        return self._store_reference(picture)

    def save_subject(self, path: str | Path) -> str:
        """Keep an uploaded picture of a subject as it is, with its transparency. Returns its path in `subjects`.

        The file keeps its name, which is that of the subject. Raises UserError with one line for a file that cannot be
        drawn.
        """
        path = Path(path)
        with self._refusing(path):
            read_subject_image(path)
            data = path.read_bytes()
        kept = self.subjects / hashlib.sha256(data).hexdigest()[:20] / path.name
        if not kept.exists():
            kept.parent.mkdir(exist_ok=True)
            write_atomic(kept, data)
        return f"{kept.parent.name}/{kept.name}"

    @contextmanager
    def _refusing(self, path: Path) -> Iterator[None]:
        """Turn errors of reading an upload into UserErrors without the server's folders; refuse a large one."""
        try:
            if path.stat().st_size > self._upload_mb * 2**20:
                raise UserError(f"{path.name}: is over {self._upload_mb} MB: shrink it")
            yield
        except UserError:
            raise
        except (ValueError, OSError) as error:
            raise UserError(str(error).replace(str(path), path.name)) from error

    def _store_reference(self, picture: Picture) -> str:
        image = picture.image.copy()
        image.thumbnail((REFERENCE_PX, REFERENCE_PX))
        buffer = io.BytesIO()
        image.save(buffer, "PNG", compress_level=4)
        name = hashlib.sha256(image.tobytes() + repr(image.size).encode()).hexdigest()[:20] + ".png"
        if not (self.references / name).exists():
            write_atomic(self.references / name, buffer.getvalue())
        return name

    def reference_path(self, name: str) -> Path:
        """The path of a saved reference. Pages send names, never paths: any other name raises UserError."""
        path = self.references / name
        if path.parent != self.references or not path.is_file():
            raise UserError(f"there is no reference {name[:60]!r} here: add the picture again")
        return path

    def kept(self, name: str) -> Path | None:
        """The path of a file that a job names, relative to the output folder; None if it is gone or lies elsewhere."""
        path = self.output / name
        inside = any(path.resolve().is_relative_to(folder) for folder in (self.references, self.subjects, self.art))
        return path if inside and path.exists() else None

    def save_scene(self, text: str) -> str:
        """Keep the JSON of a scene that takes the place of a reference. Returns its file name in `scenes`."""
        name = hashlib.sha256(text.encode()).hexdigest()[:20] + ".json"
        if not (self.scenes / name).exists():
            write_atomic(self.scenes / name, text.encode())
        return name

    def scene_text(self, name: str) -> str | None:
        """The JSON that `save_scene` kept under a name, with or without its folder; None if there is none."""
        path = self.scenes / Path(name).name
        return path.read_text(encoding="utf-8") if path.suffix == ".json" and path.is_file() else None

    def drawn_scene(self, picture: Path) -> Path:
        """Where the scene of a picture is kept, for editing it; pictures of earlier versions have none."""
        return self.scenes / f"{picture.stem}.json"

    def thumbnail(self, path: Path) -> Path:
        """A small WebP file of a picture in the output folder, made at the first call."""
        digest = hashlib.sha256(str(path.relative_to(self.output)).encode()).hexdigest()[:20]
        small = self.thumbnails / f"{digest}.webp"
        if not small.exists() or small.stat().st_mtime < path.stat().st_mtime:
            image = read_image(path).image
            image.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX))
            buffer = io.BytesIO()
            image.save(buffer, "WEBP", quality=82, method=2)
            write_atomic(small, buffer.getvalue())
        return small

    @staticmethod
    def url(path: Path) -> str:
        """The address at which a page loads a file of `allowed_paths`."""
        return "gradio_api/file=" + quote(str(path))
