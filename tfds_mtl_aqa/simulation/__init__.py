"""What the simulated datasets share: body, camera, painters, sizes."""
