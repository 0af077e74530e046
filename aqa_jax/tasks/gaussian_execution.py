"""The execution of a dive as a Gaussian: its mean, and how sure that is.

Nix and Weigend, "Estimating the mean and variance of the target probability
distribution" (ICNN 1994); as a head of a deep network Kendall and Gal, "What
Uncertainties Do We Need in Bayesian Deep Learning for Computer Vision?"
(NeurIPS 2017, section 2.2), who let it give the logarithm of the variance. The
plain negative log-likelihood learns the mean slowly where the variance is
large, so each dive is weighted by the variance to the power of beta, which has
no gradient: Seitzer et al., "On the Pitfalls of Heteroscedastic Uncertainty
Estimation with Probabilistic Neural Networks" (ICLR 2022), who recommend 0.5.
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np

from aqa_jax.data.schema import Schema
from aqa_jax.predictions import Columns
from aqa_jax.task import Batch
from aqa_jax.tasks.execution import (
  EXECUTION_UNIT,
  ExecutionTask,
  difficulty_options,
)
from tfds_mtl_aqa.input_error import InputError

BETA = 0.5


def beta_nll(
  mean: jax.Array, log_variance: jax.Array, true: jax.Array, beta: float
) -> jax.Array:
  """Returns the weighted negative log-likelihood, a scalar: the mean.

  The constant log(2 pi) / 2 is left out, as in PyTorch's GaussianNLLLoss.

  Args:
    mean: float [batch].
    log_variance: float [batch], natural logarithm.
    true: float [batch].
    beta: 0 for the likelihood itself; at 1 the mean is learned as by the
      squared error.
  """
  error = (mean - true) ** 2
  likelihood = 0.5 * (log_variance + error * jnp.exp(-log_variance))
  weight = jax.lax.stop_gradient(jnp.exp(beta * log_variance))
  return jnp.mean(weight * likelihood)


@dataclasses.dataclass(frozen=True)
class GaussianExecutionTask(ExecutionTask):
  """The execution and its standard deviation, and by the difficulty the score.

  Attributes:
    beta: see `beta_nll`.
  """

  beta: float = BETA

  name = 'gaussian_execution'
  head = 'gaussian_regressor'
  spread_words = 'execution_spread'

  @classmethod
  def create(
    cls, config: ml_collections.ConfigDict, schema: Schema
  ) -> 'GaussianExecutionTask':
    """Returns the task.

    Raises:
      InputError: beta is not 0 to 1; or see `ExecutionTask.create`.
    """
    beta = float(config.get('heads', {}).get('beta', BETA))
    if not 0 <= beta <= 1:
      raise InputError(f'config.heads.beta={beta}: give 0 to 1.')
    return cls(beta=beta, **difficulty_options(config, schema))

  @property
  def layers(self) -> dict[str, int]:
    """Units of each output layer."""
    return {'execution': 1, 'log_variance': 1}

  def output(self, layers: dict[str, jax.Array]) -> Any:
    """Returns execution and log_variance, float [batch], in EXECUTION_UNIT.

    An untrained network has a variance of about 1: the first value of the
    biases, which both layers have, is taken off.
    """
    return {
      'execution': layers['execution'][:, 0],
      'log_variance': layers['log_variance'][:, 0] - self.initial,
    }

  def loss(self, output: Any, batch: Batch) -> jax.Array:
    """Returns `beta_nll`, in units of EXECUTION_UNIT."""
    return beta_nll(
      output['execution'],
      output['log_variance'],
      batch['execution'] / EXECUTION_UNIT,
      self.beta,
    )

  def predict(self, output: Any) -> dict[str, jax.Array]:
    """Returns execution and execution_spread, float [batch], in points.

    The spread is the standard deviation.
    """
    deviation = jnp.exp(0.5 * output['log_variance'])
    return {
      'execution': output['execution'] * EXECUTION_UNIT,
      'execution_spread': deviation * EXECUTION_UNIT,
    }

  def execution_spreads(
    self, outputs: Columns, difficulty: np.ndarray
  ) -> np.ndarray:
    """Returns the standard deviations, float [dives], points."""
    del difficulty
    return np.asarray(outputs['execution_spread'])
