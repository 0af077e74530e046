"""Training, from a config and a working directory to an evaluated model."""

import contextlib
import dataclasses
import pathlib
import time
from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
from absl import logging
from clu import parameter_overview
from jax.sharding import Mesh

from aqa_jax import (
  dive_split,
  evaluate,
  evaluation_files,
  losses,
  optimizer,
  sharding,
  steps,
)
from aqa_jax.checkpoint import Checkpoints, check_workdir
from aqa_jax.dive_split import DiveSplit
from aqa_jax.input_pipeline import VideoInput, training_batches
from aqa_jax.models.c3davg import C3DAVG
from aqa_jax.train_state import TrainState, create_train_state
from aqa_jax.vocabulary import Vocabulary
from aqa_jax.writers import MetricsWriter, ProgressLine
from tfds_mtl_aqa.input_error import InputError


def tasks_of(config: ml_collections.ConfigDict) -> tuple[str, ...]:
  """Returns the tasks of 'score,classes,captions' or a part of it.

  Raises:
    InputError: an unknown task, or none for the score.
  """
  tasks = tuple(task.strip() for task in config.tasks.split(','))
  if set(tasks) - set(losses.TASKS) or 'score' not in tasks:
    raise InputError(
      f"config.tasks='{config.tasks}': give score, and classes and captions if "
      'wanted, with commas between.'
    )
  return tuple(task for task in losses.TASKS if task in tasks)


def create_model(
  config: ml_collections.ConfigDict, vocabulary_size: int
) -> nn.Module:
  """Returns the network of `config.model`.

  Raises:
    InputError: the video can't be cut into the clips asked for.
  """
  if config.input.frames % config.model.clips:
    raise InputError(
      f'config.input.frames={config.input.frames} can not be cut into '
      f'config.model.clips={config.model.clips} clips.'
    )
  return C3DAVG(
    tasks=tasks_of(config),
    vocabulary_size=vocabulary_size,
    # XLA's CPU backend has no fast 3D convolutions.
    by_time_shifts=jax.default_backend() == 'cpu',
    dtype=jnp.dtype(config.compute_dtype),
    **config.model,
  )


@dataclasses.dataclass
class Experiment:
  """A config with all that is made of it before the first step."""

  config: ml_collections.ConfigDict
  workdir: pathlib.Path
  mesh: Mesh
  train: DiveSplit
  validation: DiveSplit
  tests: dict[str, DiveSplit]
  vocabulary: Vocabulary
  video_input: VideoInput
  num_steps: int
  state: TrainState
  train_step: Callable
  predict_step: Callable
  checkpoints: Checkpoints

  def predictions(self, split: DiveSplit) -> evaluation_files.Predictions:
    """Returns what the present state says about a split."""
    return evaluate.predict(
      self.predict_step,
      self.state,
      split,
      self.video_input,
      self.vocabulary,
      self.config.model.caption_length,
      self.config.eval_batch_size,
      self.mesh,
    )


def set_up(
  config: ml_collections.ConfigDict, workdir: pathlib.Path
) -> Experiment:
  """Opens the dataset and makes model, optimizer and state.

  Args:
    config: one of `configs/`.
    workdir: folder of the run.

  Raises:
    InputError: something in the config, the dataset or the workdir is wrong.
  """
  mesh = sharding.make_mesh(config.mesh.data)
  sharding.check_batch_size(config.batch_size, mesh)
  builder = dive_split.open_builder(
    config.dataset.name, config.dataset.data_dir
  )
  vocabulary = dive_split.load_vocabulary(builder)
  model = create_model(config, len(vocabulary))
  check_workdir(workdir, config.to_dict())
  num_frames, height, width, _ = builder.info.features['video'].shape
  video_input = VideoInput(**config.input)
  video_input.check(num_frames, height, width)
  train, validation = dive_split.hold_out(
    dive_split.load_split(builder, config.dataset.train_split),
    **config.validation,
  )
  tests = {
    name: dive_split.load_split(builder, name) for name in config.test_splits
  }
  num_steps = round(config.num_epochs * len(train) / config.batch_size)
  tx = optimizer.create_optimizer(config.optimizer, num_steps)
  state = create_train_state(
    model,
    tx,
    config.seed,
    (config.input.frames, config.input.crop, config.input.crop, 3),
    config.model.caption_length,
    mesh,
  )
  logging.info(
    'Parameters:\n%s', parameter_overview.get_parameter_overview(state.params)
  )
  return Experiment(
    config=config,
    workdir=workdir,
    mesh=mesh,
    train=train,
    validation=validation,
    tests=tests,
    vocabulary=vocabulary,
    video_input=video_input,
    num_steps=num_steps,
    state=state,
    train_step=steps.make_train_step(
      model, tx, config.loss_weights, config.seed, mesh
    ),
    predict_step=steps.make_predict_step(model, mesh),
    checkpoints=Checkpoints(workdir),
  )


