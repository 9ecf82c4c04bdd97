"""Relational similarity: encoders of relations, the relational world that they are trained on, and their evaluation."""
