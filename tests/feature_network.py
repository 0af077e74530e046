"""A network on features that is not in the package; see feature_input_test."""

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax.numpy as jnp

from aqa_jax.layers.output_layers import OutputLayers
from aqa_jax.official_names import OfficialNames
from aqa_jax.system import System
from aqa_jax.tasks.chosen_tasks import chosen_tasks


class FeatureNetwork(nn.Module):
  """Linear layers on the mean over the steps."""

  tasks: Sequence[Any]
  initial_score: float = 0.0
  conv_impl: str = ''
  dtype: Any = jnp.float32
  remat: bool = False

  @nn.compact
  def __call__(self, features, words=None, train=False):
    assert features.ndim == 3
    return {
      task.name: task.output(
        OutputLayers(tuple(task.layers.items()), task.initial, name=task.head)(
          features.mean(axis=1)
        )
      )
      for task in self.tasks
    }

  def output_layers(self):
    return {(task.head, layer) for task in self.tasks for layer in task.layers}


SYSTEM = System(
  'feature_network',
  FeatureNetwork,
  chosen_tasks,
  OfficialNames(modules={}, layers={}, only_in={}),
)
