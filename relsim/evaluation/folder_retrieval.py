"""Measures retrieval on your own pictures: R@k if their groups are known, and a judge's score of the first result."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from analogen.relsim.data.shards import PictureIndex, StoredPicture, find_pictures, keys_of_row
from analogen.relsim.evaluation.judging import AnswerCache, Judge, judge_pairs
from analogen.relsim.evaluation.metrics import Vectors, bootstrap_mean, nearest, recall, rounded
from analogen.relsim.evaluation.similarity_measures import NothingToMeasure, Rows, SimilarityMeasure, compute_rows
from analogen.relsim.evaluation.tables import table_rows

RECALLS = (1, 5, 10)
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class RetrievalTask:
    """Queries and a gallery, with their groups ("" if unknown); refused: pictures that could not be read."""

    queries: list[StoredPicture]
    gallery: list[StoredPicture]
    groups: dict[str, str]  # by the name of a picture
    refused: list[dict[str, str]]


class Hit(NamedTuple):
    """The first result of a measure for a query."""

    by: str
    query: StoredPicture
    found: StoredPicture
    similarity: float


def prepare_retrieval(
    gallery: Path, queries: Path | None, groups: str | None, max_queries: int, seed: int
) -> RetrievalTask:
    """Finds the pictures. queries: None searches the gallery with its own pictures, each without itself.

    groups: "folders", where pictures in one folder share a group; or a table with a picture's `path`, `image_hash` or
    url and its `relation`, `group` or `caption`, such as data.jsonl of `analogen world`. At most `max_queries` are
    used, sampled by the seed. Raises ValueError or FileNotFoundError with one line.
    """
    if groups is not None and groups != "folders" and not Path(groups).is_file():
        raise FileNotFoundError(f"{groups}: no such file: expected 'folders', or a table with the pictures' groups")
    stored = find_pictures(gallery)
    asked = find_pictures(queries) if queries is not None else stored
    refused = [{"path": path, "reason": why} for path, why in dict([*stored.damaged, *asked.damaged]).items()]
    named: dict[str, str] = {}
    for found, root in ((stored, gallery), (asked, queries or gallery)):
        if groups == "folders":
            named |= {picture.name: str(picture.path.relative_to(root).parent) for picture in found.pictures}
        elif groups is not None:
            named |= _groups_of(Path(groups), found)
    if groups is not None and not any(named.get(p.name) for p in asked.pictures):
        raise ValueError(f"{groups}: names the group of no query: check its paths and hashes")
    chosen = [p for p in asked.pictures if groups is None or named.get(p.name)]
    if len(chosen) > max_queries:
        rng = np.random.default_rng([seed, 51])
        chosen = [chosen[i] for i in sorted(rng.choice(len(chosen), max_queries, replace=False))]
    return RetrievalTask(chosen, stored.pictures, named, refused)


def run_folder_retrieval(
    search: RetrievalTask,
    measures: Sequence[SimilarityMeasure],
    judge: Judge | None = None,
    cache: AnswerCache | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Yields for each measure a row of results, and a row for every query: its first result and the judge's answer.

    R@k counts the queries whose group has another picture in the gallery. Pictures that cannot be read are added to
    `search.refused`. Raises NothingToMeasure if there is nothing to search.
    """
    progress = progress or (lambda what, done, total: None)
    gallery_rows = compute_rows(search.gallery, measures, "gallery", progress=lambda d, t: progress("gallery", d, t))
    gallery = [search.gallery[i] for i in gallery_rows.kept]
    places = {picture.name: place for place, picture in enumerate(gallery)}
    unread = {row["path"] for row in gallery_rows.refused}
    search.refused.extend(gallery_rows.refused)
    # A query that is also in the gallery is embedded once, unless a measure embeds queries in another way.
    same_rows = all(measure.symmetric for measure in measures) and all(
        q.name in places or q.name in unread for q in search.queries
    )
    query_by_measure: dict[str, Rows]
    if same_rows:
        queries = [q for q in search.queries if q.name in places]
        own_places = [places[q.name] for q in queries]
        query_by_measure = {name: rows[own_places] for name, rows in gallery_rows.rows.items()}
    else:
        query_rows = compute_rows(search.queries, measures, "queries", progress=lambda d, t: progress("queries", d, t))
        queries = [search.queries[i] for i in query_rows.kept]
        search.refused.extend(row for row in query_rows.refused if row["path"] not in unread)
        query_by_measure = query_rows.rows
    if not queries or len(gallery) < 2:
        raise NothingToMeasure(
            f"{len(queries)} queries and {len(gallery)} pictures to search: expected 1 and 2 or more"
        )
    own = np.array([places.get(q.name, -1) for q in queries])
    same = _same(search.groups, queries, gallery, own)
    for measure in measures:
        similarity = measure.similarity(query_by_measure[measure.name], gallery_rows.rows[measure.name])
        yield _row(measure, similarity, queries, gallery, own, same, judge, cache or AnswerCache(None), seed, progress)


