import numpy as np
import pytest

from aqa_jax.data.dive_split import (
  DiveSplit,
  hold_out,
  load_split,
  open_builder,
)
from aqa_jax.data.schema import schema_of
from tfds_mtl_aqa.input_error import InputError
from tfds_mtl_aqa.labels import CLASS_NAMES


def _split(sizes):
  """A split with so many dives of each event, the events interleaved."""
  keys = [
    (sample, event)
    for event, size in sizes.items()
    for sample in range(1, size + 1)
  ]
  source = [
    {
      'event': event,
      'sample': sample,
      'dive_number': b'107B',
      'start_frame': 1,
      'end_frame': 9,
      'final_score': 50.0,
      'difficulty': 3.0,
      'judge_scores': np.zeros(7),
      'caption_ids': np.array([1, 0]),
    }
    | dict.fromkeys(CLASS_NAMES, 0)
    for sample, event in sorted(keys)
  ]
  return DiveSplit(source, range(len(source)))


def _keys(split):
  return list(
    zip(
      split.labels['event'].tolist(),
      split.labels['sample'].tolist(),
      strict=True,
    )
  )


_SIZES = {1: 10, 2: 20, 3: 30, 4: 10, 5: 10}


@pytest.mark.parametrize('whole_events', [False, True])
def test_the_two_parts_are_the_whole(whole_events):
  split = _split(_SIZES)
  train, validation = hold_out(split, 0.2, whole_events, seed=0)
  parts = _keys(train), _keys(validation)
  assert sorted(parts[0] + parts[1]) == sorted(_keys(split))
  # Each in the order of the split.
  places = {key: place for place, key in enumerate(_keys(split))}
  for part in parts:
    order = [places[key] for key in part]
    assert order == sorted(order)


def test_whole_events_are_held_out():
  train, validation = hold_out(_split(_SIZES), 0.4, True, seed=0)
  events = [set(part.labels['event']) for part in (train, validation)]
  assert not events[0] & events[1]
  assert len(events[1]) == 2


def test_dives_of_every_event_are_held_out():
  _, validation = hold_out(_split(_SIZES), 0.1, False, seed=0)
  events, counts = np.unique(validation.labels['event'], return_counts=True)
  assert dict(zip(events.tolist(), counts.tolist(), strict=True)) == {
    1: 1, 2: 2, 3: 3, 4: 1, 5: 1
  }  # fmt: skip


@pytest.mark.parametrize('whole_events', [False, True])
def test_the_draw_depends_on_its_seed_alone(whole_events):
  def drawn(seed):
    return tuple(_keys(hold_out(_split(_SIZES), 0.2, whole_events, seed)[1]))

  np.random.seed(1)
  first = drawn(0)
  np.random.seed(2)
  assert drawn(0) == first
  assert len({drawn(seed) for seed in range(20)}) > 2


def test_a_fraction_of_zero_chooses_by_the_training_dives():
  split = _split(_SIZES)
  train, validation = hold_out(split, 0.0, True, seed=0)
  assert _keys(train) == _keys(validation) == _keys(split)


@pytest.mark.parametrize(
  'fraction, whole_events', [(0.01, False), (0.99, False), (0.05, True)]
)
def test_a_part_would_be_empty(fraction, whole_events):
  with pytest.raises(InputError, match=f'fraction={fraction} of 80 dives'):
    hold_out(_split(_SIZES), fraction, whole_events, seed=0)


def test_labels_go_with_their_dives():
  split = _split({1: 3, 2: 3}).select([4, 1])
  assert len(split) == 2
  assert [split[0]['event'], split[0]['sample']] == [
    split.labels['event'][0],
    split.labels['sample'][0],
  ]
  assert split.select([1]).labels['sample'] == split.labels['sample'][1]
  assert split.labels['dive_number'].tolist() == ['107B', '107B']
  assert repr(split) == 'DiveSplit(2 dives)'


def test_opening_a_prepared_dataset(tiny_dives):
  builder = open_builder('simulated_dives/tiny', str(tiny_dives))
  split = load_split(builder, 'train')
  assert len(split) == 16
  examples = list(builder.as_data_source('train'))
  for name in ('event', 'sample', 'difficulty', 'somersaults'):
    assert split.labels[name].tolist() == [e[name] for e in examples]
  np.testing.assert_array_equal(
    split.labels['judge_scores'], [e['judge_scores'] for e in examples]
  )
  # Frames stay encoded.
  video = split[0]['video']
  assert len(video) == 24
  assert {frame[:2] for frame in video} == {b'\xff\xd8'}
  words = schema_of(builder.info).vocabulary
  assert (
    ' '.join(words.decode(split.labels['caption_ids'][3]))
    == examples[3]['caption'].decode()
  )


@pytest.mark.parametrize(
  'name, message',
  [
    ('no_such_dives/tiny', 'is no dataset'),
    ('simulated_dives/no_such_config', 'is no dataset'),
    ('simulated_dives/quickstart', 'not prepared; run python -m'),
  ],
)
def test_datasets_that_can_not_be_opened(tiny_dives, name, message):
  with pytest.raises(InputError, match=message):
    open_builder(name, str(tiny_dives))


def test_a_split_that_is_not_there(tiny_dives):
  builder = open_builder('simulated_dives/tiny', str(tiny_dives))
  with pytest.raises(InputError, match="no split 'valid'; it has test, test_s"):
    load_split(builder, 'valid')
