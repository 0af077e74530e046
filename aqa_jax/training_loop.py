"""The training loop: steps, progress, validation, checkpoints."""

import contextlib
import dataclasses
import pathlib
import time
from collections.abc import Callable, Iterator, Mapping

import jax
import ml_collections
import numpy as np
from jax.sharding import Mesh

from aqa_jax import pretrained, sharding
from aqa_jax.checkpoint import Checkpoints
from aqa_jax.train_state import TrainState
from aqa_jax.writers import MetricsWriter, ProgressLine
from tfds_mtl_aqa.file_lock import file_lock
from tfds_mtl_aqa.input_error import InputError


@dataclasses.dataclass
class Training:
  """What the loop needs to know of a training; subclasses know their data.

  Attributes:
    config: one of `configs/`.
    workdir: folder of the run.
    mesh: of devices.
    state: as it is now.
    train_step: from `steps.make_train_step`.
    num_steps: of the whole training.
    steps_per_epoch: may be a fraction.
    checkpoints: of the workdir.
  """

  config: ml_collections.ConfigDict
  workdir: pathlib.Path
  mesh: Mesh
  state: TrainState
  train_step: Callable
  num_steps: int
  steps_per_epoch: float
  checkpoints: Checkpoints

  # What checkpoints are chosen by; higher is better.
  measure = ''

  def batches(self, first_step: int) -> Iterator[Mapping[str, np.ndarray]]:
    """Yields this process's share of the batch of each step from one on."""
    raise NotImplementedError

  def validate(self) -> dict[str, float]:
    """Returns what the present state is worth; `measure` is among it."""
    raise NotImplementedError

  def summary(self) -> str:
    """Returns what is trained on and what checkpoints are chosen by."""
    raise NotImplementedError


def count_steps(
  config: ml_collections.ConfigDict, steps_per_epoch: float
) -> int:
  """Returns the steps of a whole training.

  Raises:
    InputError: it is not even one, or more than a counter holds.
  """
  num_steps = round(config.num_epochs * steps_per_epoch)
  if not 1 <= num_steps < 2**31:
    raise InputError(
      f'config.num_epochs={config.num_epochs:g}: that is {num_steps:g} steps '
      f'of config.batch_size={config.batch_size}; give at least one step, and '
      'fewer than 2 billion.'
    )
  return num_steps


def run(training: Training) -> None:
  """Trains, or goes on training, to the last step.

  Args:
    training: its state is the last one afterwards.

  Raises:
    InputError: `config.init_from` does not fit, or another process trains in
      the workdir.
    FloatingPointError: the loss is not finite any more.
  """
  with contextlib.ExitStack() as stack:
    if jax.process_index() == 0:
      message = (
        f'--workdir={training.workdir}: another process is training there; '
        'wait for it, or end it.'
      )
      stack.enter_context(file_lock(training.workdir / '.lock', message))
    _run(training)


def _run(training: Training) -> None:
  checkpoints, num_steps = training.checkpoints, training.num_steps
  first_step = checkpoints.latest_step() or 0
  if first_step:
    training.state = checkpoints.restore_latest(training.state)
    print(f'Going on from step {first_step} of {num_steps}.')
  else:
    begin_with_pretrained(training)
    print(
      f'Training on {training.summary()}, for {num_steps} steps of '
      f'{training.config.batch_size}, on {training.mesh.size} '
      f'{jax.devices()[0].platform} device(s). The first step compiles.'
    )
  with contextlib.closing(
    MetricsWriter(
      training.workdir, first_step or None, enabled=jax.process_index() == 0
    )
  ) as writer:
    _train(training, first_step, writer)


def check_init_from(
  config: ml_collections.ConfigDict,
  workdir: pathlib.Path,
  abstract_state: Callable[[], TrainState],
) -> None:
  """Reads what a new training is to begin with, before it leaves a trace.

  Args:
    config: one of `configs/`.
    workdir: of the run.
    abstract_state: see `train_state.abstract_train_state`; called only where
      there is something to read.

  Raises:
    InputError: `config.init_from` can't be read, or does not fit.
  """
  if config.init_from and not (workdir / 'config.json').exists():
    state = abstract_state()
    pretrained.initialize(
      {'params': state.params, 'batch_stats': state.batch_stats},
      config.init_from,
      config.init_scope,
    )


def begin_with_pretrained(training: Training) -> None:
  """Loads what `config.init_from` names, and says what was loaded."""
  config, state = training.config, training.state
  if not config.init_from:
    return
  variables, table = pretrained.initialize(
    {'params': state.params, 'batch_stats': state.batch_stats},
    config.init_from,
    config.init_scope,
  )
  print(table)
  training.state = state.replace(
    **jax.device_put(variables, sharding.replicated(training.mesh))
  )


def _train(training: Training, first_step: int, writer: MetricsWriter) -> None:
  """Runs the training steps that are left."""
  config, num_steps = training.config, training.num_steps
  checkpoint_every = max(
    round(config.checkpoint_epochs * training.steps_per_epoch), 1
  )
  progress = ProgressLine(
    num_steps, config.batch_size, seconds=config.progress_seconds
  )
  best = training.checkpoints.best_value()
  batches = training.batches(first_step)
  unwritten: list[dict[str, jax.Array]] = []
  for step in range(first_step + 1, num_steps + 1):
    batch = sharding.to_devices(next(batches), training.mesh)
    training.state, scalars = training.train_step(training.state, batch)
    unwritten.append(scalars)
    at_checkpoint = step % checkpoint_every == 0 or step == num_steps
    # Waiting for the step before keeps the host one step ahead, no more.
    if len(unwritten) > 1:
      jax.block_until_ready(unwritten[-2])
    if progress.due(step):
      progress.update(
        step, {k: float(v) for k, v in scalars.items() if k != 'gradient_norm'}
      )
    if step % config.log_steps == 0 or at_checkpoint:
      _write_scalars(writer, step, unwritten)
      unwritten = []
    if at_checkpoint:
      best = _choose(training, step, best, writer, progress)
      training.checkpoints.save(training.state)


def _write_scalars(
  writer: MetricsWriter, step: int, unwritten: list[dict[str, jax.Array]]
) -> None:
  """Writes the means of the losses since the last line."""
  fetched = jax.device_get(unwritten)
  means = {
    f'train/{name}': float(np.mean([scalars[name] for scalars in fetched]))
    for name in fetched[0]
  }
  writer.write_scalars(step, means)
  if not np.isfinite(means['train/loss']):
    raise FloatingPointError(
      f'the loss is {means["train/loss"]} at step {step}; the checkpoint '
      'before it is kept. A lower config.optimizer.learning_rate may help.'
    )


def _choose(
  training: Training,
  step: int,
  best: float | None,
  writer: MetricsWriter,
  progress: ProgressLine,
) -> float | None:
  """Evaluates on the validation split; keeps the state if it is the best."""
  started = time.monotonic()
  figures = training.validate()
  writer.write_scalars(
    step, {f'validation/{name}': value for name, value in figures.items()}
  )
  writer.flush()
  figure = figures[training.measure]
  # A constant prediction has no Spearman, and is worse than any.
  value = -1.0 if np.isnan(figure) else float(figure)
  progress.break_line()
  is_best = best is None or value > best
  print(
    f'validation at step {step}: {training.measure} {figure:.3f}, '
    f'{time.monotonic() - started:.0f}s' + (' (best so far)' * is_best)
  )
  if is_best:
    training.checkpoints.save_best(training.state, value)
    return value
  return best
