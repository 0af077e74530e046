import dataclasses
import threading

import cv2
import numpy as np
import pytest
from dive_tasks import dive_tasks
from PIL import Image

from aqa_jax.data import batches
from aqa_jax.data.corrupt_records import CorruptRecords
from aqa_jax.data.dive_split import DiveSplit, load_split, open_builder
from aqa_jax.data.input_pipeline import (
  evaluation_batches,
  make_inputs,
  training_batches,
)
from aqa_jax.data.video_input import VideoInput, crop_offset
from tfds_mtl_aqa.input_error import InputError
from tfds_mtl_aqa.labels import CLASS_NAMES

_PAPER = VideoInput(
  window_frames=103,
  frames=96,
  stride=1.0,
  anchor='end',
  max_shift=3,
  crop=112,
  flip=True,
)
_TASKS = dive_tasks(length=5)
_SMALL = VideoInput(
  window_frames=8,
  frames=6,
  stride=1.0,
  anchor='end',
  max_shift=2,
  crop=4,
  flip=True,
)
_NUM_DIVES = 11


def _frame(index, width, height):
  """Red tells the frame, green the column and blue the row, without loss."""
  rgb = np.empty((height, width, 3), np.uint8)
  rgb[..., 0] = index
  rgb[..., 1] = np.arange(width)
  rgb[..., 2] = np.arange(height)[:, None]
  return cv2.imencode('.png', rgb[..., ::-1])[1].tobytes()


def _dive(sample=0, num_frames=12, width=6, height=5, padded=(0, 0)):
  return {
    'video': [_frame(i, width, height) for i in range(num_frames)],
    'padded_frames': np.array(padded, np.int32),
    'event': 1,
    'sample': sample,
    'dive_number': b'107B',
    'start_frame': 100,
    'end_frame': 200,
    'final_score': 50.0 + sample,
    'difficulty': 3.0,
    'judge_scores': np.full(7, 8.0),
    'caption_ids': np.array([1, 5, 2 + sample, 0]),
  } | dict.fromkeys(CLASS_NAMES, 1)


@pytest.fixture(name='split', scope='module')
def fixture_split():
  return DiveSplit(
    [_dive(sample) for sample in range(_NUM_DIVES)], range(_NUM_DIVES)
  )


def _take(iterator, number):
  return [next(iterator) for _ in range(number)]


def _training(split, batch_size=4, seed=7, first_step=0, part=(0, 1)):
  corrupt = CorruptRecords(len(split), 0.0)
  return training_batches(
    split, _SMALL, _TASKS, batch_size, part, seed, first_step, corrupt
  )


def _assert_same(batches, others):
  assert len(batches) == len(others)
  for batch, other in zip(batches, others, strict=True):
    assert set(batch) == set(other)
    for name, rows in batch.items():
      np.testing.assert_array_equal(rows, other[name], err_msg=name)


def test_crop_offsets_of_the_paper():
  assert crop_offset(171, 112) == 30
  assert crop_offset(128, 112) == 8
  assert (crop_offset(640, 180), crop_offset(360, 180)) == (230, 90)
  assert crop_offset(112, 112) == 0


@pytest.mark.parametrize('anchor, first', [('end', 7), ('start', 0)])
def test_window_and_crop_of_the_paper(anchor, first):
  video_input = VideoInput(103, 96, 1.0, anchor, 3, 112, True)
  inputs = make_inputs(_dive(0, 109, 171, 128), video_input, _TASKS, rng=None)
  video = inputs['video']
  assert video.shape == (96, 112, 112, 3)
  assert video.dtype == np.uint8
  # Three frames are stored in front of the window.
  np.testing.assert_array_equal(
    video[:, 0, 0, 0], 3 + np.arange(first, first + 96)
  )
  np.testing.assert_array_equal(video[0, 0, :, 1], np.arange(30, 142))
  np.testing.assert_array_equal(video[0, :, 0, 2], np.arange(8, 120))
  assert not inputs['flip']


def _shifts(padded, video_input=_SMALL):
  dive = _dive(padded=padded)
  firsts = {
    int(
      make_inputs(dive, video_input, (), np.random.default_rng(seed))['video'][
        0, 0, 0, 0
      ]
    )
    for seed in range(60)
  }
  # Unshifted: 2 in front of the window, whose first 2 are left out.
  return sorted(first - 4 for first in firsts)


