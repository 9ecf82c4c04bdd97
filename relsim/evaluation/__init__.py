"""Evaluation of similarity measures: retrieval, triplets, analogies, judges and human studies."""
