"""When the diver of a dive leaves the board and enters the water."""

import dataclasses
from collections.abc import Mapping

from tfds_mtl_aqa.finediving.annotations import FineDive
from tfds_mtl_aqa.mtl_aqa.annotations import Key
from tfds_mtl_aqa.mtl_aqa_footage.pieces import FRAMES_PER_SECOND

_ENTRY = 'Entry'
# A shorter time in the air is an error of the steps; there is one, of 0.32 s.
_SHORTEST_FLIGHT = 0.5 * FRAMES_PER_SECOND
# From this sample on an event has other statistics: from there on the clips of
# event 17 end with the entry; event 26 goes from the springboard to the tower.
_SECOND_PARTS = {17: 73, 26: 61}
# By event and part: median number of frames from the end of the dive to its
# entry, and from the take-off to the entry. Of the dives that have FineDiving's
# steps; tests/mtl_aqa_footage_test.py computes them.
STATISTICS = {
  (1, 0): (-44.0, 38.0),
  (2, 0): (-39.0, 39.0),
  (3, 0): (-35.0, 39.0),
  (4, 0): (-36.0, 36.0),
  (5, 0): (-43.0, 38.0),
  (6, 0): (-37.0, 38.0),
  (7, 0): (-34.0, 38.0),
  (9, 0): (-44.0, 36.0),
  (10, 0): (-38.5, 37.0),
  (13, 0): (-42.0, 38.0),
  (14, 0): (-36.0, 38.0),
  (17, 0): (-34.0, 37.0),
  (17, 1): (1.0, 36.0),
  (18, 0): (-30.0, 36.0),
  (22, 0): (-29.0, 33.0),
  (26, 0): (-31.0, 33.0),
  (26, 1): (-37.0, 40.0),
}


@dataclasses.dataclass(frozen=True)
class Moments:
  """The two moments of a dive.

  Attributes:
    take_off: frame of the event, counted from 1; fractions are between frames.
    entry: the same.
  """

  take_off: float
  entry: float


def from_steps(
  dive: FineDive, sub_actions: Mapping[int, str]
) -> Moments | None:
  """Returns the moments of a dive by its steps.

  The take-off is the first frame of the second step, the entry that of the
  last.

  Args:
    dive: of FineDiving.
    sub_actions: names by number.

  Returns:
    The moments; None where the steps do not tell them: the last is no entry, or
    the diver is in the air for less than half a second.
  """
  steps = dive.steps
  if len(steps) < 3 or sub_actions[steps[-1][0]] != _ENTRY:
    return None
  take_off, entry = (dive.start_frame + steps[k][1] for k in (1, -1))
  if entry - take_off < _SHORTEST_FLIGHT:
    return None
  return Moments(take_off, entry)


def part_of_event(key: Key) -> tuple[int, int]:
  """Returns the key of a dive's `STATISTICS`.

  Args:
    key: event and sample.
  """
  event, sample = key
  return event, int(sample >= _SECOND_PARTS.get(event, sample + 1))


def estimate(key: Key, end_frame: int) -> Moments:
  """Returns the moments of a dive by the medians of its event.

  Args:
    key: event and sample.
    end_frame: last frame of the dive in MTL-AQA.
  """
  end_to_entry, flight = STATISTICS[part_of_event(key)]
  entry = end_frame + end_to_entry
  return Moments(entry - flight, entry)
