"""Evaluation of whole generators: analogies, baselines, relations given as words, and outside references."""
