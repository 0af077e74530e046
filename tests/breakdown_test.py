"""Where a step's time goes: attribution, parts, and a real step."""

import json
import math
import sys

import jax
import pytest
from jax.profiler import ProfileData

from aqa_jax.abstract_setup import abstract_setup
from benchmarks import breakdown, breakdown_table, step_parts, workload
from benchmarks.breakdown_table import Breakdown
from benchmarks.step_parts import BACK, FORWARD, LAYERS, Part
from benchmarks.trace_events import (
  IDLE,
  UNATTRIBUTED,
  Segment,
  ThreadEvents,
  Window,
  read_trace,
  segments_of_threads,
  share_time,
  window_of_device,
)

# JAX's own, from Python 3.12 on.
pytestmark = pytest.mark.filterwarnings(
  'ignore:builtin type .* has no __module__:DeprecationWarning'
)


def _shares(segments, start, end):
  """Returns the shares of time; every operation stands for itself."""
  labels = {segment.op: segment.op for segment in segments}
  shares = share_time(segments, Window(start, end), labels)
  assert math.fsum(shares.values()) == pytest.approx(end - start)
  return {label: time for label, time in shares.items() if time}


def test_the_innermost_operation_counts():
  thread = ThreadEvents(
    ops=[(0, 100, 'while'), (10, 40, 'dot'), (50, 90, 'add'), (60, 65, 'call')],
    # The loop's own, within it.
    executors=[(5, 95)],
  )
  shares = _shares(segments_of_threads([thread]), 0, 120)
  assert shares == {'while': 30, 'dot': 30, 'add': 35, 'call': 5, IDLE: 20}


def test_two_threads_share_the_time_in_which_both_work():
  threads = [
    ThreadEvents(ops=[(0, 10, 'a')]),
    ThreadEvents(ops=[(4, 6, 'b'), (8, 11, 'a')]),
  ]
  shares = _shares(segments_of_threads(threads), 0, 12)
  assert shares == {'a': 10, 'b': 1, IDLE: 1}


def test_gaps_are_idle_and_what_is_outside_of_the_window_does_not_count():
  thread = ThreadEvents(ops=[(0, 4, 'a'), (7, 8, 'b'), (9, 20, 'a')])
  shares = _shares(segments_of_threads([thread]), 2, 12)
  assert shares == {'a': 5, 'b': 1, IDLE: 4}


def test_tasks_in_the_pool_belong_to_the_operation_that_scheduled_them():
  first = ThreadEvents(
    ops=[(0, 2, 'conv')],
    scheduled=[(1, 1)],
    tasks=[(5, 10, 2)],
  )
  second = ThreadEvents(
    # The last task goes on with the next operation, and then is idle.
    tasks=[(3, 20, 1)],
    scheduled=[(4, 2)],
    executors=[(13, 19)],
    ops=[(14, 18, 'next')],
  )
  # Tasks are looked up whatever thread comes first.
  for threads in ([first, second], [second, first]):
    shares = _shares(segments_of_threads(threads), 0, 20)
    assert shares == {'conv': 12, 'next': 4, IDLE: 4}


def test_tasks_of_the_executor_belong_to_no_operation():
  thread = ThreadEvents(
    executors=[(0, 5)],
    scheduled=[(1, 1), (2, 2)],
    tasks=[(6, 9, 1), (10, 12, 3)],
  )
  assert _shares(segments_of_threads([thread]), 0, 12) == {IDLE: 12}


def test_operations_without_a_part_are_unattributed():
  segments = [Segment(0, 1, 'known'), Segment(1, 3, 'new'), Segment(3, 7, '')]
  shares = share_time(segments, Window(0, 8), {'known': 'part'})
  assert shares == {'part': 1, UNATTRIBUTED: 6, IDLE: 1}


def test_a_gpu_clock_that_is_off():
  segments = [Segment(1000, 1400, 'a'), Segment(1500, 1900, 'b')]
  assert window_of_device(segments, Window(0, 950)) == (1000, 1950)
  assert window_of_device(segments, Window(998, 1948)) == (998, 1948)
  assert window_of_device([], Window(0, 950)) == (0, 950)


