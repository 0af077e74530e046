"""Convolutions by oneDNN, and how XLA calls Python."""

import concurrent.futures
import importlib.metadata
import os
import pathlib
import subprocess
import sys
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from dive_tasks import dive_tasks
from jax import lax
from jax.sharding import NamedSharding, PartitionSpec

from aqa_jax.layers import onednn_call, onednn_convolution, onednn_library
from aqa_jax.layers.convolution import convolve_onednn, convolve_stacked_2d
from aqa_jax.layers.onednn_primitives import Convolution, Product
from aqa_jax.system import fastest_conv_impl
from aqa_jax.systems.chosen_system import chosen_system
from aqa_jax.trunks.c3d import C3D

_ONES = (1, 1, 1)
_PADDING = ((1, 1),) * 3
_CALL = 'aqa_jax_onednn_product'

needs_onednn = pytest.mark.skipif(
  onednn_library.library() is None,
  reason="oneDNN is not installed: pip install -e '.[onednn]'",
)


def _arrays(size, channels, features, kernel=(3, 3, 3), batch=2):
  rng = np.random.default_rng(0)
  inputs = rng.normal(size=(batch, *size, channels))
  weights = rng.normal(size=(*kernel, channels, features))
  return inputs.astype(np.float32), weights.astype(np.float32)


def _by_onednn(inputs, kernel, strides=_ONES, padding=_PADDING, dilation=_ONES):
  convolution = onednn_convolution.described(
    inputs, kernel, strides, padding, rhs_dilation=dilation
  )
  return onednn_convolution.onednn_convolve(inputs, kernel, convolution)


def _by_lax(inputs, kernel, strides=_ONES, padding=_PADDING, dilation=_ONES):
  return lax.conv_general_dilated(
    inputs,
    kernel,
    strides,
    padding,
    rhs_dilation=dilation,
    dimension_numbers=('NDHWC', 'DHWIO', 'NDHWC'),
  )


def _close(actual, expected):
  """Compares with what a sum of float32 can be off by."""
  scale = np.abs(np.asarray(expected)).max()
  np.testing.assert_allclose(actual, expected, rtol=0, atol=3e-6 * scale)


# Size, channels, features, kernel, strides, padding and dilation.
_CASES = (
  ((4, 8, 8), 3, 16, (3, 3, 3), _ONES, _PADDING, _ONES),
  ((2, 7, 7), 32, 64, (3, 3, 3), _ONES, _PADDING, _ONES),
  ((5, 6, 7), 3, 4, (3, 3, 3), _ONES, _PADDING, _ONES),
  ((1, 1, 1), 17, 5, (3, 3, 3), _ONES, _PADDING, _ONES),
  ((5, 9, 8), 6, 7, (3, 3, 3), _ONES, ((2, 2),) * 3, (2, 2, 2)),
  ((5, 9, 8), 16, 16, (3, 3, 3), _ONES, _PADDING, (2, 2, 2)),
  ((5, 7, 8), 4, 3, (3, 3, 3), _ONES, ((0, 3), (2, 1), (1, 0)), (2, 1, 3)),
  ((3, 4, 5), 2, 3, (3, 3, 3), _ONES, ((0, 0),) * 3, _ONES),
  ((9, 14, 13), 3, 8, (7, 7, 7), (2, 2, 2), ((3, 3), (2, 3), (3, 2)), _ONES),
  ((4, 5, 6), 8, 8, (1, 3, 2), (1, 2, 1), ((0, 0), (1, 1), (0, 1)), _ONES),
)


@needs_onednn
@pytest.mark.parametrize(
  'size, channels, features, kernel_size, strides, padding, dilation', _CASES
)
def test_results_and_gradients_equal_those_of_xla(
  size, channels, features, kernel_size, strides, padding, dilation
):
  inputs, kernel = _arrays(size, channels, features, kernel_size)

  def results(convolve):
    def outputs_of(inputs, kernel):
      return convolve(inputs, kernel, strides, padding, dilation)

    @jax.jit
    def compute(inputs, kernel):
      outputs, pull_back = jax.vjp(outputs_of, inputs, kernel)
      gradient = jax.random.normal(jax.random.key(1), outputs.shape)
      return outputs, *pull_back(gradient)

    return compute(inputs, kernel)

  for ours, expected in zip(results(_by_onednn), results(_by_lax), strict=True):
    assert ours.shape == expected.shape
    _close(ours, expected)


