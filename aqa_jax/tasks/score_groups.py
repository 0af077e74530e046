"""Groups of relative scores: the leaves of CoRe's tree.

Yu et al., ICCV 2021, section 3.3, and the authors' utils/Group_helper.py. A
group is an interval; those of positive and of negative relative scores mirror
each other, and each has about as many pairs of training dives.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

# Of MTL-AQA's training split, of the pairs of dives of one difficulty, as the
# authors' code computes them; the executions of simulated dives give the same
# but for the second, 1.0.
BOUNDS = (0.0, 0.9118, 1.5, 2.5, 3.0, 4.5, 6.0, 8.5, 30.0)


def group_bounds(
  executions: ArrayLike,
  difficulties: ArrayLike,
  leaves: int = 16,
  highest: float = 30.0,
) -> tuple[float, ...]:
  """Returns the bounds of the groups of positive relative scores.

  Args:
    executions: float [dives].
    difficulties: float [dives]; only dives of one difficulty are compared.
    leaves: number of groups, an even number.
    highest: the last bound, the largest difference that can be.

  Raises:
    ValueError: no two dives have one difficulty.
  """
  execution = np.asarray(executions, np.float64)
  # Those of float32 are made of tenths.
  difficulty = np.round(np.asarray(difficulties, np.float64), 4)
  found = []
  for value in np.unique(difficulty):
    own = execution[difficulty == value]
    first, second = np.triu_indices(len(own), 1)
    found.append(np.abs(own[first] - own[second]))
  differences = np.sort(np.concatenate(found))
  if not differences.size:
    raise ValueError('no two dives have one difficulty')
  half = leaves // 2
  places = [int(i / half * (len(differences) - 1)) for i in range(half)]
  return (0.0, *map(float, differences[places[1:]]), float(highest))


def edges(bounds: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
  """Returns the lower ends and the widths of all groups, float32 [leaves].

  Args:
    bounds: of the groups of positive relative scores, from 0 up.
  """
  all_bounds = np.array([*(-b for b in bounds[:0:-1]), *bounds], np.float32)
  return all_bounds[:-1], np.diff(all_bounds)


def place_in_group(
  relative: jax.Array, bounds: Sequence[float]
) -> tuple[jax.Array, jax.Array]:
  """Returns the group of each relative score, and the place in it.

  A group has its end that is nearer to 0; 0 is in the first positive one.

  Args:
    relative: float [...]. One that is out of bounds is in the outermost group.
    bounds: see `edges`.

  Returns:
    int32 [...], from 0, the lowest; and float [...], 0 at the lower end, 1 at
    the upper one.
  """
  half = len(bounds) - 1
  size = jnp.abs(relative)
  number = jnp.searchsorted(jnp.asarray(bounds), size, side='right') - 1
  number = jnp.minimum(number, half - 1)
  group = jnp.where(relative < 0, half - 1 - number, half + number)
  lower, width = (jnp.asarray(values) for values in edges(bounds))
  # A group without a width holds none; see `BOUNDS` for where it may be.
  places = (relative - lower[group]) / jnp.where(width > 0, width, 1.0)[group]
  return group.astype(jnp.int32), places


def relative_score(
  log_leaves: jax.Array, places: jax.Array, bounds: Sequence[float]
) -> jax.Array:
  """Returns the relative score that the likeliest group tells, float [...].

  Args:
    log_leaves: float [..., leaves]; see `RegressionTree`.
    places: float [..., leaves].
    bounds: see `edges`.
  """
  lower, width = edges(bounds)
  likeliest = jax.nn.one_hot(
    jnp.argmax(log_leaves, axis=-1), len(lower), dtype=places.dtype
  )
  return (likeliest * (lower + width * places)).sum(axis=-1)


def mean_relative_score(
  log_leaves: jax.Array, places: jax.Array, bounds: Sequence[float]
) -> jax.Array:
  """Returns the mean over the groups, which has a gradient, float [...].

  Args:
    log_leaves: float [..., leaves]; see `RegressionTree`.
    places: float [..., leaves].
    bounds: see `edges`.
  """
  lower, width = edges(bounds)
  return (jnp.exp(log_leaves) * (lower + width * places)).sum(axis=-1)
