"""Estimates how long a batch will take, for --dry-run."""

from __future__ import annotations

import tempfile
import time
from itertools import islice
from pathlib import Path

from analogen.batch.chunk_processor import ChunkProcessor, ChunkRow, RunLocation
from analogen.batch.chunking import chunk_key
from analogen.batch.manifest import Asset, Manifest


def estimate(manifest: Manifest, rows: int, device: str = "auto", sample: int = 4) -> float:
    """Estimate the seconds for `rows` rows, without loading the model, from the time of the first few.

    Pictures are written to a temporary folder only. Raises UserError if the model cannot be loaded.
    """
    assets_of_file = (asset for asset in manifest.assets() if isinstance(asset, Asset))
    first = next(assets_of_file)
    alike = (asset for asset in islice(assets_of_file, 1000) if chunk_key(asset.request) == chunk_key(first.request))
    assets = [first, *islice(alike, sample - 1)]
    with tempfile.TemporaryDirectory() as folder:
        processor = ChunkProcessor(RunLocation(manifest.path.parent, Path(folder), device))
        chunk_rows = [ChunkRow(number, str(number), asset.values, True) for number, asset in enumerate(assets)]
        list(processor.process(chunk_rows[:1]))  # the first call is slower: caches, kernels
        started = time.perf_counter()
        list(processor.process(chunk_rows))
        return (time.perf_counter() - started) / len(chunk_rows) * rows
