"""C3D, the 3D-convolutional trunk (Tran et al., ICCV 2015)."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from aqa_jax.layers.convolution import convolution
from aqa_jax.layers.initializers import pytorch_uniform
from aqa_jax.layers.max_pool import max_pool

# (name, channels as a multiple of the width) of each convolution, and the
# window and padding of the pooling after it.
_STAGES = (
  ((('conv1', 1),), (1, 2, 2), (0, 0, 0)),
  ((('conv2', 2),), (2, 2, 2), (0, 0, 0)),
  ((('conv3a', 4), ('conv3b', 4)), (2, 2, 2), (0, 0, 0)),
  ((('conv4a', 8), ('conv4b', 8)), (2, 2, 2), (0, 0, 0)),
  ((('conv5a', 8), ('conv5b', 8)), (2, 2, 2), (0, 1, 1)),
)


class C3D(nn.Module):
  """C3D up to pool5.

  Attributes:
    width: channels of the first convolution; 64 in the paper. The others have
      2, 4, 4, 8, 8, 8 and 8 times as many.
    batch_norm: a BatchNorm behind every convolution. The paper's network has
      none; a toy trained from scratch needs it.
    conv_impl: how to run the convolutions; see `convolution`.
    dtype: dtype of the computation.
    remat: keep only the input of each stage for the backward pass, which then
      computes the rest again.
  """

  width: int = 64
  batch_norm: bool = False
  conv_impl: str = 'direct'
  dtype: DTypeLike = jnp.float32
  remat: bool = False

  def __call__(self, video: jax.Array, train: bool) -> jax.Array:
    """Returns the pool5 features.

    Args:
      video: float [batch, time, height, width, 3]. Time 16 and 112 x 112
        pixels in the paper.
      train: use the batch's own statistics in BatchNorm.

    Returns:
      float [batch, channels * time' * height' * width'], flattened channels
      first, which is the order that the official weights of the layers above
      expect: [batch, 8192] in the paper, from 512 x 1 x 4 x 4.
    """
    return self.with_maps(video, train)[0]

  @nn.compact
  def with_maps(
    self, video: jax.Array, train: bool
  ) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Returns the pool5 features, and the maps that the poolings take.

    Args:
      video: see `__call__`.
      train: see `__call__`.

    Returns:
      What `__call__` returns; and 'c1' to 'c5', the outputs of the last
      convolution of each stage, behind its ReLU, `dtype` [batch, time',
      height', width', channels]. In the paper 'c5' is [batch, 2, 7, 7, 512].
    """

    def stage(
      module: C3D,
      features: jax.Array,
      convolutions: tuple[tuple[str, int], ...],
      window: tuple[int, int, int],
      padding: tuple[int, int, int],
    ) -> tuple[jax.Array, jax.Array]:
      for name, multiple in convolutions:
        features = module._convolution(features, name, multiple, train)
      # A short clip has only one frame left before pool5.
      window = (min(window[0], features.shape[1]), window[1], window[2])
      return max_pool(features, window, padding), features

    if self.remat:
      stage = nn.remat(stage, static_argnums=(2, 3, 4))
    features = video.astype(self.dtype)
    maps = {}
    for number, (convolutions, window, padding) in enumerate(_STAGES, 1):
      features, maps[f'c{number}'] = stage(
        self, features, convolutions, window, padding
      )
    # [batch, channels, time', height', width']
    features = features.transpose(0, 4, 1, 2, 3)
    return features.reshape(features.shape[0], -1), maps

  def _convolution(
    self, features: jax.Array, name: str, multiple: int, train: bool
  ) -> jax.Array:
    """Returns a convolution with what follows it, up to the ReLU."""
    kernel_init = pytorch_uniform(27 * features.shape[-1])
    bias_init: nn.initializers.Initializer | None = kernel_init
    if self.batch_norm:
      # Without it He's values are too large: the change that 8192 features make
      # in the layers above grows with them, and Adam at 1e-4 overshoots.
      kernel_init, bias_init = nn.initializers.he_normal(), None
    features = convolution(
      multiple * self.width,
      self.conv_impl,
      self.dtype,
      kernel_init=kernel_init,
      bias_init=bias_init,
      name=name,
    )(features)
    if self.batch_norm:
      features = nn.BatchNorm(
        use_running_average=not train,
        momentum=0.9,
        dtype=self.dtype,
        name=name.replace('conv', 'bn'),
      )(features)
    return nn.relu(features)
