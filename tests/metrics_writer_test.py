import json
import os

import jax.numpy as jnp
import numpy as np
import pytest
from absl import logging

from aqa_jax.training import metrics_writer
from tfds_mtl_aqa.input_error import InputError


def strict_lines(path):
  def refuse(constant):
    raise AssertionError(f'{constant} is not JSON')

  return [
    json.loads(line, parse_constant=refuse)
    for line in path.read_text('utf-8').splitlines()
  ]


def write(folder, start_step, steps):
  writer = metrics_writer.MetricsWriter(folder, start_step, tensorboard=False)
  for step in steps:
    writer.write_scalars(step, {'train/loss': step / 2})
  writer.close()


def steps_of(path):
  return [line['step'] for line in strict_lines(path)]


def test_scalars_become_json_lines(tmp_path):
  folder = tmp_path / 'runs/first'
  writer = metrics_writer.MetricsWriter(folder, None, tensorboard=False)
  writer.write_scalars(
    np.int64(3),
    {
      'a': np.float32(0.5),
      'b': jnp.asarray(2.5, jnp.bfloat16),
      'c': np.array([7]),
      'd': float('nan'),
      'e': np.inf,
    },
  )
  # Flushed: readable before the writer is closed.
  assert strict_lines(folder / 'metrics.jsonl') == [
    {'step': 3, 'a': 0.5, 'b': 2.5, 'c': 7.0, 'd': None, 'e': None}
  ]
  writer.flush()
  writer.close()
  writer.close()


@pytest.mark.parametrize('scalars', [{'a': np.zeros(2)}, {'step': 1.0}])
def test_what_is_no_scalar_is_refused(tmp_path, scalars):
  writer = metrics_writer.MetricsWriter(tmp_path, None, tensorboard=False)
  with pytest.raises(ValueError, match="named 'step'"):
    writer.write_scalars(1, scalars)
  writer.close()
  assert (tmp_path / 'metrics.jsonl').read_text() == ''


def test_resuming_leaves_no_gap_and_no_double(tmp_path):
  write(tmp_path, None, [10, 20, 30, 40, 50])
  write(tmp_path, 30, [40, 50, 60])
  assert steps_of(tmp_path / 'metrics.jsonl') == [10, 20, 30, 40, 50, 60]
  assert [p.name for p in tmp_path.iterdir() if '.part' in p.name] == []


def test_resuming_keeps_every_line_of_its_step(tmp_path):
  writer = metrics_writer.MetricsWriter(tmp_path, None, tensorboard=False)
  writer.write_scalars(30, {'train/loss': 1.0})
  writer.write_scalars(30, {'test/spearman': 0.5})
  writer.write_scalars(31, {'train/loss': 1.0})
  writer.close()
  write(tmp_path, 30, [])
  assert steps_of(tmp_path / 'metrics.jsonl') == [30, 30]


def test_a_run_from_scratch_starts_an_empty_file(tmp_path):
  write(tmp_path, None, [0, 10])
  write(tmp_path, None, [0])
  assert steps_of(tmp_path / 'metrics.jsonl') == [0]
  write(tmp_path, 0, [10])
  assert steps_of(tmp_path / 'metrics.jsonl') == [0, 10]


@pytest.mark.parametrize(
  'torn', ['{"step": 20, "train/lo', '{"step": 20}', '{"step": 20, "a": "é']
)
def test_a_torn_last_line_is_dropped(tmp_path, torn):
  write(tmp_path, None, [10])
  path = tmp_path / 'metrics.jsonl'
  with open(path, 'ab') as file:
    file.write(torn.encode('utf-8')[:-1] if 'é' in torn else torn.encode())
  write(tmp_path, 20, [20, 30])
  assert steps_of(path) == [10, 20, 30]
  assert strict_lines(path)[1] == {'step': 20, 'train/loss': 10.0}


def test_unreadable_lines_are_dropped_with_a_warning(tmp_path, monkeypatch):
  path = tmp_path / 'metrics.jsonl'
  path.write_bytes(b'{"step": 1}\n\0\0\0\n[]\n{"a": 2}\n{"step": 2}\n')
  warned = []
  monkeypatch.setattr(logging, 'warning', lambda *args: warned.append(args))
  write(tmp_path, 5, [])
  assert steps_of(path) == [1, 2]
  assert [args[1] for args in warned] == [3]


def test_nothing_is_written_where_disabled(tmp_path):
  folder = tmp_path / 'run'
  writer = metrics_writer.MetricsWriter(folder, None, enabled=False)
  writer.write_scalars(1, {'a': 1.0})
  writer.flush()
  writer.close()
  assert not folder.exists()


def test_bad_folders_are_the_users_errors(tmp_path):
  (tmp_path / 'file').write_text('')
  for folder in (tmp_path / 'file', tmp_path / 'file/run'):
    with pytest.raises(InputError, match='lies under a file'):
      metrics_writer.MetricsWriter(folder, None)


def test_tensorboard_files(tmp_path):
  event_accumulator = pytest.importorskip(
    'tensorboard.backend.event_processing.event_accumulator'
  )
  for start_step, steps in ((None, [7, 8, 9]), (7, [8])):
    writer = metrics_writer.MetricsWriter(tmp_path, start_step)
    for step in steps:
      writer.write_scalars(step, {'loss': step / 2})
    writer.close()
  found = event_accumulator.EventAccumulator(
    os.fspath(tmp_path / 'tensorboard')
  )
  found.Reload()
  # What the resumed run has not done again is hidden.
  assert [(e.step, e.value) for e in found.Scalars('loss')] == [
    (7, 3.5),
    (8, 4.0),
  ]
