"""Steps, optimizer, loop, and what the loop keeps."""