@needs_onednn
def test_same_bits_each_time():
  inputs, kernel = _arrays((4, 9, 9), 5, 24)

  @jax.jit
  def gradients(inputs, kernel):
    outputs, pull_back = jax.vjp(_by_onednn, inputs, kernel)
    return outputs, *pull_back(jnp.sin(outputs))

  first = gradients(inputs, kernel)
  for _ in range(5):
    for one, other in zip(first, gradients(inputs, kernel), strict=True):
      np.testing.assert_array_equal(one, other)


@needs_onednn
def test_programs_that_run_at_once():
  """Several shapes, whose memory in between is the same."""
  arrays = [
    _arrays(size, 4, features)
    for size, features in (((2, 5, 5), 8), ((4, 8, 8), 16), ((3, 6, 4), 3))
  ]
  by_onednn = jax.jit(lambda x, k: jnp.sin(_by_onednn(x, k)))
  expected = [np.asarray(by_onednn(*pair)) for pair in arrays]
  with concurrent.futures.ThreadPoolExecutor(6) as threads:
    for _ in range(20):
      for actual, one in zip(
        threads.map(lambda pair: np.asarray(by_onednn(*pair)), arrays * 4),
        expected * 4,
        strict=True,
      ):
        np.testing.assert_array_equal(actual, one)


@needs_onednn
def test_remat_scan_and_vmap():
  inputs, kernel = _arrays((2, 4, 5), 3, 3)

  def loss(convolve):
    @jax.checkpoint
    def layer(features, kernel):
      return jnp.tanh(convolve(features, kernel))

    def several(kernel):
      features, _ = lax.scan(
        lambda features, _: (layer(features, kernel), None),
        jnp.asarray(inputs),
        length=3,
      )
      return (features**2).sum()

    return jax.jit(jax.grad(several))(kernel)

  # Through three layers errors grow.
  expected = loss(_by_lax)
  np.testing.assert_allclose(
    loss(_by_onednn), expected, atol=1e-4 * np.abs(expected).max()
  )
  kernels = np.stack([kernel, -kernel])
  _close(
    jax.vmap(_by_onednn, (None, 0))(inputs, kernels),
    np.stack([_by_lax(inputs, one) for one in kernels]),
  )


@needs_onednn
def test_the_gradient_of_a_video_is_not_computed():
  trunk = C3D(1, conv_impl='onednn')
  video = jnp.zeros((1, 16, 32, 32, 3))
  variables = trunk.init(jax.random.key(0), video, train=False)

  def loss(variables):
    return trunk.apply(variables, video, train=False).sum()

  program = jax.jit(jax.grad(loss)).lower(variables).compile().as_text()
  # Of eight convolutions three products, and of the first none for its input.
  assert program.count(f'custom_call_target="{_CALL}"') == 3 * 8 - 1


@needs_onednn
def test_sharded_arrays_are_gathered_and_the_result_is_right():
  """That is why a mesh of several devices has another form."""
  inputs, kernel = _arrays((2, 4, 4), 3, 4, batch=8)
  mesh = jax.make_mesh((8,), ('data',))
  sharded = jax.device_put(
    inputs, NamedSharding(mesh, PartitionSpec('data', None))
  )
  program = jax.jit(_by_onednn).lower(sharded, kernel).compile()
  assert 'all-gather' in program.as_text()
  _close(program(sharded, kernel), _by_lax(inputs, kernel))


@needs_onednn
@pytest.mark.parametrize('dtype', [jnp.bfloat16, jnp.float16])
def test_other_dtypes_take_another_form(dtype):
  inputs, kernel = (
    jnp.asarray(array, dtype) for array in _arrays((2, 4, 4), 3, 4)
  )
  text = (
    jax.jit(lambda x, k: convolve_onednn(x, k, _ONES, _PADDING))
    .lower(inputs, kernel)
    .as_text()
  )
  assert _CALL not in text
  np.testing.assert_array_equal(
    convolve_onednn(inputs, kernel, _ONES, _PADDING),
    convolve_stacked_2d(inputs, kernel, _ONES, _PADDING),
  )


def test_without_the_package_another_form(monkeypatch):
  monkeypatch.setattr(onednn_library, 'library', lambda: None)
  inputs, kernel = _arrays((2, 4, 4), 3, 4)
  np.testing.assert_array_equal(
    convolve_onednn(inputs, kernel, _ONES, _PADDING),
    convolve_stacked_2d(inputs, kernel, _ONES, _PADDING),
  )
  assert fastest_conv_impl(jax.devices()[:1], jnp.dtype('float32')) == (
    'stacked_2d'
  )
  convolution = Convolution(1, _ONES, 1, 1, *(_ONES,) * 5)
  with pytest.raises(onednn_library.OneDNNError, match='pip install'):
    Product('forward', convolution)


