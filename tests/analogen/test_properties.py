"""Properties that hold for any input: manifests, relations' algebra, records of pictures, scenes."""

from __future__ import annotations

import csv
import io
import json
import tempfile
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from analogen.batch.manifest import Asset, Manifest, checked_id, seed_of
from analogen.conditioning import normalized
from analogen.errors import UserError
from analogen.metadata import make_record, png_bytes, read_metadata
from analogen.pipelines.relation_arithmetic import combine_relations
from analogen.relsim.world.scene import from_json, to_json
from analogen.relsim.world.svg import to_svg
from analogen.reproduce import request_fields
from analogen.request_schema import _NOT_THERE
from analogen.types import MAX_SEED, Candidate, FoundRelation, Request, Result, Scores

FOLDER = Path(tempfile.mkdtemp(prefix="analogen-properties-"))
PICTURE = FOLDER / "picture.png"
Image.new("RGB", (8, 8), "teal").save(PICTURE)

# What a request takes, as plain values.
words = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), min_size=1, max_size=40).filter(
    lambda text: text.strip() and text.isprintable()
)
OPTIONS: dict[str, st.SearchStrategy[Any]] = {
    "subject": words,
    "other": words,
    "negative_prompt": words,
    "steps": st.integers(1, 1000),
    "guidance_scale": st.floats(0, 100, allow_nan=False).map(lambda value: round(value, 6)),
    "relation_scale": st.floats(0, 10, allow_nan=False).map(lambda value: round(value, 6)),
    "width": st.integers(64, 4096),
    "height": st.integers(64, 4096),
    "seed": st.integers(0, MAX_SEED),
    "svg": st.booleans(),
}
rows = st.lists(
    st.fixed_dictionaries({"subject": words}, optional={k: v for k, v in OPTIONS.items() if k != "subject"}),
    min_size=1,
    max_size=4,
)


def read(name: str, data: bytes, **defaults: Any) -> list[Asset]:
    path = FOLDER / name
    path.write_bytes(data)
    found = list(Manifest(path, defaults).assets())
    assert all(isinstance(one, Asset) for one in found), found
    return found  # type: ignore[return-value]


def as_lines(written: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps({**row, "reference": "picture.png"}) + "\n" for row in written).encode()


