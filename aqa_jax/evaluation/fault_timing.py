"""In which frames a network sees each fault."""

from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from aqa_jax.layers.normalize import normalize
from aqa_jax.train_state import Variables

# Given params, batch_stats and video, returns fault -> float32 [batch, frames].
TimingStep = Callable[[Variables, Variables, ArrayLike], dict[str, jax.Array]]


def make_timing_step(model: nn.Module) -> TimingStep:
  """Returns the jitted step that tells in which frames each fault is seen.

  The step takes params, batch_stats and video, uint8 [batch, frames, height,
  width, 3], RGB, and returns for each fault float32 [batch, frames], 0 or more,
  of sum 1. It compares the video with a still picture, the mean of its frames,
  in which nothing happens: a frame's number is the sum of |d size / d input *
  (input - still picture)| over its pixels and channels, as a share of all
  frames. The input is the normalised video, in evaluation mode; the size that
  of the fault on either side of zero.

  Its limits are those of `frame_importance`. What stays the same in all frames
  counts nothing. A frame in which much moves has a large share of every fault:
  on simulated dives the splash alone is told from the others.

  Args:
    model: network that has learned the task `faults`.
  """
  (task,) = (task for task in model.tasks if task.name == 'faults')
  finder = model.clone(tasks=(task,))
  names = list(dict.fromkeys(side.name for side in task.sides))

  def timing_step(
    params: Variables, batch_stats: Variables, video: jax.Array
  ) -> dict[str, jax.Array]:
    normalized = normalize(video)

    def sizes(video: jax.Array) -> jax.Array:
      """Returns [faults]: sums over the batch, whose dives are apart."""
      outputs = finder.apply(
        {'params': params, 'batch_stats': batch_stats}, video
      )
      found = task.magnitudes(outputs[task.name])
      return jnp.stack([found[name].sum() for name in names])

    _, pull = jax.vjp(sizes, normalized)
    change = normalized - normalized.mean(axis=1, keepdims=True)

    def shares(fault: jax.Array) -> jax.Array:
      """Returns float [batch, frames] of one fault, given its one-hot code."""
      (gradient,) = pull(fault)
      seen = jnp.abs(gradient * change).sum(axis=(2, 3, 4))
      return seen / jnp.maximum(seen.sum(axis=1, keepdims=True), 1e-12)

    # One after the other: together they would take much memory.
    seen = jax.lax.map(shares, jnp.eye(len(names), dtype=jnp.float32))
    return dict(zip(names, seen, strict=True))

  return jax.jit(timing_step)
