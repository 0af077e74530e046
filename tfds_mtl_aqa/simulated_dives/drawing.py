"""What the painters of a simulated dive share."""

from tfds_mtl_aqa.simulated_dives.events import Colour

# OpenCV draws at coordinates in units of 1/16 pixel.
SHIFT = 4
ONE = 1 << SHIFT


def shade(colour: Colour, factor: float) -> Colour:
  """Returns a colour made darker (factor < 1) or lighter (factor > 1)."""
  red, green, blue = (int(min(255, factor * part)) for part in colour)
  return red, green, blue
