"""Batches: manifests of many assets, made by an engine, and the job store that lets a run resume."""