@pytest.mark.parametrize(
  'padded, expected',
  [
    ((0, 0), [-2, -1, 0, 1, 2]),
    ((1, 0), [-1, 0, 1, 2]),
    ((0, 1), [-2, -1, 0, 1]),
    ((2, 0), [0, 1, 2]),
    ((2, 2), [0]),
    ((5, 4), [0]),
  ],
)
def test_shifts_stay_within_frames_that_are_real(padded, expected):
  assert _shifts(padded) == expected


def test_no_shift_where_none_is_asked_for():
  assert _shifts((0, 0), VideoInput(8, 6, 1.0, 'end', 0, 4, True)) == [0]


@pytest.mark.parametrize('anchor, shift', [('start', 0), ('end', 5)])
def test_mscadc_sees_sixteen_frames(anchor, shift):
  """The official offsets, np.arange(0, 103, 6.5) as indices."""
  video_input = VideoInput(103, 16, 6.5, anchor, 3, 112, True)
  inputs = make_inputs(_dive(0, 109, 171, 128), video_input, _TASKS, rng=None)
  official = [0, 6, 13, 19, 26, 32, 39, 45, 52, 58, 65, 71, 78, 84, 91, 97]
  assert list(video_input.offsets()) == [shift + o for o in official]
  np.testing.assert_array_equal(
    inputs['video'][:, 0, 0, 0], [3 + shift + o for o in official]
  )


def test_half_of_the_videos_are_flipped():
  dive = _dive(num_frames=12)
  draws = {
    flip: [
      make_inputs(
        dive,
        VideoInput(8, 1, 1.0, 'end', 2, 4, flip),
        (),
        np.random.default_rng(seed),
      )
      for seed in range(300)
    ]
    for flip in (True, False)
  }
  assert 120 < sum(bool(d['flip']) for d in draws[True]) < 180
  assert not any(d['flip'] for d in draws[False])
  # The device flips, and shifts are drawn the same with and without.
  for flipped, plain in zip(draws[True], draws[False], strict=True):
    np.testing.assert_array_equal(flipped['video'], plain['video'])


def _noise_dive(width, height, num_frames=12):
  dive = _dive(num_frames=num_frames)
  frames = np.random.default_rng(0).integers(
    0, 256, (num_frames, height, width, 3), np.uint8
  )
  dive['video'] = [cv2.imencode('.png', f[..., ::-1])[1] for f in frames]
  return dive, frames


def test_frames_are_resized_by_area():
  """By whole factors: every pixel is the mean of a block."""
  dive, frames = _noise_dive(width=24, height=15)
  video_input = dataclasses.replace(_SMALL, resize=(8, 5), crop=5)
  video = make_inputs(dive, video_input, _TASKS, rng=None)['video']
  means = frames[4:10].reshape(6, 5, 3, 8, 3, 3).mean((2, 4))
  # A crop of 5 from 8 begins at round(1.5) = 2.
  assert np.abs(video - means[:, :, 2:7]).max() <= 0.5


@pytest.mark.parametrize('seed', [None, 3])
def test_random_interpolation_draws_for_each_frame(seed):
  dive, frames = _noise_dive(width=24, height=15)
  video_input = dataclasses.replace(
    _SMALL, resize=(9, 7), interpolation='random', crop=7, max_shift=0
  )
  video_input.check(12, 15, 24)

  def draw():
    rng = None if seed is None else np.random.default_rng(seed)
    return make_inputs(dive, video_input, _TASKS, rng)['video']

  video = draw()
  np.testing.assert_array_equal(video, draw())
  used = []
  for frame, seen in zip(frames[4:10], video, strict=True):
    fits = {
      name
      for name in ('NEAREST', 'BILINEAR', 'BICUBIC', 'LANCZOS')
      if np.array_equal(
        np.asarray(Image.fromarray(frame).resize((9, 7), getattr(Image, name)))[
          :, 1:8
        ],
        seen,
      )
    }
    assert len(fits) == 1
    used += fits
  assert len(set(used)) > 1


