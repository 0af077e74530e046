"""Training, from a config and a working directory to an evaluated model."""

import contextlib
import dataclasses
import functools
import pathlib
import time
from collections.abc import Callable, Mapping
from typing import Any

import jax
import ml_collections
import numpy as np
import tensorflow_datasets as tfds
from absl import logging
from clu import parameter_overview

from aqa_jax import sharding, split_evaluation
from aqa_jax.data import dive_selection, dive_split
from aqa_jax.data.dive_input import DiveInput
from aqa_jax.data.dive_split import DiveSplit
from aqa_jax.data.schema import schema_of
from aqa_jax.data.video_input import VideoInput
from aqa_jax.dive_training import DiveTraining
from aqa_jax.evaluation.conformal import ScoreIntervals, with_half_widths
from aqa_jax.evaluation.evaluator import (
  Evaluator,
  chosen_evaluators,
  evaluator_classes,
)
from aqa_jax.features.feature_input import FeatureInput
from aqa_jax.features.feature_source import source_class, with_fingerprint
from aqa_jax.tasks.fault_costs import with_fault_costs
from aqa_jax.tasks.faults import with_fault_units
from aqa_jax.tasks.score import with_score_unit
from aqa_jax.training import provenance, training_loop
from aqa_jax.training.setup import choose_devices, make_setup
from aqa_jax.weights import pretrained
from aqa_jax.workdir import check_workdir, has_checkpoint, recorded_config
from tfds_mtl_aqa.input_error import InputError


def set_up(
  config: ml_collections.ConfigDict,
  workdir: pathlib.Path,
  started: float | None = None,
) -> DiveTraining:
  """Opens the dataset, and makes network, optimizer and an abstract state.

  Args:
    config: one of `configs/`.
    workdir: folder of the run.
    started: `time.monotonic()` when the program was started; None for now.

  Raises:
    InputError: something in the config, the dataset or the workdir is wrong.
  """
  started = time.monotonic() if started is None else started
  config, mesh = choose_devices(config, recorded_config(workdir))
  # An unknown name raises here, not after the training.
  evaluator_classes(config)
  builder, make_input = _open(config, workdir)
  tests = {
    name: _select(builder, 'test_splits', name) for name in config.test_splits
  }
  train = _select(
    builder,
    'dataset.train_split',
    config.dataset.train_split,
    config.max_corrupt_fraction,
  )
  dive_input = make_input({config.dataset.train_split: train, **tests})
  train, validation = _split_to_choose_by(config, train, tests)
  tests = _without_seen_dives(tests, train, validation)
  config = with_score_unit(config, train.labels['final_score'])
  config = with_fault_units(config, train.labels)
  schema = schema_of(builder.info)
  config = with_fault_costs(config, train.labels, schema.score_rule)
  setup = make_setup(config, mesh, schema, (), len(train))
  for task in setup.tasks:
    task.check_labels(train.labels)
  if isinstance(dive_input, FeatureInput):
    # What is wrong is told before the features are computed.
    if config.init_from and not has_checkpoint(workdir):
      pretrained.check_sources(config.init_from)
    config = with_fingerprint(config, dive_input.source)
    check_workdir(workdir, config.to_dict())
  setup = dataclasses.replace(
    setup, config=config, input_shape=dive_input.shape
  )
  if any(task.num_words for task in setup.tasks):
    _check_vocabulary_size(config, len(schema.words), train)
  origin = provenance.describe(
    config.to_dict(), builder.info.full_name, train, schema.words
  )
  checkpoints = training_loop.begin(setup, workdir, origin)
  state = setup.abstract_state()
  logging.info(
    'Parameters:\n%s',
    # Without statistics, for which all processes would have to send values.
    parameter_overview.get_parameter_overview(
      state.params, include_stats=False
    ),
  )
  return DiveTraining(
    setup=setup,
    workdir=workdir,
    state=state,
    checkpoints=checkpoints,
    started=started,
    train=train,
    validation=validation,
    tests=tests,
    dive_input=dive_input,
  )


