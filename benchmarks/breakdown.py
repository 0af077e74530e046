"""Measures the time of each part of a training step, from a trace.

  python -m benchmarks.breakdown --size=toy

On CPU the operations run on several threads, and on GPU on several streams. At
each instant the time is shared equally between the operations that run; it is
idle if none runs. So the sum of all parts, idle and unattributed is the time of
the traced steps. The parts alone should take as long as a step without the
tracer, which is timed in turns. Short steps are traced several times; the trace
of median length counts.
"""

import argparse
import functools
import os
import pathlib
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NoReturn

import flax.linen as nn
import jax
import jax.numpy as jnp
import ml_collections

from aqa_jax.abstract_setup import AbstractSetup, abstract_setup
from aqa_jax.profiling.benchmark import Candidate, random_batch
from benchmarks import machine, out_file, step_parts, trace_events, workload
from benchmarks.breakdown_table import Breakdown, report, summary, table
from benchmarks.step_parts import LAYERS
from benchmarks.trace_events import IDLE, UNATTRIBUTED
from tfds_mtl_aqa.input_error import InputError

_ANNOTATION = 'traced steps'
# CUDA graphs, whose kernels do not tell their operation.
_NO_COMMAND_BUFFERS = {'xla_gpu_enable_command_buffer': ''}
_PLATFORMS = {'cpu': 'cpu', 'gpu': 'cuda,cpu'}
# Number of traces, and seconds of a turn without the tracer: there is one
# before each trace and one at the end. For slow steps one trace is enough.
_TRACES, _SECONDS_A_TURN, _SLOW = 5, 1.0, 10.0


