"""Measures speed and memory beside PyTorch; run from the repository."""
