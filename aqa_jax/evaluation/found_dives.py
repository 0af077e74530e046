"""Makes dives of the phases that a network sees in each frame."""

import bisect
import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from aqa_jax.data.phases import PHASES, moment_at

# Shortest and longest time in the air, s: about a somersault from one metre,
# and a dive from ten metres with a high jump.
SHORTEST, LONGEST = 0.5, 2.6
# Two entries are at least so far from each other, s.
PAUSE = 1.0
# Frames of the Hann window that the moments are smoothed with.
_SMOOTHING = 5
# A smaller peak of a moment is none.
_LEAST_PEAK = 0.05
# An entry counts as found within this time, a take-off within that, s: 5 and 10
# frames of 25 a second.
ENTRY_SECONDS, TAKE_OFF_SECONDS = 0.2, 0.4
# Of `mean_f1`, s: 1 to 5 frames of 25 a second.
_TOLERANCES = tuple(frames / 25 for frames in range(1, 6))


@dataclasses.dataclass(frozen=True)
class FoundDive:
  """A dive that was found in a video.

  Attributes:
    take_off: when the diver leaves the board, s from the first frame.
    entry: when the diver first touches the water, s from the first frame.
    confidence: 0 to 1, the geometric mean of the three phases' probabilities.
  """

  take_off: float
  entry: float
  confidence: float


def find_dives(
  phases: np.ndarray, frames_per_second: float, threshold: float
) -> list[FoundDive]:
  """Returns the dives in a video, in the order of time.

  Of all sets of dives that do not overlap, it is the one with the largest sum
  of confidence above the threshold.

  Args:
    phases: float [frames, 3], probabilities of take-off, flight and entry.
    frames_per_second: rate of the frames.
    threshold: confidence that a dive needs, 0 to 1.
  """
  if not len(phases):
    return []
  take_off, entry = (
    _smoothed(phases[:, PHASES.index(name)]) for name in ('take_off', 'entry')
  )
  flight = phases[:, PHASES.index('flight')]
  summed = np.concatenate([[0.0], np.cumsum(flight)])
  begins = _peaks(take_off)
  candidates = []
  for end in _peaks(entry):
    best = None
    for begin in _starts(begins, end, frames_per_second):
      # Of a video that begins in the air, the flight's first frame counts.
      left = take_off[begin] if begin in begins else flight[begin]
      in_air = (summed[end] - summed[begin]) / (end - begin)
      confidence = float(np.cbrt(left * in_air * entry[end]))
      if best is None or confidence > best[0]:
        best = confidence, begin
    if best is not None and best[0] > threshold:
      candidates.append((best[1], end, best[0]))
  return [
    FoundDive(
      _centre(take_off, begin) / frames_per_second,
      _centre(entry, end) / frames_per_second,
      confidence,
    )
    for begin, end, confidence in _apart(
      candidates, round(PAUSE * frames_per_second), threshold
    )
  ]


def _smoothed(values: np.ndarray) -> np.ndarray:
  """Returns probabilities of a moment, smoothed; 1 where they are as wanted."""
  window = np.hanning(_SMOOTHING + 2)[1:-1]
  half = _SMOOTHING // 2
  wanted = moment_at(np.arange(-half, half + 1))
  padded = np.pad(values, half)
  shifted = np.lib.stride_tricks.sliding_window_view(padded, _SMOOTHING)
  return np.minimum(shifted @ window / (wanted @ window), 1.0)


def _peaks(values: np.ndarray) -> list[int]:
  """Returns where values are highest among their neighbours."""
  padded = np.pad(values, 1, constant_values=-1.0)
  is_peak = (values >= padded[:-2]) & (values > padded[2:])
  return np.flatnonzero(is_peak & (values > _LEAST_PEAK)).tolist()


def _starts(begins: list[int], end: int, rate: float) -> list[int]:
  """Returns which take-offs may belong to an entry."""
  first, last = end - LONGEST * rate, end - SHORTEST * rate
  starts = begins[bisect.bisect_left(begins, first) :]
  starts = [begin for begin in starts if begin <= last]
  if first <= 0 < end:
    starts.append(0)
  return starts


