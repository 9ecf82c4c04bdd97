"""Qwen2.5-VL with LoRA adapters: the relational encoder, the anonymous captioner, the image filter and judges."""
