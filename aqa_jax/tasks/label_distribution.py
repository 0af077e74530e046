"""Labels as distributions over discrete values (Tang et al., CVPR 2020).

"Uncertainty-Aware Score Distribution Learning for Action Quality Assessment",
section 3.2. A label becomes a Gaussian around it, over the values that a
network chooses from (equations 1 and 2), and the loss is the Kullback-Leibler
divergence of what the network says from that (equation 5; the numbers of the
equations are assumed).
"""

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np

from tfds_mtl_aqa.input_error import InputError

# Of the authors' code (MTL-AQA/config.py), in steps from a value to the next.
LABEL_STD = 5.0
# Units of the hidden layers of the authors' evaluator.
HIDDEN = (256, 128)
# What is told of a distribution: the authors' code tells the likeliest value.
READOUTS = ('mode', 'mean')


def gaussian_labels(
  labels: jax.Array, highest: float, values: int, std: float
) -> jax.Array:
  """Returns the distribution of each label.

  Args:
    labels: float [...], 0 to `highest`.
    highest: the last of the values, the first of which is 0.
    values: how many there are, at equal distances; 2 or more.
    std: standard deviation, in steps from a value to the next.

  Returns:
    Float [..., values]; sums to 1.
  """
  place = labels[..., None] * ((values - 1) / highest)
  distance = (jnp.arange(values) - place) / std
  # A density divided by the sum of the densities: the constant cancels.
  return jax.nn.softmax(-0.5 * distance**2)


def divergence(target: jax.Array, logits: jax.Array) -> jax.Array:
  """Returns the Kullback-Leibler divergence of distributions, float [...].

  The sum over the values, as in the paper. The authors' code has the mean over
  them, so a part in `values` of it, which Adam does not tell apart.

  Args:
    target: float [..., values]; sums to 1.
    logits: float [..., values], of the network.
  """
  # x log x of a density that is rounded to 0 is 0.
  surprise = jax.scipy.special.xlogy(target, target)
  return jnp.sum(surprise - target * jax.nn.log_softmax(logits), axis=-1)


def readout(logits: jax.Array, highest: float, kind: str) -> jax.Array:
  """Returns the value that a distribution tells, float [...].

  Args:
    logits: float [..., values].
    highest: the last of the values.
    kind: 'mode', the likeliest value, or 'mean'.
  """
  if kind == 'mode':
    places = jnp.argmax(logits, axis=-1).astype(logits.dtype)
  else:
    values = jnp.arange(logits.shape[-1], dtype=logits.dtype)
    places = (jax.nn.softmax(logits) * values).sum(axis=-1)
  return places * (highest / (logits.shape[-1] - 1))


def spread(logits: jax.Array, highest: float) -> jax.Array:
  """Returns the standard deviations of distributions, float [...].

  A value stands for all that are rounded to it: to the variance between the
  values comes that within one, of a uniform density; so it is never 0.

  Args:
    logits: float [..., values].
    highest: the last of the values.
  """
  places = jnp.arange(logits.shape[-1], dtype=logits.dtype)
  probabilities = jax.nn.softmax(logits)
  mean = (probabilities * places).sum(axis=-1, keepdims=True)
  variance = (probabilities * (places - mean) ** 2).sum(axis=-1)
  return jnp.sqrt(variance + 1 / 12) * (highest / (logits.shape[-1] - 1))


def distribution_options(
  config: ml_collections.ConfigDict,
) -> tuple[float, str, tuple[int, ...]]:
  """Returns label_std, readout and hidden of `config.heads`.

  Args:
    config: one of `configs/`.

  Raises:
    InputError: one of them can't be.
  """
  heads = config.get('heads', {})
  std = float(heads.get('label_std', LABEL_STD))
  kind = heads.get('readout', READOUTS[0])
  hidden = tuple(heads.get('hidden', HIDDEN))
  if not std > 0 or not np.isfinite(std):
    raise InputError(f'config.heads.label_std={std}: give more than 0.')
  if kind not in READOUTS:
    raise InputError(
      f"config.heads.readout='{kind}': give {' or '.join(READOUTS)}."
    )
  if not all(isinstance(n, int) and n > 0 for n in hidden):
    raise InputError(
      f'config.heads.hidden={hidden}: give whole numbers above 0, or () for '
      'no hidden layers.'
    )
  return std, kind, hidden
