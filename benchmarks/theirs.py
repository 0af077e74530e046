"""PyTorch's side of the comparison; needs no JAX."""

import pathlib
import sys
import time
from collections.abc import Callable

import numpy as np
import torch

from benchmarks.runner import Runner
from benchmarks.torch_replica import training
from benchmarks.torch_replica.c3davg import CLASSES
from benchmarks.torch_replica.loader import Batches, DiveFrames
from benchmarks.torch_replica.training import Form
from benchmarks.workload import INPUTS, Workload

# Dives that the official code decodes at once.
_OFFICIAL_BATCH = 5
# As in `aqa_jax.profiling.benchmark`.
_MATRIX_SIZES = {'cpu': 1024, 'gpu': 8192}
_PRODUCTS, _ROUNDS = 10, 5


def prepare(workload: Workload, is_official: bool) -> Runner:
  """Returns the workload, ready to run.

  Exits with a message if PyTorch has no such device.

  Args:
    workload: what to do.
    is_official: True to do it as the official code does; False for PyTorch at
      its best.
  """
  if workload.device == 'gpu' and not torch.cuda.is_available():
    sys.exit('PyTorch finds no GPU here.')
  form = Form(
    is_official,
    'float32' if is_official else workload.config.compute_dtype,
    workload.channels_last and not is_official,
    'none' if is_official else workload.compile_mode,
  )
  training.set_precision(form)
  device = torch.device('cuda' if workload.device == 'gpu' else 'cpu')
  run, dives = {
    'step': _training_step,
    'forward': _forward_pass,
    'captions': _captions,
    **dict.fromkeys(INPUTS, _input),
  }[workload.piece](workload, form, device)
  return Runner(
    run=run,
    dives=dives,
    peak_memory=(
      torch.cuda.max_memory_allocated if device.type == 'cuda' else None
    ),
    matrix_rate=lambda: _matrix_rate(form.dtype, workload.device, device),
  )


def _network(
  workload: Workload, form: Form, device: torch.device
) -> torch.nn.Module:
  network = training.create_network(
    workload.config, workload.config.dataset.vocabulary_size, form.is_official
  ).to(device)
  if form.channels_last:
    network = network.to(memory_format=torch.channels_last_3d)
  return network


def _random_batch(
  workload: Workload, form: Form, device: torch.device
) -> dict[str, torch.Tensor]:
  """Returns a batch as the loader would give it: see `DiveFrames`."""
  config = workload.config
  rng = np.random.default_rng(config.seed)
  size, side = config.batch_size, config.input.crop
  words = config.dataset.vocabulary_size, (size, config.model.caption_length)
  batch = {
    'video': rng.integers(
      0, 256, (size, config.input.frames, side, side, 3), np.uint8
    ),
    'flip': np.zeros(size, bool),
    'score': np.zeros(size, np.float32),
    'words': rng.integers(0, *words, np.int32),
    'word_mask': np.ones(words[1], np.float32),
  } | {task: np.zeros(size, np.int32) for task, _ in CLASSES.values()}
  batch = training.to_device(batch, device)
  if form.is_official:
    video = training.normalize(batch['video'], batch['flip'])
    batch['video'] = video.contiguous()
  return batch


def _training_step(
  workload: Workload, form: Form, device: torch.device
) -> tuple[Callable[[int], None], int]:
  network = _network(workload, form, device).train()
  batch = _random_batch(workload, form, device)
  learning_rate = workload.config.optimizer.learning_rate
  step = training.make_step(network, form, learning_rate)

  def run(count: int) -> None:
    for _ in range(count):
      step(batch)
    training.wait_for(device)

  return run, workload.config.batch_size


def _forward_pass(
  workload: Workload, form: Form, device: torch.device
) -> tuple[Callable[[int], None], int]:
  network = _network(workload, form, device).eval()
  batch = _random_batch(workload, form, device)
  watch = training.compiled(network.watch, form)

  def run(count: int) -> None:
    for _ in range(count):
      with torch.inference_mode(), training.autocast(form, device.type):
        watch(training.as_network_sees(batch, form))
    training.wait_for(device)

  return run, workload.config.batch_size


def _captions(
  workload: Workload, form: Form, device: torch.device
) -> tuple[Callable[[int], None], int]:
  network = _network(workload, form, device).eval()
  clips = workload.config.model.get('clips', 1)
  features = torch.randn(
    workload.num_dives, clips, network.num_features, device=device
  )
  captioner = network.model_caption

  def run(count: int) -> None:
    for _ in range(count):
      with torch.inference_mode(), training.autocast(form, device.type):
        if form.is_official:
          for some in features.split(_OFFICIAL_BATCH):
            captioner.greedy_by_words(some)
        else:
          captioner.greedy(features)
    training.wait_for(device)

  return run, workload.num_dives


def _input(
  workload: Workload, form: Form, device: torch.device
) -> tuple[Callable[[int], None], int]:
  del device  # Batches stay where they are read.
  config = workload.config
  folder = pathlib.Path(workload.folder) / 'frames'
  dives = DiveFrames(folder, config, form.is_official)
  return Batches(dives, config.batch_size).read, config.batch_size


def _matrix_rate(dtype: str, platform: str, device: torch.device) -> float:
  """Returns the operations per second of products of random matrices."""
  size = _MATRIX_SIZES[platform]
  a = torch.randn(size, size, device=device, dtype=getattr(torch, dtype))
  b = a / size**0.5
  seconds = []
  for _ in range(1 + _ROUNDS):
    started = time.perf_counter()
    product = a
    for _ in range(_PRODUCTS):
      product = product @ b
    training.wait_for(device)
    seconds.append(time.perf_counter() - started)
  return _PRODUCTS * 2 * size**3 / min(seconds[1:])
