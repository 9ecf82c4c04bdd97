"""Promises of names in galleries: patterns match whatever the case and normal form; a name stays on its line."""

from __future__ import annotations

import os
import re
import unicodedata

import pytest

pytest.importorskip("lancedb")

from analogen.relsim.gallery.indexing import matching
from analogen.relsim.gallery.path_patterns import path_pattern

NFC, NFD = (unicodedata.normalize(form, "/photos/Vögel/Ünï.JPG") for form in ("NFC", "NFD"))


@pytest.mark.parametrize("path", [NFC, NFD])
@pytest.mark.parametrize("pattern", ["*vögel*", "*.jpg", "*/ÜNÏ.jpg", unicodedata.normalize("NFD", "*Vögel/*")])
def test_patterns_match_whatever_the_case_and_normal_form(path: str, pattern: str) -> None:
    assert re.match(path_pattern(pattern), path)
    assert not re.match(path_pattern("*vogel*"), path), "an accent is no mere sign"


def test_a_pattern_matches_names_with_line_breaks() -> None:
    assert re.match(path_pattern("*two*.png"), "/a/line\ntwo lines.png")
    assert re.match(path_pattern("/a/line\n*"), "/a/line\ntwo lines.png")


def test_names_that_are_there_are_taken_exactly_and_others_in_any_form() -> None:
    known = ["/a/Cat.png", "/a/cat.png", NFD, "/b/line\nbreak.png"]
    assert matching(known, ["/a/cat.png"]) == {"/a/cat.png"}
    assert matching(known, ["/a/CAT.png"]) == {"/a/Cat.png", "/a/cat.png"}
    assert matching(known, [NFC]) == {NFD}
    assert matching(known, [os.path.dirname(NFC.lower())]) == {NFD}
    assert matching(known, ["/b/line\nbreak.png"]) == {"/b/line\nbreak.png"}