# Picoseconds count from the line's start. `a` and `b` overlap on two streams;
# the line 'XLA Ops' repeats them.
_GPU_TRACE = """
planes {
  name: "/host:CPU"
  lines {
    name: "python" timestamp_ns: 1000
    events { metadata_id: 1 offset_ps: 0 duration_ps: 100000 }
  }
  event_metadata { key: 1 value { id: 1 name: "steps" } }
}
planes {
  name: "/device:GPU:0"
  lines {
    name: "Stream #13(Compute)" timestamp_ns: 1000
    events {
      metadata_id: 1 offset_ps: 10000 duration_ps: 20000
      stats { metadata_id: 1 ref_value: 11 }
      stats { metadata_id: 2 ref_value: 13 }
    }
    events { metadata_id: 1 offset_ps: 40000 duration_ps: 5000 }
    events {
      metadata_id: 1 offset_ps: 50000 duration_ps: 7000
      stats { metadata_id: 1 ref_value: 12 }
      stats { metadata_id: 2 ref_value: 14 }
    }
  }
  lines {
    name: "Stream #14(Compute,MemcpyD2D)" timestamp_ns: 1000
    events {
      metadata_id: 1 offset_ps: 20000 duration_ps: 20000
      stats { metadata_id: 1 ref_value: 12 }
      stats { metadata_id: 2 ref_value: 13 }
    }
    events { metadata_id: 2 offset_ps: 60000 duration_ps: 3000 }
  }
  lines {
    name: "XLA Ops" timestamp_ns: 1000
    events {
      metadata_id: 1 offset_ps: 10000 duration_ps: 90000
      stats { metadata_id: 1 ref_value: 11 }
    }
  }
  event_metadata { key: 1 value { id: 1 name: "kernel" } }
  event_metadata { key: 2 value { id: 2 name: "MemcpyD2D" } }
  stat_metadata { key: 1 value { id: 1 name: "hlo_op" } }
  stat_metadata { key: 2 value { id: 2 name: "hlo_module" } }
  stat_metadata { key: 11 value { id: 11 name: "a" } }
  stat_metadata { key: 12 value { id: 12 name: "b" } }
  stat_metadata { key: 13 value { id: 13 name: "jit_train_step" } }
  stat_metadata { key: 14 value { id: 14 name: "jit_other" } }
}
"""


def test_streams_of_a_gpu(tmp_path):
  trace = ProfileData.text_proto_to_serialized_xspace(_GPU_TRACE)
  (tmp_path / 'host.xplane.pb').write_bytes(trace)
  segments, window = read_trace(tmp_path, 'gpu', 'jit_train_step', 'steps')
  shares = share_time(
    segments, window, {'a': 'A', 'b': 'B', 'memcpy': 'copies'}
  )
  assert shares == pytest.approx(
    # A kernel without a name, and one of another program.
    {'A': 15, 'B': 15, 'copies': 3, UNATTRIBUTED: 5 + 7, IDLE: 55}
  )


def test_a_trace_without_the_steps(tmp_path):
  trace = ProfileData.text_proto_to_serialized_xspace(_GPU_TRACE)
  (tmp_path / 'host.xplane.pb').write_bytes(trace)
  with pytest.raises(ValueError, match='no other'):
    read_trace(tmp_path, 'gpu', 'jit_train_step', 'other')


_C3DAVG = 'jit(train_step)/jvp(C3DAVG)'
_MSCADC = 'jit(train_step)/jvp(MSCADC)'


