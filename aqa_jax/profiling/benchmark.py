"""Measures time and memory of a training step, without a dataset."""

import dataclasses
import statistics
import time
from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
from jax import lax

from aqa_jax import sharding
from aqa_jax.abstract_setup import AbstractSetup, abstract_setup
from aqa_jax.config import check_config
from aqa_jax.layers.precision import precision_of
from aqa_jax.training import steps
from tfds_mtl_aqa.input_error import InputError

_DTYPES = ('float32', 'bfloat16')
# The two take turns, so that other programs disturb both equally.
_ROUNDS, _SECONDS_A_TURN = 5, 2.0
# Rows of the square matrices with which a device's rate is measured.
_MATRIX_SIZES = {'cpu': 1024, 'gpu': 8192, 'tpu': 8192}
_PRODUCTS = 10


@dataclasses.dataclass
class Candidate:
  """A training step that is timed.

  Attributes:
    name: its compute dtype.
    step: runs the step once, and returns its scalars, to wait for.
    flops: operations of a step on one of the devices.
    steps_a_turn: how often it runs in a turn.
    seconds: seconds of a step in each round.
  """

  name: str
  step: Callable[[], steps.Scalars]
  flops: float
  steps_a_turn: int = 1
  seconds: list[float] = dataclasses.field(default_factory=list)

  def take_turn(self) -> None:
    """Times some steps."""
    started = time.perf_counter()
    for _ in range(self.steps_a_turn):
      result = self.step()
    jax.block_until_ready(result)
    self.seconds.append((time.perf_counter() - started) / self.steps_a_turn)


def run(config: ml_collections.ConfigDict) -> None:
  """Times the training step on this machine's devices, and prints the figures.

  The batch, of random pixels and words, lies on the devices already: reading
  and decoding are not timed.

  Args:
    config: one of `configs/`, of dives. With compute_dtype 'auto' float32 and
      bfloat16 take turns, and the states of both have to fit into the devices'
      memory; any other is timed alone.

  Raises:
    InputError: something in the config is wrong, or there are several
      processes.
  """
  if jax.process_count() > 1:
    raise InputError('--mode=benchmark times the devices of one process.')
  check_config(config)
  dtypes: tuple[str, ...] = _DTYPES
  if config.compute_dtype != 'auto':
    dtypes = (config.compute_dtype,)
  flops = count_flops(config)
  candidates = [_prepare(config, dtype, flops) for dtype in dtypes]
  device = jax.local_devices()[0]
  memory = device.memory_stats() or {}
  if 'peak_bytes_in_use' in memory:
    peak = memory['peak_bytes_in_use'] / 2**20
    together = ', of both dtypes together' * (len(candidates) > 1)
    print(f'Peak memory of a device, measured{together}: {peak:.0f} MiB.')
  for index in range(_ROUNDS):
    for candidate in candidates:
      candidate.take_turn()
    print(
      f'round {index + 1} of {_ROUNDS}: '
      + ', '.join(f'{c.name} {1e3 * c.seconds[-1]:.1f} ms' for c in candidates),
      flush=True,
    )
  for candidate in candidates:
    print(_describe(candidate, config.batch_size, device.platform))
  if len(candidates) > 1:
    ratios = [
      slow / fast
      for slow, fast in zip(*(c.seconds for c in candidates), strict=True)
    ]
    print(
      f'float32 takes {statistics.median(ratios):.2f} times as long as '
      f'bfloat16 ({min(ratios):.2f} to {max(ratios):.2f} in {_ROUNDS} rounds).'
    )


def count_flops(config: ml_collections.ConfigDict) -> float:
  """Returns the floating-point operations of a training step, on all devices.

  What remat computes again does not count. Of the captioner's loops XLA counts
  one word only.

  Args:
    config: one of `configs/`, of dives.

  Raises:
    InputError: JAX may not use the CPU, the only backend that counts
      operations before compiling.
  """
  try:
    (device, *_) = jax.devices('cpu')
  except RuntimeError as e:
    raise InputError(
      f"--mode=benchmark counts a step's operations on the CPU ({e}); give "
      'JAX_PLATFORMS=cuda,cpu, or unset it.'
    ) from e
  config = config.copy_and_resolve_references()
  config.accumulation, config.remat = 1, False
  config.mesh.data, config.mesh.clip, config.mesh.fsdp = 1, 1, 1
  costs = lower_plain_step(config, device).cost_analysis() or {}
  return costs['flops']


