"""Steps that are not finite, in rows longer and shorter than is allowed."""

import json

import numpy as np
import pytest

from aqa_jax.training.metrics_writer import MetricsWriter
from aqa_jax.training.step_log import StepLog


def _write(workdir, finite, max_non_finite):
  """Adds steps from 1 on, finite or not, and writes them at once."""
  writer = MetricsWriter(workdir, None, tensorboard=False)
  log = StepLog(workdir, writer, None, max_non_finite)
  for step, is_finite in enumerate(finite, 1):
    log.add(
      step,
      {
        'loss': np.float32(step if is_finite else np.nan),
        'is_finite': np.float32(is_finite),
        'dive_id': np.array([[step, 0]]),
      },
    )
  try:
    log.write()
  finally:
    writer.close()


def test_a_long_row_within_a_window_ends_the_training(tmp_path):
  """Though the steps after it are finite again."""
  with pytest.raises(FloatingPointError, match='in 3 steps in a row.* step 4;'):
    _write(tmp_path, [1, 0, 0, 0, 1, 1], 3)
  lines = (tmp_path / 'non_finite.jsonl').read_text().splitlines()
  assert [json.loads(line)['step'] for line in lines] == [2, 3, 4]


def test_short_rows_are_left_out_of_the_means(tmp_path):
  _write(tmp_path, [1, 0, 0, 1, 0, 0], 3)
  (line,) = (tmp_path / 'metrics.jsonl').read_text().splitlines()
  assert json.loads(line) == {'step': 6, 'train/loss': 2.5}
