"""Looking for dives in frames that come one by one."""

import types

import numpy as np
import pytest

from aqa_jax.data.phases import phases_at
from aqa_jax.evaluation.found_dives import find_dives
from aqa_jax.judging import dive_search
from aqa_jax.judging.dive_search import DiveSearch
from aqa_jax.judging.video import VideoFrame

RATE = 12.5


class _Finder:
  """Knows the dives: a frame's colour is the time that it shows.

  Attributes:
    calls: number of frames of each prediction.
  """

  def __init__(self, dives, threshold=0.5):
    self.model = types.SimpleNamespace(
      frames_per_second=RATE, size=(8, 8), threshold=threshold
    )
    self.calls = []
    self._dives = dives

  def predict(self, frames):
    self.calls.append(len(frames))
    # BGR of the video, RGB here: hundreds, units and hundredths of seconds.
    digits = frames[:, 0, 0].astype(float)
    times = digits @ (100, 1, 0.01)
    return phases_at(np.array([0, 1 / RATE]), ()).repeat(
      -(-len(frames) // 2), 0
    )[: len(frames)] + _at(times, self._dives)


def _at(times, dives):
  # phases_at wants a constant rate, which the shown frames do not have.
  return np.concatenate(
    [phases_at(np.array([t, t + 1 / RATE]), dives)[:1] for t in times]
  )


def _frame(number, seconds, shown=None):
  shown = seconds if shown is None else shown
  hundredths = round(100 * shown)
  colour = (hundredths % 100, hundredths // 100 % 100, hundredths // 10000)
  return VideoFrame(number, seconds, np.full((6, 8, 3), colour, np.uint8))


def _search(finder, times, speed=1.0):
  search = DiveSearch(finder, speed)
  found = []
  told = []
  for number, seconds in enumerate(times, 1):
    new = search.add(_frame(number, seconds, seconds * speed))
    found += new
    told += [seconds - dive.entry for dive in new]
  return found + search.finish(), told, search


def _dives(seed, seconds):
  rng = np.random.default_rng(seed)
  dives, time = [], rng.uniform(0.2, 8)
  while time < seconds - 3:
    flight = rng.uniform(0.7, 2.2)
    dives.append((time, time + flight))
    time += flight + rng.uniform(1.1, 25)
  return dives


@pytest.mark.parametrize('seed', range(4))
@pytest.mark.parametrize('rate', [12.5, 25, 29.97, 60])
def test_it_finds_what_the_whole_video_shows(seed, rate):
  """Also where a dive lies on the border of two chunks."""
  seconds = 130
  dives = _dives(seed, seconds)
  times = np.arange(int(seconds * rate)) / rate
  found, told, search = _search(_Finder(dives), times)
  whole = phases_at(np.arange(seconds * RATE) / RATE, dives)
  expected = find_dives(whole, RATE, 0.5)
  assert len(found) == len(expected) == len(dives)
  for dive, other in zip(found, expected, strict=True):
    assert dive.take_off == pytest.approx(other.take_off, abs=0.05)
    assert dive.entry == pytest.approx(other.entry, abs=0.05)
  # They are told in the order of time, as soon as it promises.
  assert told and max(told) <= search.seconds_late
  assert search.surest.confidence > 0.8


def test_slow_motion():
  """A video at a quarter of the speed; times are those of the video."""
  dives = [(2.0, 3.5), (12.0, 13.2)]
  found, _, _ = _search(_Finder(dives), np.arange(2000) / 25, 0.25)
  assert [round(dive.entry) for dive in found] == [14, 53]


def test_frames_at_any_times():
  rng = np.random.default_rng(0)
  dives = _dives(5, 60)
  times = np.cumsum(rng.choice([0.01, 0.03, 0.05, 0.2], 1500))
  times = times[times < 60] - times[0]
  found, _, _ = _search(_Finder(dives), times)
  assert len(found) == len(dives)
  for dive, (_, entry) in zip(found, dives, strict=True):
    assert dive.entry == pytest.approx(entry, abs=0.12)


def test_a_gap_in_time():
  """As in a damaged file; memory does not grow with it."""
  dives = [(3.0, 4.4), (9000.0 + 2.0, 9000.0 + 3.4)]
  times = np.concatenate([np.arange(200) / 25, 9000 + np.arange(200) / 25])
  finder = _Finder(dives)
  found, _, _ = _search(finder, times)
  assert [round(dive.entry, 1) for dive in found] == [4.4, 9003.4]
  assert sum(finder.calls) < 2 * dive_search._MAX_FILL + 1000


def test_short_videos():
  for count in (1, 2, 30):
    finder = _Finder([])
    found, _, search = _search(finder, np.arange(count) / 25)
    assert not found and search.surest is None
  search = DiveSearch(_Finder([]), 1.0)
  assert search.finish() == []
