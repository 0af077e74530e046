"""Numbers of dives from their classes, against the numbers of MTL-AQA."""

import pytest

from aqa_jax.data.dive_number import dive_number
from tfds_mtl_aqa.labels import CLASS_NAMES
from tfds_mtl_aqa.simulated_dives.dive_numbers import (
  MTL_AQA_DIVES,
  parse_dive_number,
)


def _classes(number):
  dive = parse_dive_number(number, 3.0)
  return {
    name: names[getattr(dive, name)] for name, names in CLASS_NAMES.items()
  }


@pytest.mark.parametrize('number', [row[0] for row in MTL_AQA_DIVES])
def test_every_dive_of_mtl_aqa(number):
  assert dive_number(_classes(number)) == number


def test_dives_that_are_none():
  inward = _classes('626C') | {'rotation_type': 'inward'}
  assert dive_number(inward) is None
  without = _classes('107B')
  del without['twists']
  assert dive_number(without) is None
  assert dive_number({'stroke': 'crawl'}) is None
