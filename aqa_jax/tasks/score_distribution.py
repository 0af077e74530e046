"""The score as a distribution: USDL (Tang et al., CVPR 2020, section 3.2).

The network gives the probabilities of 101 scores, 0 to the highest; see
`label_distribution`. The defaults are those of the authors' code: scores to
104.5, a standard deviation of 5 steps, hidden layers of 256 and 128, and the
likeliest score as the prediction.
"""

import dataclasses
from typing import Any

import jax
import ml_collections
import numpy as np

from aqa_jax.data.schema import Schema
from aqa_jax.predictions import Columns
from aqa_jax.task import Batch
from aqa_jax.tasks import label_distribution
from aqa_jax.tasks.score import ScoreTask
from tfds_mtl_aqa.input_error import InputError

NUM_SCORES = 101
# The highest score of MTL-AQA.
HIGHEST_SCORE = 104.5


@dataclasses.dataclass(frozen=True)
class ScoreDistributionTask(ScoreTask):
  """The final score, as the probabilities of 101 scores.

  Attributes:
    highest: the last of the scores, points; the first is 0.
    label_std: of the labels' Gaussians, in steps from a score to the next.
    readout: 'mode', the likeliest score, or 'mean'.
    hidden_units: units of the hidden layers.
  """

  highest: float = HIGHEST_SCORE
  label_std: float = label_distribution.LABEL_STD
  readout: str = 'mode'
  hidden_units: tuple[int, ...] = label_distribution.HIDDEN

  name = 'score_distribution'
  head = 'score_distribution'
  spread_words = 'score_spread'

  @classmethod
  def create(
    cls, config: ml_collections.ConfigDict, schema: Schema
  ) -> 'ScoreDistributionTask':
    """Returns the task; every dataset has scores.

    Raises:
      InputError: a field of `config.heads` can't be.
    """
    del schema
    std, kind, hidden = label_distribution.distribution_options(config)
    highest = float(config.get('heads', {}).get('highest', HIGHEST_SCORE))
    if not highest > 0:
      raise InputError(f'config.heads.highest={highest}: give more than 0.')
    return cls(
      highest=highest, label_std=std, readout=kind, hidden_units=hidden
    )

  @property
  def layers(self) -> dict[str, int]:
    """Units of each output layer."""
    return {'scores': NUM_SCORES}

  @property
  def hidden(self) -> tuple[int, ...]:
    """Units of the hidden layers."""
    return self.hidden_units

  @property
  def initial(self) -> float:
    """First value of the biases: PyTorch's."""
    return 0.0

  def output(self, layers: dict[str, jax.Array]) -> jax.Array:
    """Returns the logits of the scores, float [batch, 101]."""
    return layers['scores']

  def check_labels(self, labels: Columns) -> None:
    """Checks that there is a place for every score.

    Raises:
      InputError: a score is above the highest, or negative.
    """
    scores = np.asarray(labels['final_score'])
    if scores.max() > self.highest or scores.min() < 0:
      raise InputError(
        f'config.heads.highest={self.highest:g}: the scores to train on are '
        f'{scores.min():g} to {scores.max():g}; give the highest score that '
        'can be; none may be negative.'
      )

  def loss(self, output: jax.Array, batch: Batch) -> jax.Array:
    """Returns the divergence from the labels' Gaussians, a scalar."""
    target = label_distribution.gaussian_labels(
      batch['score'], self.highest, NUM_SCORES, self.label_std
    )
    return label_distribution.divergence(target, output).mean()

  def predict(self, output: jax.Array) -> dict[str, Any]:
    """Returns score and score_spread, float [batch], in points.

    The spread is the standard deviation of the distribution, which contains
    that of the labels.
    """
    return {
      'score': label_distribution.readout(output, self.highest, self.readout),
      'score_spread': label_distribution.spread(output, self.highest),
    }

  def explained(self, output: jax.Array) -> jax.Array:
    """Returns the mean of the distribution, which has a gradient, points."""
    return label_distribution.readout(output, self.highest, 'mean')
