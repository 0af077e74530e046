"""Difficulties by the rules, against competitions and sums done by hand."""

import collections
import re

import fake_mtl_aqa
import pytest

from aqa_jax.data.difficulty import difficulty
from tfds_mtl_aqa import restricted_pickle
from tfds_mtl_aqa.simulated_dives.dive_numbers import MTL_AQA_DIVES

# Of World Championships, World Cup, European Championships and Olympic Games of
# 2019 to 2021, as FineDiving has them: number, from 10 m, from 3 m.
COMPETITIONS = (
  ('107B', 3.0, 3.1),
  ('107C', 2.7, 2.8),
  ('109B', 4.1, None),
  ('109C', 3.7, 3.8),
  ('205B', 2.9, 3.0),
  ('205C', None, 2.8),
  ('207B', 3.6, None),
  ('207C', 3.3, 3.6),
  ('301B', 1.9, None),
  ('305B', None, 3.0),
  ('305C', 2.8, 2.8),
  ('307C', 3.4, 3.5),
  ('403B', 2.0, None),
  ('405B', 2.8, 3.0),
  ('405C', None, 2.7),
  ('407B', 3.5, 3.7),
  ('407C', 3.2, 3.4),
  ('5152B', 2.9, 3.0),
  ('5154B', 3.3, 3.4),
  ('5156B', 3.8, 3.9),
  ('5172B', 3.6, None),
  ('5231D', 2.0, 2.0),
  ('5235D', 2.8, None),
  ('5253B', 3.2, 3.4),
  ('5255B', 3.6, None),
  ('5337D', None, 3.5),
  ('5353B', None, 3.3),
  ('6243D', 3.2, None),
  ('6245D', 3.6, None),
  ('626B', 3.5, None),
  ('626C', 3.3, None),
)

# Of earlier editions: from 10 m at the Olympic Games of 2012, from 3 m later.
EARLIER = {
  ('305B', '10m'): 2.9,
  ('305C', '10m'): 2.7,
  ('307C', '10m'): 3.3,
  ('207C', '3m'): 3.5,
  ('5253B', '3m'): 3.3,
  ('5337D', '3m'): 3.4,
}
_EDITION = 'an earlier edition of the rules'
_POSITION = 'a position that the rules do not allow for this dive'
_SPRINGBOARD = "of the women's final from 3 m in event 26"
_ERROR = 'an error in the annotations'
# Where MTL_AQA_DIVES has another difficulty than the rules, and why.
OTHERS = {
  ('102B', '10m'): _ERROR,
  ('201D', '10m'): _POSITION,
  ('205C', '10m'): _SPRINGBOARD,
  ('207C', '3m'): _EDITION,
  ('301D', '10m'): _POSITION,
  ('307C', '10m'): _EDITION,
  ('405C', '10m'): _SPRINGBOARD,
  ('5152B', '10m'): _SPRINGBOARD,
  ('5251D', '10m'): _POSITION,
  ('5253B', '3m'): _EDITION,
  ('5255D', '10m'): _POSITION,
  ('5337D', '3m'): _EDITION,
  ('612D', '10m'): _POSITION,
  ('614D', '10m'): _POSITION,
  ('6241C', '10m'): _ERROR,
  ('6241D', '10m'): _POSITION,
  ('626D', '10m'): _POSITION,
  ('627C', '10m'): _ERROR,
}


@pytest.mark.parametrize(('number', 'ten', 'three'), COMPETITIONS)
def test_competitions(number, ten, three):
  for height, value in (('10m', ten), ('3m', three)):
    if value is not None:
      assert difficulty(number, height) == value


def test_every_dive_of_mtl_aqa():
  differing = set()
  for number, _, platform, _, springboard in MTL_AQA_DIVES:
    for height, value in (('10m', platform), ('3m', springboard)):
      if value is not None and difficulty(number, height) != value:
        differing.add((number, height))
  assert differing == set(OTHERS)
  # A position that is not allowed has no difficulty, everything else has one.
  for (number, height), reason in OTHERS.items():
    assert (difficulty(number, height) is None) == (
      reason == _POSITION or number == '627C'
    )


