"""A C3D of its own for each segment of a dive.

After Li, Chai and Chen, "End-to-End Learning for Action Quality Assessment"
(PCM 2018): the dive is cut into nine segments, a C3D for each gives features,
which are concatenated, and a convolution and fully connected layers give the
score. Sizes and channels are not public: this is a reconstruction, its details
assumed.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from aqa_jax.layers.initializers import dense, pytorch_uniform
from aqa_jax.layers.output_layers import output_paths, task_output
from aqa_jax.layers.precision import at_least_float32, precision_of
from aqa_jax.task import Task
from aqa_jax.trunks.c3d import C3D


class SegmentC3D(nn.Module):
  """C3Ds on segments, a convolution over the segments, and output layers.

  Attributes:
    tasks: the tasks that it learns, none of words.
    segments: parts of the video; 9 in the paper.
    segment_frames: frames of each. The first begins with the video, the last
      ends with it, the others are spread evenly; they may overlap.
    width: channels of each C3D's first convolution.
    batch_norm: BatchNorm in the C3Ds and on their features.
    channels: channels of the convolution over three segments that follow one
      another.
    fc6: units of the fully connected layer.
    conv_impl: how to run the convolutions; see `convolution`.
    dtype: dtype of the C3Ds; the output layers are float32, or float64 with
      them.
    remat: see `C3D`.
  """

  tasks: Sequence[Task]
  segments: int = 9
  segment_frames: int = 16
  width: int = 64
  batch_norm: bool = False
  channels: int = 512
  fc6: int = 1024
  conv_impl: str = 'direct'
  dtype: DTypeLike = jnp.float32
  remat: bool = False

  @nn.compact
  def __call__(
    self,
    video: jax.Array,
    words: None = None,
    train: bool = False,
    labels: Mapping[str, jax.Array] | None = None,
  ) -> dict[str, Any]:
    """Returns the outputs of each task for each video.

    Args:
      video: float [batch, time, height, width, 3], normalised; time is at least
        `segment_frames`.
      words: ignored; it says nothing.
      train: use the batch's own statistics in BatchNorm.
      labels: in training, those that heads ask for; see `Task.head_module`.

    Returns:
      Name of a task -> the result of its `output`, such as the score, float32
      [batch], in units of 17 points.

    Raises:
      ValueError: the video is shorter than a segment.
    """
    del words
    firsts = first_frames(video.shape[1], self.segments, self.segment_frames)
    # [batch, segments, features]
    features = jnp.stack(
      [
        C3D(
          self.width,
          self.batch_norm,
          self.conv_impl,
          self.dtype,
          self.remat,
          name=f'c3d_{number}',
        )(video[:, first : first + self.segment_frames], train)
        for number, first in enumerate(firsts, 1)
      ],
      axis=1,
    )
    if self.batch_norm:
      features = nn.BatchNorm(
        use_running_average=not train,
        momentum=0.9,
        dtype=self.dtype,
        name='bn_segments',
      )(features)
    uniform = pytorch_uniform(3 * features.shape[-1])
    features = nn.relu(
      nn.Conv(
        self.channels,
        (3,),
        dtype=self.dtype,
        precision=precision_of(self.dtype),
        kernel_init=uniform,
        bias_init=uniform,
        name='conv_segments',
      )(features)
    )
    features = features.reshape(len(features), -1)
    fc6 = nn.relu(
      dense(self.fc6, features.shape[-1], dtype=self.dtype, name='fc6')(
        features
      )
    )
    head_dtype = at_least_float32(self.dtype)
    return {
      task.name: task_output(task, fc6, head_dtype, labels, train)
      for task in self.tasks
    }

  def output_layers(self) -> set[tuple[str, ...]]:
    """Returns the paths of the modules that give the outputs."""
    return output_paths(self.tasks)


def first_frames(frames: int, segments: int, segment_frames: int) -> list[int]:
  """Returns the first frame of each segment.

  Args:
    frames: of the video.
    segments: 1 or more.
    segment_frames: frames of each.

  Raises:
    ValueError: the video is shorter than a segment.
  """
  last = frames - segment_frames
  if last < 0:
    raise ValueError(f'{frames} frames: give {segment_frames} or more')
  return [number * last // max(segments - 1, 1) for number in range(segments)]
