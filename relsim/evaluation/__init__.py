"""Measuring: retrieval, triplets, analogies, judges and people, for any way of comparing pictures."""
