"""mini-pixel, a small latent diffusion model of the relational world."""
