"""BatchNorm with PyTorch's statistics, and a block of layers with it."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import DTypeLike

from aqa_jax.layers.convolution import convolution
from aqa_jax.layers.initializers import pytorch_uniform
from aqa_jax.layers.precision import at_least_float32


class BatchNorm(nn.Module):
  """Normalises each channel, as `torch.nn.BatchNorm3d` does.

  `nn.BatchNorm` keeps the running average of the biased variance, PyTorch that
  of the unbiased one. Both normalise a batch with the biased one. Variables
  have the names of `nn.BatchNorm`: scale and bias; mean and var; and count.

  Attributes:
    use_running_average: normalise with the running statistics instead of those
      of the batch, and do not update them.
    statistics_groups: equal parts of the batch, of consecutive examples. Each
      is normalised with its own statistics; the mean over the parts updates the
      running ones. 1: the statistics are of the whole batch, over all devices.
      The number of devices: each device normalises its own examples, as in
      PyTorch's DataParallel.
    use_scale: whether there is a scale; I3D has none.
    momentum: share of the running statistics that a step keeps; PyTorch's
      momentum is 1 less this.
    epsilon: added to the variance.
    dtype: dtype of the output. The computation is float32 or, for float64,
      float64.
  """

  use_running_average: bool
  statistics_groups: int = 1
  use_scale: bool = True
  momentum: float = 0.9
  epsilon: float = 1e-5
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(self, features: jax.Array) -> jax.Array:
    """Returns the normalised features.

    Args:
      features: float [batch, ..., channels].

    Returns:
      `dtype`, of the same shape.

    Raises:
      ValueError: the batch can't be divided into `statistics_groups`, or a
        group has one value of each channel, and so no variance.
    """
    batch, channels = features.shape[0], features.shape[-1]
    of_channels = (channels,), jnp.float32
    scale: jax.Array | float = 1.0
    if self.use_scale:
      scale = self.param('scale', nn.initializers.ones, *of_channels)
    bias = self.param('bias', nn.initializers.zeros, *of_channels)
    running_mean = self.variable('batch_stats', 'mean', jnp.zeros, *of_channels)
    running_var = self.variable('batch_stats', 'var', jnp.ones, *of_channels)
    # PyTorch counts the batches it has seen, and does not use the count.
    count_seen = self.variable('batch_stats', 'count', jnp.zeros, (), jnp.int32)
    groups = 1 if self.use_running_average else self.statistics_groups
    if batch % groups:
      raise ValueError(
        f'a batch of {batch} can not be divided into {groups} statistics groups'
      )
    # [groups, batch / groups, ..., channels]
    grouped = features.reshape(groups, batch // groups, *features.shape[1:])
    grouped = grouped.astype(at_least_float32(self.dtype))
    if self.use_running_average:
      mean, variance = running_mean.value, running_var.value
    else:
      axes = tuple(range(1, grouped.ndim - 1))
      count = features.size // channels // groups
      if count < 2:
        raise ValueError(
          'BatchNorm has one value of each channel, and so no variance: give '
          'more examples, or larger ones'
        )
      # Each [groups, 1, ..., 1, channels].
      mean = grouped.mean(axes, keepdims=True)
      variance = jnp.square(grouped - mean).mean(axes, keepdims=True)
      if not self.is_initializing():
        # Not +=, which would change a NumPy array of the caller.
        count_seen.value = count_seen.value + 1
        unbiased = variance * (count / (count - 1))
        for running, of_groups in (
          (running_mean, mean),
          (running_var, unbiased),
        ):
          of_batch = of_groups.reshape(groups, channels).mean(axis=0)
          # In the dtype that it had: a step must not change dtypes.
          running.value = (
            self.momentum * running.value + (1 - self.momentum) * of_batch
          ).astype(running.value.dtype)
    normalized = (grouped - mean) * (
      lax.rsqrt(variance + self.epsilon) * scale
    ) + bias
    return normalized.reshape(features.shape).astype(self.dtype)


def convolution_block(
  features: jax.Array,
  channels: int,
  name: str,
  train: bool,
  *,
  statistics_groups: int = 1,
  conv_impl: str = 'direct',
  dtype: DTypeLike = jnp.float32,
  padding: int = 1,
  dilation: int = 1,
) -> jax.Array:
  """Convolution, BatchNorm, ReLU; for use within a compact module.

  Args:
    features: float [batch, time, height, width, channels'].
    channels: channels of the output.
    name: name of the convolution, conv<which>; its BatchNorm is bn<which>.
    train: use the batch's own statistics.
    statistics_groups: see `BatchNorm`.
    conv_impl: see `convolution`.
    dtype: dtype of the computation.
    padding: padding of the convolution.
    dilation: dilation of the convolution.

  Returns:
    `dtype` [batch, time', height', width', channels].
  """
  # The official weights have biases, though BatchNorm subtracts them.
  uniform = pytorch_uniform(27 * features.shape[-1])
  features = convolution(
    channels,
    conv_impl,
    dtype,
    padding,
    dilation,
    kernel_init=uniform,
    bias_init=uniform,
    name=name,
  )(features)
  features = BatchNorm(
    use_running_average=not train,
    statistics_groups=statistics_groups,
    dtype=dtype,
    name=name.replace('conv', 'bn'),
  )(features)
  return nn.relu(features)
