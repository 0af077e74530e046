"""What an evaluator is, and those that a config chooses."""

import abc
import inspect
from typing import Any

import ml_collections

from aqa_jax import own_parts
from aqa_jax.predictions import Columns, Predictions
from aqa_jax.task import Task
from tfds_mtl_aqa.input_error import InputError

# For a config without `evaluators`, such as one of an earlier version.
DEFAULT = 'baselines,intervals,ceilings,events,confusion,captions'
_BUILT_IN = {
  'baselines': 'aqa_jax.evaluation.baselines:Baselines',
  'intervals': 'aqa_jax.evaluation.intervals:Intervals',
  'ceilings': 'aqa_jax.evaluation.ceilings:JudgeCeilings',
  'events': 'aqa_jax.evaluation.events:Events',
  'confusion': 'aqa_jax.evaluation.confusion:Confusion',
  'captions': 'aqa_jax.evaluation.caption_evaluator:CaptionEvaluator',
}


class Evaluator(abc.ABC):
  """Measures the predictions of a final evaluation."""

  def __init__(
    self,
    config: ml_collections.ConfigDict,
    tasks: tuple[Task, ...],
    train_labels: Columns,
  ):
    """Keeps what it measures with.

    Args:
      config: config of the training.
      tasks: tasks of the network.
      train_labels: labels of the training split, see `DiveSplit.labels`, and
        caption_words where the dataset has captions.
    """
    self.config = config
    self.tasks = tasks
    self.train_labels = train_labels

  @abc.abstractmethod
  def evaluate(self, predictions: Predictions) -> dict[str, Any]:
    """Returns measures by name; nothing where the labels for it are missing.

    Args:
      predictions: predictions for at least one dive.
    """


def chosen_evaluators(
  config: ml_collections.ConfigDict,
  tasks: tuple[Task, ...],
  train_labels: Columns,
) -> list[Evaluator]:
  """Returns the evaluators of `config.evaluators`, in that order.

  Args:
    config: see `Evaluator`.
    tasks: see `Evaluator`.
    train_labels: see `Evaluator`.

  Raises:
    InputError: one is unknown.
  """
  return [cls(config, tasks, train_labels) for cls in evaluator_classes(config)]


def evaluator_classes(
  config: ml_collections.ConfigDict,
) -> list[type[Evaluator]]:
  """Returns the classes of `config.evaluators`.

  Args:
    config: evaluators has names with commas between, and
      'package.module:Class' for those from elsewhere.

  Raises:
    InputError: one is unknown.
  """
  text = config.get('evaluators', DEFAULT)
  classes = []
  for name in filter(None, (part.strip() for part in text.split(','))):
    if name not in _BUILT_IN and ':' not in name:
      raise InputError(
        f"config.evaluators='{text}': there is no {name}; give "
        f'{", ".join(_BUILT_IN)}, or package.module:Class.'
      )
    cls = own_parts.imported(
      _BUILT_IN.get(name, name), f"config.evaluators='{text}'"
    )
    if not (isinstance(cls, type) and issubclass(cls, Evaluator)):
      raise InputError(
        f"config.evaluators='{text}': {name} is no subclass of "
        'aqa_jax.evaluation.evaluator.Evaluator.'
      )
    if '__init__' in vars(cls) or inspect.isabstract(cls):
      raise InputError(
        f"config.evaluators='{text}': {name} has to have evaluate, and no "
        '__init__ of its own.'
      )
    classes.append(cls)
  return classes