@pytest.mark.parametrize(
  ('scope', 'part'),
  [
    (f'{_C3DAVG}/c3d/c3d._convolution/conv2/add', 'conv2 forward'),
    (f'{_C3DAVG}/c3d/c3d._convolution/bn4a/sub', 'conv4a forward'),
    (f'{_C3DAVG}/c3d/transpose', 'trunk, other forward'),
    (f'{_C3DAVG}/fc6/dot_general', 'fc6 forward'),
    (f'{_C3DAVG}/bn_average/mul', 'fc6 forward'),
    (f'{_C3DAVG}/score_regressor/final_score/add', 'score head forward'),
    (f'{_C3DAVG}/dive_classifier/twists/add', 'class head forward'),
    (f'{_C3DAVG}/bn_clips/mul', 'captioner forward'),
    (f'{_C3DAVG}/captioner.teacher_forced/gru/upper_1/while/body/closed_call'
     '/tanh', 'captioner forward'),
    (f'{_C3DAVG}/reduce_sum', 'other forward'),
    (f'{_MSCADC}/c3d/bn5b/mul', 'conv5b forward'),
    (f'{_MSCADC}/c3d/Dropout_0/select_n', 'trunk, other forward'),
    (f'{_MSCADC}/score_regressor/score_regressor._features/features/conv1/add',
     'score head forward'),
    (f'{_MSCADC}/score_regressor/score_regressor._features/features'
     '/context_net/conv4/add', 'score context net forward'),
    (f'{_MSCADC}/dive_classifier/dive_classifier._features/features'
     '/context_net/bn1/sub', 'class context net forward'),
    (f'{_MSCADC}/caption_head/caption_head._convolve/conv3/add',
     'caption head forward'),
    ('jit(train_step)/jvp(losses)/jit(take_along_axis)/gather',
     'losses forward'),
    ('jit(train_step)/jvp(normalize)/div', 'normalization'),
    ('jit(train_step)/optimizer/jit(_where)/select_n', 'optimizer'),
    ('jit(train_step)/mul;jit(train_step)/optimizer/mul', 'optimizer'),
  ],
)  # fmt: skip
def test_parts_of_scopes(scope, part):
  assert str(step_parts.part_of_scope(scope)) == part
  # `value_and_grad` names the way back so.
  back = scope.replace('jvp(C3DAVG)', 'transpose(jvp(C3DAVG))')
  back = back.replace('jvp(MSCADC)', 'transpose(jvp(MSCADC))')
  back = back.replace('jvp(losses)', 'transpose(jvp(losses))')
  assert str(step_parts.part_of_scope(back)) == part.replace(FORWARD, BACK)


def test_scopes_that_tell_no_part():
  for scope in (
    '',
    'reduce_sum',
    'jit(train_step)/transpose',
    "state.params['c3d']['conv1']['kernel']",
    'jit(train_step)/jit(_threefry_fold_in)/train_step/while',
  ):
    assert step_parts.part_of_scope(scope) is None, scope


