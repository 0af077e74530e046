import re

import numpy as np
import pytest

from tfds_mtl_aqa.simulated_dives import commentary, phrases
from tfds_mtl_aqa.simulated_dives.dive import simulate_dive
from tfds_mtl_aqa.simulated_dives.faults import Faults
from tfds_mtl_aqa.simulated_dives.simulation_config import CONFIGS


@pytest.fixture(scope='module')
def dives():
  config = CONFIGS['quickstart']
  return [simulate_dive(config, 'train', i) for i in range(800)]


def _mentions(caption, options):
  return any(f' {option} ' in f' {caption} ' for option in options)


def test_vocabulary_is_fixed_and_special_tokens_lead():
  vocabulary = commentary.vocabulary()
  assert vocabulary[:2] == ['<eos>', '<sos>']
  assert vocabulary[2:] == sorted(set(vocabulary[2:]))
  assert 200 < len(vocabulary) < 1000


def test_every_word_is_in_the_vocabulary_and_ids_read_back(dives):
  vocabulary = commentary.vocabulary()
  for dive in dives:
    ids = commentary.caption_ids(dive.caption)
    assert ids.dtype == np.int32
    assert (ids[0], ids[-1]) == (1, 0)
    assert ids[1:-1].min() > 1
    assert ' '.join(vocabulary[i] for i in ids[1:-1]) == dive.caption


def test_captions_are_short_and_varied(dives):
  lengths = [len(dive.caption.split()) for dive in dives]
  assert min(lengths) >= 15
  assert max(lengths) <= 45
  assert len({dive.caption for dive in dives}) > 790


def test_the_true_dive_is_named(dives):
  for dive in dives:
    assert f' {commentary.dive_name(dive.number)} ' in f' {dive.caption}'
    height = ('platform', 'three metre')[dive.event.springboard]
    words = phrases.HEIGHTS[dive.event.springboard]
    assert _mentions(dive.caption, words), height
    assert not _mentions(
      dive.caption, phrases.HEIGHTS[not dive.event.springboard]
    )


def test_names_are_what_commentators_say(dives):
  names = {d.number.number: commentary.dive_name(d.number) for d in dives}
  assert names['407C'] == 'inward three and a half somersaults'
  assert names['5253B'] == (
    'back two and a half somersaults one and a half twists'
  )
  assert names['626C'] == 'armstand back three somersaults'
  assert names['103B'] == 'forward one and a half somersaults'


def test_positions_are_true(dives):
  for dive in dives:
    said = re.findall(r'\b(free|piked?|tuck(?:ed)?)\b', dive.caption)
    true = ('free', 'pike', 'tuck')[dive.number.position]
    assert said
    assert all(word.startswith(true) for word in said)


def test_only_true_faults_are_named_and_the_worst_is(dives):
  named = 0
  for dive in dives:
    severities = commentary.happened(dive.faults)
    for name, (mild, bad) in phrases.FAULTS.items():
      if _mentions(dive.caption, mild + bad):
        named += 1
        assert severities[name] >= commentary.MENTIONED
        assert _mentions(dive.caption, bad) == (
          severities[name] >= commentary.BAD
        )
    worst = max(severities, key=severities.get)
    if severities[worst] >= commentary.MENTIONED:
      assert _mentions(dive.caption, sum(phrases.FAULTS[worst], ()))
  assert named > 800


def test_only_what_is_clean_is_praised(dives):
  praised = 0
  for dive in dives:
    severities = commentary.happened(dive.faults)
    severities['rotation'] = severities.get('over', severities.get('short'))
    severities['distance'] = severities.get('far', severities.get('close'))
    for name, options in phrases.PRAISE.items():
      if _mentions(dive.caption, options):
        praised += 1
        assert severities[name] <= commentary.ABSENT
  assert praised > 100


def test_a_clean_dive_is_praised_and_a_failed_one_is_not(dives):
  number = dives[0].number
  failed = Faults(40.0, 60.0, 60.0, 90.0, 1.0, 2.2)
  for seed in range(20):
    rng = np.random.default_rng(seed)
    text = commentary.comment(number, Faults(), 9.9, False, rng)
    assert _mentions(text, phrases.VERDICTS[-1])
    assert _mentions(text, sum(phrases.PRAISE.values(), ()))
    text = commentary.comment(number, failed, 1.0, False, rng)
    assert _mentions(text, phrases.VERDICTS[0])
    assert not _mentions(text, sum(phrases.PRAISE.values(), ()))


def test_the_score_is_never_told(dives):
  for dive in dives:
    assert not re.search(r'\d', dive.caption)
    assert 'points' not in dive.caption.split()
    assert 'score' not in dive.caption.split()
