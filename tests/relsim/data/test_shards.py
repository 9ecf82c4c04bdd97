"""Promises of finding pictures in folders and in the shards of img2dataset."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from analogen.relsim.data.shards import find_pictures, keys_of_row

URL = "https://example.org/a/b.jpg?x=1,2"


def jpeg(seed: int = 0, size: int = 80) -> bytes:
    values = np.random.default_rng(seed).integers(0, 256, (size, size, 3), dtype=np.uint8)
    with io.BytesIO() as file:
        Image.fromarray(values).save(file, "JPEG")
        return file.getvalue()


def write_shard(path: Path, samples: dict[str, dict[str, Any]]) -> None:
    """A shard as img2dataset writes it: key.jpg, key.txt, key.json."""
    with tarfile.open(path, "w") as tar:
        for key, sample in samples.items():
            parts = {"jpg": sample.get("jpg", jpeg()), "txt": b"words", "json": json.dumps(sample["json"]).encode()}
            for suffix, data in parts.items():
                member = tarfile.TarInfo(f"{key}.{suffix}")
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))


def test_pictures_of_folders_and_shards_come_in_order_of_their_paths(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / ".hidden").mkdir()
    for name in ("z.png", "b/2.JPG", "b/1.webp", ".hidden/x.png", "b/.y.png", "notes.txt"):
        Image.new("RGB", (70, 70)).save(tmp_path / name, "PNG")
    write_shard(tmp_path / "00000.tar", {"000000001": {"json": {}}, "000000000": {"json": {}}})
    names = [p.name.removeprefix(f"{tmp_path}/") for p in find_pictures(tmp_path).pictures]
    assert names == ["00000.tar/000000001.jpg", "00000.tar/000000000.jpg", "z.png", "b/1.webp", "b/2.JPG"]


def test_pictures_are_found_by_url_and_by_any_hash(tmp_path: Path) -> None:
    about = {"url": URL, "sha256": "f" * 64, "key": "000000003", "status": "success"}
    write_shard(tmp_path / "00000.tar", {"000000003": {"jpg": jpeg(3), "json": about}})
    index = find_pictures(tmp_path).by_key
    assert index[URL] == index["f" * 64]
    assert index[URL].read().image.size == (80, 80)


def test_a_member_of_a_shard_is_the_picture_that_was_put_in(tmp_path: Path) -> None:
    written = {f"{n:09d}": {"jpg": jpeg(n), "json": {"url": f"u{n}"}} for n in range(4)}
    write_shard(tmp_path / "00000.tar", written)
    index = find_pictures(tmp_path).by_key
    for number in (2, 0, 3):
        expected = Image.open(io.BytesIO(jpeg(number))).convert("RGB")
        assert index[f"u{number}"].read().image.tobytes() == expected.tobytes()


def test_files_beside_their_metadata_answer_to_it(tmp_path: Path) -> None:
    folder = tmp_path / "00000"
    folder.mkdir()
    (folder / "000000000.jpg").write_bytes(jpeg())
    (folder / "000000000.json").write_text(json.dumps({"url": URL, "md5": None}))
    assert find_pictures(tmp_path).by_key[URL].path == folder / "000000000.jpg"


def test_rows_are_looked_up_by_the_hash_of_their_url_and_by_their_path_on_the_hub() -> None:
    known = hashlib.md5(URL.encode()).hexdigest()
    assert list(keys_of_row({"image_hash": "ABC", "url_link": URL})) == ["abc", URL, known]
    hub = "https://huggingface.co/datasets/someone/groups/resolve/main/images/7/a%20b.png"
    assert list(keys_of_row({}, hub))[2:] == ["images/7/a b.png", "7/a b.png"]
    # A row of several urls has its own hash, which is no picture's.
    assert "abc" not in list(keys_of_row({"image_hash": "abc"}, URL))


def test_file_named_by_a_hash_answers_to_it(tmp_path: Path) -> None:
    name = hashlib.md5(URL.encode()).hexdigest()
    (tmp_path / f"{name}.png").write_bytes(jpeg())
    found = find_pictures(tmp_path)
    assert found.by_key[name].path.stem == name


def test_truncated_shard_keeps_its_whole_pictures_and_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "00000.tar"
    write_shard(path, {f"{n:09d}": {"jpg": jpeg(n), "json": {"url": f"u{n}"}} for n in range(3)})
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    (tmp_path / "00001.tar").write_bytes(b"no tar at all" * 100)
    found = find_pictures(tmp_path)
    assert "u0" in found.by_key
    assert [Path(name).name for name, _ in found.damaged] == ["00000.tar", "00001.tar"]
    assert found.by_key["u0"].read().image.size == (80, 80)


def test_damaged_and_empty_members_are_refused_by_name(tmp_path: Path) -> None:
    write_shard(
        tmp_path / "00000.tar",
        {"000000000": {"jpg": jpeg()[:1500], "json": {}}, "000000001": {"jpg": b"", "json": {}}},
    )
    first, second = find_pictures(tmp_path).pictures
    with pytest.raises(ValueError, match=r"00000.tar/000000000.jpg: the picture is damaged or truncated"):
        first.read()
    with pytest.raises(ValueError, match=r"000000001.jpg: is empty"):
        second.read()


def test_folders_without_pictures_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds no pictures"):
        find_pictures(tmp_path)
    with pytest.raises(FileNotFoundError, match="no such folder"):
        find_pictures(tmp_path / "absent")
    (tmp_path / "file").write_text("x")
    with pytest.raises(ValueError, match="is no folder"):
        find_pictures(tmp_path / "file")


def test_members_that_point_elsewhere_reach_nothing(tmp_path: Path) -> None:
    """Names that climb out, links, devices, pipes: a shard is looked up, never unpacked, and only whole files count."""
    secret = tmp_path / "secret.jpg"
    secret.write_bytes(jpeg(9))
    folder = tmp_path / "shards"
    folder.mkdir()
    with tarfile.open(folder / "00000.tar", "w") as tar:
        for name in ("../../climbs.jpg", "/etc/absolute.jpg", "plain.jpg"):
            member = tarfile.TarInfo(name)
            member.size = len(jpeg(1))
            tar.addfile(member, io.BytesIO(jpeg(1)))
        for name, kind, target in (
            ("soft.jpg", tarfile.SYMTYPE, str(secret)), ("hard.jpg", tarfile.LNKTYPE, "../secret.jpg"),
            ("device.jpg", tarfile.CHRTYPE, ""), ("pipe.jpg", tarfile.FIFOTYPE, ""),
        ):  # fmt: skip
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, target
            tar.addfile(member)
    before = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*"))
    found = find_pictures(folder)
    assert {stored.member for stored in found.pictures} == {"../../climbs.jpg", "/etc/absolute.jpg", "plain.jpg"}
    expected = Image.open(io.BytesIO(jpeg(1))).convert("RGB").tobytes()
    assert all(stored.read().image.tobytes() == expected for stored in found.pictures)
    assert sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*")) == before
