"""Splits made from those of a dataset: made up here, and the real ones."""

import collections
import types

import numpy as np
import pytest
import tensorflow_datasets as tfds

from aqa_jax.data import dive_selection
from aqa_jax.data.dive_split import DiveSplit
from tfds_mtl_aqa.input_error import InputError
from tfds_mtl_aqa.labels import CLASS_NAMES

# Event -> dives of (train, test).
_SIZES = {1: (30, 10), 2: (60, 20), 7: (9, 3)}
_UNLV = ('none', 'train', 'test')


def _dives(split):
  part = ('train', 'test').index(split)
  return [
    {
      'event': event,
      'sample': 100 * part + sample,
      'dive_number': b'107B',
      'start_frame': 1,
      'end_frame': 9,
      'final_score': 50.0,
      'difficulty': 3.0,
      'judge_scores': np.zeros(7),
      'caption_ids': np.array([1, 0]),
      'unlv_dive': sample % 3 if event == 2 else 0,
      'subsets': {
        'released_443': sample < 5,
        'clean_443': sample < 5 and not part,
      },
    }
    | dict.fromkeys(CLASS_NAMES, 0)
    for event, sizes in _SIZES.items()
    for sample in range(sizes[part])
  ]


class _Info:
  full_name = 'mtl_aqa/clips'
  splits = types.MappingProxyType({'train': None, 'test': None})
  features = types.MappingProxyType(
    {'unlv_dive': types.SimpleNamespace(names=_UNLV)}
  )


class _Builder:
  info = _Info()
  data_path = 'data/mtl_aqa/clips'


@pytest.fixture(name='builder')
def fixture_builder(monkeypatch):
  def load(builder, names, max_corrupt_fraction=0.0):
    dives = [dive for name in names.split('+') for dive in _dives(name)]
    return DiveSplit(dives, range(len(dives)))

  monkeypatch.setattr(dive_selection, 'load_split', load)
  return _Builder()


def _by_event(split):
  return dict(collections.Counter(split.labels['event'].tolist()))


def test_subsets_come_from_both_splits(builder):
  assert len(dive_selection.select(builder, 'train')) == 99
  released = dive_selection.select(builder, 'released_443')
  clean = dive_selection.select(builder, 'clean_443')
  test = dive_selection.select(builder, 'test')
  assert _by_event(released) == {1: 10, 2: 10, 7: 8}
  assert _by_event(clean) == {1: 5, 2: 5, 7: 5}
  assert dive_selection.are_in(test, released).sum() == 13
  assert not dive_selection.are_in(test, clean).any()


def test_whole_events_are_held_out(builder):
  some = dive_selection.select(builder, 'events_1_7')
  others = dive_selection.select(builder, 'other_events_1_7')
  assert _by_event(some) == {1: 40, 7: 12}
  assert _by_event(others) == {2: 80}


def test_resampled_sets_have_their_share_of_every_event(builder):
  train = dive_selection.select(builder, 'train')
  drawn = dive_selection.select(builder, 'resampled_33')
  assert dive_selection.are_in(drawn, train).all()
  for event, count in _by_event(drawn).items():
    assert abs(count - _SIZES[event][0] / 3) <= 1
  keys = drawn.labels['event'] * 1000 + drawn.labels['sample']
  assert len(set(keys)) == 33
  again = dive_selection.select(builder, 'resampled_33_seed0')
  np.testing.assert_array_equal(drawn.labels['sample'], again.labels['sample'])
  other = dive_selection.select(builder, 'resampled_33_seed1')
  assert not dive_selection.are_in(drawn, other).all()
  # A larger set holds the smaller one.
  larger = dive_selection.select(builder, 'resampled_66')
  assert dive_selection.are_in(drawn, larger).all()


def test_unlv_dive(builder):
  assert len(dive_selection.select(builder, 'unlv_train')) == 20 + 7
  assert len(dive_selection.select(builder, 'unlv_test')) == 20 + 6


@pytest.mark.parametrize(
  'name, message',
  [
    ('tset', "has no split 'tset'; it has test, train; or give released_443"),
    ('resampled_100', 'give 1 to 99, as many as train has'),
    ('resampled_0', 'give 1 to 99'),
    ('events_1_9', 'has no event 9'),
    ('released_279', 'only mtl_aqa has it'),
  ],
)
def test_splits_that_are_none(builder, name, message):
  with pytest.raises(InputError, match=message):
    dive_selection.select(builder, name)


def test_simulated_dives_have_no_subsets(tiny_dives):
  builder = tfds.builder('simulated_dives/tiny', data_dir=tiny_dives)
  with pytest.raises(InputError, match='only mtl_aqa has it'):
    dive_selection.select(builder, 'clean_443')
  with pytest.raises(InputError, match='only mtl_aqa has it'):
    dive_selection.select(builder, 'unlv_test')
  train = dive_selection.select(builder, 'train')
  event = int(train.labels['event'][0])
  some = dive_selection.select(builder, f'events_{event}')
  assert set(some.labels['event']) == {event}