def _row(
    measure: SimilarityMeasure,
    similarity: Vectors,
    queries: Sequence[StoredPicture],
    gallery: Sequence[StoredPicture],
    own: NDArray[np.int64],
    same: NDArray[np.bool_],
    judge: Judge | None,
    cache: AnswerCache,
    seed: int,
    progress: Progress,
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    held = own >= 0
    similarity[held, own[held]] = -np.inf  # a picture never finds itself
    order = nearest(similarity, max(RECALLS))
    row: dict[str, Any] = {"by": measure.name, "queries": len(queries), "gallery": len(gallery)}
    answerable = same.any(axis=1)
    if answerable.any():
        row["answerable"] = int(answerable.sum())
        for top_k in RECALLS:
            row[f"r_at_{top_k}"] = round(recall(order[answerable, :top_k], same[answerable]), 4)
        row["chance"] = round(float(same[answerable].mean()), 4)
    hits = [
        Hit(measure.name, query, gallery[place], float(similarity[number, place]))
        for number, (query, place) in enumerate(zip(queries, order[:, 0], strict=True))
    ]
    hit_rows: list[dict[str, Any]] = [
        {"by": h.by, "query": h.query.name, "found": h.found.name, "nearness": round(h.similarity, 4)} for h in hits
    ]
    if judge is not None:
        verdicts = judge_pairs(
            judge,
            [(hit.query, hit.found) for hit in hits],
            cache,
            progress=lambda done, total: progress(f"judging {measure.name}", done, total),
        )
        scores = [verdict.value for verdict in verdicts if verdict.value is not None]
        for line, verdict in zip(hit_rows, verdicts, strict=True):
            line |= {"score": verdict.value, "answer": verdict.raw, "problem": verdict.problem}
        row["judged"] = rounded(bootstrap_mean(scores, seed)) if scores else None
        row["judged_pairs"], row["unanswered"] = len(scores), len(verdicts) - len(scores)
    return row, hit_rows


def _same(
    groups: dict[str, str], queries: Sequence[StoredPicture], gallery: Sequence[StoredPicture], own: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """(n, m): whether a query shares its group with a picture that is not the query itself."""
    names = sorted({group for group in groups.values() if group})
    number = {name: i for i, name in enumerate(names)}
    asked = np.array([number.get(groups.get(q.name, ""), -1) for q in queries])
    stored = np.array([number.get(groups.get(p.name, ""), -2) for p in gallery])
    same = asked[:, None] == stored[None]
    held = own >= 0
    same[held, own[held]] = False
    return np.asarray(same)


def _groups_of(table: Path, found: PictureIndex) -> dict[str, str]:
    by_path = {picture.path.resolve(): picture for picture in found.pictures if not picture.member}
    named: dict[str, str] = {}
    for where, row in table_rows(table):
        group = next((str(row[key]) for key in ("relation", "group", "caption") if row.get(key) not in (None, "")), "")
        if not group:
            raise ValueError(f"{where}: has no relation, group or caption: every row needs one")
        picture = by_path.get((table.parent / str(row["path"])).resolve()) if row.get("path") else None
        picture = picture or next((found.by_key[key] for key in keys_of_row(row) if key in found.by_key), None)
        if picture is not None:
            named.setdefault(picture.name, group)
    return named
