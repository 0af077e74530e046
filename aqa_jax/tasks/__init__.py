"""What a network learns to say of a video."""
