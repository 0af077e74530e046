import dataclasses
import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest

from tfds_mtl_aqa.simulated_dives.dive import simulate_dive
from tfds_mtl_aqa.simulated_dives.events import draw_event
from tfds_mtl_aqa.simulated_dives.renderer import render_dive
from tfds_mtl_aqa.simulated_dives.simulation_config import CONFIGS
from tfds_mtl_aqa.simulation.body import INDEX
from tfds_mtl_aqa.simulation.frames import encode_frames

_DIGEST = """
import hashlib, sys
from tfds_mtl_aqa.simulated_dives.dive import simulate_dive
from tfds_mtl_aqa.simulated_dives.renderer import render_dive
from tfds_mtl_aqa.simulation.frames import encode_frames
from tfds_mtl_aqa.simulated_dives.simulation_config import CONFIGS
digest = hashlib.sha256()
for split, index in (('train', 3), ('test', 1), ('test_shared_events', 2)):
  dive = simulate_dive(CONFIGS['tiny'], split, index)
  digest.update(repr((dive.caption, dive.final_score, dive.faults)).encode())
  digest.update(dive.poses().tobytes())
  for frame in encode_frames(render_dive(dive)):
    digest.update(frame)
print(digest.hexdigest())
"""


def _digest(dive):
  digest = hashlib.sha256()
  digest.update(repr((dive.caption, dive.final_score, dive.faults)).encode())
  digest.update(dive.poses().tobytes())
  for frame in encode_frames(render_dive(dive)):
    digest.update(frame)
  return digest.hexdigest()


def test_a_dive_is_a_function_of_seed_split_and_index():
  config = CONFIGS['tiny']
  first = _digest(simulate_dive(config, 'train', 3))
  assert _digest(simulate_dive(config, 'train', 3)) == first
  others = [
    simulate_dive(config, 'train', 4),
    simulate_dive(config, 'test_shared_events', 3),
    simulate_dive(dataclasses.replace(config, seed=1), 'train', 3),
  ]
  assert first not in [_digest(other) for other in others]


def test_another_process_makes_the_same_bytes():
  digests = []
  for hash_seed in ('1', '2'):
    done = subprocess.run(
      [sys.executable, '-c', _DIGEST],
      env=os.environ | {'PYTHONHASHSEED': hash_seed},
      capture_output=True,
      text=True,
      check=True,
    )
    digests.append(done.stdout.strip())
  assert len(digests[0]) == 64
  assert digests[0] == digests[1]


def test_the_number_of_dives_changes_no_dive():
  config = CONFIGS['quickstart']
  more = dataclasses.replace(config, num_train=9000, num_test=5)
  for split, index in (('train', 17), ('test', 4)):
    first = simulate_dive(config, split, index)
    second = simulate_dive(more, split, index)
    assert first.caption == second.caption
    assert first.event == second.event


@pytest.mark.parametrize('name', list(CONFIGS))
def test_test_events_are_unseen_and_shared_events_are_seen(name):
  config = CONFIGS[name]
  keys = {}
  for split, count in config.num_examples.items():
    dives = [simulate_dive(config, split, i) for i in range(min(count, 1200))]
    keys[split] = {(dive.event.event_id, dive.sample) for dive in dives}
    assert len(keys[split]) == len(dives)
  events = {split: {event for event, _ in keys[split]} for split in keys}
  assert not events['train'] & events['test']
  assert events['test_shared_events'] <= events['train']
  assert not keys['train'] & keys['test_shared_events']
  assert min(events['train']) == 1


def test_the_real_sets_have_many_events_and_both_apparatuses():
  for name in ('clips_171x128', 'quickstart'):
    config = CONFIGS[name]
    assert config.num_train_events >= 100
    events = [
      draw_event(config.seed, event_id)
      for event_id in range(1, config.num_train_events + 1)
    ]
    springboards = np.mean([event.springboard for event in events])
    assert springboards == pytest.approx(289 / 1411, abs=0.02)
    assert len({event.wall for event in events}) > 90
    assert {event.away_to_right for event in events} == {True, False}


def test_the_window_ends_shortly_after_the_entry():
  config = CONFIGS['clips_171x128']
  for index in range(30):
    dive = simulate_dive(config, 'train', index)
    times = dive.frame_times - dive.flight.seconds
    assert len(times) == 109
    last = times[-1 - config.margin_frames]
    assert 0.5 <= last <= 0.8
    np.testing.assert_allclose(np.diff(times), 1 / 25)
    # The take-off is in the window too.
    assert dive.frame_times[config.margin_frames] < -0.3


def test_a_lower_frame_rate_covers_the_same_time():
  spans = [
    config.window_frames / config.frames_per_second
    for config in CONFIGS.values()
  ]
  assert max(spans) - min(spans) < 0.3


@pytest.mark.parametrize('name', ['clips_171x128', 'quickstart'])
def test_the_diver_is_large_and_in_the_frame(name):
  config = CONFIGS[name]
  inside, heights = [], []
  for index in range(40):
    dive = simulate_dive(config, 'train', index)
    poses = dive.poses()
    assert poses.shape == (config.num_frames, 17, 2)
    assert poses.dtype == np.float32
    assert np.isfinite(poses).all()
    visible = dive.frame_times < dive.flight.seconds
    x, y = poses[visible, :, 0], poses[visible, :, 1]
    # Within the square that a centre crop keeps.
    middle = (config.width - 1) / 2
    central = np.abs(x - middle) < 0.5 * config.height
    inside.append(central & (y > 0) & (y < config.height - 1))
    at_entry = np.flatnonzero(visible)[-1]
    if dive.number.head_first and dive.faults.knee_bend < 20:
      heights.append(np.ptp(poses[at_entry, :, 1]) / config.height)
  fractions = [part.mean() for part in inside]
  assert np.mean(fractions) > 0.98
  assert min(fractions) > 0.85
  assert 0.38 < np.median(heights) < 0.58


def test_the_head_leads_into_the_water_in_the_image_too():
  config = CONFIGS['clips_171x128']
  for index in range(20):
    dive = simulate_dive(config, 'train', index)
    frame = np.abs(dive.frame_times - dive.flight.seconds).argmin()
    pose = dive.poses()[frame]
    head, ankle = pose[INDEX['head'], 1], pose[INDEX['ankle_left'], 1]
    assert (head > ankle) == dive.number.head_first
