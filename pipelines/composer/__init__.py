"""The composer: a diffusion model of scenes, conditioned on a relation."""
