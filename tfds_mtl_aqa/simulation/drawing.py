"""What the painters share: colours, and the units of OpenCV."""

import numpy as np

# Red, green and blue, 0 to 255.
Colour = tuple[int, int, int]

# OpenCV draws at coordinates in units of 1/16 pixel.
SHIFT = 4
ONE = 1 << SHIFT


def shade(colour: Colour, factor: float) -> Colour:
  """Returns a colour made darker (factor < 1) or lighter (factor > 1)."""
  red, green, blue = (int(min(255, factor * part)) for part in colour)
  return red, green, blue


def mix(first: Colour, second: Colour, share: float) -> Colour:
  """Returns `first` with a share (0..1) of `second`."""
  red, green, blue = (
    int(a + share * (b - a)) for a, b in zip(first, second, strict=True)
  )
  return red, green, blue


def random_colour(
  rng: np.random.Generator,
  hue: tuple[float, float],
  saturation: tuple[float, float],
  value: tuple[float, float],
) -> Colour:
  """Returns a random colour.

  Args:
    rng: source of random numbers.
    hue: least and most, 0 to 1.
    saturation: least and most, 0 to 1.
    value: least and most, 0 to 255.
  """
  h, s, v = (rng.uniform(*bounds) for bounds in (hue, saturation, value))
  weights = np.clip(np.abs((h * 6 + np.array([0, 4, 2])) % 6 - 3) - 1, 0, 1)
  red, green, blue = np.round(v * (1 - s + s * weights)).astype(int)
  return int(red), int(green), int(blue)
