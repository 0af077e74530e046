"""The model that comes with aqa_jax, on dives that it has never seen."""

import numpy as np
import pytest
from scipy import stats

import aqa_jax
from aqa_jax.judging.model_source import INSIDE
from tfds_mtl_aqa.labels import CLASS_NAMES
from tfds_mtl_aqa.simulated_dives.dive import simulate_dive
from tfds_mtl_aqa.simulated_dives.renderer import render_dive
from tfds_mtl_aqa.simulated_dives.simulation_config import CONFIGS

_CONFIG = CONFIGS['longer']
_DIVES = 80


@pytest.fixture(name='judged', scope='module')
def fixture_judged():
  """(dive, judgement) of the first dives of its test split."""
  dives = [simulate_dive(_CONFIG, 'test', index) for index in range(_DIVES)]
  judge = aqa_jax.load()
  # The window ends before the margin.
  videos = [render_dive(dive)[: -_CONFIG.margin_frames] for dive in dives]
  return list(zip(dives, judge(videos), strict=True))


def test_its_files_are_small():
  sizes = {file.name: file.stat().st_size for file in INSIDE.iterdir()}
  assert 'model.safetensors' in sizes
  assert sum(sizes.values()) < 4e6


def test_it_knows_how_well(judged):
  scores = np.array([judgement.score for _, judgement in judged])
  true = np.array([dive.final_score for dive, _ in judged])
  assert stats.spearmanr(scores, true)[0] > 0.85
  assert np.abs(scores - true).mean() < 7
  covered = [
    judgement.score_interval[0]
    <= dive.final_score
    <= judgement.score_interval[1]
    for dive, judgement in judged
  ]
  # 90 %, of 80 dives: within three deviations of a binomial.
  assert 0.8 < np.mean(covered) < 1


def test_it_knows_what(judged):
  for name, names in CLASS_NAMES.items():
    right = [
      judgement.classes[name] == names[getattr(dive.number, name)]
      for dive, judgement in judged
    ]
    assert np.mean(right) > 0.92, name
  right = [
    judgement.dive_number == dive.number.number for dive, judgement in judged
  ]
  assert np.mean(right) > 0.85


def test_it_says_something(judged):
  captions = [judgement.caption for _, judgement in judged]
  assert min(len(caption.split()) for caption in captions) > 5
  assert len(set(captions)) > _DIVES / 4


def test_it_says_what_it_has_seen(judged):
  for _, judgement in judged:
    assert judgement.is_of_simulated_dives
    assert str(judgement).startswith('This model has seen simulated dives only')
  assert 'simulated dives only' in (INSIDE / 'README.md').read_text()