def lower_plain_step(
  config: ml_collections.ConfigDict, device: jax.Device
) -> jax.stages.Lowered:
  """Returns a training step with direct 3D convolutions, not compiled.

  The other forms have loops, of which XLA would count only one round.

  Args:
    config: one of `configs/`, of dives.
    device: device to lower the step for.
  """
  setup = abstract_setup(config, [device])
  train_step = steps.make_train_step(
    setup.model.clone(conv_impl='direct'),
    setup.tx,
    config.loss_weights,
    config.seed,
    setup.mesh,
  )
  return train_step.lower(setup.abstract_state(), setup.training_batch())


def _prepare(
  config: ml_collections.ConfigDict, dtype: str, flops: float
) -> Candidate:
  """Compiles a step, warms it up, and finds how many steps make a turn."""
  config = config.copy_and_resolve_references()
  config.compute_dtype = dtype
  setup = abstract_setup(config, jax.devices())
  print(setup.describe(), flush=True)
  started = time.perf_counter()
  batch = random_batch(setup)
  compiled = setup.train_step.lower(setup.abstract_state(), batch).compile()
  state = setup.create_state()

  def step() -> steps.Scalars:
    nonlocal state
    state, scalars = compiled(state, batch)
    return scalars

  candidate = Candidate(dtype, step, flops / setup.mesh.size)
  jax.block_until_ready(step())
  print(f'Ready after {time.perf_counter() - started:.0f} s.', flush=True)
  candidate.take_turn()
  (seconds,) = candidate.seconds
  candidate.seconds.clear()
  candidate.steps_a_turn = max(round(_SECONDS_A_TURN / seconds), 1)
  return candidate


def random_batch(setup: AbstractSetup) -> Mapping[str, jax.Array]:
  """Returns a training batch of random pixels and words, on the devices.

  Args:
    setup: setup of the training.
  """
  rng = np.random.default_rng(setup.config.seed)

  def values(name: str, array: jax.ShapeDtypeStruct) -> np.ndarray:
    if name == 'video':
      return rng.integers(0, 256, array.shape, np.uint8)
    if name == 'words':
      size = max(task.num_words for task in setup.tasks)
      return rng.integers(0, size, array.shape, np.int32)
    # Values that every field may have: class 0, a score of 0, a whole caption.
    fill = 1 if name == 'word_mask' else 0
    return np.full(array.shape, fill, array.dtype)

  batch = {
    name: values(name, array) for name, array in setup.training_batch().items()
  }
  return sharding.shard(batch, setup.mesh)


def _describe(candidate: Candidate, batch_size: int, platform: str) -> str:
  """Returns a candidate's figures as a sentence."""
  seconds = statistics.median(candidate.seconds)
  rate = candidate.flops / seconds
  peak = matrix_rate(candidate.name, platform)
  return (
    f'{candidate.name}: {1e3 * seconds:.1f} ms a step '
    f'({1e3 * min(candidate.seconds):.1f} to '
    f'{1e3 * max(candidate.seconds):.1f}), {batch_size / seconds:.2f} dives/s; '
    f'{rate / 1e12:.3g} Tflop/s a device, {100 * rate / peak:.0f} % of the '
    f'{peak / 1e12:.3g} that its products of matrices reach.'
  )


def matrix_rate(dtype: str, platform: str) -> float:
  """Returns the operations per second of a device's products of matrices.

  Args:
    dtype: 'float32' or 'bfloat16'.
    platform: 'cpu', 'gpu' or 'tpu', JAX's default here.
  """
  size = _MATRIX_SIZES[platform]
  # Random: a constant matrix takes less power, so that devices run it faster.
  matrix = jax.random.normal(jax.random.key(0), (size, size), dtype)
  matrix /= size**0.5

  @jax.jit
  def products(matrix: jax.Array) -> jax.Array:
    def multiply(_: int, a: jax.Array) -> jax.Array:
      return jnp.matmul(a, matrix, precision=precision_of(dtype))

    return lax.fori_loop(0, _PRODUCTS, multiply, matrix)

  jax.block_until_ready(products(matrix))
  seconds = []
  for _ in range(_ROUNDS):
    started = time.perf_counter()
    jax.block_until_ready(products(matrix))
    seconds.append(time.perf_counter() - started)
  return _PRODUCTS * 2 * size**3 / min(seconds)
