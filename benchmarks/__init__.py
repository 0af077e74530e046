"""Speed and memory, measured against PyTorch; run from the repository."""
