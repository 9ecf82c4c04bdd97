"""Generative models: the scene composer, diffusers pipelines, and relational adapters for them."""
