"""Flax modules: trunks, heads and the captioner."""
