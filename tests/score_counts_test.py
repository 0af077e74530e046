"""How often which scores are among the training's."""

import json

import numpy as np

from aqa_jax.evaluation.score_counts import score_counts
from aqa_jax.judging.model_source import INSIDE
from tfds_mtl_aqa.simulated_dives.dive import simulate_dive
from tfds_mtl_aqa.simulated_dives.simulation_config import CONFIGS


def test_scores_are_counted_in_bins_of_five_points():
  found = score_counts([0.0, 4.99, 5.0, 17.5, 2.0])
  assert found == {'bin_width': 5.0, 'counts': [3, 1, 0, 1]}
  scores = np.random.default_rng(0).uniform(0, 120, 500).astype(np.float32)
  expected, _ = np.histogram(scores, np.arange(0, 126, 5))
  assert score_counts(scores)['counts'] == expected[:24].tolist()


def test_those_of_the_model_inside_are_of_its_training():
  evaluation = json.loads((INSIDE / 'evaluation.json').read_text())['test']
  found = evaluation['training_scores']
  config = CONFIGS['longer']
  # 3 % of the events were held out.
  assert sum(found['counts']) == 0.97 * config.num_train
  scores = [
    simulate_dive(config, 'train', index).final_score
    for index in range(0, config.num_train, 40)
  ]
  expected = score_counts(scores)['counts']
  shares, expected = (
    np.cumsum(counts) / sum(counts)
    for counts in (found['counts'][: len(expected)], expected)
  )
  # 500 dives of it: within the quantile of Kolmogorov at 1 in 1000.
  assert np.abs(shares - expected).max() < 1.95 / np.sqrt(len(scores))


def test_an_evaluation_has_them(tiny_training):
  workdir, _ = tiny_training
  evaluation = json.loads((workdir / 'eval_test.json').read_text())
  # 16 dives but for the event that was held out.
  assert sum(evaluation['training_scores']['counts']) == 12


def test_a_score_that_is_below_0_is_no_score_above():
  assert score_counts([-1.0, 3.0])['counts'] == [2]
