"""What a network predicts for videos: of a judge, and of a file of it."""

from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax

from aqa_jax.layers.normalize import normalize
from aqa_jax.train_state import Variables


def predict(
  network: nn.Module, variables: Mapping[str, Variables], video: jax.Array
) -> dict[str, Any]:
  """Returns what each task of a network predicts, in evaluation mode.

  Args:
    network: has the attribute `tasks`.
    variables: 'params' and 'batch_stats'.
    video: uint8 [batch, time, height, width, 3], RGB.

  Returns:
    What `Task.predict` of each task returns, by name, [batch, ...] each.
  """
  outputs: Any = network.apply(dict(variables), normalize(video))
  predicted: dict[str, Any] = {}
  for task in network.tasks:
    predicted |= task.predict(outputs[task.name])
  return predicted
