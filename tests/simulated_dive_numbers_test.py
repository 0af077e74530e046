import numpy as np
import pytest

from tfds_mtl_aqa import labels
from tfds_mtl_aqa.simulated_dives import dive_numbers


def _spoken(number):
  dive = dive_numbers.parse_dive_number(number, 3.0)
  return (
    labels.POSITIONS[dive.position],
    labels.ARMSTANDS[dive.armstand],
    labels.ROTATION_TYPES[dive.rotation_type],
    labels.SOMERSAULTS[dive.somersaults],
    labels.TWISTS[dive.twists],
  )


@pytest.mark.parametrize(
  ('number', 'meaning'),
  [
    ('107B', ('pike', 'no', 'forward', '3.5', '0')),
    ('201D', ('free', 'no', 'backward', '0', '0')),
    ('307C', ('tuck', 'no', 'reverse', '3.5', '0')),
    ('403B', ('pike', 'no', 'inward', '1.5', '0')),
    ('409C', ('tuck', 'no', 'inward', '4.5', '0')),
    ('5253B', ('pike', 'no', 'backward', '2.5', '1.5')),
    ('612B', ('pike', 'yes', 'forward', '1', '0')),
    ('6245D', ('free', 'yes', 'backward', '2', '2.5')),
    ('636C', ('tuck', 'yes', 'reverse', '3', '0')),
  ],
)
def test_a_number_means_what_divers_mean(number, meaning):
  assert _spoken(number) == meaning


@pytest.mark.parametrize(
  ('number', 'head_first'),
  [('101B', True), ('102B', False), ('107C', True), ('626C', True),
   ('627C', False), ('6142D', True), ('5253B', True)],
)  # fmt: skip
def test_which_end_enters_first(number, head_first):
  dive = dive_numbers.parse_dive_number(number, 3.0)
  assert dive.head_first == head_first


def test_the_table_counts_the_dives_of_mtl_aqa():
  rows = dive_numbers.MTL_AQA_DIVES
  assert sum(row[1] + row[3] for row in rows) == 1411
  # Events 17, 18 and 22 have 289 dives.
  assert sum(row[3] for row in rows) == 289
  assert len({row[0] for row in rows}) == len(rows) == 57
  assert dive_numbers.springboard_share() == pytest.approx(289 / 1411)


def test_difficulty_is_distributed_as_in_mtl_aqa():
  share = dive_numbers.springboard_share()
  mean = square = 0.0
  for springboard, weight in ((False, 1 - share), (True, share)):
    dives, shares = dive_numbers.dive_table(springboard)
    assert shares.sum() == pytest.approx(1)
    difficulties = np.array([dive.difficulty for dive in dives])
    assert not springboard or not any(dive.armstand for dive in dives)
    mean += weight * (shares @ difficulties)
    square += weight * (shares @ difficulties**2)
  # The release: 3.1295 and 0.4219.
  assert mean == pytest.approx(3.13, abs=0.01)
  assert np.sqrt(square - mean**2) == pytest.approx(0.42, abs=0.01)
