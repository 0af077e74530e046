"""The dilated C3D, trunk of MSCADC (Parmar & Morris, section 4.2, table 3).

After Nibali et al., "Extraction and Classification of Diving Clips from
Continuous Video Footage" (CVPR workshops, 2017).
"""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from aqa_jax.layers.batch_norm import convolution_block
from aqa_jax.layers.max_pool import max_pool

# The window of the pooling after each group, and of each convolution its name,
# channels as a multiple of the width, padding and dilation. With padding 2
# conv5b would keep the size; the official code has 1, and each axis loses 2.
_GROUPS = (
  ((1, 2, 2), (('conv1', 1, 1, 1),)),
  ((2, 2, 2), (('conv2', 2, 1, 1),)),
  ((2, 2, 2), (('conv3a', 4, 1, 1), ('conv3b', 4, 1, 1))),
  (None, (('conv4a', 8, 1, 1), ('conv4b', 8, 1, 1))),
  (None, (('conv5a', 8, 2, 2), ('conv5b', 8, 1, 2))),
)

# The smallest video of which conv5b leaves one value.
LEAST_FRAMES = 12
LEAST_PIXELS = 24


class DilatedC3D(nn.Module):
  """C3D at half width with BatchNorm, pooled three times, then dilated.

  Attributes:
    width: channels of the first convolution; 32 in the paper. The others have
      2, 4, 4, 8, 8, 8 and 8 times as many.
    dropout: dropout rate of single values, behind the last convolution; 0.5 in
      the paper.
    statistics_groups: see `BatchNorm`.
    conv_impl: how to run the convolutions; see `convolution`.
    dtype: dtype of the computation.
    remat: keep only the input of each group for the backward pass, which then
      computes the rest again.
  """

  width: int = 32
  dropout: float = 0.5
  statistics_groups: int = 1
  conv_impl: str = 'direct'
  dtype: DTypeLike = jnp.float32
  remat: bool = False

  @nn.compact
  def __call__(self, video: jax.Array, train: bool) -> jax.Array:
    """Returns the feature maps.

    Args:
      video: float [batch, time, height, width, 3]; at least 12 frames of
        24 x 24 pixels. Time 16 and 180 x 180 pixels in the paper.
      train: apply dropout, and use the batch's own statistics in BatchNorm.

    Returns:
      `dtype` [batch, time // 4 - 2, height // 8 - 2, width // 8 - 2,
      8 * width]: 2, 20, 20, 256 in the paper.

    Raises:
      ValueError: the video is too small, or no video.
    """
    if (
      video.ndim != 5
      or video.shape[1] < LEAST_FRAMES
      or min(video.shape[2:4]) < LEAST_PIXELS
    ):
      raise ValueError(
        f'video of shape {video.shape}: give [batch, time, height, width, 3], '
        f'at least {LEAST_FRAMES} frames of {LEAST_PIXELS} x {LEAST_PIXELS}'
      )
    block = functools.partial(
      convolution_block,
      train=train,
      statistics_groups=self.statistics_groups,
      conv_impl=self.conv_impl,
      dtype=self.dtype,
    )

    def group(
      module: DilatedC3D,
      features: jax.Array,
      window: tuple[int, int, int] | None,
      convolutions: tuple[tuple[str, int, int, int], ...],
    ) -> jax.Array:
      del module  # Its name scope is all that is needed of it.
      for name, multiple, padding, dilation in convolutions:
        features = block(
          features,
          multiple * self.width,
          name,
          padding=padding,
          dilation=dilation,
        )
      return max_pool(features, window) if window else features

    if self.remat:
      group = nn.remat(group, static_argnums=(2, 3))
    features = video.astype(self.dtype)
    for window, convolutions in _GROUPS:
      features = group(self, features, window, convolutions)
    return nn.Dropout(self.dropout, deterministic=not train)(features)
