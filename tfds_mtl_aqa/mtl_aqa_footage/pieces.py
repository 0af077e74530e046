"""Cuts the video of an event into pieces, one around each dive."""

import itertools
from collections.abc import Sequence

# Of the events' videos, by the times of their subtitles: the slope of frame
# over time is 24.9 to 25.03 in all 15.
FRAMES_PER_SECOND = 25
# A piece begins so many frames before its dive, and ends so many after it.
# Of the replays 99 % begin within 25 s of their dive's last frame (MTL-AQA's
# spreadsheets). No dive begins within 30 s of another's last frame.
BEFORE = 5 * FRAMES_PER_SECOND
AFTER = 25 * FRAMES_PER_SECOND

# First and last frame, counted from 1, both inclusive.
Span = tuple[int, int]


def cut(dives: Sequence[Span]) -> list[Span]:
  """Returns the pieces of an event; no frame is in two.

  The last piece ends with its dive: the annotations know of no later frame.

  Args:
    dives: of one event, in the order of time; they do not overlap.

  Returns:
    The piece of each dive.
  """
  # The last frame that may be of the piece before.
  bounds = [
    max((last + first) // 2, first - BEFORE - 1)
    for (_, last), (first, _) in itertools.pairwise(dives)
  ]
  ends = [
    min(last + AFTER, bound)
    for (_, last), bound in zip(dives, bounds, strict=False)
  ]
  return [
    (max(first - BEFORE, bound + 1), end)
    for (first, _), bound, end in zip(
      dives, [0, *bounds], [*ends, dives[-1][1]], strict=True
    )
  ]
