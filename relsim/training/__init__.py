"""Training code that all networks share: the loop, optimizer, averaging, checkpoints and joint batches."""
