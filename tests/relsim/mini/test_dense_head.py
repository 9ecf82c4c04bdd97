"""The dense head: placed elements to targets and back, and moved tables."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from analogen.relsim.mini.dense_head import (
    ABSENT,
    CHANNELS,
    COLUMNS,
    KIND_NUMBERS,
    LAYERS,
    PROP_LAYER,
    DenseHead,
    dense_loss,
    moved,
    placed,
    split_channels,
    summed,
    targets,
)
from analogen.relsim.mini.views import moved_tables
from analogen.relsim.world.scene import Element, Frame, Scene

CELLS = 24


def table_of(*elements: Element, frame: Frame | None = None) -> np.ndarray:
    return placed(Scene(elements, frame=frame or Frame()))


def column(table: np.ndarray, name: str) -> np.ndarray:
    return table[:, COLUMNS.index(name)]


def test_placed_elements_are_in_shares_of_the_picture() -> None:
    table = table_of(Element("subject", 0, 0, 0.5), Element("other", 1, -1, 0.2, turn=30))
    assert column(table, "kind")[:3].tolist() == [0, 1, ABSENT]
    assert column(table, "x")[:2].tolist() == [0.5, 1.0]
    assert column(table, "y")[:2].tolist() == [0.5, 0.0]
    np.testing.assert_allclose(column(table, "size")[:2], [0.25, 0.1], rtol=1e-6)
    np.testing.assert_allclose(column(table, "turn")[:2], [0, 30], atol=1e-4)


def test_the_frame_of_a_scene_moves_its_elements() -> None:
    table = table_of(Element("subject", 0.5, 0, 0.5), frame=Frame(x=0.2, y=0.0, scale=0.5, turn=90, mirror=False))
    assert column(table, "x")[0] == pytest.approx(0.6, abs=1e-6)
    assert column(table, "y")[0] == pytest.approx(0.625, abs=1e-6)
    assert column(table, "size")[0] == pytest.approx(0.125)
    assert column(table, "turn")[0] == pytest.approx(90, abs=1e-3)


def test_targets_put_a_centre_in_its_cell() -> None:
    tables = torch.from_numpy(table_of(Element("subject", 0.1, -0.3, 0.4), Element("sun", -0.6, 0.6, 0.3)))[None]
    wanted = targets(tables, CELLS)
    assert wanted.heat.shape == (1, LAYERS, CELLS, CELLS)
    assert (wanted.heat == 1).sum() == 2
    assert wanted.kind.tolist() == [0, KIND_NUMBERS["sun"]]
    x = (wanted.column + 0.5 + wanted.box[:, 0]) / CELLS
    y = (wanted.row + 0.5 + wanted.box[:, 1]) / CELLS
    torch.testing.assert_close(x, torch.tensor([0.55, 0.2]))
    torch.testing.assert_close(y, torch.tensor([0.35, 0.8]))
    torch.testing.assert_close(wanted.box[:, 2].exp(), torch.tensor([0.2, 0.15]))


@pytest.mark.parametrize(
    "element",
    [Element("subject", 0, 0, 0.5, opacity=0.0), Element("subject", 1.4, 0, 0.5), Element("shadow", 0, 0, 0.5)],
    ids=["transparent", "outside", "shadow"],
)
def test_what_cannot_be_seen_is_no_target(element: Element) -> None:
    assert len(targets(torch.from_numpy(table_of(element))[None], CELLS).kind) == 0


@settings(max_examples=30, deadline=None)
@given(
    st.floats(-0.6, 0.6), st.floats(-0.6, 0.6), st.floats(0.2, 0.8), st.floats(-170, 170), st.floats(-40, 40),
    st.floats(0.6, 1.4), st.booleans(),
)  # fmt: skip
def test_moving_a_picture_equals_moving_its_scene(
    x: float, y: float, size: float, turn: float, angle: float, scale: float, mirror: bool
) -> None:
    element = Element("subject", x, y, size, turn=turn)
    expected = table_of(element, frame=Frame(x=0.1, y=-0.2, scale=scale, turn=angle, mirror=mirror))[0]
    a = np.radians(angle)
    turned = (
        np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]]) @ np.diag([-1.0 if mirror else 1.0, 1.0]) * scale
    )
    centred = np.eye(3)
    centred[:2, :2] = turned
    centred[:2, 2] = (0.1, -0.2)
    # From [0, 1] to [-1, 1] and back.
    to, back = np.array([[2, 0, -1], [0, 2, -1], [0, 0, 1.0]]), np.array([[0.5, 0, 0.5], [0, 0.5, 0.5], [0, 0, 1.0]])
    found = moved(table_of(element), back @ centred @ to)[0]
    as_view = moved_tables(
        torch.from_numpy(table_of(element))[None], torch.from_numpy(np.linalg.inv(turned)).float()[None],
        torch.from_numpy(-np.linalg.inv(turned) @ [0.1, -0.2]).float()[None],
    )[0, 0].numpy()  # fmt: skip
    for other in (found, as_view):
        np.testing.assert_allclose(other[1:4], expected[1:4], atol=1e-4)
        assert other[6] == expected[6]
        assert abs((other[5] - expected[5] + 180) % 360 - 180) < 0.05


def test_a_head_learns_one_picture() -> None:
    torch.manual_seed(0)
    head = DenseHead(fine=8, dim=16, width=32)
    fine, patches = torch.randn(1, 8, CELLS, CELLS), torch.randn(1, CELLS * CELLS // 4, 16)
    scene = [Element("subject", -0.5, 0, 0.4), Element("subject", 0.5, 0, 0.3, turn=40), Element("other", 0, 0.6, 0.4)]
    wanted = targets(torch.from_numpy(table_of(*scene, Element("moon", 0.6, -0.6, 0.2)))[None], CELLS)
    optimizer = torch.optim.Adam(head.parameters(), 5e-3)
    for _ in range(150):
        loss = summed(dense_loss(head(fine, patches), wanted))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    parts = split_channels(head(fine, patches).detach())
    assert head(fine, patches).shape == (1, CHANNELS, CELLS, CELLS)
    things = (parts["heat"][0, :PROP_LAYER, 0].sigmoid() > 0.5).nonzero().tolist()
    places = [part.tolist() for part in (wanted.layer, wanted.row, wanted.column)]
    assert sorted(things) == sorted(
        [layer, row, column] for layer, row, column, kind in zip(*places, wanted.kind.tolist(), strict=True) if kind < 2
    )
    alike = [parts["alike"][0, min(layer, 3), :, r, c] for layer, r, c in zip(*places, strict=True)]
    cosine = torch.nn.functional.cosine_similarity
    assert cosine(alike[0], alike[1], dim=0) > 0.5 > cosine(alike[0], alike[2], dim=0)


def test_the_loss_is_finite_without_any_element() -> None:
    empty = torch.from_numpy(table_of())[None]
    parts = dense_loss(torch.zeros(1, CHANNELS, CELLS, CELLS, requires_grad=True), targets(empty, CELLS))
    assert all(torch.isfinite(part) for part in parts.values())
    summed(parts).backward()


def test_a_full_scene_has_room() -> None:
    many = tuple(dataclasses.replace(Element("subject", 0, 0, 0.1), x=i / 40 - 0.8) for i in range(64))
    assert (column(table_of(*many), "kind") == 0).sum() == 64


def test_things_of_different_sizes_may_share_a_centre() -> None:
    nested = [Element("subject", 0.02, 0.02, size) for size in (1.6, 0.9, 0.5, 0.25)]
    wanted = targets(torch.from_numpy(table_of(*nested, Element("ring", 0.02, 0.02, 0.3)))[None], CELLS)
    assert len(set(zip(wanted.layer.tolist(), wanted.row.tolist(), wanted.column.tolist(), strict=True))) == 5
    assert (wanted.heat == 1).sum() == 5
