"""Convolutions on Hopper GPUs, without one: interpreted, or only lowered."""

import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.experimental.pallas import mosaic_gpu as plgpu

from aqa_jax.layers import hopper_products
from aqa_jax.layers.convolution import convolve_hopper, convolve_stacked_2d
from aqa_jax.layers.hopper_convolution import fits, hopper_convolve

if hasattr(plgpu, 'InterpretGPUParams'):
  _INTERPRETER = plgpu.InterpretGPUParams()
else:  # Before JAX 0.11.
  from jax._src.pallas.mosaic_gpu.interpret.params import InterpretGPUParams

  _INTERPRETER = InterpretGPUParams()

_ONES = (1, 1, 1)
# The convolutions of C3D after the first, for one clip: time, height, width and
# channels of the input, and channels of the result.
_C3D = {
  'conv2': ((16, 56, 56, 64), 128),
  'conv3a': ((8, 28, 28, 128), 256),
  'conv3b': ((8, 28, 28, 256), 256),
  'conv4a': ((4, 14, 14, 256), 512),
  'conv4b': ((4, 14, 14, 512), 512),
  'conv5': ((2, 7, 7, 512), 512),
}


def _arrays(shape, features, dtype=jnp.bfloat16):
  """Returns inputs, a kernel and a gradient by the result."""
  keys = jax.random.split(jax.random.key(0), 3)
  shapes = shape, (3, 3, 3, shape[-1], features), (*shape[:-1], features)
  return tuple(
    jax.random.normal(key, shape).astype(dtype)
    for key, shape in zip(keys, shapes, strict=True)
  )


def _result_and_gradients(convolve, inputs, kernel, gradient):
  result, pull_back = jax.vjp(convolve, inputs, kernel)
  return result, *pull_back(gradient)


# Rows of two tiles that overlap, and of one; widths that are no multiple of 8.
@pytest.mark.parametrize(
  'shape, features, dilation',
  [
    ((5, 2, 6, 7, 64), 128, _ONES),
    ((4, 3, 6, 7, 128), 128, (2, 2, 2)),
  ],
)
def test_equals_the_native_convolution(shape, features, dilation):
  assert fits(shape, features, dilation)
  arrays = _arrays(shape, features)

  def native(inputs, kernel):
    return lax.conv_general_dilated(
      inputs,
      kernel,
      window_strides=_ONES,
      padding=[(step, step) for step in dilation],
      rhs_dilation=dilation,
      dimension_numbers=('NDHWC', 'DHWIO', 'NDHWC'),
    )

  def products(inputs, kernel):
    return hopper_convolve(inputs, kernel, dilation, _INTERPRETER)

  expected = _result_and_gradients(
    native, *(array.astype(jnp.float32) for array in arrays)
  )
  computed = _result_and_gradients(products, *arrays)
  for ours, theirs in zip(computed, expected, strict=True):
    assert ours.dtype == jnp.bfloat16
    error = jnp.linalg.norm(ours.astype(jnp.float32) - theirs)
    # bfloat16 has 8 bits.
    assert error < 3e-3 * jnp.linalg.norm(theirs)


# What the GPU has no room for, such as tiles larger than its shared memory, is
# told when it is lowered.
@pytest.mark.parametrize('clips', [6, 72])
@pytest.mark.parametrize('layer', _C3D)
def test_the_layers_of_c3d_can_be_lowered(layer, clips):
  video, features = _C3D[layer]
  shape = (clips, *video)
  assert fits(shape, features, _ONES)
  arrays = jax.eval_shape(lambda: _arrays(shape, features))

  def step(inputs, kernel, gradient):
    return _result_and_gradients(hopper_convolve, inputs, kernel, gradient)

  lowered = jax.jit(step).trace(*arrays).lower(lowering_platforms=('cuda',))
  # Of the result and of both gradients.
  assert lowered.as_text().count('custom_call @mosaic_gpu') == 3


def _takes_kernels(dtype, shape, features, padding=_ONES, dilation=_ONES):
  """Returns whether a convolution is by the kernels, and not another one."""
  inputs, kernel, _ = jax.eval_shape(lambda: _arrays(shape, features, dtype))

  def convolve(inputs, kernel):
    pads = [(pad, pad) for pad in padding]
    return convolve_hopper(inputs, kernel, _ONES, pads, rhs_dilation=dilation)

  return 'hopper_convolve' in str(jax.make_jaxpr(convolve)(inputs, kernel))


def test_what_the_kernels_take():
  bfloat16, video, two = jnp.bfloat16, (4, 4, 22, 22), (2, 2, 2)
  assert _takes_kernels(bfloat16, (*video, 256), 256)
  # MSCADC's conv5a, and conv5b, which gets smaller.
  assert _takes_kernels(bfloat16, (*video, 256), 256, two, two)
  assert not _takes_kernels(bfloat16, (*video, 256), 256, _ONES, two)
  assert not _takes_kernels(jnp.float32, (*video, 256), 256)
  # The video; the toy; results that are no multiple of 128.
  for channels, features in ((3, 64), (8, 16), (64, 64), (64, 192)):
    assert not _takes_kernels(bfloat16, (*video, channels), features)
    assert not fits((*video, channels), features, _ONES)
  # Rows are padded to 8 pixels, and have zeros above: 256 and 248 are these.
  assert fits((4, 1, 7, 7, 64), 128, _ONES)
  assert not fits((1, 1, 30, 7, 64), 128, _ONES)
  assert not hopper_products.fits(260, 64, 64)


# Among them one that the kernels would take in bfloat16.
@pytest.mark.parametrize(
  'dtype, shape, features, padding, dilation',
  [
    (jnp.float32, (4, 1, 7, 7, 64), 128, 1, 1),
    (jnp.bfloat16, (1, 3, 5, 9, 3), 64, 1, 1),
    (jnp.bfloat16, (2, 3, 9, 5, 8), 16, 2, 2),
    (jnp.bfloat16, (2, 5, 7, 7, 64), 128, 1, 2),
  ],
)
def test_what_they_do_not_take_is_of_stacked_frames(
  dtype, shape, features, padding, dilation
):
  arrays = _arrays(shape, features, dtype)

  def by(convolve):
    def convolution(inputs, kernel):
      pads = [(padding, padding)] * 3
      return convolve(inputs, kernel, _ONES, pads, rhs_dilation=(dilation,) * 3)

    return jax.jit(convolution)(*arrays[:2])

  np.testing.assert_array_equal(by(convolve_hopper), by(convolve_stacked_2d))


def test_other_convolutions_are_refused():
  inputs, kernel, _ = _arrays((4, 1, 7, 7, 64), 128)
  pads = [(1, 1)] * 3
  for change in (
    {'window_strides': (1, 2, 2)},
    {'lhs_dilation': (1, 1, 2)},
    {'feature_group_count': 2},
  ):
    arguments = {'window_strides': _ONES, 'padding': pads} | change
    with pytest.raises(ValueError, match='only 3 x 3 x 3'):
      convolve_hopper(inputs, kernel, **arguments)


def test_importing_convolutions_does_not_import_the_kernels():
  script = (
    'import sys, aqa_jax.layers.convolution, aqa_jax.system\n'
    'assert "jax.experimental.pallas.mosaic_gpu" not in sys.modules'
  )
  subprocess.run([sys.executable, '-c', script], check=True)
