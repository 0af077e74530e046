"""The importance of each frame for the score: gradient times input."""

from collections.abc import Callable

import flax.linen as nn
import jax
from jax.typing import ArrayLike

from aqa_jax.layers.normalize import normalize
from aqa_jax.train_state import Variables

# Given params, batch_stats and video, returns points, float32 [batch, frames].
ImportanceStep = Callable[[Variables, Variables, ArrayLike], jax.Array]


def make_importance_step(model: nn.Module) -> ImportanceStep:
  """Returns the jitted step that computes the importance of each frame.

  The step takes params, batch_stats and video, uint8 [batch, frames, height,
  width, 3], RGB as `input_pipeline` makes it, and returns float32 [batch,
  frames] in points: the sum over a frame's pixels and channels of
  d score / d input * input, where the input is the normalised video, in
  evaluation mode (running statistics, no dropout). The score is what the task's
  `explained` gives: of a dive whose difficulty is given it is the execution.

  What it means: zero is the mean colour of ImageNet, a grey. If the difference
  of a frame from it grew by a hundredth, the score would change by a hundredth
  of the frame's number. A positive frame raises the score, a negative one
  lowers it.

  Its limits: a derivative holds for small changes only. The numbers do not add
  up to the score, and do not tell the score without the frame. Where a unit is
  saturated they are small, even if the frame matters; pixels of the mean colour
  count nothing; and where the network compares frames, each has only its own
  part. They tell where the network looks, not why.

  It runs on the devices that its arguments lie on, without a mesh: one process
  may call it alone.

  Args:
    model: network, one of whose tasks gives the score.
  """
  (task,) = (task for task in model.tasks if task.gives_score)
  scorer = model.clone(tasks=(task,))

  def importance_step(
    params: Variables, batch_stats: Variables, video: jax.Array
  ) -> jax.Array:
    normalized = normalize(video)

    def points(normalized: jax.Array) -> jax.Array:
      outputs = scorer.apply(
        {'params': params, 'batch_stats': batch_stats}, normalized
      )
      # In evaluation mode no dive's score depends on another dive.
      return task.explained(outputs[task.name]).sum()

    gradient = jax.grad(points)(normalized)
    return (gradient * normalized).sum(axis=(2, 3, 4))

  return jax.jit(importance_step)
