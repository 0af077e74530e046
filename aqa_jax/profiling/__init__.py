"""Time, memory and messages of a step."""
