"""Smooth steps in time."""

import numpy as np


def ramp(t: np.ndarray, start: float, end: float) -> np.ndarray:
  """Returns a smooth step at the instants t: 0 at `start`, 1 at `end`."""
  s = np.clip((t - start) / max(end - start, 1e-6), 0.0, 1.0)
  return s * s * (3 - 2 * s)


def ramp_linear(t: np.ndarray, start: float, end: float) -> np.ndarray:
  """Returns a step from 0 to 1 that is almost linear, with smooth ends."""
  s = np.clip((t - start) / (end - start), 0.0, 1.0)
  return 0.6 * s + 0.4 * s * s * (3 - 2 * s)
