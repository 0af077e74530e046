"""A training on dives: its splits, batches, validation and predictions."""

import dataclasses
import functools
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import numpy as np

from aqa_jax import sharding
from aqa_jax.data.corrupt_records import CorruptRecords
from aqa_jax.data.dive_input import DiveInput
from aqa_jax.data.dive_split import DiveSplit
from aqa_jax.data.input_pipeline import make_inputs, training_batches
from aqa_jax.data.training_cache import TrainingCache, make_cache
from aqa_jax.data.video_input import VideoInput
from aqa_jax.evaluation import frame_importance, predict
from aqa_jax.predictions import Columns, Predictions
from aqa_jax.report import filmstrip
from aqa_jax.report.report import Filmstrips
from aqa_jax.task import Batch
from aqa_jax.tasks.chosen_tasks import measure_to_choose_by
from aqa_jax.training.training import Training
from tfds_mtl_aqa.input_error import InputError


@dataclasses.dataclass
class DiveTraining(Training):
  """A training on dives.

  Attributes:
    train: dives to train on.
    validation: dives to choose the checkpoint by.
    tests: dives to evaluate on, by split.
    dive_input: what the network sees of a dive.
  """

  train: DiveSplit
  validation: DiveSplit
  tests: dict[str, DiveSplit]
  dive_input: DiveInput
  _cache: TrainingCache | None = dataclasses.field(default=None, init=False)

  @property
  def measure(self) -> str:
    """The measure that the tasks choose by; see `Task.chooses_by`."""
    return measure_to_choose_by(self.setup.tasks)

  def batches(self, first_step: int) -> Iterator[dict[str, np.ndarray]]:
    """Yields the batches of training; see `input_pipeline`.

    If `config.input.cache` asks for it, all frames are decoded first.

    Raises:
      InputError: they do not fit into memory.
    """
    if isinstance(self.dive_input, VideoInput):
      self._cache = make_cache(
        self.dive_input, self.train, self.validation, self.mesh
      )
    return training_batches(
      self.train if self._cache is None else self._cache.train,
      self.dive_input,
      self.setup.tasks,
      self.config.batch_size,
      sharding.batch_part(self.mesh),
      self.config.seed,
      first_step,
      CorruptRecords(len(self.train), self.config.max_corrupt_fraction),
    )

  def place(self, batch: Mapping[str, np.ndarray]) -> Batch:
    """Puts this process's part of a batch on its devices."""
    if self._cache is None or self._cache.device_frames is None:
      return super().place(batch)
    return self._cache.device_frames.place(batch)

  def validate(self) -> dict[str, float]:
    """Returns the measures of the validation split.

    Raises:
      InputError: the one to choose by is not among them.
    """
    measured = predict.measure(
      self.setup.tasks, self.predictions(self.validation)
    )
    figures = {k: v for k, v in measured.items() if isinstance(v, float)}
    for kind, values in measured.items():
      if isinstance(values, dict):
        figures |= {
          f'{kind}_{name}': value
          for name, value in values.items()
          if isinstance(value, float)
        }
    if self.measure not in figures:
      raise InputError(
        f"config.tasks='{self.config.tasks}': chooses_by='{self.measure}' is "
        f'no figure that a task measures; give one of {", ".join(figures)}.'
      )
    return figures

  def summary(self) -> str:
    """Returns the sizes of the splits."""
    others = 'others'
    if self.config.select_on == 'test':
      others = 'of the test split'
    return (
      f'{len(self.train)} dives, choosing by {len(self.validation)} {others}'
    )

  def train_labels(self) -> Columns:
    """Returns the labels that are trained on, with the captions' words."""
    return predict.with_caption_words(self.train.labels, self.setup.schema)

  def predictions(self, split: DiveSplit) -> Predictions:
    """Returns the predictions of the present state for a split."""
    return predict.predict(
      self.setup.predict_step,
      self.state,
      split,
      self.dive_input,
      self.setup.schema,
      self.setup.tasks,
      self.config.eval_batch_size,
      self.mesh,
      self._cache.validation
      if self._cache and split is self.validation
      else None,
    )

  @functools.cached_property
  def _importance_step(self) -> frame_importance.ImportanceStep:
    return frame_importance.make_importance_step(self.setup.model)

  def filmstrips(self, split: DiveSplit) -> Filmstrips | None:
    """Returns what makes the film strip of a dive; see `make_filmstrip`.

    Args:
      split: split of the dives.

    Returns:
      See `report.write_report`; None for a network that sees no pictures.
    """
    if not isinstance(self.dive_input, VideoInput):
      return None
    return functools.partial(self.make_filmstrip, split)

  def make_filmstrip(
    self, split: DiveSplit, index: int
  ) -> list[filmstrip.Segment]:
    """Returns a dive as pictures, with the importance of each frame.

    It computes on one device of this process: the others need not take part.

    Args:
      split: split of the dive.
      index: place of the dive, from 0.

    Raises:
      TypeError: the network sees no pictures.
    """
    video_input = self.dive_input
    if not isinstance(video_input, VideoInput):
      raise TypeError('a network on features sees no pictures')
    inputs = make_inputs(split[index], video_input, (), rng=None)
    params, batch_stats = jax.tree.map(
      # `train.evaluate_best` has gathered them: each device holds them whole.
      lambda leaf: leaf.addressable_data(0),
      (self.state.params, self.state.batch_stats),
    )
    video = np.asarray(inputs['video'])
    importances = self._importance_step(params, batch_stats, video[None])
    return filmstrip.make_filmstrip(
      video, video_input.offsets(), np.asarray(importances[0])
    )

  def facts(self) -> dict[str, Any]:
    """Returns the facts in the report's head, as texts by name."""
    return {
      'dataset': self.config.dataset.name,
      'network': self.config.network,
      'tasks': ', '.join(task.name for task in self.setup.tasks),
      **self.dive_input.facts(),
    }
