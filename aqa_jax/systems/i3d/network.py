"""I3D on windows of a dive, averaged, and a head for each task.

As in USDL (Tang et al., "Uncertainty-aware Score Distribution Learning for
Action Quality Assessment", CVPR 2020, section 3.2) and CoRe (Yu et al.,
"Group-aware Contrastive Regression for Action Quality Assessment", ICCV 2021).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from aqa_jax.layers.attending_captioner import commentary
from aqa_jax.layers.captioner import captions
from aqa_jax.layers.normalize import to_symmetric
from aqa_jax.layers.output_layers import output_paths, task_output
from aqa_jax.layers.precision import at_least_float32
from aqa_jax.task import Task
from aqa_jax.trunks.i3d import I3D


class WindowedI3D(nn.Module):
  """I3D on each window, the mean over windows, and a head for each task.

  Attributes:
    tasks: the tasks that it learns; only these have parameters.
    windows: windows of the video; 10 in the papers.
    window_frames: frames of each; 16 in the papers.
    window_stride: frames from the beginning of one to that of the next; 10 in
      the papers. The last ones begin earlier, where the video would end within
      them: see `first_frames`.
    width: channels of I3D's first convolution, a multiple of 8; 64 in the
      papers.
    frozen_statistics: whether BatchNorm keeps the running statistics that it
      begins with, in training too, as in CoRe; False for those of the batch, of
      all its windows together.
    statistics_groups: see `BatchNorm`; without frozen statistics.
    conv_impl: how to run the convolutions; see `same_convolution`.
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
    remat: see `I3D`.
  """

  tasks: Sequence[Task]
  windows: int = 10
  window_frames: int = 16
  window_stride: int = 10
  width: int = 64
  frozen_statistics: bool = True
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
      video: float [batch, time, height, width, 3], normalised; time is at least
        `window_frames`, and a window at least 8 frames of 32 x 32 pixels. 103
        frames of 224 x 224 pixels in the papers.
      words: int [batch, caption_length], the true captions for teacher forcing;
        None to decode greedily instead.
      train: apply dropout, and without frozen statistics the batch's own.
      labels: in training, those that heads ask for; see `Task.head_module`.

    Returns:
      See `C3DAVG`.

    Raises:
      ValueError: the video is too small.
    """
    firsts = first_frames(
      video.shape[1], self.windows, self.window_frames, self.window_stride
    )
    # The pixels that I3D's weights have learned from.
    pixels = to_symmetric(video)
    # [batch, windows, time, height, width, 3]: those of a device stay there.
    windows = jnp.stack(
      [pixels[:, first : first + self.window_frames] for first in firsts],
      axis=1,
    )
    maps = I3D(
      self.width,
      statistics_groups=self.statistics_groups,
      conv_impl=self.conv_impl,
      dtype=self.dtype,
      remat=self.remat,
      name='i3d',
    )(
      windows.reshape(-1, *windows.shape[2:]),
      train and not self.frozen_statistics,
    )
    head_dtype = at_least_float32(self.dtype)
    # [batch, windows, features]
    features = maps.astype(head_dtype).mean(axis=(1, 2, 3))
    features = features.reshape(-1, self.windows, features.shape[-1])
    average = features.mean(axis=1)
    outputs: dict[str, Any] = {}
    # Words come last: a decoder may be told what the other tasks give.
    for task in sorted(self.tasks, key=lambda task: task.num_words > 0):
      if not task.num_words:
        outputs[task.name] = task_output(
          task, average, head_dtype, labels, train
        )
      elif task.attends:
        # [batch, windows * time', height', width', channels]
        seen = maps.reshape(-1, self.windows * maps.shape[1], *maps.shape[2:])
        outputs[task.name] = commentary(self, task, seen, outputs, words, train)
      else:
        outputs[task.name] = captions(self, task, features, words, train)
    return outputs

  def output_layers(self) -> set[tuple[str, ...]]:
    """Returns the paths of the modules that give the outputs."""
    return output_paths(self.tasks)


def first_frames(
  frames: int, windows: int, window_frames: int, stride: int
) -> list[int]:
  """Returns the first frame of each window.

  Of 103 frames, and ten windows of 16, that is 0, 10, ..., 80, 87.

  Args:
    frames: of the video.
    windows: 1 or more.
    window_frames: frames of each.
    stride: frames from one beginning to the next; the video has to hold each
      window, so the last ones may begin earlier.

  Raises:
    ValueError: the video is shorter than a window.
  """
  last = frames - window_frames
  if last < 0:
    raise ValueError(f'{frames} frames: give {window_frames} or more')
  return [min(number * stride, last) for number in range(windows)]
