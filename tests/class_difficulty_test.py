"""The difficulty of a dive from the probabilities of its classes."""

import numpy as np
import pytest

from aqa_jax.data.class_difficulty import ClassDifficulty
from aqa_jax.data.difficulty import difficulty, parse_difficulty
from tfds_mtl_aqa.labels import CLASS_NAMES

# 5253B: backward 2.5 somersaults 1.5 twists pike.
_5253B = {
  'position': 'pike',
  'armstand': 'no',
  'rotation_type': 'backward',
  'somersaults': '2.5',
  'twists': '1.5',
}


def _sure_of(classes, probability=1.0):
  """Returns probabilities, [1, classes] each, of one dive."""
  found = {}
  for name, names in CLASS_NAMES.items():
    row = np.full((1, len(names)), (1 - probability) / (len(names) - 1))
    row[0, list(names).index(classes[name])] = probability
    found[name] = row
  return found


@pytest.mark.parametrize('height, value', [('10m', 3.2), ('3m', 3.2)])
def test_a_dive_that_the_network_is_sure_of(height, value):
  # Both are in the list of the rules.
  assert difficulty('5253B', height) == pytest.approx(value, abs=0.21)
  found = ClassDifficulty(CLASS_NAMES, height).likeliest(_sure_of(_5253B, 0.9))
  assert found == [difficulty('5253B', height)]


def test_without_a_height_it_is_the_mean():
  found = ClassDifficulty(CLASS_NAMES).likeliest(_sure_of(_5253B))
  wanted = np.mean([difficulty('5253B', height) for height in ('10m', '3m')])
  assert found == pytest.approx([wanted])


def test_an_armstand_dive_is_from_the_platform():
  classes = _5253B | {
    'armstand': 'yes', 'somersaults': '2', 'twists': '0', 'position': 'tuck',
  }  # fmt: skip
  found = ClassDifficulty(CLASS_NAMES).likeliest(_sure_of(classes))
  assert found == [difficulty('624C', '10m')]


def test_classes_that_no_dive_has_give_that_of_the_likeliest_dive():
  # An inward armstand: the direction is what the network is least sure of.
  probabilities = _sure_of(
    _5253B | {'armstand': 'yes', 'somersaults': '2', 'twists': '0'}, 0.99
  )
  probabilities['rotation_type'] = np.array([[0.3, 0.1, 0.6, 0.0]])
  assert CLASS_NAMES['rotation_type'][2] == 'inward'
  found = ClassDifficulty(CLASS_NAMES).likeliest(probabilities)
  assert found == [difficulty('624B', '10m')]


def test_each_dive_has_its_own():
  each = [_sure_of(_5253B | {'twists': twists}) for twists in ('0.5', '1.5')]
  both = {name: np.concatenate([p[name] for p in each]) for name in each[0]}
  table = ClassDifficulty(CLASS_NAMES, '10m')
  assert table.likeliest(both).tolist() == [
    difficulty('5251B', '10m') or table.likeliest(each[0])[0],
    difficulty('5253B', '10m'),
  ]
  assert len(table) > 150


@pytest.mark.parametrize(
  'text, value', [('3.2', 3.2), ('5253B/10m', 3.2), ('5253b/10m', 3.2)]
)
def test_what_a_user_gives(text, value):
  assert parse_difficulty(text) == pytest.approx(value, abs=0.01)


@pytest.mark.parametrize(
  'text', ['x', '-1', '0', 'nan', '5253B', '5253B/12m', '626C/3m', '9/10m', '/']
)
def test_what_is_no_difficulty(text):
  with pytest.raises(ValueError, match='give'):
    parse_difficulty(text)
