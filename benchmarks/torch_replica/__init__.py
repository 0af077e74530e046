"""The paper's networks in PyTorch, to compare with."""
