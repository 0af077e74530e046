"""Writes a model's prediction as a file that other programs run."""
