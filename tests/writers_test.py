import io
import json
import os
import sys

import jax.numpy as jnp
import numpy as np
import pytest
from absl import logging

from aqa_jax import writers
from tfds_mtl_aqa.input_error import InputError


def strict_lines(path):
  def refuse(constant):
    raise AssertionError(f'{constant} is not JSON')

  return [
    json.loads(line, parse_constant=refuse)
    for line in path.read_text('utf-8').splitlines()
  ]


def write(folder, start_step, steps):
  writer = writers.MetricsWriter(folder, start_step, tensorboard=False)
  for step in steps:
    writer.write_scalars(step, {'train/loss': step / 2})
  writer.close()


def steps_of(path):
  return [line['step'] for line in strict_lines(path)]


def test_scalars_become_json_lines(tmp_path):
  folder = tmp_path / 'runs/first'
  writer = writers.MetricsWriter(folder, None, tensorboard=False)
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
  writer = writers.MetricsWriter(tmp_path, None, tensorboard=False)
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
  writer = writers.MetricsWriter(tmp_path, None, tensorboard=False)
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
  writer = writers.MetricsWriter(folder, None, enabled=False)
  writer.write_scalars(1, {'a': 1.0})
  writer.flush()
  writer.close()
  assert not folder.exists()


def test_bad_folders_are_the_users_errors(tmp_path):
  (tmp_path / 'file').write_text('')
  for folder in (tmp_path / 'file', tmp_path / 'file/run'):
    with pytest.raises(InputError, match='lies under a file'):
      writers.MetricsWriter(folder, None)


def test_without_tensorflow_only_json_and_one_log_line(tmp_path, monkeypatch):
  monkeypatch.setitem(sys.modules, 'tensorflow', None)
  logged = []
  monkeypatch.setattr(logging, 'log_first_n', lambda *args: logged.append(args))
  writer = writers.MetricsWriter(tmp_path, None)
  writer.write_scalars(1, {'a': 1.0})
  writer.flush()
  writer.close()
  assert steps_of(tmp_path / 'metrics.jsonl') == [1]
  assert not (tmp_path / 'tensorboard').exists()
  ((level, message, count, _),) = logged
  assert (level, count) == (logging.INFO, 1)
  assert 'aqa_jax[tf]' in message


def test_tensorboard_files(tmp_path):
  tf = pytest.importorskip('tensorflow')
  pytest.importorskip('tensorboard')
  writer = writers.MetricsWriter(tmp_path, None)
  writer.write_scalars(7, {'loss': 2.5})
  writer.close()
  (path,) = (tmp_path / 'tensorboard').iterdir()
  found = {
    value.tag: (event.step, tf.make_ndarray(value.tensor).item())
    for event in tf.compat.v1.train.summary_iterator(os.fspath(path))
    for value in event.summary.value
  }
  assert found == {'loss': (7, 2.5)}


def test_format_progress():
  losses = {'loss': 3.2091, 'score': 1.9, 'classes': 1.2, 'captions': 0.1}
  assert writers.format_progress(120, 2000, losses, 31.24, 200.4) == (
    'step 120/2000  loss 3.21 (score 1.9 classes 1.2 captions 0.1)  '
    '31.2 dives/s  3m20s left'
  )
  assert writers.format_progress(1, 9, {'loss': 12345.6}) == (
    'step 1/9  loss 12346'
  )
  assert writers.format_progress(1, 9, {'score': float('nan')}) == (
    'step 1/9  score nan'
  )
  assert writers.format_progress(1, 9, {}, 0.031, 0) == (
    'step 1/9  0.031 dives/s  0s left'
  )


@pytest.mark.parametrize(
  ('seconds', 'expected'),
  [
    (0.4, '0s'),
    (59.6, '1m00s'),
    (200, '3m20s'),
    (3599.7, '1h00m'),
    (7500, '2h05m'),
    (97200, '1d03h'),
  ],
)
def test_format_duration(seconds, expected):
  assert writers.format_duration(seconds) == expected


class Terminal(io.StringIO):
  def isatty(self):
    return True


def run_progress(stream, times, num_steps=6, **settings):
  clock = {}
  line = writers.ProgressLine(
    num_steps,
    batch_size=8,
    stream=stream,
    clock=lambda: clock['now'],
    **settings,
  )
  for step, now in enumerate(times, 1):
    clock['now'] = now
    line.update(step, {'loss': 10.0 / step})
  return line


def test_progress_lines_of_a_log_file():
  stream = io.StringIO()
  # Step 1 compiles for 90 s, which neither speed nor time left counts; step 4
  # is the first of those 10 s after a line.
  run_progress(stream, [90, 94, 98, 102, 103, 104])
  assert stream.getvalue().splitlines() == [
    'step 1/6  loss 10',
    'step 4/6  loss 2.5  2 dives/s  8s left',
    'step 6/6  loss 1.67  8 dives/s  0s left',
  ]


def test_progress_asks_for_losses_only_when_due():
  now = [0.0]
  line = writers.ProgressLine(
    100, 8, seconds=5, stream=io.StringIO(), clock=lambda: now[0]
  )
  assert line.due(1)
  line.update(1, {})
  now[0] = 4.9
  assert not line.due(2)
  now[0] = 5.0
  assert line.due(2)
  assert not line.due(1)
  now[0] = 0.1
  assert line.due(100)


def test_progress_on_a_terminal_rewrites_one_line():
  stream = Terminal()
  run_progress(stream, [0, 10, 20], num_steps=3)
  first, *rewritten = stream.getvalue().split('\r')
  assert first == ''
  assert stream.getvalue().count('\n') == 1
  assert stream.getvalue().endswith('\n')
  assert [len(text.rstrip('\n')) for text in rewritten] == sorted(
    len(text.rstrip('\n')) for text in rewritten
  )
  assert rewritten[1].startswith('step 2/3  loss 5  0.8 dives/s  10s left')


def test_progress_makes_room_for_other_output():
  stream = Terminal()
  line = run_progress(stream, [0, 10], num_steps=30)
  line.break_line()
  line.break_line()
  assert stream.getvalue().count('\n') == 1


def test_progress_survives_a_clock_that_stands():
  stream = io.StringIO()
  run_progress(stream, [5, 5], num_steps=2)
  assert stream.getvalue().splitlines()[-1] == 'step 2/2  loss 5  0s left'


@pytest.mark.parametrize('numbers', [(0, 8), (10, 0)])
def test_progress_refuses_nothing_to_count(numbers):
  with pytest.raises(ValueError, match='positive'):
    writers.ProgressLine(*numbers)


def test_write_atomically_keeps_the_old_file_on_failure(tmp_path, monkeypatch):
  path = tmp_path / 'file.json'
  writers.write_atomically(path, 'old\r\n')
  assert path.read_bytes() == b'old\r\n'

  def fail(*_):
    raise OSError('disk full')

  monkeypatch.setattr(os, 'replace', fail)
  with pytest.raises(OSError, match='disk full'):
    writers.write_atomically(path, 'new')
  assert path.read_bytes() == b'old\r\n'
  assert list(tmp_path.iterdir()) == [path]


def test_json_ready():
  value = {
    1: (np.float32(np.nan), np.int64(3), None),
    'b': {'c': np.array([1.5, -np.inf])},
    'd': 'x',
  }
  assert writers.json_ready(value) == {
    '1': [None, 3, None],
    'b': {'c': [1.5, None]},
    'd': 'x',
  }
