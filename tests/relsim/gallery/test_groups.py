"""Tests of groups of pictures with the same relation."""

from __future__ import annotations

import numpy as np
import pytest
from gallery_rows import DIM, entries, unit

from analogen.relsim.gallery.groups import find_groups
from analogen.relsim.gallery.store import LoadedGallery


def test_groups_are_the_relations_of_the_rows() -> None:
    made = entries(2000, 2, kinds=25, spread=0.25)
    relation, looks = np.stack([one.relation for one in made]), np.stack([one.attributes for one in made])
    loaded = LoadedGallery(
        relation, looks, {"path": np.array([one.path for one in made])}, np.arange(2000, dtype=np.uint64)
    )
    centres = unit(np.random.default_rng(99).normal(size=(25, DIM)))
    truth = (relation @ centres.T).argmax(1)
    found = find_groups(loaded, threshold=0.9)
    assert len(found) == 25
    for group in found:
        assert len(set(truth[group.rows])) == 1
        assert group.centre @ relation[group.rows[0]] >= group.relation_similarity - 1e-6
    assert sum(len(group.rows) for group in found) > 1950
    sizes = [len(group.rows) for group in found]
    assert sizes == sorted(sizes, reverse=True)
    everything = np.concatenate([group.rows for group in found])
    assert len(everything) == len(set(everything.tolist()))


def test_pictures_without_neighbours_are_in_no_group() -> None:
    relation = unit(np.random.default_rng(0).normal(size=(200, DIM)))
    loaded = LoadedGallery(relation, relation, {"path": np.arange(200).astype(str)}, np.arange(200, dtype=np.uint64))
    assert find_groups(loaded) == []
    with pytest.raises(ValueError, match="expected a cosine between 0 and 1"):
        find_groups(loaded, threshold=1.5)
