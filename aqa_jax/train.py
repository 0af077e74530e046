"""Training, from a config and a working directory to an evaluated model."""

import contextlib
import dataclasses
import functools
import pathlib
import time
from collections.abc import Callable, Iterator

import jax
import ml_collections
import numpy as np
import tensorflow_datasets as tfds
from absl import logging
from clu import parameter_overview

from aqa_jax import duration, sharding
from aqa_jax.config import check_config
from aqa_jax.data import dive_selection, dive_split
from aqa_jax.data.corrupt_records import CorruptRecords
from aqa_jax.data.dive_split import DiveSplit
from aqa_jax.data.input_pipeline import (
  VideoInput,
  make_inputs,
  training_batches,
)
from aqa_jax.data.vocabulary import Vocabulary
from aqa_jax.evaluation import (
  detailed_evaluation,
  evaluate,
  evaluation_files,
  frame_importance,
)
from aqa_jax.models import network
from aqa_jax.report import filmstrip, report
from aqa_jax.train_state import abstract_train_state, create_train_state
from aqa_jax.training import optimizer, provenance, steps, training_loop
from aqa_jax.training.training_loop import Training
from aqa_jax.weights.checkpoint import Checkpoints
from aqa_jax.workdir import check_workdir, recorded_config
from tfds_mtl_aqa.input_error import InputError


@dataclasses.dataclass
class Experiment(Training):
  """A training on dives, with all that is made before the first step.

  Attributes:
    train: dives to train on.
    validation: dives to choose the checkpoint by.
    tests: dives to evaluate on, by split.
    vocabulary: of the captions.
    video_input: which pixels the network sees.
    predict_step: from `steps.make_predict_step`.
    importance_step: from `frame_importance.make_importance_step`.
  """

  train: DiveSplit
  validation: DiveSplit
  tests: dict[str, DiveSplit]
  vocabulary: Vocabulary
  video_input: VideoInput
  predict_step: Callable
  importance_step: Callable

  measure = 'spearman'

  def batches(self, first_step: int) -> Iterator[dict[str, np.ndarray]]:
    """Yields the batches of training; see `input_pipeline`."""
    return training_batches(
      self.train,
      self.video_input,
      self.config.model.caption_length,
      self.config.batch_size,
      sharding.batch_part(self.mesh),
      self.config.seed,
      first_step,
      CorruptRecords(len(self.train), self.config.max_corrupt_fraction),
    )

  def validate(self) -> dict[str, float]:
    """Returns the figures of the validation split."""
    evaluation = evaluation_files.evaluate(
      self.predictions(self.validation), self.train.labels
    )
    figures = {k: v for k, v in evaluation.items() if isinstance(v, float)}
    for task, percent in evaluation.get('accuracy', {}).items():
      figures[f'accuracy_{task}'] = percent
    return figures

  def summary(self) -> str:
    """Returns the sizes of the splits."""
    others = 'others'
    if self.config.select_on == 'test':
      others = 'of the test split'
    return (
      f'{len(self.train)} dives, choosing by {len(self.validation)} {others}'
    )

  def train_captions(self) -> list[list[str]]:
    """Returns the words of the captions that are trained on."""
    return [
      self.vocabulary.decode(ids) for ids in self.train.labels['caption_ids']
    ]

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

  def make_filmstrip(
    self, split: DiveSplit, index: int
  ) -> list[filmstrip.Segment]:
    """Returns a dive of a split as pictures, with what moved its score.

    It computes on one device of this process: the others need not take part.
    """
    inputs = make_inputs(
      split[index], self.video_input, self.config.model.caption_length, rng=None
    )
    params, batch_stats = jax.tree.map(
      # Whole: see `evaluate_best`.
      lambda leaf: leaf.addressable_data(0),
      (self.state.params, self.state.batch_stats),
    )
    importances = self.importance_step(
      params, batch_stats, inputs['video'][None]
    )
    return filmstrip.make_filmstrip(
      inputs['video'], self.video_input.offsets(), np.asarray(importances[0])
    )

  def facts(self) -> dict[str, str]:
    """Returns what a report says about the model, as texts by name."""
    config = self.config
    return {
      'dataset': config.dataset.name,
      'network': config.network,
      'tasks': ', '.join(network.tasks_of(config)),
    }


