"""C3D-AVG-MTL: the paper's network (Parmar & Morris, section 4, figure 3)."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from aqa_jax.layers.attending_captioner import commentary
from aqa_jax.layers.captioner import captions
from aqa_jax.layers.initializers import dense
from aqa_jax.layers.output_layers import output_paths, task_output
from aqa_jax.layers.precision import at_least_float32
from aqa_jax.task import Task
from aqa_jax.trunks.c3d import C3D


class C3DAVG(nn.Module):
  """C3D on each clip, the element-wise average, and a head for each task.

  Attributes:
    tasks: the tasks that it learns; only these have parameters.
    clips: clips a video is cut into; 6 in the paper.
    width: channels of C3D's first convolution; 64 in the paper.
    fc6: units of the fully connected layer; 4096 in the paper.
    batch_norm: BatchNorm in the trunk and on the features above it. The paper's
      network has none, and starts from a trained C3D; a small network that is
      trained from scratch needs it.
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
    caption_maps: what it attends to: 'c1' to 'c5'; see `C3D.with_maps`.
    example_shards: parts of the batch, on different devices. It changes only
      the order of the rows in C3D, so that no clip has to move to another
      device.
    clip_shards: parts of a video's clips, on different devices; a divisor of
      `clips`. Like `example_shards` it changes only the order.
    dtype: dtype of the trunk's computation. Heads and captioner are float32, or
      float64 with the trunk.
    remat: see `C3D`.
  """

  tasks: Sequence[Task]
  clips: int = 6
  width: int = 64
  fc6: int = 4096
  batch_norm: bool = False
  conv_impl: str = 'direct'
  caption_length: int = 100
  caption_hidden: int = 512
  caption_embedding: int = 512
  caption_dropout: float = 0.2
  caption_layers: int = 2
  caption_heads: int = 4
  caption_beams: int = 4
  caption_maps: str = 'c5'
  example_shards: int = 1
  clip_shards: int = 1
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
      video: float [batch, time, height, width, 3], normalised; time is a
        multiple of `clips`. 96 frames of 112 x 112 pixels in the paper.
      words: int [batch, caption_length], the true captions for teacher forcing;
        None to decode greedily instead.
      train: apply dropout, and the batch's own statistics in BatchNorm.
      labels: in training, those that heads ask for; see `Task.head_module`.

    Returns:
      Name of a task -> the result of its `output`. If the trunk is float64,
      float64 instead of float32:
        score: float32 [batch], in units of 17 points.
        classes: classification -> logits, float32 [batch, classes].
        captions: float32 [batch, caption_length - 1, words] logits, given
          `words`; or int32 [batch, caption_length - 1] word ids.
    """
    batch, time, height, width, channels = video.shape
    # A batch that is smaller, such as a single dive, is on one device. In a
    # program that is exported the batch is a symbol, which gcd does not take.
    example_shards = self.example_shards
    if example_shards > 1:
      example_shards = math.gcd(batch, example_shards)
    # All clips are one batch to C3D, those of a device next to each other.
    # [example shard, example, clip shard, clip, time, height, width, channels]
    clips = video.reshape(
      example_shards,
      batch // example_shards,
      self.clip_shards,
      self.clips // self.clip_shards,
      time // self.clips,
      height,
      width,
      channels,
    )
    clips = clips.transpose(0, 2, 1, 3, 4, 5, 6, 7)
    features, maps = C3D(
      self.width,
      self.batch_norm,
      self.conv_impl,
      self.dtype,
      self.remat,
      name='c3d',
    ).with_maps(clips.reshape(batch * self.clips, *clips.shape[4:]), train)

    def by_dive(rows: jax.Array) -> jax.Array:
      """Returns rows of clips as [batch, clips, ...]."""
      # [example shard, clip shard, example, clip, ...]
      rows = rows.reshape(*clips.shape[:4], *rows.shape[1:])
      return rows.swapaxes(1, 2).reshape(batch, self.clips, *rows.shape[4:])

    clip_features = by_dive(features)
    head_dtype = at_least_float32(self.dtype)
    outputs: dict[str, Any] = {}
    layer_tasks = [task for task in self.tasks if not task.num_words]
    if layer_tasks:
      average = clip_features.mean(axis=1)
      if self.batch_norm:
        average = self._normalized(average, train, 'bn_average')
      fc6 = nn.relu(
        dense(self.fc6, average.shape[-1], dtype=self.dtype, name='fc6')(
          average
        )
      )
      for task in layer_tasks:
        outputs[task.name] = task_output(task, fc6, head_dtype, labels, train)
    for task in self.tasks:
      if not task.num_words:
        continue
      if task.attends:
        # [batch, clips, time', height', width', channels]
        seen = by_dive(maps[self.caption_maps])
        seen = seen.reshape(batch, -1, *seen.shape[3:])
        outputs[task.name] = commentary(self, task, seen, outputs, words, train)
        continue
      if self.batch_norm:
        clip_features = self._normalized(clip_features, train, 'bn_clips')
      outputs[task.name] = captions(self, task, clip_features, words, train)
    return outputs

  def _normalized(
    self, features: jax.Array, train: bool, name: str
  ) -> jax.Array:
    return nn.BatchNorm(
      use_running_average=not train,
      momentum=0.9,
      dtype=self.dtype,
      name=name,
    )(features)

  def output_layers(self) -> set[tuple[str, ...]]:
    """Returns the paths of the modules that give the outputs."""
    return output_paths(self.tasks)