_PROGRAM = f"""
HloModule jit_train_step, is_scheduled=true

%add_region (a: f32[], b: f32[]) -> f32[] {{
  %a = f32[] parameter(0), metadata={{op_name="reduce_sum"}}
  %b = f32[] parameter(1)
  ROOT %sum = f32[] add(%a, %b), metadata={{op_name="reduce_sum"}}
}}

%pooling (p: f32[8]) -> f32[4] {{
  %p = f32[8]{{0}} parameter(0)
  %n = f32[8]{{0}} negate(%p), metadata={{op_name="{_C3DAVG}/c3d/bn2/sub"}}
  %m = f32[8]{{0}} negate(%n), metadata={{op_name="{_C3DAVG}/c3d/bn2/mul"}}
  %o = f32[8]{{0}} negate(%m), metadata={{op_name="{_C3DAVG}/c3d/conv1/add"}}
  ROOT %s = f32[4]{{0}} slice(%o), metadata={{op_name="{_C3DAVG}/c3d/max"}}
}}

%by_root (p: f32[8]) -> f32[8] {{
  %p.1 = f32[8]{{0}} parameter(0), metadata={{op_name="{_C3DAVG}/fc6/add"}}
  %n.1 = f32[8]{{0}} negate(%p.1), metadata={{op_name="{_C3DAVG}/fc6/add"}}
  ROOT %s.1 = f32[8] add(%n.1, %n.1), metadata={{op_name="optimizer/mul"}}
}}

%by_majority (p: f32[8]) -> f32[8] {{
  %p.2 = f32[8]{{0}} parameter(0), metadata={{op_name="{_C3DAVG}/fc6/add"}}
  %n.2 = f32[8]{{0}} negate(%p.2), metadata={{op_name="{_C3DAVG}/fc6/add"}}
  %o.2 = f32[8]{{0}} negate(%n.2), metadata={{op_name="optimizer/mul"}}
  ROOT %s.2 = f32[8]{{0}} add(%n.2, %o.2)
}}

%moves (p: f32[8]) -> f32[8] {{
  %p.3 = f32[8]{{0}} parameter(0)
  %c.3 = f32[8]{{0}} copy(%p.3)
  ROOT %s.3 = f32[8]{{0}} bitcast(%c.3)
}}

ENTRY %main.1 (p: f32[8]) -> (f32[8]) {{
  %p.4 = f32[8]{{0}} parameter(0), metadata={{op_name="state.params"}}
  %pool = f32[4]{{0}} fusion(%p.4), kind=kLoop, calls=%pooling, \
metadata={{op_name="jit(train_step)/transpose(jvp(C3DAVG))/c3d/max"}}
  %root = f32[8]{{0}} fusion(%p.4), kind=kLoop, calls=%by_root
  %most = f32[8]{{0}} fusion(%p.4), kind=kLoop, calls=%by_majority
  %copies = f32[8]{{0}} fusion(%p.4), kind=kLoop, calls=%moves
  %copy.1 = f32[8]{{0}} copy(%p.4)
  %reduce.1 = f32[] reduce(%p.4), dimensions={{0}}, to_apply=%add_region
  %while.1 = (s32[], /*index=1*/f32[8]{{0}}) while(%p.4), body=%by_majority
  ROOT %t = (f32[8]{{0}}) tuple(%root)
}}
"""


def test_parts_of_a_program():
  parts = step_parts.parts_of_program(_PROGRAM)
  expected = {
    # Of a layer, since most of what is fused is; back, by its own scope.
    'pool': 'conv2 back',
    'root': 'optimizer',
    'most': 'fc6 forward',
    'while.1': 'fc6 forward',
    'copies': 'copies',
    'copy.1': 'copies',
    'reduce.1': 'other',
  }
  assert {name: str(parts[name]) for name in expected} == expected
  assert step_parts.module_name(_PROGRAM.strip()) == 'jit_train_step'


def _found(**changes):
  times = {Part(layer, way): 0.5 for layer in LAYERS for way in (FORWARD, BACK)}
  times |= {
    Part('caption context net', BACK): 60.0,
    Part('conv2', BACK): 2.0,
    Part('optimizer'): 1.0,
    Part('normalization'): 0.0,
  }
  fields = {
    'parts': times,
    'idle': 3.5,
    'unattributed': 0.0,
    'traced': 74.0,
    'traces': [74.0],
    'untraced': [70.0, 80.0, 75.0],
    'as_used': [],
    'flops': dict.fromkeys(LAYERS, 1e12),
  }
  return Breakdown(**fields | changes)


def test_the_table():
  lines = breakdown_table.table(_found()).splitlines()
  assert max(map(len, lines)) <= 80
  cells = {line[:19].strip(): line[19:].split() for line in lines}
  # 1000 Gflop forward in 0.5 s, and twice that back in 2 s.
  assert ' '.join(cells['conv2']) == (
    '500.00 2000.00 2500.00 3.4 3000.00 2000.0 1000.0'
  )
  # The video needs no gradient.
  assert ' '.join(cells['conv1'][4:]) == '2000.00 2000.0 2000.0'
  assert cells['optimizer'] == ['1000.00', '1.4']
  assert cells['normalization'] == ['0.00', '0.0']
  assert cells['idle'] == ['3500.00', '4.7']
  assert cells['unattributed'] == ['0.00', '0.0']
  assert cells['traced step'] == ['74000.00', '100.0']
  assert 'fc6' not in cells


