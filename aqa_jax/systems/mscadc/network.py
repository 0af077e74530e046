"""MSCADC-MTL: the paper's lighter network (Parmar & Morris, section 4.2)."""

from collections.abc import Mapping, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from aqa_jax.layers.attending_captioner import commentary
from aqa_jax.layers.captioner import Captioner, captions
from aqa_jax.layers.precision import at_least_float32
from aqa_jax.systems.mscadc.heads import (
  CaptionHead,
  HeadFeatures,
  OutputHead,
  layer_names,
)
from aqa_jax.task import Task
from aqa_jax.trunks.dilated_c3d import DilatedC3D


class MSCADC(nn.Module):
  """A dilated C3D on a few frames of the dive, and a context net for each task.

  Attributes:
    tasks: the tasks that it learns; only these have parameters.
    width: channels of the trunk's first convolution; 32 in the paper.
    head_channels: channels of the heads' features; 12 in the paper.
    dropout: dropout rate of the trunk's features; 0.5 in the paper.
    statistics_groups: parts of the batch that BatchNorm normalises separately;
      see `BatchNorm`.
    conv_impl: how to run the convolutions; see `convolution`.
    caption_length: longest caption in tokens, specials included.
    caption_hidden: units of the caption GRUs; or the width of a captioner that
      attends, a multiple of `caption_heads`.
    caption_embedding: size of the word embedding of the caption GRUs.
    caption_dropout: between the layers of the caption GRUs; see also
      `AttendingCaptioner`.
    caption_layers: see `AttendingCaptioner`.
    caption_heads: see `AttendingCaptioner`.
    caption_beams: captions that such a captioner keeps at each word.
    dtype: dtype of the trunk's computation. Heads and captioner are float32, or
      float64 with the trunk.
    remat: see `DilatedC3D`.
  """

  tasks: Sequence[Task]
  width: int = 32
  head_channels: int = 12
  dropout: float = 0.5
  statistics_groups: int = 1
  conv_impl: str = 'direct'
  caption_length: int = 100
  caption_hidden: int = 512
  caption_embedding: int = 512
  caption_dropout: float = 0.2
  caption_layers: int = 2
  caption_heads: int = 4
  caption_beams: int = 4
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
        frames of 24 x 24 pixels. 16 frames of 180 x 180 in the paper. Where
        captions are a task, every video must be of one size.
      words: int [batch, caption_length], the true captions for teacher forcing;
        None to decode greedily instead.
      train: apply dropout, and the batch's own statistics in BatchNorm.
      labels: in training, those that heads ask for; see `Task.head_module`.

    Returns:
      See `C3DAVG`.

    Raises:
      ValueError: the video is too small.
    """
    features = DilatedC3D(
      self.width,
      self.dropout,
      self.statistics_groups,
      self.conv_impl,
      self.dtype,
      self.remat,
      name='c3d',
    )(video, train)
    head_dtype = at_least_float32(self.dtype)
    # Of every head: channels, statistics_groups, conv_impl and dtype.
    options = (
      self.head_channels,
      self.statistics_groups,
      self.conv_impl,
      head_dtype,
    )
    outputs: dict[str, Any] = {}
    # Words come last: a decoder may be told what the other tasks give.
    for task in sorted(self.tasks, key=lambda task: task.num_words > 0):
      if task.has_own_head:
        head = task.head_module(head_dtype)
        watched = HeadFeatures(*options, name=f'{task.head}_features')(
          features, train
        )
        # The mean over time and space, as that of the outputs of the others.
        average = watched.mean(axis=(1, 2, 3))
        outputs[task.name] = task.output(head(average, labels, train))
        continue
      if not task.num_words:
        layers = OutputHead(
          *options,
          units=tuple(task.layers.items()),
          initial=task.initial,
          name=task.head,
        )
        outputs[task.name] = task.output(layers(features, train))
        continue
      if task.attends:
        outputs[task.name] = commentary(
          self, task, features, outputs, words, train
        )
        continue
      watched = CaptionHead(*options, name='caption_head')(features, train)
      outputs[task.name] = captions(self, task, watched, words, train)
    return outputs

  def output_layers(self) -> set[tuple[str, ...]]:
    """Returns the paths of the modules that give the outputs."""
    return {
      (task.head, layer)
      for task in self.tasks
      for layer in (
        task.layers
        if task.has_own_head
        else layer_names(task.layers) or Captioner.OUTER_LAYERS
      )
    }
