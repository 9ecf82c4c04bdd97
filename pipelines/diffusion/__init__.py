"""Loads and samples any diffusers pipeline, with memory limits, LoRAs, ControlNets and runtime options."""
