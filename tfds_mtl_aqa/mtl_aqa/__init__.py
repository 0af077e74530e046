"""MTL-AQA."""
