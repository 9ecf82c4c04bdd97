"""Promises of weighed references, mini's route: they reach the picture, its record, manifests, and are checked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analogen import Generator, Request
from analogen.cli import main
from analogen.errors import UserError
from analogen.metadata import read_metadata
from analogen.request_schema import parse_cell, request_from

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.png"))[:2]
SMALL: dict[str, Any] = {"subject": "cat", "width": 64, "height": 64, "candidates": 1, "seed": 3, "steps": 2}


def test_weight_zero_is_as_good_as_absent() -> None:
    generator = Generator()
    both, first = (
        generator.compose([generator.prepare(Request(references=paths, reference_weights=weights, **SMALL))])[0]
        for paths, weights in (((EXAMPLES[0], EXAMPLES[1]), (1.0, 0.0)), ((EXAMPLES[0],), (1.0,)))
    )
    np.testing.assert_allclose(both.conditioning.relation, first.conditioning.relation, atol=1e-5)


def test_picture_records_its_weights_and_is_recalled_with_them(tmp_path: Path) -> None:
    given = [part for path in EXAMPLES for part in ("--reference", str(path))]
    made = tmp_path / "a.png"
    small = ["--subject", "cat", "--width", "64", "--height", "64", "--candidates", "1", "--seed", "3", "--steps", "2"]
    weights = ["--reference-weight", "1", "--reference-weight", "-0.4"]
    assert main(["generate", *given, *weights, *small, "--output", str(made)]) == 0
    assert read_metadata(made)["settings"]["reference_weights"] == [1.0, -0.4]
    again = tmp_path / "b.png"
    assert main(["generate", "--recall", str(made), *given, "--output", str(again)]) == 0
    assert read_metadata(again)["settings"]["reference_weights"] == [1.0, -0.4]


def test_manifests_take_them_as_list_or_cell() -> None:
    values = {"reference": [str(path) for path in EXAMPLES], "subject": "cat", "reference_weights": [1, -1]}
    assert request_from(values, Path()).reference_weights == (1.0, -1.0)
    assert parse_cell("reference_weights", "1; -0.5") == [1.0, -0.5]
    for wrong in ("1;high", ""):
        with pytest.raises(UserError, match="expected a list of numbers"):
            parse_cell("reference_weights", wrong)
    with pytest.raises(UserError, match="expected a list of numbers"):
        request_from({**values, "reference_weights": ["1"]}, Path())


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ((1.0,), "1 weights were given for 2 references"),
        ((1.0, float("nan")), "--reference-weight is nan"),
        ((0.0, -1.0), "no relation is left to keep"),
        ((1.0, 11.0), "expected -10 to 10"),
    ],
)
def test_weights_that_make_no_relation_are_refused(weights: tuple[float, ...], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Request(references=tuple(EXAMPLES), reference_weights=weights, **SMALL)


def test_weights_that_cancel_each_other_out_are_told() -> None:
    generator = Generator()
    request = Request(references=(EXAMPLES[0], EXAMPLES[0]), reference_weights=(1.0, -1.0), **SMALL)
    with pytest.raises(UserError, match="cancel each other out"):
        generator.compose([generator.prepare(request)])
