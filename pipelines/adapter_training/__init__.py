"""Trains relational adapters of diffusion models: `analogen train adapter`."""