def as_table(written: list[dict[str, Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, ["reference", *OPTIONS])
    writer.writeheader()
    for row in written:
        said = {key: str(value).lower() if isinstance(value, bool) else value for key, value in row.items()}
        writer.writerow({**said, "reference": "picture.png"})
    return text.getvalue().encode()


@settings(deadline=None, max_examples=60)
@given(rows)
def test_both_formats_make_the_same_requests(written: list[dict[str, Any]]) -> None:
    # Cells lose the white space around them, and so do a request's words; what programs write for nothing is refused.
    assume(all(str(value).lower() not in _NOT_THERE for row in written for value in row.values()))
    assume(all(value == value.strip() for row in written for value in row.values() if isinstance(value, str)))
    lines, table = read("rows.jsonl", as_lines(written)), read("rows.csv", as_table(written))
    assert [one.request for one in lines] == [one.request for one in table]
    assert [one.id for one in lines] == [one.id for one in table]


@settings(deadline=None, max_examples=60)
@given(rows, st.integers(0, MAX_SEED))
def test_values_of_a_manifest_are_a_manifest(written: list[dict[str, Any]], seed: int) -> None:
    """What the job store keeps of a row makes the same request again."""
    first = read("rows.jsonl", as_lines(written), seed=seed)
    again = "".join(json.dumps({**one.values, "id": one.id}) + "\n" for one in first).encode()
    assert [one.request for one in read("again.jsonl", again)] == [one.request for one in first]


@settings(deadline=None, max_examples=60)
@given(rows, st.integers(0, MAX_SEED), st.randoms(use_true_random=False))
def test_order_of_rows_changes_no_row(written: list[dict[str, Any]], seed: int, random: Any) -> None:
    named = [{**row, "id": f"row-{number}"} for number, row in enumerate(written)]
    before = {one.id: one.request for one in read("rows.jsonl", as_lines(named), seed=seed)}
    random.shuffle(named)
    assert {one.id: one.request for one in read("rows.jsonl", as_lines(named), seed=seed)} == before


@given(st.text(max_size=60), st.integers(0, MAX_SEED))
def test_seed_of_a_row_hangs_on_its_name_alone(name: str, base: int) -> None:
    assume(not any("\ud800" <= letter <= "\udfff" for letter in name))
    assert 0 <= seed_of(name, base) < 2**32
    assert seed_of(name, base) == seed_of(name, base)
    assert seed_of(name, base) != seed_of(name + "x", base)


PARTS = st.sampled_from(["..", ".", "/", "\\", "~", "a", "\0", "%2e", "C:", "con", "nul", " ", "\u202e", "\u2028", "é"])


@given(st.lists(PARTS, min_size=1, max_size=6).map("".join))
def test_no_id_leads_out_of_its_folder(name: str) -> None:
    try:
        path = FOLDER / f"{checked_id(name, 'x')}-0.png"
    except UserError:
        return
    assert path.resolve().parent == FOLDER.resolve()
    path.write_bytes(b"")  # a name that the file system takes
    path.unlink()


# Relations.
vectors = st.integers(0, 2**32 - 1).map(
    lambda seed: normalized(np.random.default_rng(seed).normal(size=384).astype(np.float32))
)
groups = st.lists(vectors, min_size=1, max_size=5).map(np.stack)
weights = st.floats(0.125, 5)


@settings(max_examples=60)
@given(groups, st.data())
def test_mixture_heeds_neither_order_nor_lengths(relations: NDArray[np.float32], data: st.DataObject) -> None:
    count = len(relations)
    factors = data.draw(st.lists(weights, min_size=count, max_size=count))
    lengths = np.array(data.draw(st.lists(st.floats(0.01, 100), min_size=count, max_size=count)), np.float32)
    order = data.draw(st.permutations(range(count)))
    mixed = combine_relations(relations, factors)
    assert np.linalg.norm(mixed) == pytest.approx(1, abs=1e-5)
    np.testing.assert_allclose(combine_relations(relations * lengths[:, None], factors), mixed, atol=1e-4)
    np.testing.assert_allclose(
        combine_relations(relations[list(order)], [factors[place] for place in order]), mixed, atol=1e-4
    )
    scale = data.draw(st.floats(0.5, 20))
    np.testing.assert_allclose(combine_relations(relations, [scale * one for one in factors]), mixed, atol=1e-4)


@settings(max_examples=60)
@given(vectors, vectors, st.floats(0.05, 0.8), st.floats(0.05, 0.8))
def test_more_weight_comes_nearer_and_negative_weight_goes_farther(
    one: NDArray[np.float32], other: NDArray[np.float32], low: float, more: float
) -> None:
    assume(abs(float(one @ other)) < 0.9)
    pair = np.stack([one, other])
    little, much = (combine_relations(pair, [1, weight]) @ other for weight in (low, low + more))
    assert much >= little - 1e-5
    assert combine_relations(pair, [1, -low]) @ other <= one @ other + 1e-5


@settings(max_examples=40)
@given(groups)
def test_twice_the_same_relations_are_the_same(relations: NDArray[np.float32]) -> None:
    twice = np.concatenate([relations, relations])
    np.testing.assert_allclose(combine_relations(twice), combine_relations(relations), atol=1e-4)
    np.testing.assert_allclose(combine_relations(relations[:1]), relations[0], atol=1e-5)
    mixed = combine_relations(relations)
    np.testing.assert_allclose(combine_relations(np.stack([mixed, mixed])), mixed, atol=1e-5)


# Records.
@settings(deadline=None, max_examples=80)
@given(st.fixed_dictionaries(OPTIONS), words, st.floats(0, 1), st.integers(0, MAX_SEED), words)
def test_record_makes_the_request_again(
    options: dict[str, Any], caption: str, confidence: float, seed: int, subject: str
) -> None:
    request = Request(references=(PICTURE,), **options)
    candidate = Candidate(Image.new("RGB", (4, 4)), seed, Scores(confidence, 0, -1, 1), rank=3)
    result = Result("mini", subject, FoundRelation(caption, confidence), (candidate,))
    record = make_record(request, result, candidate)
    path = FOLDER / "made.png"
    path.write_bytes(png_bytes(candidate.image, record))
    found = read_metadata(path)
    assert found == record
    again = Request(**request_fields(path, [PICTURE], None))
    for name in OPTIONS:
        if name not in ("svg", "seed"):  # a picture has no svg, and the candidate's own seed
            assert getattr(again, name) == getattr(request, name), name
    assert again.seed == seed
    assert found["subject"] == subject


# Scenes.
plain = st.none() | st.booleans() | st.integers(-9, 9) | st.floats() | st.text(max_size=12)
FIELDS = ("kind", "x", "y", "size", "aspect", "turn", "opacity", "hue", "silhouette", "pattern", "palette", "clip", "z")
BEHIND = ("kind", "color", "color2", "turn", "level", "seed")
HOSTILE = ['"/><script>alert(1)</script>', "url(file:///etc/passwd)", "#12345", "red", "#FFFFFF", "'", "&e;"]


@settings(deadline=None, max_examples=80)
@example({}, {}, {"palette": ""})
@example({"kind": "rect"}, {}, {"palette": "no\nsuch"})
@given(
    st.dictionaries(st.sampled_from(FIELDS), plain, max_size=2),
    st.dictionaries(st.sampled_from(BEHIND), plain | st.sampled_from(HOSTILE), max_size=2),
    st.dictionaries(st.sampled_from(["subject", "other", "style", "palette", "shadow"]), plain, max_size=2),
)
def test_any_scene_is_drawn_or_refused(
    element: dict[str, Any], background: dict[str, Any], rest: dict[str, Any]
) -> None:
    whole = {
        "elements": [{"kind": "subject", "x": 0.5, "y": 0.5, "size": 0.4, **element}], "background": background, **rest
    }  # fmt: skip
    told, drawn = "", ""
    try:
        scene = from_json(json.dumps(whole))
        assert from_json(to_json(scene)) == scene
        drawn = to_svg(scene, 64)
    except ValueError as error:
        told = str(error)
    assert len(told.splitlines()) == (0 if drawn else 1)
    if drawn:
        assert "script" not in {one.tag.rpartition("}")[2] for one in ET.fromstring(drawn).iter()}


@pytest.mark.parametrize("text", ["", "[]", "null", "[" * 100_000, '{"elements": ' + "[" * 100_000, '{"elements": 1}'])
def test_text_that_is_no_scene_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a scene"):
        from_json(text)


@pytest.mark.parametrize("subject", ["👩‍🚀", "❤️", "🏴󠁧󠁢󠁳󠁣󠁴󠁿", "می‌خواهم"])
def test_joiners_are_parts_of_subjects(subject: str) -> None:
    assert Request(references=(Path("a.png"),), subject=subject).subject == subject


@pytest.mark.parametrize("subject", ["bad\udcff", "a\u202eb", "\u200b", "bell\x07"])
def test_what_cannot_be_shown_is_no_subject(subject: str) -> None:
    with pytest.raises(UserError, match=r"cannot be shown|is empty"):
        Request(references=(Path("a.png"),), subject=subject)
