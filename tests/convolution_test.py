import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from aqa_jax.layers.convolution import (
  CONV_IMPLS,
  convolution,
  convolve_stacked_2d,
)

_ONES = (1, 1, 1)
_PADDING = ((1, 1),) * 3


# Padding and dilation.
_FORMS = (
  (_PADDING, _ONES),
  (((2, 2),) * 3, (2, 2, 2)),
  (_PADDING, (2, 2, 2)),
  (((0, 0),) * 3, _ONES),
  (((0, 3), (2, 1), (1, 0)), (2, 1, 3)),
)


def _native(inputs, kernel, padding=_PADDING, dilation=_ONES):
  return lax.conv_general_dilated(
    inputs,
    kernel,
    window_strides=_ONES,
    padding=padding,
    rhs_dilation=dilation,
    dimension_numbers=('NDHWC', 'DHWIO', 'NDHWC'),
  )


def _by_shifts(inputs, kernel, padding=_PADDING, dilation=_ONES):
  return convolve_stacked_2d(
    inputs, kernel, _ONES, padding, rhs_dilation=dilation
  )


def _inputs_and_kernel(time=5):
  rng = np.random.default_rng(0)
  inputs = rng.normal(size=(2, time, 6, 7, 3)).astype(np.float32)
  kernel = rng.normal(size=(3, 3, 3, 3, 4)).astype(np.float32)
  return inputs, kernel


@pytest.mark.parametrize('time', [1, 2, 5])
def test_time_shifts_equal_the_native_convolution(time):
  inputs, kernel = _inputs_and_kernel(time)
  np.testing.assert_allclose(
    _by_shifts(inputs, kernel), _native(inputs, kernel), rtol=1e-4, atol=1e-4
  )


@pytest.mark.parametrize('padding, dilation', _FORMS)
def test_padding_and_dilation_equal_those_of_the_native_convolution(
  padding, dilation
):
  inputs, kernel = _inputs_and_kernel()
  shifted = _by_shifts(inputs, kernel, padding, dilation)
  native = _native(inputs, kernel, padding, dilation)
  assert shifted.shape == native.shape
  np.testing.assert_allclose(shifted, native, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize('padding, dilation', _FORMS)
def test_gradients_equal_those_of_the_native_convolution(padding, dilation):
  inputs, kernel = _inputs_and_kernel()

  def gradients(convolve):
    # Cosines, so that the gradient differs from place to place.
    def loss(inputs, kernel):
      return jnp.cos(convolve(inputs, kernel, padding, dilation)).sum()

    return jax.jit(jax.grad(loss, argnums=(0, 1)))(inputs, kernel)

  for shifted, native in zip(
    gradients(_by_shifts), gradients(_native), strict=True
  ):
    np.testing.assert_allclose(shifted, native, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
  'change',
  [
    {'window_strides': (1, 2, 2)},
    {'padding': ((3, 3), (1, 1), (1, 1))},
    {'padding': ((1, 1), (1, 1), (0, -1))},
    {'padding': ((2, 2), (2, 2), (2, 5)), 'rhs_dilation': (2, 2, 2)},
    {'lhs_dilation': (1, 1, 2)},
    {'feature_group_count': 3},
    {'kernel_size': 1},
  ],
)
def test_time_shifts_refuse_other_convolutions(change):
  inputs, kernel = _inputs_and_kernel()
  size = change.pop('kernel_size', 3)
  arguments = {'window_strides': _ONES, 'padding': _PADDING} | change
  with pytest.raises(ValueError, match='only 3 x 3 x 3'):
    convolve_stacked_2d(inputs, kernel[:size, :size, :size], **arguments)


@pytest.mark.parametrize('padding, dilation', [(1, 1), (2, 2), (1, 2)])
@pytest.mark.parametrize('conv_impl', CONV_IMPLS[1:])
def test_all_forms_have_the_same_parameters_and_result(
  padding, dilation, conv_impl
):
  inputs, _ = _inputs_and_kernel()
  native, shifted = (
    convolution(4, form, jnp.float32, padding, dilation, name='conv')
    for form in ('direct', conv_impl)
  )
  variables = native.init(jax.random.key(0), inputs)
  shapes = jax.tree.map(jnp.shape, variables)
  assert shapes == {'params': {'kernel': (3, 3, 3, 3, 4), 'bias': (4,)}}
  same = jax.tree.map(jnp.shape, shifted.init(jax.random.key(0), inputs))
  assert same == shapes
  bias = jnp.arange(4.0)
  variables = {'params': variables['params'] | {'bias': bias}}
  np.testing.assert_allclose(
    shifted.apply(variables, inputs),
    native.apply(variables, inputs),
    rtol=1e-4,
    atol=1e-4,
  )