# Given the splits by name, returns what the network sees of their dives.
_MakeInput = Callable[[Mapping[str, DiveSplit]], DiveInput]


def _open(
  config: ml_collections.ConfigDict, workdir: pathlib.Path
) -> tuple[tfds.core.DatasetBuilder, _MakeInput]:
  """Opens the dataset, and what the network sees of it: videos or features."""
  name, data_dir = config.dataset.name, config.dataset.data_dir
  if 'features' in config:
    source_type = source_class(config)
    builder = dive_split.open_builder(name, data_dir, source_type.needs_video)
    source = source_type(config.features, workdir, builder.info)
    return builder, functools.partial(FeatureInput, source)
  builder = dive_split.open_builder(name, data_dir)
  num_frames, height, width, _ = builder.info.features['video'].shape
  if num_frames is None:
    raise InputError(
      f'{builder.info.full_name}: its video has no fixed length; give the '
      'Sequence of frames a length.'
    )
  video_input = VideoInput(**config.input)
  video_input.check(num_frames, height, width)
  return builder, lambda splits: video_input


def _select(
  builder: tfds.core.DatasetBuilder,
  field: str,
  name: str,
  max_corrupt_fraction: float = 0.0,
) -> DiveSplit:
  """Returns the split that a field of the config names."""
  try:
    return dive_selection.select(builder, name, max_corrupt_fraction)
  except InputError as e:
    raise InputError(f'config.{field}: {e}') from e


def _split_to_choose_by(
  config: ml_collections.ConfigDict,
  train: DiveSplit,
  tests: dict[str, DiveSplit],
) -> tuple[DiveSplit, DiveSplit]:
  """Returns the dives to train on, and those to choose the checkpoint by."""
  if config.select_on == 'validation':
    return dive_split.hold_out(train, **config.validation)
  if config.select_on != 'test' or not tests:
    raise InputError(
      f"config.select_on='{config.select_on}': give validation; or test, the "
      "paper's protocol, which takes the first of config.test_splits="
      f'{tuple(tests)}.'
    )
  return train, next(iter(tests.values()))


def _without_seen_dives(
  tests: dict[str, DiveSplit], train: DiveSplit, validation: DiveSplit
) -> dict[str, DiveSplit]:
  """Returns the splits to test on, UNLV-Dive without the dives trained on.

  Of its 70 test dives 51 are in MTL-AQA's training split.
  """
  name = 'unlv_test'
  if name not in tests:
    return tests
  seen = dive_selection.are_in(tests[name], train, validation)
  if seen.all():
    raise InputError(
      f'config.test_splits: every dive of {name} is in the training split; '
      'train on another.'
    )
  return tests | {name: tests[name].select(np.flatnonzero(~seen))}


def _check_vocabulary_size(
  config: ml_collections.ConfigDict, available: int, train: DiveSplit
) -> None:
  size = config.dataset.vocabulary_size
  needed = 1 + max(int(np.max(ids)) for ids in train.labels['caption_ids'])
  if size and not needed <= size <= available:
    raise InputError(
      f'config.dataset.vocabulary_size={size}: the captions to train on need '
      f'{needed} words, the dataset has {available}; give a number between, or '
      '0 for all.'
    )


def train_and_evaluate(
  config: ml_collections.ConfigDict,
  workdir: pathlib.Path,
  started: float | None = None,
) -> dict[str, dict[str, Any]]:
  """Trains, or goes on training, then evaluates the best checkpoint.

  Args:
    config: one of `configs/`.
    workdir: folder of the run; holds its checkpoints, metrics and evaluations.
    started: see `set_up`.

  Returns:
    By test split, what `evaluate_best` measures.

  Raises:
    InputError: something in the config, the dataset or the workdir is wrong.
    FloatingPointError: too many losses in a row were not finite.
    PreemptedError: SIGTERM has come, and the state is saved.
  """
  training = set_up(config, workdir, started)
  with contextlib.closing(training):
    training_loop.run(training)
    return evaluate_best(training)


