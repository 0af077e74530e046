"""Which frames of a video are judged."""

import dataclasses
import tracemalloc

import cv2
import numpy as np
import pytest

from aqa_jax.judging.model import FrameFormat
from aqa_jax.judging.video import VideoFrame
from aqa_jax.judging.window import Window, read_window
from tfds_mtl_aqa.clips.clip import encode
from tfds_mtl_aqa.input_error import InputError

_FORMAT = FrameFormat(frames_per_second=25.0, width=32, height=24)


def _video(rate, seconds, size=(48, 64), start=0.0):
  """Yields frames as grey as what happens is late, 50 a second."""
  for index in range(round(rate * seconds)):
    time = index / rate
    grey = min(round(50 * (start + time)), 255)
    yield VideoFrame(index + 1, time, np.full((*size, 3), grey, np.uint8))


def _clip(frames, count=20, **window):
  return read_window('clip.mp4', frames, _FORMAT, count, Window(**window))


def _greys(clip):
  images = [
    cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    for data in clip.frames
  ]
  assert {image.shape for image in images} == {(24, 32, 3)}
  return np.array([image.mean() for image in images])


def test_the_last_frames_one_by_one():
  clip = _clip(_video(25, 3))
  assert clip.numbers.tolist() == list(range(56, 76))
  np.testing.assert_allclose(clip.seconds, (clip.numbers - 1) / 25)
  assert clip.padded == 0 and not clip.warnings
  np.testing.assert_allclose(_greys(clip), 50 * clip.seconds, atol=1.5)


@pytest.mark.parametrize('rate', [24, 30, 30000 / 1001])
def test_about_the_same_rate_is_taken_one_by_one(rate):
  numbers = _clip(_video(rate, 3)).numbers
  assert np.diff(numbers).tolist() == [1] * 19


@pytest.mark.parametrize('rate', [10, 15, 50, 60, 120, 240])
def test_other_rates_are_taken_by_time(rate):
  """As much time as at the rate of the training."""
  clip = _clip(_video(rate, 3))
  assert clip.seconds[-1] == pytest.approx(3 - 1 / rate)
  wanted = clip.seconds[-1] - np.arange(20)[::-1] / 25
  np.testing.assert_allclose(clip.seconds, wanted, atol=0.5 / rate + 1e-9)


def test_variable_rate_is_taken_by_time():
  rng = np.random.default_rng(0)
  times = np.cumsum(rng.uniform(1 / 120, 1 / 40, size=200))
  frames = [
    VideoFrame(i + 1, t, np.full((24, 32, 3), 9, np.uint8))
    for i, t in enumerate(times)
  ]
  clip = _clip(frames)
  wanted = times[-1] - np.arange(20)[::-1] / 25
  assert np.abs(clip.seconds - wanted).max() < 1 / 80


def test_a_rate_that_is_near_only_in_the_median():
  """25 frames a second, of which every third is missing: by time."""
  frames = [frame for frame in _video(25, 4) if frame.number % 3]
  clip = _clip(frames)
  assert np.ptp(clip.seconds) == pytest.approx(19 / 25, abs=1 / 25)


def test_a_gap_within_the_window():
  frames = [f for f in _video(25, 8) if not 90 < f.number <= 190]
  clip = _clip(frames)
  assert np.ptp(clip.seconds) < 1


@pytest.mark.parametrize('rate', [20, 31.25])
def test_the_edges_of_the_same_rate(rate):
  """A fifth less, a quarter more; with times that are rounded."""
  frames = [
    dataclasses.replace(frame, seconds=round(frame.seconds, 3))
    for frame in _video(rate, 3)
  ]
  assert np.diff(_clip(frames).numbers).tolist() == [1] * 19


def test_too_few_frames_a_second():
  (warning,) = _clip(_video(5, 4)).warnings
  assert '5 different ones stand for the 20' in warning


def test_a_time_that_was_shown_leads_back():
  clip = _clip(_video(30, 4), end_frame=101)
  shown = float(f'{clip.seconds[-1]:.2f}')
  assert _clip(_video(30, 4), end_seconds=shown).numbers[-1] == 101


def test_the_end_of_a_slow_video():
  """Its last frame is shown from 5.8 s to 6 s."""
  assert _clip(_video(5, 6), end_seconds=6.0).numbers[-1] == 30


def test_times_that_hardly_grow():
  image = np.zeros((24, 32, 3), np.uint8)
  frames = (VideoFrame(i + 1, i * 1e-7, image) for i in range(20000))
  assert len(_clip(frames, count=4).frames) == 4


def test_slow_motion():
  """A quarter of the speed, at 25 frames a second: every fourth frame."""
  clip = _clip(_video(25, 8), speed=0.25)
  assert clip.numbers.tolist() == list(range(124, 201, 4))


def test_ends_that_are_given():
  assert _clip(_video(25, 3), end_frame=40).numbers[-1] == 40
  # Frame 31 is shown at 1.2 s.
  assert _clip(_video(25, 3), end_seconds=1.2).numbers[-1] == 31
  assert _clip(_video(25, 3), end_seconds=1.23).numbers[-1] == 31


def test_what_comes_after_the_end_is_not_read():
  frames = _video(25, 10)
  _clip(frames, end_frame=40)
  assert next(frames).number == 41


def test_too_short():
  clip = _clip(_video(25, 0.4))
  assert clip.padded == 10
  assert clip.numbers.tolist() == [1] * 10 + list(range(1, 11))
  (warning,) = clip.warnings
  assert '0.4 of the 0.8 seconds' in warning


def test_a_single_frame():
  clip = _clip(_video(25, 0.04))
  assert clip.padded == 19 and set(clip.numbers) == {1}


def test_portrait_is_cut_to_its_middle():
  def frames():
    for index in range(30):
      image = np.zeros((160, 90, 3), np.uint8)
      image[46:114] = 200
      yield VideoFrame(index + 1, index / 25, image)

  clip = _clip(frames())
  assert _greys(clip).min() > 195
  assert 'middle' in clip.warnings[0]


@pytest.mark.parametrize(
  'window, message',
  [
    ({'end_frame': 76}, 'has 75 frames'),
    ({'end_seconds': 4.0}, 'ends at 2.96 s'),
    ({'end_frame': 0}, 'end_frame=0'),
    ({'end_frame': True}, 'end_frame=True'),
    ({'end_frame': 2.5}, 'end_frame=2.5'),
    ({'end_seconds': -1.0}, 'end_seconds=-1'),
    ({'end_seconds': float('nan')}, 'end_seconds=nan'),
    ({'speed': 0.0}, 'speed=0'),
    ({'end_frame': 3, 'end_seconds': 1.0}, 'not both'),
  ],
)
def test_windows_that_can_not_be(window, message):
  with pytest.raises(InputError, match=message):
    _clip(_video(25, 3), **window)


def test_memory_is_bounded():
  """Of a long video only what the window may need is kept."""
  noise = np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)
  frames = (VideoFrame(i + 1, i / 25, noise) for i in range(10000))
  tracemalloc.start()
  _clip(frames)
  _, peak = tracemalloc.get_traced_memory()
  tracemalloc.stop()
  stored = len(encode(noise, (32, 24)))
  assert peak < 10000 * stored / 20