@pytest.mark.parametrize('count, expected', [(1, 'onednn'), (2, 'stacked_2d')])
@pytest.mark.parametrize('dtype', ['float32', 'bfloat16'])
def test_where_it_is_chosen(monkeypatch, count, expected, dtype):
  monkeypatch.setattr(onednn_library, 'library', lambda: object())
  devices = [types.SimpleNamespace(platform='cpu')] * count
  if dtype == 'bfloat16':
    expected = 'stacked_2d'
  assert fastest_conv_impl(devices, jnp.dtype(dtype)) == expected


def test_a_network_on_one_cpu_device(tiny_config, monkeypatch):
  monkeypatch.setattr(onednn_library, 'library', lambda: object())
  monkeypatch.setattr(jax, 'devices', lambda: jax.local_devices()[:1])
  network = chosen_system('c3davg').create_network(tiny_config, dive_tasks())
  assert network.conv_impl == 'onednn'


def test_a_package_that_can_not_be_loaded(monkeypatch, tmp_path):
  broken = tmp_path / 'libdnnl.so.3'
  broken.write_bytes(b'not a library')
  file = types.SimpleNamespace(name=broken.name, locate=lambda: broken)
  for files in ([file], []):
    monkeypatch.setattr(importlib.metadata, 'files', lambda _, f=files: f)
    onednn_library.library.cache_clear()
    with pytest.warns(UserWarning, match='libgomp1'):
      assert onednn_library.library() is None
  monkeypatch.undo()
  onednn_library.library.cache_clear()


def test_what_a_function_raises_ends_the_program():
  def fail(numbers, addresses):
    raise ValueError(f'{numbers} of {len(addresses)} arrays')

  shape = jax.ShapeDtypeStruct((2,), jnp.float32)
  compute = jax.jit(
    lambda x: onednn_call.call('aqa_jax_test_fail', fail, (4, 7), [x], shape)
  )
  for _ in range(2):
    with pytest.raises(
      jax.errors.JaxRuntimeError, match=r'ValueError: \(4, 7\) of 2 arrays'
    ):
      compute(jnp.zeros(3)).block_until_ready()


@needs_onednn
def test_a_status_of_onednn_becomes_an_error():
  # A dilated kernel that is longer than the padded input.
  convolution = Convolution(1, _ONES, 1, 1, (3, 3, 3), *(_ONES,) * 3, (4, 4, 4))
  with pytest.raises(onednn_library.OneDNNError, match='dnnl_.*: invalid'):
    Product('forward', convolution)
  with pytest.raises(onednn_library.OneDNNError, match='invalid arguments'):
    onednn_library.library().call('engine_create', None, 1, 0)


def test_numbers_of_a_convolution():
  convolution = Convolution(
    1, (2, 3, 4), 5, 6, (3, 3, 3), (1, 2, 1), (0, 1, 2), (3, 1, 0), (1, 2, 3)
  )
  assert Convolution.of(convolution.numbers()) == convolution


@needs_onednn
def test_a_compiled_program_from_the_cache(tmp_path):
  """The second process loads the program that has the call."""
  code = """
import jax, jax.numpy as jnp, sys
hits = []
jax.monitoring.register_event_listener(lambda name, **_: hits.append(name))
from aqa_jax.layers.convolution import convolve_onednn
convolve = jax.jit(
  lambda x, k: convolve_onednn(x, k, (1, 1, 1), ((1, 1),) * 3)
)
outputs = convolve(jnp.ones((1, 3, 4, 5, 3)), jnp.ones((3, 3, 3, 3, 2)))
print(float(outputs.sum()))
print('/jax/compilation_cache/cache_hits' in hits)
"""
  environment = os.environ | {
    'JAX_COMPILATION_CACHE_DIR': str(tmp_path),
    'JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS': '0',
    'JAX_PLATFORMS': 'cpu',
    'PYTHONPATH': str(pathlib.Path(__file__).parents[1]),
  }
  # By hand: each axis has 3 * size - 2 pairs of a tap and a pixel below it.
  expected = (3 * 3 - 2) * (3 * 4 - 2) * (3 * 5 - 2) * 3 * 2
  for is_hit in (False, True):
    done = subprocess.run(
      [sys.executable, '-c', code],
      env=environment,
      capture_output=True,
      text=True,
      check=False,
    )
    assert done.returncode == 0, done.stderr
    value, hit = done.stdout.split()
    assert float(value) == expected
    if is_hit:
      assert hit == 'True'
