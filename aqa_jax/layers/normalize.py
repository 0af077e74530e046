"""Normalises stored pixels for a network."""

import jax
import jax.numpy as jnp

from aqa_jax.layers.precision import at_least_float32

# The ImageNet statistics of RGB in [0, 1], as in the official code.
_MEAN = (0.485, 0.456, 0.406)
_STD = (0.229, 0.224, 0.225)


def normalize(video: jax.Array, flip: jax.Array | None = None) -> jax.Array:
  """Returns the video as the network sees it.

  Args:
    video: [batch, time, height, width, 3], RGB from 0 to 255, mostly uint8.
    flip: bool [batch], which videos to mirror left to right; None for none.

  Returns:
    Of the same shape; float32, or float64 if `video` is; with a mean of about 0
    and a variance of about 1.
  """
  if flip is not None:
    flip = flip[:, None, None, None, None]
    video = jnp.where(flip, video[:, :, :, ::-1], video)
  dtype = at_least_float32(video.dtype)
  video = video.astype(dtype) / 255
  return (video - jnp.array(_MEAN, dtype)) / jnp.array(_STD, dtype)


def to_symmetric(normalized: jax.Array) -> jax.Array:
  """Returns what `normalize` gave as pixels from -1 to 1.

  Args:
    normalized: float [..., 3].

  Returns:
    Of the same shape and dtype.
  """
  dtype = normalized.dtype
  mean, std = jnp.array(_MEAN, dtype), jnp.array(_STD, dtype)
  return 2 * (normalized * std + mean) - 1
