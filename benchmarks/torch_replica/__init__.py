"""The paper's networks in PyTorch, to measure against."""
