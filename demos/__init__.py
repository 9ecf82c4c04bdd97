"""The studio: a Gradio page and its API, started by `analogen demo`."""
