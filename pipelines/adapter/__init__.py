"""Relational adapters: condition a diffusion model on a relation through its cross-attention."""
