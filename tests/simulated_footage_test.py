"""Simulated footage: what it shows, and when."""

import itertools

import numpy as np
import pytest

from tfds_mtl_aqa.simulated_dives.dive import simulate_dive
from tfds_mtl_aqa.simulated_dives.motion import joint_positions
from tfds_mtl_aqa.simulated_dives.renderer import render_motion
from tfds_mtl_aqa.simulated_footage import dive_shots, diver_motion, other_shots
from tfds_mtl_aqa.simulated_footage.diver_motion import Conduct
from tfds_mtl_aqa.simulated_footage.footage import simulate_footage
from tfds_mtl_aqa.simulated_footage.footage_config import (
  CONFIGS,
  SPLITS,
  FootageConfig,
)
from tfds_mtl_aqa.simulated_footage.picture import Picture

CONFIG = CONFIGS['small']


def _dives(count=12):
  return [simulate_dive(CONFIG.dives, 'train', i) for i in range(count)]


def test_the_same_arguments_give_the_same_video():
  first, second = (simulate_footage(CONFIG, 'test', 3) for _ in range(2))
  np.testing.assert_array_equal(first.frames, second.frames)
  assert [d.entry for d in first.dives] == [d.entry for d in second.dives]
  assert simulate_footage(CONFIG, 'train', 3).event != first.event


def test_no_event_is_in_two_splits():
  tiny = CONFIGS['tiny']
  events = [
    simulate_footage(tiny, split, index).event.event_id
    for split in SPLITS
    for index in range(tiny.num_videos[split])
  ]
  assert len(set(events)) == len(events) == 12


def test_dives_are_in_order_and_in_the_video():
  lengths = []
  for index in range(40):
    footage = simulate_footage(CONFIG, 'train', index)
    seconds = len(footage.frames) / CONFIG.frames_per_second
    lengths.append(len(footage.dives))
    for dive in footage.dives:
      assert dive.entry - dive.take_off == pytest.approx(
        dive.dive.flight.seconds
      )
      assert 0 < dive.take_off < dive.entry < seconds
    for dive, after in itertools.pairwise(footage.dives):
      assert after.take_off > dive.entry
  assert min(lengths) == 0 and max(lengths) == 3


def test_the_times_are_those_of_the_frames():
  """The frames around the entry are those that a dive's own drawing shows."""
  config = FootageConfig(broadcast=0.0, seed=7)
  compared = 0
  for index in range(6):
    footage = simulate_footage(config, 'train', index)
    for filmed in footage.dives:
      rate = config.frames_per_second
      frames = np.arange(
        round(filmed.take_off * rate), round(filmed.entry * rate) + 4
      )
      times = frames / rate - filmed.take_off
      dive = filmed.dive
      joints = joint_positions(dive.flight, times)
      # The camera of the event, which is mostly the one that films it.
      camera = dive_shots.motion.filmed_centre(dive.flight, times, joints)
      follow = dive_shots.follow_diver(footage.event, *camera, 128, 96, rate)
      drawn = render_motion(
        dive, footage.event, times, joints, follow, (64, 48)
      )
      differences = np.abs(drawn.astype(int) - footage.frames[frames]).mean(
        axis=(1, 2, 3)
      )
      # At the borders the smoothed camera is elsewhere.
      compared += np.median(differences[2:-2]) < 4
  assert compared >= 4


def test_a_diver_moves_as_a_body_does():
  """No joint jumps, and all stay above the board."""
  rng = np.random.default_rng(0)
  for dive in _dives():
    conduct = dive_shots.draw_conduct(rng)
    t = np.arange(-9, 0, 0.02)
    joints = diver_motion.joint_positions(dive.flight, conduct, t)
    steps = np.linalg.norm(np.diff(joints, axis=0), axis=-1)
    # Hands that swing up with the jump are the fastest.
    assert steps.max() < 0.3
    lowest = joints[t < -0.6][:, :, 1].min()
    assert lowest > dive.flight.board_height - 0.1


def test_a_dive_is_not_changed_by_what_is_around_it():
  for dive in _dives():
    t = np.linspace(-0.6, dive.flight.seconds + 1.0, 40)
    conduct = Conduct(wait=2.0, under_water=1.5, swimming=0.5)
    np.testing.assert_allclose(
      diver_motion.joint_positions(dive.flight, conduct, t),
      joint_positions(dive.flight, t),
      atol=1e-9,
    )


def test_a_diver_comes_up_and_swims():
  (dive,) = _dives(1)
  conduct = Conduct(wait=0.0, under_water=1.5, swimming=0.5)
  t = dive.flight.seconds + np.array([1.4, 3.0, 5.0])
  joints = diver_motion.joint_positions(dive.flight, conduct, t)
  highest = joints[:, :, 1].max(axis=1)
  assert highest[0] < 0 < highest[1]
  x = joints[:, :, 0].mean(axis=1)
  assert x[2] - x[1] == pytest.approx(1.0, abs=0.3)


@pytest.mark.parametrize('kind', list(other_shots._KINDS))
def test_other_shots(kind):
  rng = np.random.default_rng(1)
  images = list(kind(np.arange(10) / 12.5, rng))
  assert len(images) == 10
  assert {image.shape for image in images} == {(192, 256, 3)}
  assert {image.dtype for image in images} == {np.dtype(np.uint8)}


def test_a_replay_is_slower():
  (dive,) = _dives(1)
  picture = Picture(64, 48, 12.5)
  span = dive_shots.Span(0.0, 1.0, 0.25)
  times = span.times(picture.frames_per_second)
  assert len(times) == 50 and times[1] == pytest.approx(0.02)
  conduct = Conduct(0.0, 1.5, 0.0)
  shot = dive_shots.dive_shot(dive, conduct, dive.event, span, picture)
  assert shot.shape == (50, 48, 64, 3)
