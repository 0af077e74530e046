"""Decoded frames that are kept: the same batches as without, bit by bit."""

import contextlib
import dataclasses

import cv2
import jax
import numpy as np
import pytest
from dive_tasks import dive_tasks

from aqa_jax import dive_training, sharding, train
from aqa_jax.data import training_cache
from aqa_jax.data.cache_memory import available_memory, check_memory
from aqa_jax.data.cached_dives import decode_dives
from aqa_jax.data.corrupt_records import CorruptRecords
from aqa_jax.data.device_frames import DeviceFrames
from aqa_jax.data.dive_split import DiveSplit
from aqa_jax.data.encoded_frames import DecodeError
from aqa_jax.data.input_pipeline import evaluation_batches, training_batches
from aqa_jax.data.training_cache import make_cache
from aqa_jax.data.video_input import VideoInput
from aqa_jax.training import preemption, training_loop
from tfds_mtl_aqa.input_error import InputError
from tfds_mtl_aqa.labels import CLASS_NAMES

_TASKS = dive_tasks(length=5)
_NUM_DIVES = 11
_VIDEO_INPUT = VideoInput(
  window_frames=20,
  frames=16,
  stride=1.0,
  anchor='end',
  max_shift=3,
  crop=24,
  flip=True,
)
_INPUTS = {
  'as in C3D-AVG': {},
  'as in MSCADC': {'frames': 6, 'stride': 3.3, 'anchor': 'start'},
  'resized': {'resize': (43, 32), 'crop': 30},
  'resized in training': {
    'resize': (43, 32),
    'resize_evaluation': False,
    'max_shift': 0,
  },
}


class _Source(list):
  """Dives, of which the record of the fifth is damaged."""

  def __getitem__(self, index):
    if index == 5:
      raise RuntimeError('wrong checksum')
    return super().__getitem__(index)


def _dive(sample):
  rng = np.random.default_rng(sample)
  frames = rng.integers(0, 256, (26, 28, 37, 3), np.uint8)
  return {
    'video': [cv2.imencode('.jpg', frame)[1].tobytes() for frame in frames],
    'padded_frames': np.array([(0, 0), (2, 0), (0, 3)][sample % 3], np.int32),
    'event': 1,
    'sample': sample,
    'dive_number': b'107B',
    'start_frame': 100,
    'end_frame': 200,
    'final_score': 50.0 + sample,
    'difficulty': 3.0,
    'judge_scores': np.full(7, 8.0),
    'caption_ids': np.array([1, 5, 2 + sample % 3, 0]),
  } | dict.fromkeys(CLASS_NAMES, 1)


@pytest.fixture(name='dives', scope='module')
def fixture_dives():
  dives = _Source(_dive(sample) for sample in range(_NUM_DIVES))
  for sample, places in ((3, (8, 9, 10)), (7, (0, 1))):
    for place in places:  # Shifts decide whether the others are seen.
      list.__getitem__(dives, sample)['video'][place] = b'nothing'
  labels = [list.__getitem__(dives, index) for index in range(_NUM_DIVES)]
  return DiveSplit(dives, range(_NUM_DIVES), 'a split', None, labels)


@pytest.fixture(name='whole_dives', scope='module')
def fixture_whole_dives():
  return DiveSplit([_dive(i) for i in range(_NUM_DIVES)], range(_NUM_DIVES))


def _training(dives, video_input, count, first_step=0, part=(0, 1)):
  corrupt = CorruptRecords(len(dives), 0.5)
  batches = training_batches(
    dives, video_input, _TASKS, 4, part, 7, first_step, corrupt
  )
  return [next(batches) for _ in range(count)]


def _assert_same(batches, others):
  for batch, other in zip(batches, others, strict=True):
    assert set(batch) == set(other)
    for name, rows in batch.items():
      assert rows.dtype == other[name].dtype
      np.testing.assert_array_equal(rows, other[name], err_msg=name)


@pytest.mark.parametrize('changes', _INPUTS.values(), ids=_INPUTS)
def test_training_batches_are_the_same(dives, changes, capsys):
  """Those with damaged records and frames, whose place others take, too."""
  video_input = dataclasses.replace(_VIDEO_INPUT, **changes)
  plain = _training(dives, video_input, 20)
  said = capsys.readouterr().err
  assert 'record 5' in said and 'dive (1, 3)' in said
  cached = decode_dives(dives, video_input, True, False, '', False)
  _assert_same(_training(cached.examples, video_input, 20), plain)
  # From another step on, and as one of two processes.
  _assert_same(
    _training(cached.examples, video_input, 8, 12, part=(1, 2)),
    [{name: v[2:] for name, v in batch.items()} for batch in plain[12:]],
  )


@pytest.mark.parametrize('changes', _INPUTS.values(), ids=_INPUTS)
def test_evaluation_batches_are_the_same(whole_dives, changes):
  video_input = dataclasses.replace(_VIDEO_INPUT, **changes)
  cached = decode_dives(whole_dives, video_input, False, False, '', False)
  # Nothing is kept that evaluation does not see.
  assert cached.crops.shape[1] == video_input.frames
  batches, plain = (
    list(evaluation_batches(source, video_input, _TASKS, 4, (0, 1)))
    for source in (cached.examples, whole_dives)
  )
  _assert_same(batches, plain)


