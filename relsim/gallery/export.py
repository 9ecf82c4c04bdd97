"""Exports the rows of a gallery for other tools."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np

from analogen.relsim.gallery.store import METADATA_COLUMNS, Gallery


def export_rows(gallery: Gallery, suffix: str) -> tuple[bytes, int]:
    """Returns the file's content and the number of rows, which are sorted by path.

    suffix: ".jsonl" (without vectors), ".npz" (arrays named as the columns) or ".parquet".
    """
    loaded = gallery.load()
    order = np.argsort(loaded.rows["path"], kind="stable")
    columns = {name: loaded.rows[name][order] for name in METADATA_COLUMNS}
    if suffix == ".jsonl":
        lines = (
            dict(zip(METADATA_COLUMNS, row, strict=True))
            for row in zip(*(columns[name].tolist() for name in METADATA_COLUMNS), strict=True)
        )
        return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines).encode("utf-8", "replace"), len(
            order
        )
    vectors = {"relation": loaded.relation[order], "attributes": loaded.attributes[order]}
    out = io.BytesIO()
    if suffix == ".npz":
        texts = {name: columns[name].astype(str) for name in ("path", "sha256")}
        arrays: dict[str, Any] = {**columns, **texts, **vectors}
        np.savez_compressed(out, **arrays)
    else:
        import pyarrow as pa
        import pyarrow.parquet as pq

        table = pa.table({**{name: pa.array(columns[name].tolist()) for name in METADATA_COLUMNS},
                          **{name: pa.array(list(rows)) for name, rows in vectors.items()}})  # fmt: skip
        pq.write_table(table, out)
    return out.getvalue(), len(order)
