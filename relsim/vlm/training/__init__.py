"""Trains adapters of Qwen2.5-VL: the relational encoder, the anonymous captioner and the image filter."""
