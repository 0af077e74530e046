"""Checkpoints, and files of other programs."""