@pytest.mark.parametrize(
  ('number', 'height', 'tenths'),
  [
    # Somersaults, flight position, twists or entry, approach.
    ('101A', '1m', 11 + 3 + 0 + 0),
    ('108C', '1m', 33 + 0 + 2 + 5),
    ('206B', '1m', 27 + 3 + 0 + 2),
    ('403C', '1m', 16 + 1 + 0 + 5),
    ('5333D', '1m', 16 - 1 + 8 + 3),
    ('104C', '3m', 18 + 0 + 2 + 0),
    ('108B', '3m', 29 + 4 + 2 + 3),
    ('203A', '3m', 15 + 5 + 2 + 2),
    ('209B', '3m', 35 + 4 + 4 + 4),
    ('304A', '3m', 18 + 6 + 0 + 3),
    ('308C', '3m', 29 + 2 + 0 + 3),
    ('401A', '3m', 13 + 1 + 0 + 3),
    ('409B', '3m', 35 + 8 + 0 + 3),
    ('5112A', '3m', 13 + 3 + 6 + 0),
    ('5138D', '3m', 15 + 0 + 19 + 0),
    ('5151C', '3m', 22 + 0 + 4 + 0),
    ('5227D', '3m', 13 + 1 + 17 + 2),
    ('5239D', '3m', 15 - 1 + 21 + 2),
    ('5251B', '3m', 22 + 3 + 0 + 2),
    ('5355C', '3m', 22 + 0 + 10 + 3),
    ('5411B', '3m', 13 - 2 + 2 + 3),
    ('5436D', '3m', 15 + 2 + 15 + 3),
    ('106B', '10m', 25 + 3 + 2 + 0),
    ('108C', '10m', 35 + 0 + 0 + 2),
    ('208B', '10m', 35 + 4 + 0 + 2),
    ('306B', '10m', 25 + 3 + 0 + 4),
    ('307B', '10m', 27 + 3 + 4 + 3),
    ('309B', '10m', 35 + 5 + 4 + 4),
    ('402C', '10m', 14 - 3 + 1 + 3),
    ('406C', '10m', 25 + 3 + 2 + 2),
    ('408B', '10m', 35 + 7 + 0 + 2),
    ('409C', '10m', 35 + 4 + 0 + 2),
    ('5225D', '10m', 14 + 1 + 12 + 2),
    ('5257C', '10m', 21 + 1 + 15 + 2),
    ('5271B', '10m', 27 + 3 + 0 + 2),
    ('5355B', '10m', 21 + 2 + 10 + 4),
    ('5375C', '10m', 27 + 0 + 10 + 3),
    ('5434D', '10m', 15 + 2 + 8 + 2),
    ('611A', '10m', 13 + 4 + 1 + 2),
    ('616B', '10m', 25 + 4 + 2 + 2),
    ('622C', '10m', 14 + 1 + 3 + 2),
    ('624A', '10m', 19 + 5 + 4 + 2),
    ('628C', '10m', 35 + 2 + 6 + 2),
    ('633B', '10m', 15 + 3 + 2 + 3),
    ('636C', '10m', 25 + 2 + 4 + 3),
    ('6144D', '10m', 19 + 0 + 13 + 2),
    ('6162C', '10m', 25 + 2 + 10 + 2),
    ('6221D', '10m', 14 + 0 + 2 + 2),
    ('6241C', '10m', 19 + 0 + 3 + 2),
    ('6247D', '10m', 19 + 0 + 19 + 2),
    ('6265B', '10m', 25 + 4 + 15 + 2),
  ],
)
def test_sums(number, height, tenths):
  assert difficulty(number, height) == tenths / 10


@pytest.mark.parametrize(
  ('number', 'height'),
  [
    ('626C', '3m'),  # Armstand dives need a platform.
    ('201D', '10m'),  # Free is for twists.
    ('5132B', '3m'),  # Two somersaults or more, or a half one, are not free.
    ('5253D', '10m'),
    ('6243B', '10m'),
    ('107A', '3m'),
    ('405A', '10m'),
    ('113B', '3m'),  # Flying.
    ('642C', '10m'),
    ('5133D', '10m'),  # No listed dive determines these.
    ('627C', '10m'),
    ('5193B', '3m'),
    ('1B', '10m'),
    ('', '10m'),
  ],
)
def test_no_dive_of_the_rules(number, height):
  assert difficulty(number, height) is None


def test_another_height():
  with pytest.raises(KeyError):
    difficulty('107B', '5m')


def _shared(path):
  path = fake_mtl_aqa.SHARED / path
  if not path.is_file():
    pytest.skip(f'needs {path.name} in ../shared')
  return restricted_pickle.load(path)


def test_all_dives_of_finediving():
  dives = _shared('finediving/FineDiving_coarse_annotation.pkl')
  counts = collections.Counter()
  for (competition, _), dive in dives.items():
    # Numbers are the events of MTL-AQA.
    if competition.isdecimal():
      continue
    height = '3m' if '3m' in competition else '10m'
    found = difficulty(dive['action_type'].upper(), height)
    # The first two rounds of synchronised diving have a fixed difficulty.
    is_fixed = 'Synchronised' in competition and dive['difficulty'] == 2
    counts[is_fixed or found == pytest.approx(dive['difficulty'])] += 1
  # One 107B from 10 m has 3.1 there.
  assert counts == {True: 1630, False: 1}


def test_all_dives_of_mtl_aqa():
  dives = _shared('mtl_aqa/judges/final_annotations_dict_with_dive_number.pkl')
  differing = collections.Counter()
  for (event, sample), dive in dives.items():
    # Event 26 is two finals: women from 3 m, then men from 10 m.
    is_springboard = event in (17, 18, 22) or (event == 26 and sample <= 60)
    # Its numbers of plain dives are 100, 200 and 300.
    number = re.sub(r'^([123])00', r'\g<1>01', dive['dive_number'])
    height = '3m' if is_springboard else '10m'
    found, value = difficulty(number, height), dive['difficulty']
    if found is None:
      differing[_POSITION if number[-1] == 'D' else _ERROR] += 1
    elif found != pytest.approx(value):
      earlier = EARLIER.get((number, height))
      differing[_EDITION if value == earlier else _ERROR] += 1
  assert len(dives) == 1412
  assert differing == {_EDITION: 88, _POSITION: 24, _ERROR: 15}
