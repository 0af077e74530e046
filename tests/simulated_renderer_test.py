import cv2
import numpy as np
import pytest

from tfds_mtl_aqa.simulated_dives.dive import simulate_dive
from tfds_mtl_aqa.simulated_dives.dive_numbers import dive_table
from tfds_mtl_aqa.simulated_dives.faults import Faults
from tfds_mtl_aqa.simulated_dives.renderer import render_dive
from tfds_mtl_aqa.simulated_dives.simulation_config import CONFIGS
from tfds_mtl_aqa.simulation.frames import encode_frames

_CONFIG = CONFIGS['quickstart']


def _render(faults, number='205B', index=4):
  dives = dive_table(False)[0]
  dive = simulate_dive(
    _CONFIG,
    'train',
    index,
    number=next(d for d in dives if d.number == number),
    faults=faults,
  )
  return dive, render_dive(dive)


@pytest.mark.parametrize(
  ('width', 'height'), [(171, 128), (32, 24), (64, 64), (90, 160), (320, 180)]
)
def test_any_size(width, height):
  dive = simulate_dive(CONFIGS['tiny'], 'train', 0)
  frames = render_dive(dive, width, height)
  assert frames.shape == (24, height, width, 3)
  assert frames.dtype == np.uint8
  assert frames.std(axis=(1, 2, 3)).min() > 5


def test_frames_survive_jpeg():
  dive = simulate_dive(CONFIGS['tiny'], 'train', 0)
  frames = render_dive(dive, 171, 128)
  for frame, data in zip(frames, encode_frames(frames), strict=True):
    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    decoded = cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB).astype(float)
    assert np.abs(decoded - frame).mean() < 4


@pytest.mark.parametrize(
  'faults',
  [
    Faults(entry_angle=20),
    Faults(rotation_error=30),
    Faults(rotation_error=-30),
    Faults(legs_apart=30),
    Faults(knee_bend=45),
    Faults(splash=0.5),
    Faults(distance=1.1),
    Faults(distance=-0.6),
  ],
  ids=repr,
)
def test_each_fault_shows(faults):
  for number in ('107B', '207C', '5253B'):
    _, clean = _render(Faults(), number)
    _, faulty = _render(faults, number)
    difference = np.abs(clean.astype(float) - faulty).max(axis=-1)
    # A strong change over at least two tenths of a percent of a frame's
    # pixels times the number of frames, and over at least three frames.
    changed = (difference > 40).sum(axis=(1, 2))
    assert (changed >= 8).sum() >= 3
    assert changed.sum() > 0.002 * difference.size


def test_a_bigger_splash_is_more_white_water():
  white = []
  for splash in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0):
    dive, frames = _render(Faults(splash=splash))
    after = dive.frame_times > dive.flight.seconds
    white.append((frames[after].min(axis=-1) > 200).mean())
  assert np.all(np.diff(white) > 0)
  assert white[-1] > 5 * white[0]
  assert white[-1] > 0.05


def test_the_diver_stands_out_from_the_backdrop():
  contrasts = []
  for index in range(0, 60, 5):
    dive, frames = _render(Faults(), index=index)
    flying = (dive.frame_times > 0.2) & (
      dive.frame_times < dive.flight.seconds - 0.2
    )
    for i in np.flatnonzero(flying)[::4]:
      x, y = np.round(dive.poses()[i, [2, 13, 6]].mean(axis=0)).astype(int)
      body = frames[i, y - 2 : y + 3, x - 2 : x + 3].reshape(-1, 3)
      around = np.median(frames[i].reshape(-1, 3), axis=0)
      contrasts.append(np.abs(body - around).max(axis=-1).max())
  assert np.mean(contrasts) > 80
  assert np.quantile(contrasts, 0.1) > 40


def test_the_diver_disappears_in_the_water():
  dive, frames = _render(Faults())
  skin = np.array(dive.skin)
  seen = [
    (np.abs(frame.astype(int) - skin).max(axis=-1) < 25).sum()
    for frame in frames
  ]
  before = dive.frame_times < dive.flight.seconds
  gone = dive.frame_times > dive.flight.seconds + 0.42
  assert np.min(np.array(seen)[before]) >= 8
  assert np.max(np.array(seen)[gone]) <= 2


def test_events_differ_in_looks():
  first = render_dive(simulate_dive(_CONFIG, 'train', 0))[0]
  second = render_dive(simulate_dive(_CONFIG, 'train', 1))[0]
  assert np.abs(first.astype(float) - second).mean() > 10
