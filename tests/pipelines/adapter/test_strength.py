"""Promises of the strength: zero outside of its time, full inside, and blocks by their longest name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analogen.pipelines.adapter.strength import EASES, Strength

SITE = "up_blocks.1.attentions.0.transformer_blocks.10.attn2.processor"


@given(st.floats(0, 0.9), st.floats(0.01, 1), st.sampled_from(sorted(EASES)), st.floats(0, 1), st.floats(0, 2))
def test_acts_within_its_time_and_never_beyond_its_scale(
    start: float, length: float, ease: str, progress: float, scale: float
) -> None:
    end = min(1.0, start + length)
    value = Strength(scale, start=start, end=end, ease=ease).at(progress)
    assert 0 <= value <= scale
    if not start <= progress <= end:
        assert value == 0
    elif ease == "none":
        assert value == scale


def test_eases_rise_and_fall() -> None:
    def course(ease: str) -> list[float]:
        return [round(Strength(ease=ease, start=0.2, end=0.8).at(x), 6) for x in (0.2, 0.5, 0.8)]

    assert course("in") == [0, 0.5, 1]
    assert course("out") == [1, 0.5, 0]
    assert course("in-out") == [0, 1, 0]


def test_longest_name_of_a_block_counts() -> None:
    blocks = {"": 0.0, "up_blocks.1": 0.5, "up_blocks.1.attentions.0": 0.7, "up_blocks.1.attentions.0.transf": 9.0}
    assert Strength(blocks=blocks).factor(SITE) == 0.7
    assert Strength(blocks=blocks).factor("mid_block.attn2.processor") == 0
    assert Strength(blocks={"up_blocks.1": 0.5}).factor("up_blocks.10.attn2.processor") == 1


def test_unknown_block_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"no block 'up_block\.1' with an adapter; it has: mid_block, up_blocks\.1"):
        Strength(blocks={"up_block.1": 1}).check_blocks([SITE, "mid_block.attn2.processor"])


@pytest.mark.parametrize(
    "wrong", [{"start": 0.5, "end": 0.5}, {"start": -0.1}, {"end": 1.1}, {"ease": "quick"}, {"scale": float("nan")}]
)
def test_values_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="strength: "):
        Strength(**wrong)  # type: ignore[arg-type]


def test_words_say_the_same_as_values() -> None:
    said = Strength.parse(" start=0.2, end=0.8,ease=out,up_blocks.1=0.5 , rest=0", 0.7)
    assert said == Strength(0.7, {"up_blocks.1": 0.5, "": 0.0}, 0.2, 0.8, "out")
    assert said.factor(SITE) == 0.5
    assert said.factor("mid_block.attn2.processor") == 0
    assert Strength.parse("mid_block=2") == Strength(blocks={"mid_block": 2.0})


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("0.5", "'0.5' is no NAME=VALUE: expected parts such as"),
        ("start=0.2,", "'' is no NAME=VALUE"),
        ("start=", "'start=' is no NAME=VALUE"),
        ("start=soon", "start is 'soon', expected a number"),
        ("end=0.5,end=0.6", "'end' comes twice"),
        ("start=0.6,end=0.5", "expected 0 <= start < end <= 1"),
        ("mid_block=nan", "must be finite numbers"),
        ("ease=quick", "ease is 'quick'"),
    ],
)
def test_words_that_say_nothing_are_refused(wrong: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Strength.parse(wrong)