def set_up(
  config: ml_collections.ConfigDict,
  workdir: pathlib.Path,
  started: float | None = None,
) -> Experiment:
  """Opens the dataset and makes model, optimizer and state.

  Args:
    config: one of `configs/`.
    workdir: folder of the run.
    started: `time.monotonic()` when the program was started; None for now.

  Raises:
    InputError: something in the config, the dataset or the workdir is wrong.
  """
  started = time.monotonic() if started is None else started
  check_config(config)
  mesh = sharding.make_mesh(**config.mesh)
  config = network.with_compute_dtype(
    config, sharding.platform(mesh), recorded_config(workdir)
  )
  sharding.check_batch_size(config.batch_size, config.accumulation, mesh)
  builder = dive_split.open_builder(
    config.dataset.name, config.dataset.data_dir
  )
  vocabulary = dive_split.load_vocabulary(builder)
  model = network.create_model(config, len(vocabulary), mesh)
  num_frames, height, width, _ = builder.info.features['video'].shape
  video_input = VideoInput(**config.input)
  video_input.check(num_frames, height, width)
  tests = {
    name: _select(builder, 'test_splits', name) for name in config.test_splits
  }
  train = _select(
    builder,
    'dataset.train_split',
    config.dataset.train_split,
    config.max_corrupt_fraction,
  )
  _check_vocabulary_size(config, len(vocabulary), train)
  train, validation = _split_to_choose_by(config, train, tests)
  tests = _without_seen_dives(tests, train, validation)
  num_steps = duration.count_steps(config, len(train))
  tx = optimizer.create_optimizer(
    config.optimizer, num_steps, config.batch_size, len(train)
  )
  sizes = video_input.shape, config.model.caption_length
  training_loop.check_init_from(
    config, workdir, lambda: abstract_train_state(model, tx, *sizes)
  )
  # Last, so that what was refused leaves no trace.
  check_workdir(workdir, config.to_dict())
  state = create_train_state(model, tx, config.seed, *sizes, mesh)
  logging.info(
    'Parameters:\n%s',
    # Without their means, which would have to be fetched from all processes.
    parameter_overview.get_parameter_overview(
      state.params, include_stats=False
    ),
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
    num_examples=len(train),
    started=started,
    state=state,
    train_step=steps.make_train_step(
      model, tx, config.loss_weights, config.seed, mesh, config.accumulation
    ),
    predict_step=steps.make_predict_step(model, mesh),
    importance_step=frame_importance.make_importance_step(model),
    checkpoints=Checkpoints(
      workdir,
      provenance.describe(
        config.to_dict(), builder.info.full_name, train, vocabulary
      ),
    ),
  )


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
  """Returns the splits to test on, UNLV-Dive without what training saw.

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
  needed = 1 + max(int(ids.max()) for ids in train.labels['caption_ids'])
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
) -> dict[str, dict]:
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
  experiment = set_up(config, workdir, started)
  with contextlib.closing(experiment.checkpoints):
    training_loop.run(experiment)
    return evaluate_best(experiment)


def evaluate_best(experiment: Experiment) -> dict[str, dict]:
  """Evaluates the best checkpoint on the test splits, into files.

  Without a training, the weights of `config.init_from`, as they are.

  Args:
    experiment: from `set_up`.

  Returns:
    By test split, on the first process: split, step, selected_on ('validation'
    or 'test'), trained_on (how many of its dives were trained on, or chose the
    checkpoint), is_finished (whether training has done its last step), and what
    `evaluation_files.evaluate` and `detailed_evaluation.detail` measure.

  Raises:
    InputError: there is no checkpoint.
  """
  checkpoints = experiment.checkpoints
  is_begun = checkpoints.latest_step() is not None
  is_chosen = checkpoints.best_step() is not None
  if experiment.config.init_from and not (is_begun or is_chosen):
    training_loop.begin_with_pretrained(experiment)
  else:
    experiment.state = checkpoints.restore_best(experiment.state)
  experiment.state = experiment.state.replace(
    params=sharding.gathered(experiment.state.params, experiment.mesh),
    batch_stats=sharding.gathered(
      experiment.state.batch_stats, experiment.mesh
    ),
  )
  train_captions = experiment.train_captions()
  evaluations = {}
  for name, split in experiment.tests.items():
    predictions = experiment.predictions(split)
    evaluation = {
      'split': name,
      'step': int(experiment.state.step),
      'selected_on': experiment.config.select_on,
      'trained_on': _count_seen(experiment, split),
      'is_finished': checkpoints.latest_step() == experiment.num_steps,
    }
    evaluations[name] = evaluation
    if jax.process_index():
      continue
    evaluation |= evaluation_files.evaluate(
      predictions, experiment.train.labels
    )
    evaluation |= detailed_evaluation.detail(
      predictions, train_captions, experiment.config.meteor
    )
    rows = evaluation_files.prediction_rows(predictions)
    evaluation_files.write_predictions(experiment.workdir, name, rows)
    evaluation_files.write_evaluation(experiment.workdir, name, evaluation)
    print(
      f'\n{name}: {len(split)} dives, checkpoint of step {evaluation["step"]}\n'
    )
    print(evaluation_files.format_table(evaluation))
    print('\n' + evaluation_files.format_samples(rows, n=4))
    path = report.write_report(
      experiment.workdir,
      evaluation,
      predictions,
      functools.partial(experiment.make_filmstrip, split),
      experiment.facts(),
    )
    print(f'\nReport, for a browser: {path}')
  print(f'\nPredictions and evaluations are in {experiment.workdir}.')
  return evaluations


def _count_seen(experiment: Experiment, split: DiveSplit) -> int:
  """Returns how many dives of a split had a part in the training."""
  others = [experiment.train]
  # Where the test split itself chooses, `selected_on` says so.
  if experiment.config.select_on == 'validation':
    others.append(experiment.validation)
  return int(dive_selection.are_in(split, *others).sum())