def test_damaged_dives_are_errors_of_evaluation(dives):
  cached = decode_dives(dives, _VIDEO_INPUT, False, False, '', False)
  for index, reason in ((3, 'no JPEG'), (5, 'wrong checksum')):
    for source in (dives, cached.examples):
      with pytest.raises(DecodeError, match=reason):
        _VIDEO_INPUT.read(source[index], None)


@pytest.mark.parametrize(
  'sizes', [(1, 1, 1), (4, 1, 1), (2, 2, 1), (1, 2, 2)], ids=str
)
def test_videos_from_the_devices_are_the_same(dives, sizes):
  data, clip, fsdp = sizes
  mesh = sharding.make_mesh(
    data, clip, fsdp, jax.devices()[: data * clip * fsdp]
  )
  video_input = dataclasses.replace(_VIDEO_INPUT, cache='device')
  cached = decode_dives(dives, video_input, True, True, '', False)
  device_frames = DeviceFrames(cached.crops, mesh)
  batches = _training(cached.examples, video_input, 6)
  # The host sends numbers.
  assert sum(rows.nbytes for rows in batches[0].values()) < 2000
  plain = _training(dives, _VIDEO_INPUT, 6)
  placed = [device_frames.place(batch) for batch in batches]
  for batch, other in zip(placed, plain, strict=True):
    expected = sharding.shard(other, mesh)
    for name, rows in batch.items():
      assert rows.sharding == expected[name].sharding
  _assert_same(placed, plain)


def test_devices_send_each_other_no_pixels(whole_dives):
  mesh = sharding.make_mesh(2, 2, 2)
  cached = decode_dives(whole_dives, _VIDEO_INPUT, True, True, '', False)
  (batch,) = _training(cached.examples, _VIDEO_INPUT, 1)
  device_frames = DeviceFrames(cached.crops, mesh)
  program = device_frames.lower(sharding.shard(batch, mesh)).compile()
  text = program.as_text()
  assert 'gather' in text or 'dynamic-slice' in text
  for name in ('all-gather', 'all-reduce', 'all-to-all', 'collective-permute'):
    assert f'{name}(' not in text


def test_what_does_not_fit_is_told_before_it_is_decoded(
  whole_dives, monkeypatch
):
  mesh = sharding.make_mesh(1, devices=jax.devices()[:1])
  in_memory = dataclasses.replace(_VIDEO_INPUT, cache='memory')
  # 22 frames of 11 dives to train on, 16 of 5: 24 x 24 x 3 bytes each.
  needed = (22 * 11 + 16 * 5) * 24 * 24 * 3
  check_memory(in_memory, 11, 5, [], needed)
  with pytest.raises(InputError, match=r"input.cache='memory'.* of 16 dives"):
    check_memory(in_memory, 11, 5, [], needed - 1)
  on_device = dataclasses.replace(_VIDEO_INPUT, cache='device')

  class Device:
    platform = 'gpu'

    def __init__(self, limit):
      self.limit = limit

    def memory_stats(self):
      return {'bytes_limit': self.limit, 'bytes_in_use': 1000}

  train_bytes = 22 * 11 * 24 * 24 * 3
  check_memory(on_device, 11, 5, [Device(train_bytes + 1000)], needed)
  with pytest.raises(InputError, match=r"cache='device'.* of 11 training dive"):
    check_memory(on_device, 11, 5, [Device(train_bytes + 999)], needed)
  monkeypatch.setattr(
    training_cache, 'check_memory', lambda *_: pytest.fail('not asked for')
  )
  assert make_cache(_VIDEO_INPUT, whole_dives, whole_dives, mesh) is None


def test_this_machine_has_memory():
  free = available_memory()
  assert free is None or 2**20 < free < 2**50


def _run(config, workdir):
  """Trains; returns the lines of metrics."""
  training = train.set_up(config, workdir)
  with contextlib.closing(training):
    training_loop.run(training)
  return (workdir / 'metrics.jsonl').read_text()


def _forbid_reading(patch):
  """Lets no dive be read any more once the frames are decoded."""

  def make_cache_and_forbid(*arguments):
    cache = make_cache(*arguments)
    patch.setattr(
      DiveSplit, '__getitem__', lambda *_: pytest.fail('read again')
    )
    return cache

  patch.setattr(dive_training, 'make_cache', make_cache_and_forbid)


def test_a_training_gives_the_same_bits(tmp_path, tiny_config, capsys):
  """Ended with one cache, it goes on with another."""
  tiny_config.duration = tiny_config.checkpoint_every = '4 steps'
  tiny_config.mesh.data = 1
  plain = _run(tiny_config, tmp_path / 'plain')
  assert len(plain.splitlines()) == 5  # Four steps and a validation.
  tiny_config.input.cache = 'memory'
  with pytest.MonkeyPatch.context() as patch:
    _forbid_reading(patch)
    patch.setattr(preemption.Notice, 'has_come', lambda self, step: step == 2)
    with pytest.raises(preemption.PreemptedError):
      _run(tiny_config, tmp_path / 'cached')
  tiny_config.input.cache = 'device'
  with pytest.MonkeyPatch.context() as patch:
    _forbid_reading(patch)
    assert _run(tiny_config, tmp_path / 'cached') == plain
  said = capsys.readouterr().out
  for place in ('in memory', 'on each device'):
    assert f'The frames of 12 dives to train on are {place}, of 4' in said
