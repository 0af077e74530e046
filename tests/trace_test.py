"""A trace is what Perfetto opens: gzipped JSON of events."""

import gzip
import json

import jax
import jax.numpy as jnp

from aqa_jax.training.trace import Trace


def _run(trace, steps):
  step_function = jax.jit(lambda x: jnp.sin(x) @ x)
  for step in steps:
    trace.before(step)
    with jax.profiler.StepTraceAnnotation('train', step_num=step):
      result = step_function(jnp.ones((50, 50)))
    result.block_until_ready()
    trace.after(step)
  trace.close()


def _events(workdir):
  (path,) = workdir.rglob('perfetto_trace.json.gz')
  return json.loads(gzip.decompress(path.read_bytes()))['traceEvents']


def test_the_steps_asked_for_are_traced(tmp_path, capsys):
  _run(Trace(tmp_path, 10, 2), range(11, 21))
  events = [e for e in _events(tmp_path) if e.get('name') == 'train']
  assert {e['args']['step_num'] for e in events} == {'14', '15'}
  assert all(e['dur'] > 0 for e in events)
  assert str(tmp_path) in capsys.readouterr().out


def test_a_training_that_ends_before(tmp_path):
  _run(Trace(tmp_path, 0, 100), range(1, 6))
  events = [e for e in _events(tmp_path) if e.get('name') == 'train']
  assert {e['args']['step_num'] for e in events} == {'4', '5'}


def test_a_training_that_ends_before_the_first_of_them(tmp_path, capsys):
  _run(Trace(tmp_path, 0, 5), range(1, 3))
  assert capsys.readouterr().out == (
    'Nothing was traced: training ended before step 4.\n'
  )


def test_none_are_asked_for(tmp_path, capsys):
  _run(Trace(tmp_path, 0, 0), range(1, 6))
  assert not capsys.readouterr().out
  assert not list(tmp_path.iterdir())
