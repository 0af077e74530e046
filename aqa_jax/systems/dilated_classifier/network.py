"""A multi-head classifier of dives by dilated 3D convolutions.

A reconstruction, details assumed, of the classifier of Nibali et al.,
"Extraction and Classification of Diving Clips from Continuous Video Footage"
(CVPR workshops, 2017): see README.md for what is known and what is assumed.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from aqa_jax.layers.batch_norm import convolution_block
from aqa_jax.layers.output_layers import output_paths, task_output
from aqa_jax.layers.precision import at_least_float32
from aqa_jax.task import Task
from aqa_jax.trunks.dilated_c3d import DilatedC3D

# Of the context net, as of the first layers of Yu & Koltun's, "Multi-Scale
# Context Aggregation by Dilated Convolutions" (ICLR 2016).
_DILATIONS = (1, 1, 2, 4)


class DilatedClassifier(nn.Module):
  """A dilated C3D on a few frames of the dive, a context net, linear heads.

  Attributes:
    tasks: the tasks that it learns; only these have parameters. None may say
      words.
    width: channels of the trunk's first convolution. The context net has 8
      times as many in each layer.
    dropout: dropout rate of the trunk's features.
    statistics_groups: parts of the batch that BatchNorm normalises separately;
      see `BatchNorm`.
    conv_impl: how to run the convolutions; see `convolution`.
    dtype: dtype of the convolutions. The heads are float32, or float64 with
      them.
    remat: see `DilatedC3D`.
  """

  tasks: Sequence[Task]
  width: int = 32
  dropout: float = 0.5
  statistics_groups: int = 1
  conv_impl: str = 'direct'
  dtype: DTypeLike = jnp.float32
  remat: bool = False

  @nn.compact
  def __call__(
    self,
    video: jax.Array,
    words: jax.Array | None = None,
    train: bool = False,
    labels: Mapping[str, jax.Array] | None = None,
  ) -> dict[str, Any]:
    """Returns the outputs of each task for each video.

    Args:
      video: float [batch, time, height, width, 3], normalised; at least 12
        frames of 24 x 24 pixels.
      words: ignored.
      train: apply dropout, and the batch's own statistics in BatchNorm.
      labels: in training, those that heads ask for; see `Task.head_module`.

    Returns:
      Name of a task -> the result of its `output`:
        classes: classification -> logits, float32 [batch, classes].
        score: float32 [batch], in units of 17 points.

    Raises:
      ValueError: the video is too small.
    """
    del words
    features = DilatedC3D(
      self.width,
      self.dropout,
      self.statistics_groups,
      self.conv_impl,
      self.dtype,
      self.remat,
      name='c3d',
    )(video, train)
    for number, dilation in enumerate(_DILATIONS, start=1):
      features = convolution_block(
        features,
        features.shape[-1],
        f'context_conv{number}',
        train,
        statistics_groups=self.statistics_groups,
        conv_impl=self.conv_impl,
        dtype=self.dtype,
        padding=dilation,
        dilation=dilation,
      )
    dtype = at_least_float32(self.dtype)
    # A linear layer of the mean is the mean of a 1 x 1 x 1 convolution.
    average = features.astype(dtype).mean(axis=(1, 2, 3))
    return {
      task.name: task_output(task, average, dtype, labels, train)
      for task in self.tasks
    }

  def output_layers(self) -> set[tuple[str, ...]]:
    """Returns the paths of the modules that give the outputs."""
    return output_paths(self.tasks)