def test_evaluation_without_resizing():
  """The official MSCADC's test: the crop is taken from the source's size."""
  dive, frames = _noise_dive(width=24, height=15)
  video_input = dataclasses.replace(
    _SMALL, resize=(6, 5), resize_evaluation=False
  )
  tested = make_inputs(dive, video_input, _TASKS, rng=None)['video']
  np.testing.assert_array_equal(tested, frames[4:10, 6:10, 10:14])
  trained = make_inputs(dive, video_input, (), np.random.default_rng(0))[
    'video'
  ]
  assert not np.array_equal(trained, tested)


def test_a_dive_smaller_than_the_crop():
  """Where every dive has its own size, `check` can not tell."""
  _SMALL.check(12, None, None)
  dive, _ = _noise_dive(width=6, height=3)
  with pytest.raises(InputError, match=r'crop=4: the frames of dive \(1, 0\)'):
    make_inputs(dive, _SMALL, _TASKS, rng=None)


def test_labels_of_a_row():
  inputs = make_inputs(_dive(sample=3), _SMALL, dive_tasks(length=6), rng=None)
  assert inputs['score'] == np.float32(53)
  np.testing.assert_array_equal(inputs['words'], [1, 5, 5, 0, 0, 0])
  np.testing.assert_array_equal(inputs['word_mask'], [1, 1, 1, 1, 0, 0])
  dtypes = {name: np.asarray(value).dtype for name, value in inputs.items()}
  assert dtypes == {
    'video': np.uint8,
    'flip': np.bool_,
    'dive_id': np.int32,
    'score': np.float32,
    'words': np.int32,
    'word_mask': np.float32,
  } | dict.fromkeys(CLASS_NAMES, np.int32)


def test_a_frame_that_is_no_image():
  dive = _dive(sample=4)
  dive['video'][6] = b'nothing'
  with pytest.raises(InputError, match=r'dive \(1, 4\): a stored frame'):
    make_inputs(dive, _SMALL, _TASKS, rng=None)


@pytest.mark.parametrize('first_step', [1, 3, 9])
def test_restarting_goes_on_as_if_nothing_had_happened(split, first_step):
  whole = _take(_training(split), 12)
  _assert_same(
    _take(_training(split, first_step=first_step), 12 - first_step),
    whole[first_step:],
  )


def test_a_dive_that_can_not_be_decoded_gives_way(capsys):
  dives = [_dive(sample) for sample in range(_NUM_DIVES)]
  dives[3]['video'][6] = dives[7]['video'][6] = b'nothing'
  split = DiveSplit(dives, range(_NUM_DIVES))

  def scores(max_fraction):
    corrupt = CorruptRecords(_NUM_DIVES, max_fraction)
    batches = training_batches(
      split, _SMALL, _TASKS, 1, (0, 1), 7, 0, corrupt
    )  # fmt: skip
    return [float(b['score'][0]) for b in _take(batches, 3 * _NUM_DIVES)]

  found = scores(0.2)
  assert not {53.0, 57.0} & set(found) and len(set(found)) == _NUM_DIVES - 2
  assert found == scores(0.2)
  said = capsys.readouterr().err
  assert said.count('dive (1, 3)') == 2  # Once a reading.
  with pytest.raises(InputError, match='2 of 11 records can not be read'):
    scores(0.1)


def test_seeds_give_other_orders_and_augmentations(split):
  orders = {
    tuple(
      np.concatenate([b['score'] for b in _take(_training(split, seed=s), 3)])
    )
    for s in range(4)
  }
  assert len(orders) == 4


def test_every_core_makes_a_batch(split, monkeypatch):
  monkeypatch.setattr(batches, 'available_cores', lambda: 7)
  # It breaks, and makes them fail, unless all of them come to it.
  barrier = threading.Barrier(7, timeout=20)

  def row_of(dive, rng):
    del dive, rng
    if not barrier.broken:
      barrier.wait()
    return {'thread': np.int64(threading.get_ident())}

  made = batches.shuffled(split, row_of, 2, (0, 1), 0, 0)
  seen = np.concatenate([batch['thread'] for batch in _take(made, 7)])
  made.close()
  assert len(set(seen)) == 7


def test_every_epoch_holds_every_dive_once(split):
  scores = np.concatenate(
    [batch['score'] for batch in _take(_training(split, batch_size=1), 33)]
  )
  epochs = scores.reshape(3, _NUM_DIVES)
  for epoch in epochs:
    assert sorted(epoch) == [50 + sample for sample in range(_NUM_DIVES)]
  assert len({tuple(epoch) for epoch in epochs}) == 3


