"""Engines of a batch: threads on one machine, or Ray workers on a cluster."""
