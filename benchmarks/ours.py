"""This project's side of the comparison."""

import functools
import sys
from collections.abc import Callable

import jax
import jax.numpy as jnp
import ml_collections

from aqa_jax import cpu_memory
from aqa_jax.abstract_setup import abstract_setup
from aqa_jax.data.corrupt_records import CorruptRecords
from aqa_jax.data.input_pipeline import training_batches
from aqa_jax.data.training_cache import make_cache
from aqa_jax.data.video_input import VideoInput
from aqa_jax.layers.captioner import Captioner
from aqa_jax.profiling import benchmark
from aqa_jax.training import steps
from benchmarks import input_dives
from benchmarks.runner import Runner
from benchmarks.workload import INPUTS, Workload

# A function to run, the dives of one run, and a function that counts its
# operations.
_Prepared = tuple[Callable[[int], None], int, Callable[[], float] | None]
# `config.input.cache` of each piece.
_CACHES = {'input': 'none', 'cached_input': 'memory', 'device_input': 'device'}


def prepare(workload: Workload) -> Runner:
  """Returns the workload, ready to run.

  Exits with a message if JAX has no such device.
  """
  cpu_memory.keep_freed()
  # With JAX_PLATFORMS=cuda,cpu JAX takes the CPU, and prints nothing.
  if jax.default_backend() != workload.device:
    sys.exit(f'JAX finds no {workload.device} here.')
  run, dives, count_flops = {
    'step': _training_step,
    'forward': _forward_pass,
    'captions': _captions,
    **dict.fromkeys(INPUTS, _input),
  }[workload.piece](workload)
  dtype = workload.config.compute_dtype
  device = jax.local_devices()[0]
  return Runner(
    run=run,
    dives=dives,
    count_flops=count_flops,
    peak_memory=(
      (lambda: device.memory_stats()['peak_bytes_in_use'])
      if workload.device == 'gpu'
      else None
    ),
    matrix_rate=lambda: benchmark.matrix_rate(dtype, workload.device),
  )


def _training_step(workload: Workload) -> _Prepared:
  config = workload.config
  setup = abstract_setup(config, jax.devices())
  batch = benchmark.random_batch(setup)
  state = setup.create_state()

  def run(count: int) -> None:
    nonlocal state
    for _ in range(count):
      state, scalars = setup.train_step(state, batch)
    jax.block_until_ready(scalars)

  return run, config.batch_size, lambda: benchmark.count_flops(config)


def _forward_pass(workload: Workload) -> _Prepared:
  config = workload.config
  config.tasks = 'score,classes'
  setup = abstract_setup(config, jax.devices())
  batch = dict(benchmark.random_batch(setup))
  size = config.batch_size
  batch |= {
    'index': jnp.arange(size, dtype=jnp.int32),
    'is_real': jnp.ones(size, bool),
  }
  state = setup.create_state()

  def run(count: int) -> None:
    for _ in range(count):
      predictions = setup.predict_step(state.params, state.batch_stats, batch)
    jax.block_until_ready(predictions)

  def count_flops() -> float:
    # Other forms of convolution have loops, whose operations XLA counts once.
    plain = setup.model.clone(conv_impl='direct')
    lowered = steps.make_predict_step(plain, setup.mesh).lower(
      state.params, state.batch_stats, batch
    )
    return lowered.cost_analysis()['flops']

  return run, size, count_flops


def _captions(workload: Workload) -> _Prepared:
  config = workload.config
  model = config.model
  captioner = Captioner(
    config.dataset.vocabulary_size,
    max_length=model.caption_length,
    hidden=model.caption_hidden,
    embedding=model.caption_embedding,
  )
  shape = workload.num_dives, *_feature_shape(config)
  features = jax.random.normal(jax.random.key(0), shape)

  @jax.jit
  def create(features):
    return captioner.init(
      jax.random.key(1), features[:1], method=Captioner.greedy
    )

  greedy = jax.jit(functools.partial(captioner.apply, method=Captioner.greedy))
  variables = create(features)

  def run(count: int) -> None:
    for _ in range(count):
      words = greedy(variables, features)
    jax.block_until_ready(words)

  return run, workload.num_dives, None


def _feature_shape(config: ml_collections.ConfigDict) -> tuple[int, int]:
  """Returns (clips, features) of what the captioner reads."""
  params = abstract_setup(config, jax.devices()).abstract_state().params
  kernel = params['captioner']['gru']['lower_0']['inputs']['kernel']
  return config.model.get('clips', 1), kernel.shape[0]


def _input(workload: Workload) -> _Prepared:
  config = workload.config
  split = input_dives.open_split(workload.folder)
  config.input.cache = _CACHES[workload.piece]
  video_input = VideoInput(**config.input)
  setup = abstract_setup(config, jax.devices())
  # Nobody chooses by the validation here.
  cache = make_cache(video_input, split, split.select([0]), setup.mesh)
  if cache is None:
    dives = split.select(input_dives.repeated(len(split)))
  else:
    dives = [cache.train[i] for i in input_dives.repeated(len(split))]

  def run(count: int) -> None:
    # A new reader each time: what the last one read ahead must not count.
    batches = training_batches(
      dives,
      video_input,
      setup.tasks,
      config.batch_size,
      (0, 1),
      config.seed,
      0,
      CorruptRecords(len(dives), 0.0),
    )
    for _ in range(count):
      batch = next(batches)
      if cache is not None and cache.device_frames is not None:
        jax.block_until_ready(cache.device_frames.place(batch))

  return run, config.batch_size, None
