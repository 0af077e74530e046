"""The phases of a dive, as a network gives them for each frame."""

from collections.abc import Sequence

import numpy as np

# The moment that the diver leaves the board; the time in the air; the first
# contact with the water.
PHASES = ('take_off', 'flight', 'entry')
# A moment is wanted in the frames around it, too: this many on each side.
_MOMENT_FRAMES = 1.0


def moment_at(frames: np.ndarray) -> np.ndarray:
  """Returns the wanted probability of a moment, so many frames from it."""
  return np.exp(-0.5 * np.square(frames / _MOMENT_FRAMES))


def phases_at(
  times: np.ndarray, dives: Sequence[tuple[float, float]]
) -> np.ndarray:
  """Returns the wanted probabilities of the phases.

  Args:
    times: float [frames], times of frames of a constant rate, s.
    dives: (take-off, entry) of each dive, s.

  Returns:
    float32 [frames, 3], in the order of PHASES.
  """
  interval = times[1] - times[0]
  wanted = np.zeros((len(times), len(PHASES)), np.float32)
  for take_off, entry in dives:
    flies = (times >= take_off) & (times <= entry)
    for i, values in enumerate(
      (
        moment_at((times - take_off) / interval),
        flies,
        moment_at((times - entry) / interval),
      )
    ):
      wanted[:, i] = np.maximum(wanted[:, i], values)
  return wanted
