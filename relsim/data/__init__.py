"""Training data from disk: captioned pictures in folders or shards, and batches of them."""