def _centre(values: np.ndarray, peak: int) -> float:
  """Returns the place of a peak between frames."""
  first = max(peak - 2, 0)
  near = values[first : peak + 3]
  total = near.sum()
  if not total:
    return float(peak)
  return float(first + (np.arange(len(near)) * near).sum() / total)


def _apart(
  candidates: Sequence[tuple[int, int, float]], pause: int, threshold: float
) -> list[tuple[int, int, float]]:
  """Returns the best dives that are apart: (begin, end, confidence) each."""
  ends = [end for _, end, _ in candidates]
  # The best sum of the first so many candidates, and what it is made of.
  sums = [0.0]
  chosen: list[tuple[int, ...]] = [()]
  for i, (begin, end, confidence) in enumerate(candidates):
    before = min(
      bisect.bisect_right(ends, end - pause), bisect.bisect_right(ends, begin)
    )
    gained = sums[before] + confidence - threshold
    if gained > sums[i]:
      sums.append(gained)
      chosen.append((*chosen[before], i))
    else:
      sums.append(sums[i])
      chosen.append(chosen[i])
  return [candidates[i] for i in chosen[-1]]


@dataclasses.dataclass(frozen=True)
class FinderFigures:
  """How well dives were found.

  Attributes:
    recall: share of the true dives whose entry was found.
    precision: share of the found dives whose entry is one.
    take_off_recall: share of the true dives whose take-off was found, too.
    num_dives: true dives.
    num_found: found dives.
  """

  recall: float
  precision: float
  take_off_recall: float
  num_dives: int
  num_found: int

  @property
  def f1(self) -> float:
    """Harmonic mean of recall and precision."""
    total = self.recall + self.precision
    return 2 * self.recall * self.precision / total if total else 0.0


def match(
  found: Sequence[Sequence[FoundDive]],
  true: Sequence[Sequence[tuple[float, float]]],
  entry_seconds: float = ENTRY_SECONDS,
) -> FinderFigures:
  """Compares found dives with the true ones.

  Args:
    found: of each video, the dives that were found.
    true: of each video, (take-off, entry) of its dives, s.
    entry_seconds: an entry counts as found within this time, s.
  """
  entries = take_offs = 0
  for found_ones, true_ones in zip(found, true, strict=True):
    left = list(found_ones)
    for take_off, entry in true_ones:
      near = [d for d in left if abs(d.entry - entry) <= entry_seconds]
      if not near:
        continue
      nearest = min(near, key=lambda d: abs(d.entry - entry))
      left.remove(nearest)
      entries += 1
      take_offs += abs(nearest.take_off - take_off) <= TAKE_OFF_SECONDS
  num_dives, num_found = sum(map(len, true)), sum(map(len, found))
  return FinderFigures(
    recall=entries / max(num_dives, 1),
    precision=entries / max(num_found, 1),
    take_off_recall=take_offs / max(num_dives, 1),
    num_dives=num_dives,
    num_found=num_found,
  )


def mean_f1(
  found: Mapping[float, Sequence[Sequence[FoundDive]]],
  true: Sequence[Sequence[tuple[float, float]]],
) -> float:
  """Returns the mean F1 of the entries, over thresholds and tolerances.

  The F1 at the best threshold is 1 for many networks on a small split. This one
  still tells which of them is surer of the dives, less sure of all else, and
  nearer to the moment. Tolerances as in the Average-mAP of Giancola et al.,
  "SoccerNet: A Scalable Dataset for Action Spotting in Soccer Videos" (CVPR
  Workshops 2018), but 0.04 to 0.2 s.

  Args:
    found: by threshold, of each video the dives that were found.
    true: of each video, (take-off, entry) of its dives, s.

  Returns:
    0 to 1; 1 if at each threshold all entries, and nothing else, were found
    within 0.04 s.
  """
  return float(
    np.mean(
      [
        match(dives, true, tolerance).f1
        for dives in found.values()
        for tolerance in _TOLERANCES
      ]
    )
  )
