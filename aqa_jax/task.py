"""The base class of tasks. A task is one thing that a network learns.

Everything that belongs to a task is in its class: its labels, output layers,
loss, prediction, measures, columns and its part of the report. The built-in
ones are in `aqa_jax/tasks`; `config.tasks` also takes 'package.module:Class'.
"""

import abc
import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import flax.linen as nn
import jax
import ml_collections
import numpy as np
from numpy.typing import DTypeLike

from aqa_jax.data.batches import Value
from aqa_jax.data.schema import Example, Schema
from aqa_jax.data.word_rules import NO_RULES, WordRules
from aqa_jax.predictions import Columns, Predictions

Batch = Mapping[str, jax.Array]


@dataclasses.dataclass(frozen=True)
class Section:
  """A part of the report.

  Attributes:
    id: id of the HTML element; the page's navigation leads to it.
    title: heading, and the word in the navigation.
    template: file of `aqa_jax/report/templates`, which shows `content`; or,
      for a task from outside, '' with HTML, a text, as the content.
    content: what the template shows.
    place: sections stand in the order of their places.
  """

  id: str
  title: str
  template: str
  content: Any
  place: float = 50


@dataclasses.dataclass(frozen=True)
class Task(abc.ABC):
  """One thing that a network learns.

  A subclass has to give `name`, `head`, `create`, `label_specs`, `labels`,
  `loss` and `predict`, and `layers` unless it says words. Its instances are
  attributes of Flax modules: frozen, hashable, without arrays.
  """

  # In `config.tasks`, `config.loss_weights`, outputs and metrics.
  name: ClassVar[str]
  # The module of its output layers in a network's parameters.
  head: ClassVar[str]
  # The figure of `measure`, such as 'spearman', by which checkpoints are chosen
  # where it is the first of the tasks that names one; higher is better. A dict
  # of figures gives '<name>_<key>'.
  chooses_by: ClassVar[str] = ''
  # Whether `predict` gives the score of a dive: 'score', float [batch], points;
  # and maybe 'score_spread', float [batch], above 0: how unsure it is of each,
  # such as a standard deviation. Only its ratios count: see `conformal`.
  gives_score: ClassVar[bool] = False
  # Whether `head_module` gives its head, in place of output layers.
  has_own_head: ClassVar[bool] = False
  # Labels of a batch that its head sees in training; see `head_module`.
  head_labels: ClassVar[tuple[str, ...]] = ()
  # How a program gets score_spread of an exported file's outputs, for people.
  spread_words: ClassVar[str] = ''
  # For a task that gives the score: of what `explained` is, for people.
  explains: ClassVar[str] = 'score'
  # Of a task that says words: whether its decoder attends to the trunk's maps
  # and to the cues of the other tasks, or is the paper's captioner.
  attends: ClassVar[bool] = False

  @classmethod
  @abc.abstractmethod
  def create(cls, config: ml_collections.ConfigDict, schema: Schema) -> 'Task':
    """Returns the task for a dataset.

    Args:
      config: one of `configs/`.
      schema: which labels the dataset has.

    Raises:
      InputError: the dataset lacks what the task needs.
    """

  @property
  def layers(self) -> dict[str, int]:
    """Units of each output layer."""
    return {}

  @property
  def hidden(self) -> tuple[int, ...]:
    """Units of the hidden layers, with ReLU, in front of each output layer.

    A network whose heads have layers of their own, MSCADC, has none of these.
    """
    return ()

  @property
  def initial(self) -> float:
    """First value of the output layers' biases; 0 for PyTorch's."""
    return 0.0

  def head_module(self, dtype: jax.typing.DTypeLike) -> nn.Module:
    """Returns a head of the task's own; asked where `has_own_head`.

    It is called within the network, with features, float [batch, features];
    the labels of `head_labels`, by name, [batch] each, None but in training;
    and whether it is in training. Its name is `head`, and what it returns goes
    to `output`. Muon leaves kernels of its modules `layers` to Adam.

    Args:
      dtype: dtype of the computation.
    """
    raise NotImplementedError(f'{self.name} has no head of its own')

  @property
  def num_words(self) -> int:
    """Words that a decoder chooses from; 0 for a task of output layers."""
    return 0

  @property
  def word_rules(self) -> WordRules:
    """Which words agree with which classes, for a decoder that attends."""
    return NO_RULES

  def cues(self, output: Any) -> dict[str, jax.Array]:
    """Returns what a decoder that attends is told, float [batch, values] each.

    Args:
      output: output of the network, in training or evaluation.
    """
    del output
    return {}

  def output(self, layers: dict[str, jax.Array]) -> Any:
    """Returns the network's output for the task.

    Args:
      layers: output layer -> its output, float [batch, units].
    """
    return layers

  @abc.abstractmethod
  def label_specs(self) -> dict[str, tuple[tuple[int, ...], DTypeLike]]:
    """Returns shape and dtype of each label in a row of a batch."""

  @abc.abstractmethod
  def labels(self, example: Example) -> Mapping[str, Value]:
    """Returns an example's labels for a batch, as `label_specs` tells.

    Args:
      example: a dive of the dataset.
    """

  def check_labels(self, labels: Columns) -> None:
    """Checks the labels of the dives to train on, before anything slow begins.

    Args:
      labels: labels of a `DiveSplit`.

    Raises:
      InputError: the task can't be learned from them.
    """
    del labels

  @abc.abstractmethod
  def loss(self, output: Any, batch: Batch) -> jax.Array:
    """Returns the loss, a scalar: the mean over the batch.

    Args:
      output: output of the network, in training.
      batch: batch with the labels.
    """

  @abc.abstractmethod
  def predict(self, output: Any) -> dict[str, Any]:
    """Returns the prediction for each video, by name, [batch, ...] each.

    It runs on the devices. The names are those in `Predictions.outputs`.

    Args:
      output: output of the network, in evaluation.
    """

  def explained(self, output: Any) -> jax.Array:
    """Returns what the importance of frames is computed of, float [batch].

    It has a gradient, and is in points: see `frame_importance`. Only a task
    that gives the score is asked.

    Args:
      output: see `predict`.
    """
    score: jax.Array = self.predict(output)['score']
    return score

  @property
  def given(self) -> tuple[str, ...]:
    """Labels, known before a dive is seen, that `complete` makes use of."""
    return ()

  @property
  def required(self) -> tuple[str, ...]:
    """Those of `given` without which there is no prediction."""
    return ()

  def decode(self, outputs: Columns, schema: Schema) -> dict[str, Any]:
    """Returns predictions that replace those of `predict`, or add to them.

    Args:
      outputs: what `predict` gave, on the host, [dives, ...] each.
      schema: schema of the dataset.
    """
    del outputs, schema
    return {}

  def complete(
    self, outputs: Columns, given: Columns, schema: Schema
  ) -> dict[str, Any]:
    """Returns predictions that replace those of before, or add to them.

    It runs on the host, after `decode` of all tasks.

    Args:
      outputs: what `predict` and `decode` of all tasks gave.
      given: the labels of `self.given`, [dives] each; NaN where a video of a
        user tells none.
      schema: schema of the dataset.

    Raises:
      InputError: a label that is `required` is not given.
    """
    del outputs, given, schema
    return {}

  def measure(self, predictions: Predictions) -> dict[str, Any]:
    """Returns the measures of each validation, by name.

    Floats, or for several of a kind a dict of floats. NaN: not defined.

    Args:
      predictions: predictions for at least one dive.
    """
    del predictions
    return {}

  def resampled(
    self, predictions: Predictions, dives: np.ndarray
  ) -> dict[str, float]:
    """Returns the measures that have intervals, of some of the dives.

    Args:
      predictions: predictions for at least one dive.
      dives: int [drawn], with repetition.
    """
    del predictions, dives
    return {}

  def columns(self, predictions: Predictions, index: int) -> dict[str, Any]:
    """Returns truth and prediction of a dive, for predictions_<split>.csv.

    Args:
      predictions: predictions for a split.
      index: place of the dive, from 0.
    """
    del predictions, index
    return {}

  def table(self, evaluation: Mapping[str, Any]) -> list[str]:
    """Returns the lines of the table on the terminal.

    Args:
      evaluation: what `measure` and the evaluators returned.
    """
    del evaluation
    return []

  def sections(
    self,
    predictions: Predictions,
    evaluation: Mapping[str, Any],
    shown: Mapping[str, Sequence[int]],
  ) -> list[Section]:
    """Returns the task's parts of the report.

    Args:
      predictions: the predictions that were evaluated.
      evaluation: see `table`.
      shown: 'best', 'typical', 'worst' -> the dives that the report shows.
    """
    del predictions, evaluation, shown
    return []

  def dive_section(
    self, predictions: Predictions, index: int
  ) -> Section | None:
    """Returns what the report shows of one dive; None for nothing.

    Args:
      predictions: the predictions that were evaluated.
      index: place of the dive, from 0.
    """
    del predictions, index
    return None

  def curves(self) -> dict[str, Sequence[str]]:
    """Returns the charts of validation measures: title -> measures.

    A measure that no task names has a chart of its own.
    """
    return {}


def finish(
  tasks: Sequence[Task],
  outputs: dict[str, Any],
  given: Columns,
  schema: Schema,
) -> dict[str, Any]:
  """Returns the predictions of a network's tasks, as `Predictions` has them.

  Args:
    tasks: tasks of the network.
    outputs: what `predict` of the tasks gave, on the host.
    given: the labels that tasks are given; see `Task.complete`.
    schema: schema of the dataset.

  Raises:
    InputError: a label that a task needs is not given.
  """
  outputs = dict(outputs)
  for task in tasks:
    outputs |= task.decode(outputs, schema)
  for task in tasks:
    own = {name: given[name] for name in task.given}
    outputs |= task.complete(outputs, own, schema)
  return outputs
