import numpy as np
import pytest
from dive_tasks import dive_tasks

from aqa_jax.configs import c3davg
from aqa_jax.tasks.captions import caption_loss
from aqa_jax.tasks.classes import class_loss
from aqa_jax.tasks.score import score_loss
from aqa_jax.training import steps
from tfds_mtl_aqa.labels import CLASS_NAMES


def _log_softmax(logits):
  logits = np.asarray(logits, np.float64)
  return logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))


def test_score_loss_by_hand():
  # Errors 1 and -0.5 in units of 17 points.
  loss = score_loss(np.array([3.0, 2.5]), np.array([34.0, 51.0]))
  assert loss == pytest.approx((1 + 0.25) / 2 + (1 + 0.5) / 2)


def test_class_loss_is_the_sum_of_five_cross_entropies():
  rng = np.random.default_rng(0)
  logits = {
    task: rng.normal(size=(3, len(names))).astype(np.float32)
    for task, names in CLASS_NAMES.items()
  }
  labels = {
    task: rng.integers(0, len(names), 3) for task, names in CLASS_NAMES.items()
  }
  expected = sum(
    -_log_softmax(logits[task])[np.arange(3), labels[task]].mean()
    for task in CLASS_NAMES
  )
  assert class_loss(logits, labels) == pytest.approx(expected, rel=1e-5)


def test_equal_logits_cost_the_logarithm_of_the_classes():
  logits = {t: np.zeros((2, len(n))) for t, n in CLASS_NAMES.items()}
  labels = {task: np.zeros(2, int) for task in CLASS_NAMES}
  assert class_loss(logits, labels) == pytest.approx(
    np.log(3 * 2 * 4 * 10 * 8), rel=1e-6
  )


@pytest.fixture(name='captions')
def fixture_captions():
  rng = np.random.default_rng(1)
  logits = rng.normal(size=(2, 5, 7)).astype(np.float32)
  words = np.array([[1, 4, 2, 0, 0, 0], [1, 3, 3, 6, 5, 0]])
  mask = np.array([[1, 1, 1, 1, 0, 0], [1, 1, 1, 1, 1, 1]], np.float32)
  return logits, words, mask


def test_caption_loss_by_hand(captions):
  logits, words, mask = captions
  log_p = _log_softmax(logits)
  # Position i predicts word i + 1; <eos> counts, what follows it does not.
  first = sum(log_p[0, i, word] for i, word in enumerate([4, 2, 0]))
  second = sum(log_p[1, i, word] for i, word in enumerate([3, 3, 6, 5, 0]))
  # Summed over words, averaged over the two captions.
  assert caption_loss(logits, words, mask) == pytest.approx(
    -(first + second) / 2, rel=1e-5
  )


def test_words_after_the_end_do_not_matter(captions):
  logits, words, mask = captions
  changed_logits, changed_words = logits.copy(), words.copy()
  changed_logits[0, 3:] += np.arange(7)
  changed_words[0, 4:] = 6
  before = caption_loss(logits, words, mask)
  assert caption_loss(changed_logits, changed_words, mask) == before
  changed_logits[0, 2] += np.arange(7)
  assert caption_loss(changed_logits, changed_words, mask) != before


def test_only_predicted_tasks_have_a_loss(captions):
  logits, words, mask = captions
  batch = {
    'score': np.array([17.0, 34.0]),
    'words': words,
    'word_mask': mask,
  }
  by_task = steps.task_losses(
    dive_tasks(('score', 'captions')),
    {'score': np.array([1.0, 3.0]), 'captions': logits},
    batch,
  )
  assert set(by_task) == {'score', 'captions'}
  assert by_task['score'] == pytest.approx(0.5 + 0.5)
  assert by_task['captions'] == caption_loss(logits, words, mask)


def test_weights_of_the_paper():
  weights = c3davg.get_config().loss_weights
  total = steps.total_loss(
    {'score': 2.0, 'classes': 3.0, 'captions': 100.0}, weights
  )
  assert total == pytest.approx(2 + 3 + 1)


def test_a_task_without_a_weight_counts_once():
  # Such as the actions of a pretraining.
  total = steps.total_loss({'score': 2.0, 'actions': 3.0}, {'score': 0.5})
  assert total == pytest.approx(1 + 3)