def test_the_summary():
  found = _found()
  assert found.named == 70.5
  said = breakdown_table.summary(found)
  assert 'All parts by it: 0.940, within 10 %.' in said
  assert 'parts: caption context net back, conv2 back, optimizer.' in said
  assert 'command buffers' not in said
  said = breakdown_table.summary(_found(untraced=[60.0], as_used=[55.0]))
  assert 'All parts by it: 1.175, NOT within 10 %.' in said
  assert 'a step takes 55000.00 ms.' in ' '.join(said.split())
  assert max(map(len, said.splitlines())) <= 80


def test_operations_of_the_layers():
  config = workload.make_config('mscadc', 'toy', 'cpu', 2)
  flops = breakdown.count_layer_flops(abstract_setup(config, jax.devices()))
  # 2 dives of 16 frames of 32 x 32, 8 channels and more; conv5b takes 2 away,
  # from 4 frames of 4 x 4.
  assert flops['conv1'] == 2 * 27 * 3 * 8 * 2 * 16 * 32 * 32
  assert flops['conv2'] == 2 * 27 * 8 * 16 * 2 * 16 * 16 * 16
  assert flops['conv5a'] == 2 * 27 * 64 * 64 * 2 * 4 * 4 * 4
  assert flops['conv5b'] == 2 * 27 * 64 * 64 * 2 * 2 * 2 * 2


@pytest.fixture(name='run')
def fixture_run(monkeypatch):
  """Runs the command with flags."""

  def run(*flags):
    monkeypatch.setattr(sys, 'argv', ['breakdown', '--size=toy', *flags])
    breakdown.main()

  # The other tests' JAX stays as it is.
  monkeypatch.setattr(jax.config, 'update', lambda *_: None)
  return run


@pytest.mark.parametrize(
  ('flag', 'said'),
  [
    ('--size=huge', '--size'),
    ('--batch_size=0', '--batch_size: 0: give a whole number'),
    ('--steps=two', '--steps: two: give a whole number'),
    ('--out=.', '--out=. is a folder'),
    ('--batch=3', '--batch=3'),
  ],
)
def test_wrong_flags_end_in_one_line(flag, said, run, capsys):
  with pytest.raises(SystemExit) as e:
    run(flag)
  assert e.value.code == 2
  (line,) = capsys.readouterr().err.splitlines()
  assert said in line


def test_a_gpu_that_is_not_there(run, capsys):
  if jax.default_backend() != 'cpu':
    pytest.skip('there is one')
  with pytest.raises(SystemExit) as e:
    run('--device=gpu')
  assert e.value.code == 2
  assert '--device=gpu: JAX finds none' in capsys.readouterr().err


def test_a_real_step(tiny_config, tmp_path, monkeypatch, run, capsys):
  monkeypatch.setattr(breakdown, '_SECONDS_A_TURN', 0.01)
  monkeypatch.setattr(breakdown, '_TRACES', 2)
  monkeypatch.setattr(workload, 'make_config', lambda *_: tiny_config)
  tiny_config.mesh.data = 1
  out = tmp_path / 'new' / 'breakdown.json'
  run('--steps=2', f'--out={out}')
  found = json.loads(out.read_text())
  seconds = {(p['part'], p['direction']): p['seconds'] for p in found['parts']}
  for name in (*LAYERS, 'captioner'):
    assert seconds[name, FORWARD] > 0 and seconds[name, BACK] > 0, name
  assert seconds['optimizer', ''] > 0
  named = math.fsum(seconds.values())
  rest = found['idle_seconds'] + found['unattributed_seconds']
  assert named + rest == pytest.approx(found['traced_seconds'])
  assert found['unattributed_seconds'] < 0.01 * found['traced_seconds']
  assert found['named_seconds'] == pytest.approx(named)
  assert found['traced_steps'] == 2 and len(found['costliest']) == 3
  assert found['machine']['versions']['jax'] == jax.__version__
  # 8 dives of 2 clips of 6 frames of 16 x 16, from 3 channels to 2.
  (conv1,) = [
    p for p in found['parts'] if (p['part'], p['direction']) == ('conv1', BACK)
  ]
  assert conv1['flop'] == 2 * 27 * 3 * 2 * 8 * 2 * 6 * 16 * 16
  said = capsys.readouterr().out
  assert 'traced step' in said and found['costliest'][0] in said