def evaluate_best(training: DiveTraining) -> dict[str, dict[str, Any]]:
  """Evaluates the best checkpoint on the test splits, and writes the files.

  A workdir without a training is evaluated with the weights of
  `config.init_from`.

  Args:
    training: made by `set_up`.

  Returns:
    By test split, on the first process: split, step, selected_on ('validation'
    or 'test'), trained_on (how many of its dives were trained on, or chose the
    checkpoint), is_finished (whether training has done its last step);
    score_interval, see `measure_intervals`, if dives were held out that
    have scores and that nothing has learned from; and what `predict.measure`
    and `config.evaluators` measure.

  Raises:
    InputError: there is no checkpoint.
  """
  restore_best(training)
  evaluators = chosen_evaluators(
    training.config, training.setup.tasks, training.train_labels()
  )
  intervals = _calibrate(training)
  evaluations = {}
  for name in training.tests:
    evaluations[name] = _evaluate_split(training, name, evaluators, intervals)
  print(f'\nPredictions and evaluations are in {training.workdir}.')
  return evaluations


def restore_best(training: DiveTraining) -> None:
  """Gives a training the state of its best checkpoint, whole on each device.

  A workdir without a training has the weights of `config.init_from`.

  Args:
    training: made by `set_up`.

  Raises:
    InputError: there is no checkpoint.
  """
  checkpoints = training.checkpoints
  if training.config.init_from and not checkpoints.is_begun():
    training_loop.create_state(training)
  else:
    training.state = checkpoints.restore_best(training.state)
  training.state = training.state.replace(
    params=sharding.gathered(training.state.params, training.mesh),
    batch_stats=sharding.gathered(training.state.batch_stats, training.mesh),
  )


def _calibrate(training: DiveTraining) -> ScoreIntervals | None:
  """Returns the errors of the scores of the dives held out; None for none.

  None, too, where what computes the features was trained on them.
  """
  has_scores = any(task.gives_score for task in training.setup.tasks)
  if (
    training.config.select_on != 'validation'
    or not has_scores
    or training.dive_input.have_seen_training_dives()
  ):
    return None
  predictions = training.predictions(training.validation)
  intervals = ScoreIntervals.of(
    predictions.outputs['score'],
    predictions.label('final_score'),
    predictions.outputs.get('score_spread'),
  )
  if jax.process_index() == 0:
    intervals.write(training.workdir, int(training.state.step))
  return intervals


def _evaluate_split(
  training: DiveTraining,
  name: str,
  evaluators: list[Evaluator],
  intervals: ScoreIntervals | None,
) -> dict[str, Any]:
  """Returns one test split's evaluation; the first process writes its files."""
  split, tasks = training.tests[name], training.setup.tasks
  predictions = with_half_widths(training.predictions(split), intervals)
  evaluation = {
    'split': name,
    'step': int(training.state.step),
    'selected_on': training.config.select_on,
    'trained_on': count_seen(training, split),
    'is_finished': training.checkpoints.latest_step() == training.num_steps,
  }
  if jax.process_index():
    return evaluation
  split_evaluation.add_measures(
    evaluation, tasks, predictions, evaluators, intervals
  )
  split_evaluation.publish(
    training.workdir,
    tasks,
    evaluation,
    predictions,
    training.filmstrips(split),
    training.facts(),
  )
  return evaluation


def count_seen(training: DiveTraining, split: DiveSplit) -> int:
  """Returns how many dives of a split had a part in the training.

  Args:
    training: made by `set_up`.
    split: one of its splits.
  """
  others = [training.train]
  # If the test split chooses the checkpoint, `selected_on` says so.
  if training.config.select_on == 'validation':
    others.append(training.validation)
  return int(dive_selection.are_in(split, *others).sum())
