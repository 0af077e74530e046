"""The ends of the stages of a simulated dive, as UNLV-Dive's are marked."""

import numpy as np

from tfds_mtl_aqa.simulated_dives.dive import SimulatedDive
from tfds_mtl_aqa.simulated_dives.motion import GRAVITY


def stage_ends(dive: SimulatedDive) -> np.ndarray:
  """Returns the ends of the four stages of `labels.STAGES`, int32 [4].

  The beginning ends with the take-off; the jump at the highest point of the
  centre of mass; the drop at the first contact with the water; and the entry
  when the whole body is under water.

  An end is the number of stored frames before that instant: the first frame,
  from 0, of the next stage, and the last one, from 1, of its own. Where a stage
  is shorter than a frame, two ends are equal. A body that is not under water
  within the stored frames has their number as its last end.

  Args:
    dive: the dive.
  """
  flight, times = dive.flight, dive.frame_times
  instants = (0.0, flight.jump_speed / GRAVITY, flight.seconds)
  ends = np.searchsorted(times, instants).tolist()
  is_under = (times >= flight.seconds) & (dive.joints[:, :, 1].max(axis=1) < 0)
  ends.append(int(is_under.argmax()) if is_under.any() else len(times))
  return np.array(ends, np.int32)