def train_and_evaluate(
  config: ml_collections.ConfigDict, workdir: pathlib.Path
) -> dict[str, dict]:
  """Trains, or goes on training, then evaluates the best checkpoint.

  Args:
    config: one of `configs/`.
    workdir: folder of the run; holds its checkpoints, metrics and evaluations.

  Returns:
    By test split, what `evaluation_files.evaluate` measures.

  Raises:
    InputError: something in the config, the dataset or the workdir is wrong.
    FloatingPointError: the loss is not finite any more.
  """
  experiment = set_up(config, workdir)
  checkpoints = experiment.checkpoints
  first_step = checkpoints.latest_step() or 0
  if first_step:
    experiment.state = checkpoints.restore_latest(experiment.state)
    print(f'Going on from step {first_step} of {experiment.num_steps}.')
  else:
    print(
      f'Training on {len(experiment.train)} dives for {experiment.num_steps} '
      f'steps of {config.batch_size}, choosing by {len(experiment.validation)} '
      f'others, on {experiment.mesh.size} {jax.devices()[0].platform} '
      'device(s). The first step compiles.'
    )
  try:
    with contextlib.closing(
      MetricsWriter(
        workdir, first_step or None, enabled=jax.process_index() == 0
      )
    ) as writer:
      _train(experiment, first_step, writer)
    return evaluate_best(experiment)
  finally:
    checkpoints.close()


def _train(
  experiment: Experiment, first_step: int, writer: MetricsWriter
) -> None:
  """Runs the training steps that are left."""
  config, num_steps = experiment.config, experiment.num_steps
  steps_per_epoch = len(experiment.train) / config.batch_size
  checkpoint_every = max(round(config.checkpoint_epochs * steps_per_epoch), 1)
  progress = ProgressLine(
    num_steps, config.batch_size, seconds=config.progress_seconds
  )
  best = experiment.checkpoints.best_value()
  batches = training_batches(
    experiment.train,
    experiment.video_input,
    config.model.caption_length,
    config.batch_size,
    config.seed,
    first_step,
  )
  unwritten: list[dict[str, jax.Array]] = []
  for step in range(first_step + 1, num_steps + 1):
    batch = sharding.to_devices(next(batches), experiment.mesh)
    experiment.state, scalars = experiment.train_step(experiment.state, batch)
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
      best = _choose(experiment, step, best, writer, progress)
      experiment.checkpoints.save(experiment.state)


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
  experiment: Experiment,
  step: int,
  best: float | None,
  writer: MetricsWriter,
  progress: ProgressLine,
) -> float | None:
  """Evaluates on the validation split; keeps the state if it is the best."""
  started = time.monotonic()
  evaluation = evaluation_files.evaluate(
    experiment.predictions(experiment.validation), experiment.train.labels
  )
  scalars = {
    f'validation/{name}': value
    for name, value in evaluation.items()
    if isinstance(value, float)
  }
  for task, percent in evaluation.get('accuracy', {}).items():
    scalars[f'validation/accuracy_{task}'] = percent
  writer.write_scalars(step, scalars)
  writer.flush()
  # A constant prediction has no Spearman, and is worse than any.
  spearman = evaluation['spearman']
  value = -1.0 if np.isnan(spearman) else float(spearman)
  progress.break_line()
  is_best = best is None or value > best
  print(
    f'validation at step {step}: spearman {spearman:.3f}, '
    f'{time.monotonic() - started:.0f}s' + (' (best so far)' * is_best)
  )
  if is_best:
    experiment.checkpoints.save_best(experiment.state, value)
    return value
  return best


def evaluate_best(experiment: Experiment) -> dict[str, dict]:
  """Evaluates the best checkpoint on the test splits, into files.

  Args:
    experiment: from `set_up`.

  Returns:
    By test split, what `evaluation_files.evaluate` measures.

  Raises:
    InputError: there is no checkpoint.
  """
  experiment.state = experiment.checkpoints.restore_best(experiment.state)
  evaluations = {}
  for name, split in experiment.tests.items():
    predictions = experiment.predictions(split)
    evaluation = evaluation_files.evaluate(predictions, experiment.train.labels)
    evaluation |= {'split': name, 'step': int(experiment.state.step)}
    evaluations[name] = evaluation
    if jax.process_index():
      continue
    rows = evaluation_files.prediction_rows(predictions)
    evaluation_files.write_predictions(experiment.workdir, name, rows)
    evaluation_files.write_evaluation(experiment.workdir, name, evaluation)
    print(
      f'\n{name}: {len(split)} dives, checkpoint of step {evaluation["step"]}\n'
    )
    print(evaluation_files.format_table(evaluation))
    print('\n' + evaluation_files.format_samples(rows, n=4))
  print(f'\nPredictions and evaluations are in {experiment.workdir}.')
  return evaluations
