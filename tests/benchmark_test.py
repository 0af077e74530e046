"""--mode=benchmark: its arithmetic, on a clock that the test sets."""

import re
import time

import jax
import jax.numpy as jnp
import pytest

from aqa_jax.profiling import benchmark
from tfds_mtl_aqa.input_error import InputError


def test_a_turn_is_timed_step_by_step(monkeypatch):
  clock = [0.0]
  monkeypatch.setattr(time, 'perf_counter', lambda: clock[0])

  def step():
    clock[0] += 0.5
    return jnp.ones(())

  candidate = benchmark.Candidate('float32', step, 1e9, steps_a_turn=4)
  candidate.take_turn()
  candidate.take_turn()
  assert candidate.seconds == [0.5, 0.5] and clock[0] == 4


def test_products_of_matrices_are_all_computed(monkeypatch):
  """A rate that no machine has would say that XLA left some out."""
  monkeypatch.setitem(benchmark._MATRIX_SIZES, 'cpu', 256)
  assert 1e6 < benchmark.matrix_rate('float32', 'cpu') < 1e14


def test_both_dtypes_are_timed_without_data(
  tiny_config, tmp_path, capsys, monkeypatch
):
  """Real steps, whose times are set."""
  times = {'float32': (0.5, 0.4, 0.4, 0.4, 0.3), 'bfloat16': (0.25,) * 5}
  take_turn = benchmark.Candidate.take_turn

  def take_timed_turn(candidate):
    take_turn(candidate)
    turn = len(candidate.seconds) - 1
    candidate.seconds[turn] = times[candidate.name][turn]

  monkeypatch.setattr(benchmark.Candidate, 'take_turn', take_timed_turn)
  monkeypatch.setattr(benchmark, '_SECONDS_A_TURN', 0.01)
  monkeypatch.setitem(benchmark._MATRIX_SIZES, 'cpu', 128)
  tiny_config.dataset.data_dir = str(tmp_path / 'none')
  tiny_config.mesh.data = 2
  tiny_config.tasks = 'score'
  benchmark.run(tiny_config)
  said = capsys.readouterr().out
  assert len(re.findall(r'round \d of 5: float32 [\d.]+ ms, bfloat', said)) == 5
  # Of the medians; a batch is of 8 dives.
  figures = re.findall(r'(\w+): ([\d.]+) ms a step .*?, ([\d.]+) dives/s', said)
  assert figures == [
    ('float32', '400.0', '20.00'),
    ('bfloat16', '250.0', '32.00'),
  ]
  ratio = re.search(r'takes ([\d.]+) times .*\(([\d.]+) to ([\d.]+) in 5', said)
  assert ratio.groups() == ('1.60', '1.20', '2.00')
  assert not list(tmp_path.iterdir())


def test_several_processes(tiny_config, monkeypatch):
  monkeypatch.setattr(jax, 'process_count', lambda: 2)
  with pytest.raises(InputError, match='of one process'):
    benchmark.run(tiny_config)