def test_a_dive_is_augmented_anew_in_every_epoch(split):
  batches = _take(_training(split, batch_size=1), 6 * _NUM_DIVES)
  seen = {
    (int(batch['video'][0, 0, 0, 0, 0]), bool(batch['flip'][0]))
    for batch in batches
    if batch['score'][0] == 50
  }
  assert len(seen) > 2


@pytest.mark.parametrize('count', [2, 4])
def test_processes_share_the_batches_of_one(split, count):
  whole = _take(_training(split), 5)
  whole_evaluation = list(evaluation_batches(split, _SMALL, _TASKS, 4, (0, 1)))
  training, evaluation = [], []
  for index in range(count):
    part = index, count
    training.append(_take(_training(split, first_step=1, part=part), 4))
    evaluation.append(list(evaluation_batches(split, _SMALL, _TASKS, 4, part)))

  def joined(shares):
    return [
      {name: np.concatenate([s[name] for s in pieces]) for name in pieces[0]}
      for pieces in zip(*shares, strict=True)
    ]

  _assert_same(joined(training), whole[1:])
  _assert_same(joined(evaluation), whole_evaluation)


@pytest.mark.parametrize('batch_size', [1, 2, 4, 5, 11, 16])
def test_evaluation_covers_every_dive_once(split, batch_size):
  batches = list(evaluation_batches(split, _SMALL, _TASKS, batch_size, (0, 1)))
  assert all(len(batch['index']) == batch_size for batch in batches)
  rows = {
    name: np.concatenate([batch[name] for batch in batches])
    for name in ('index', 'is_real', 'score', 'video', 'flip')
  }
  real = rows['is_real']
  np.testing.assert_array_equal(rows['index'][real], np.arange(_NUM_DIVES))
  np.testing.assert_array_equal(rows['score'][real], 50 + np.arange(_NUM_DIVES))
  assert len(rows['index']) - _NUM_DIVES < batch_size
  # Nothing is augmented.
  assert not rows['flip'].any()
  assert set(rows['video'][:, 0, 0, 0, 0]) == {4}


@pytest.mark.parametrize(
  'change, message',
  [
    ({'anchor': 'middle'}, "anchor='middle': give start or end"),
    ({'window_frames': 110}, 'window_frames=110: the dataset stores 109'),
    ({'frames': 104}, 'frames=104 at stride 1: the window has 103'),
    ({'frames': 0}, 'frames=0'),
    ({'frames': 17, 'stride': 6.5}, 'frames=17 at stride 6.5: the window'),
    ({'stride': 0.5}, 'stride=0.5: give 1 or more'),
    ({'max_shift': 4}, 'max_shift=4: 3 frames are stored'),
    ({'max_shift': -1}, 'max_shift=-1'),
    ({'crop': 129}, 'crop=129: the frames are 171 x 128 pixels'),
    ({'crop': 0}, 'crop=0'),
    ({'resize': (171,)}, r'resize=\(171,\): give \(\) or \(width, height\)'),
    ({'resize': (171, 111)}, r'resize=\(171, 111\).*below crop=112'),
    ({'interpolation': 'cubic'}, "interpolation='cubic': give area or random"),
  ],
)
def test_inputs_that_do_not_fit_the_dataset(change, message):
  _PAPER.check(109, 128, 171)
  wrong = VideoInput(**{**vars(_PAPER), **change})
  with pytest.raises(InputError, match=f'config.input.{message}'):
    wrong.check(109, 128, 171)


def test_pixels_are_those_that_tfds_decodes(tiny_dives):
  builder = open_builder('simulated_dives/tiny', str(tiny_dives))
  split = load_split(builder, 'test')
  video_input = VideoInput(20, 18, 1.0, 'end', 2, 16, True)
  (batch,) = evaluation_batches(
    split, video_input, dive_tasks(length=24), len(split), (0, 1)
  )
  for row, example in enumerate(builder.as_data_source('test')):
    frames = np.asarray(example['video'])  # RGB, by TFDS's own decoder.
    expected = frames[4:22, 4:20, 8:24].astype(int)
    # Two JPEG decoders may round differently.
    assert np.abs(batch['video'][row] - expected).max() <= 3
    assert batch['score'][row] == np.float32(example['final_score'])
    for task in CLASS_NAMES:
      assert batch[task][row] == example[task]
