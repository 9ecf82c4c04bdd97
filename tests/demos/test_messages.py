"""Promises of the studio's messages: no path of the server, whatever its folders are called."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("gradio", reason='the studio needs Gradio: pip install "analogen[demo]"')

from analogen import UserError
from analogen.demos.messages import error_message, hide_folder, page_sentence, without_folders
from analogen.demos.studio_files import StudioFiles
from analogen.demos.uploads import read_upload

FOLDERS = ("uploads", "my studio's files", "a: b", "Ä (1)")


@pytest.mark.parametrize("name", FOLDERS)
def test_refusals_of_an_upload_name_the_file_and_no_folder(tmp_path: Path, name: str) -> None:
    files = StudioFiles(tmp_path / name)
    folder = tmp_path / name / "up loads"
    folder.mkdir()
    for file, data in (("IMG 1.HEIC", b"\0\0\0\x18ftypheic"), ("x.png", b""), ("y.jpg", b"\xff\xd8\xff")):
        (folder / file).write_bytes(data)
        for refuse in (files.save_reference, read_upload):
            with pytest.raises(UserError) as caught:
                refuse(folder / file)
            for message in (str(caught.value), page_sentence(error_message(caught.value))):
                assert file[1:] in message
                assert str(tmp_path) not in message
                assert "up loads" not in message
                assert "/" not in message.replace("[heif]", "")


@pytest.mark.parametrize("name", FOLDERS)
def test_the_studios_own_folder_is_cut_out_of_all_messages(tmp_path: Path, name: str) -> None:
    hide_folder(tmp_path / name)
    where = tmp_path / name / "references" / "ab12.png"
    assert (
        error_message(UserError(f"{where}: no such file: check the name")) == "ab12.png: no such file: check the name"
    )
    assert without_folders(f"cannot write {tmp_path / name}: full") == f"cannot write {name}: full"


def test_addresses_and_fractions_stay_whole() -> None:
    for text in ("see https://example.com/a/b.html", "1/2 of the rows", r"no such name a\b"):
        assert without_folders(text) == text
    assert without_folders(r"C:\Users\ann\x.png: is empty") == "x.png: is empty"
