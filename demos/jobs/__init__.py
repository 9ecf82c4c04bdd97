"""The studio's jobs: runs of Create and batches, made in the background."""
