"""A regression of scores on features, from a config to an evaluated model.

The same as `train`, for systems that are solved and not trained: S3D's, C3D-SVR
and Pose+DCT.
"""

import dataclasses
import pathlib
import time
from typing import Any

import ml_collections
import numpy as np

from aqa_jax import split_evaluation
from aqa_jax.config import check_values
from aqa_jax.data import dive_selection, dive_split
from aqa_jax.data.dive_split import DiveSplit
from aqa_jax.data.schema import schema_of
from aqa_jax.evaluation import predict
from aqa_jax.evaluation.conformal import (
  ScoreIntervals,
  read_intervals,
  with_half_widths,
)
from aqa_jax.evaluation.evaluator import chosen_evaluators, evaluator_classes
from aqa_jax.features.feature_source import (
  FeatureSource,
  source_class,
  with_fingerprint,
)
from aqa_jax.predictions import Predictions
from aqa_jax.regression import fit
from aqa_jax.regression.regressor import read_regressor
from aqa_jax.tasks.score import ScoreTask
from aqa_jax.workdir import check_workdir
from tfds_mtl_aqa.input_error import InputError

_TASKS = (ScoreTask(),)
# There are no steps; the file of the intervals has one.
_STEP = 0


@dataclasses.dataclass(frozen=True)
class Regression:
  """A regression: what it is fitted on, and what it is tested on.

  Attributes:
    config: its config.
    workdir: folder of the run.
    source: gives the features.
    train: dives to fit on.
    tests: dives to evaluate on, by split.
  """

  config: ml_collections.ConfigDict
  workdir: pathlib.Path
  source: FeatureSource
  train: DiveSplit
  tests: dict[str, DiveSplit]

  def close(self) -> None:
    """Does nothing: unlike a training, a regression keeps no file open."""


def set_up(
  config: ml_collections.ConfigDict, workdir: pathlib.Path
) -> Regression:
  """Opens the dataset and the features.

  Args:
    config: a config such as `configs/s3d.py`.
    workdir: folder of the run.

  Raises:
    InputError: something in the config, the dataset or the workdir is wrong.
  """
  check_values(config)
  fit.check(config.regressor)
  evaluator_classes(config)
  source_type = source_class(config)
  builder = dive_split.open_builder(
    config.dataset.name, config.dataset.data_dir, source_type.needs_video
  )
  source = source_type(config.features, workdir, builder.info)
  source.check_gives(sequences=False)
  if not config.test_splits:
    raise InputError("config.test_splits=(): give one, such as ('test',).")
  train = dive_selection.select(builder, config.dataset.train_split)
  tests = {
    name: dive_selection.select(builder, name) for name in config.test_splits
  }
  fit.check_folds(config.regressor, len(train))
  config = with_fingerprint(config, source)
  check_workdir(workdir, config.to_dict())
  return Regression(config, workdir, source, train, tests)


def train_and_evaluate(
  config: ml_collections.ConfigDict,
  workdir: pathlib.Path,
  started: float | None = None,
) -> dict[str, dict[str, Any]]:
  """Fits the regression, and evaluates it.

  Args:
    config: a config such as `configs/s3d.py`.
    workdir: folder of the run; holds the regressor and the evaluations.
    started: `time.monotonic()` when the program was started; None for now.

  Returns:
    By test split, what `evaluate_best` measures.

  Raises:
    InputError: something in the config, the dataset, the features or the
      workdir is wrong.
  """
  started = time.monotonic() if started is None else started
  regression = set_up(config, workdir)
  train = regression.train
  features = regression.source.features(config.dataset.train_split, train)
  print(
    f'Fitting {config.regressor.name} on {features.shape[1]} features of '
    f'{len(train)} dives.',
    flush=True,
  )
  scores = np.asarray(train.labels['final_score'], np.float64)
  fitted = fit.fit(config.regressor, features, scores, config.seed)
  facts: dict[str, Any] = {'strength': fitted.strength}
  if fitted.errors_by_strength:
    facts |= {
      'chosen_from': list(fitted.errors_by_strength),
      'mse_of_dives_left_out': list(fitted.errors_by_strength.values()),
    }
  fitted.regressor.write(workdir, facts)
  if not regression.source.have_seen_training_dives():
    ScoreIntervals.of(fitted.out_of_fold, scores).write(workdir, _STEP)
  evaluations = evaluate_best(regression)
  print(f'Done {time.monotonic() - started:.1f} s after the start.')
  return evaluations


def evaluate_best(regression: Regression) -> dict[str, dict[str, Any]]:
  """Evaluates the regressor of the workdir on the test splits.

  Args:
    regression: made by `set_up`.

  Returns:
    By test split, as `train.evaluate_best`, with `regressor`: its strength,
    and how it was chosen.

  Raises:
    InputError: there is no regressor.
  """
  regressor, facts = read_regressor(regression.workdir)
  schema = schema_of(regression.source.info)
  labels = predict.with_caption_words(regression.train.labels, schema)
  evaluators = chosen_evaluators(regression.config, _TASKS, labels)
  intervals = read_intervals(regression.workdir, _STEP)
  evaluations = {}
  for name, dives in regression.tests.items():
    evaluation: dict[str, Any] = {
      'split': name,
      'step': None,
      'selected_on': 'training dives left out',
      'trained_on': int(dive_selection.are_in(dives, regression.train).sum()),
      'is_finished': True,
      'regressor': facts,
    }
    scores = regressor.predict(regression.source.features(name, dives))
    predictions = with_half_widths(
      Predictions(
        predict.with_caption_words(dives.labels, schema),
        {'score': scores},
        schema,
      ),
      intervals,
    )
    split_evaluation.add_measures(
      evaluation, _TASKS, predictions, evaluators, intervals
    )
    split_evaluation.publish(
      regression.workdir,
      _TASKS,
      evaluation,
      predictions,
      None,
      _facts(regression, facts['strength']),
    )
    evaluations[name] = evaluation
  print(f'\nPredictions and evaluations are in {regression.workdir}.')
  return evaluations


def _facts(regression: Regression, strength: float) -> dict[str, str]:
  """Returns the facts in the report's head, as texts by name."""
  config = regression.config
  regressor = config.regressor.name
  if config.regressor.kernel != 'linear':
    regressor += f', {config.regressor.kernel}'
  if strength:
    regressor += f', strength {strength:g}'
  return {
    'dataset': config.dataset.name,
    **regression.source.facts(),
    'regression': regressor,
  }