def measure(config: ml_collections.ConfigDict, num_steps: int) -> Breakdown:
  """Times and traces the training step on the first device.

  Args:
    config: config from `workload.make_config`.
    num_steps: steps in a trace.

  Raises:
    InputError: something in the config is wrong.
  """
  device = jax.devices()[0]
  setup = abstract_setup(config, [device])
  print(setup.describe(), flush=True)
  batch = random_batch(setup)
  lowered = setup.train_step.lower(setup.abstract_state(), batch)
  if device.platform == 'gpu':
    traceable = lowered.compile(compiler_options=_NO_COMMAND_BUFFERS)
    programs = [traceable, lowered.compile()]
  else:
    programs = [lowered.compile()]
  candidates = _candidates(setup, batch, programs)
  num_traces = max(_warm_up(candidate) for candidate in candidates)
  program = programs[0].as_text()
  part_of_op = step_parts.parts_of_program(program)
  traces = []
  for _ in range(num_traces):
    _take_turns(candidates)
    traces.append(
      _trace(
        candidates[0].step,
        {op: str(part) for op, part in part_of_op.items()},
        device.platform,
        step_parts.module_name(program),
        num_steps,
      )
    )
  _take_turns(candidates)
  # Other programs may disturb some of the traces.
  traces.sort(key=lambda trace: trace[0])
  traced, shares = traces[(num_traces - 1) // 2]
  return Breakdown(
    parts={
      part: shares.get(str(part), 0.0) for part in set(part_of_op.values())
    },
    idle=shares[IDLE],
    unattributed=shares[UNATTRIBUTED],
    traced=traced,
    traces=[seconds for seconds, _ in traces],
    untraced=candidates[0].seconds,
    as_used=candidates[1].seconds if candidates[1:] else [],
    flops=count_layer_flops(setup),
  )


def _candidates(
  setup: AbstractSetup,
  batch: Mapping[str, jax.Array],
  programs: Sequence[jax.stages.Compiled],
) -> list[Candidate]:
  """Returns functions that run a step of each program, on one state."""
  state = setup.create_state()

  def step(program):
    nonlocal state
    state, scalars = program(state, batch)
    return scalars

  return [
    Candidate('', functools.partial(step, program), flops=0.0)
    for program in programs
  ]


def _warm_up(candidate: Candidate) -> int:
  """Sets the length of a turn; returns the number of traces to make."""
  candidate.take_turn()
  if candidate.seconds[0] < _SLOW:
    candidate.take_turn()
  seconds = candidate.seconds[-1]
  candidate.seconds.clear()
  candidate.steps_a_turn = max(round(_SECONDS_A_TURN / seconds), 1)
  return _TRACES if seconds < _SLOW else 1


def _take_turns(candidates: Iterable[Candidate]) -> None:
  for candidate in candidates:
    candidate.take_turn()


def _trace(
  step: Callable[[], jax.Array],
  part_of_op: Mapping[str, str],
  platform: str,
  module: str,
  num_steps: int,
) -> tuple[float, dict[str, float]]:
  """Traces some steps; returns the seconds of one, and by part."""
  options = jax.profiler.ProfileOptions()
  # Calls of Python functions take time, and are of no use here.
  options.python_tracer_level = 0
  with tempfile.TemporaryDirectory() as folder:
    with (
      jax.profiler.trace(folder, profiler_options=options),
      jax.profiler.TraceAnnotation(_ANNOTATION),
    ):
      for _ in range(num_steps):
        result = step()
      jax.block_until_ready(result)
    segments, window = trace_events.read_trace(
      pathlib.Path(folder), platform, module, _ANNOTATION
    )
  shares = trace_events.share_time(
    segments,
    window,
    {trace_events.MEMCPY: step_parts.COPIES, **part_of_op},
  )
  scale = 1e-9 / num_steps
  return (
    scale * (window.end - window.start),
    {part: scale * time for part, time in shares.items()},
  )


def count_layer_flops(setup: AbstractSetup) -> dict[str, float]:
  """Returns the operations of each convolution of the trunk, forward.

  Each product of a weight and a value counts as two, also with padding.

  Args:
    setup: setup of the training.
  """
  batch = setup.training_batch()
  state = setup.abstract_state()

  def forward(params, batch_stats, video, words):
    return setup.model.apply(
      {'params': params, 'batch_stats': batch_stats},
      video.astype(jnp.float32),
      words,
      train=True,
      rngs={'dropout': jax.random.key(0)},
      mutable=['batch_stats', 'intermediates'],
      capture_intermediates=lambda module, _: isinstance(module, nn.Conv),
    )[1]['intermediates']

  outputs = jax.eval_shape(
    forward,
    state.params,
    state.batch_stats,
    batch['video'],
    batch.get('words'),
  )['c3d']
  flops = {}
  for layer in LAYERS:
    (output,) = outputs[layer]['__call__']
    kernel = state.params['c3d'][layer]['kernel']
    flops[layer] = 2.0 * kernel.size * output.size / output.shape[-1]
  return flops


class _Parser(argparse.ArgumentParser):
  """Ends with one line if a flag is wrong."""

  def error(self, message: str) -> NoReturn:
    self.exit(2, f'{self.prog}: {message}\n')


def _parser() -> argparse.ArgumentParser:
  parser = _Parser(
    prog='python -m benchmarks.breakdown',
    description='Shows where the time of a training step goes, part by part, '
    "from a trace of JAX's profiler. Needs no data: pixels and words are "
    'random.',
    allow_abbrev=False,
  )
  add = parser.add_argument
  add(
    '--network',
    choices=workload.NETWORKS,
    default='c3davg',
    help='to train (default: %(default)s)',
  )
  add(
    '--size',
    choices=workload.SIZES,
    default='full',
    help="the paper's network, or the quickstart's toy (default: full, of "
    'which a step takes a minute on two CPU cores)',
  )
  add(
    '--batch_size',
    type=_positive,
    metavar='N',
    help="dives of a step (default: the config's, 3 for full and 8 for toy)",
  )
  add(
    '--dtype',
    choices=workload.DTYPES,
    default='auto',
    help='of the trunk; auto: bfloat16 on GPU, float32 on CPU',
  )
  add(
    '--device',
    choices=workload.DEVICES,
    help='what to run on (default: what JAX finds)',
  )
  add(
    '--steps',
    type=_positive,
    default=3,
    metavar='N',
    help='steps of a trace (default: %(default)s)',
  )
  add(
    '--out',
    type=pathlib.Path,
    metavar='FILE.json',
    help='figures in seconds (default: below workdir/benchmarks/, named after '
    'the flags)',
  )
  return parser


def _positive(text: str) -> int:
  value = int(text) if text.isdecimal() else 0
  if value < 1:
    raise argparse.ArgumentTypeError(f'{text}: give a whole number from 1 on')
  return value


def _choose_platform(asked: str | None) -> str:
  """Returns 'cpu' or 'gpu', and makes JAX use it.

  Raises:
    InputError: JAX has no such device, or one of another kind.
  """
  if asked:
    jax.config.update('jax_platforms', _PLATFORMS[asked])
  try:
    platform = jax.devices()[0].platform
  except (AssertionError, RuntimeError) as e:
    # For a plugin that is not installed JAX's error has no text.
    reason = str(e).splitlines()[0] if str(e) else 'JAX finds none here'
    flag = f'--device={asked}'
    if not asked:
      flag = f'JAX_PLATFORMS={os.environ.get("JAX_PLATFORMS", "")}'
    raise InputError(f'{flag}: {reason.rstrip(".")}.') from e
  if platform != (asked or platform):
    # Without a plugin for CUDA JAX takes the CPU.
    raise InputError(f'--device={asked}: JAX finds none here.')
  if platform not in workload.DEVICES:
    raise InputError(
      f'JAX takes a {platform} here: give --device=cpu or --device=gpu.'
    )
  return platform


def run(flags: argparse.Namespace) -> None:
  """Runs the measurement of the flags, prints it, and writes it as JSON.

  Args:
    flags: flags of the command line.

  Raises:
    InputError: a flag is wrong.
  """
  # Before this program makes the load itself.
  description = machine.describe()
  platform = _choose_platform(flags.device)
  # Else a cached program might have the scopes of older code.
  jax.config.update('jax_compilation_cache_include_metadata_in_key', True)
  config = workload.make_config(
    flags.network, flags.size, platform, flags.batch_size, flags.dtype
  )
  out = flags.out or pathlib.Path(
    f'workdir/benchmarks/breakdown_{flags.network}_{flags.size}_{platform}_'
    f'batch{config.batch_size}_{config.compute_dtype}.json'
  )
  out_file.prepare(out)
  try:
    found = measure(config, flags.steps)
  except jax.errors.JaxRuntimeError as e:
    if 'RESOURCE_EXHAUSTED' not in str(e):
      raise
    raise InputError(
      f'--batch_size={config.batch_size} needs more memory than the device has.'
    ) from e
  print(f'\n{table(found)}\n\n{summary(found)}')
  about = {
    'machine': description,
    'device': platform,
    'device_kind': jax.devices()[0].device_kind,
    'network': flags.network,
    'size': flags.size,
    'batch_size': config.batch_size,
    'dtype': config.compute_dtype,
    'traced_steps': flags.steps,
  }
  out_file.write(out, about | report(found))
  print(f'Written to {out}.')


def main() -> None:
  """Runs the command; an InputError ends in one line."""
  parser = _parser()
  flags = parser.parse_args()
  try:
    run(flags)
  except InputError as e:
    parser.error(str(e))


if __name__ == '__main__':
  main()
