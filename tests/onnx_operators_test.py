"""The ONNX operators of each primitive: ONNX Runtime beside JAX."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

onnxruntime = pytest.importorskip('onnxruntime')
pytest.importorskip('onnx')

from aqa_jax.exporting.onnx_model import function_to_onnx  # noqa: E402
from tfds_mtl_aqa.input_error import InputError  # noqa: E402

_WEIGHTS = np.random.default_rng(0).normal(size=(4, 5)).astype(np.float32)
_KERNEL = np.random.default_rng(1).normal(size=(3, 2, 2, 6)).astype(np.float32)
_TABLE = np.random.default_rng(2).normal(size=(7, 3, 2)).astype(np.float32)


def _batch(x):
  # Not len(): the batch size is a symbol.
  return x.shape[0]


def _convolved(x, **options):
  return lax.conv_general_dilated(
    x.reshape(_batch(x), 6, 2, 2),
    _KERNEL,
    dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
    **options,
  )


def _scanned(x, reverse=False):
  """A loop with a constant, two carries and an array that is read."""

  def step(carry, row):
    total, count = carry
    total = jnp.tanh(total @ _WEIGHTS[:, :4] + row * x[:, 0])
    return (total, count + 1), (total.sum(1) * count, row)

  first = jnp.zeros((_batch(x), 4)), jnp.int32(2)
  (total, _), (sums, rows) = lax.scan(
    step, first, x.transpose(1, 0, 2), reverse=reverse
  )
  return total + sums.sum(0)[:, None] + rows[2], sums


def _counted(x):
  """A loop that reads nothing."""

  def step(word, _):
    rows = jnp.asarray(_TABLE)[word].reshape(_batch(x), 6)
    word = (rows * x[:, :, 0]).argmax(axis=1).astype(jnp.int32)
    return word, word

  return lax.scan(step, jnp.full(_batch(x), 3, jnp.int32), None, length=5)[1]


_FUNCTIONS = {
  'elementwise': lambda x: jnp.exp(-abs(x)) / 3 + jnp.tanh(x) * x - x**2,
  'roots': lambda x: lax.rsqrt(x * x + 1) + jnp.sqrt(abs(x)) + jnp.log1p(0.5),
  'sigmoid': jax.nn.sigmoid,
  'softmax': jax.nn.softmax,
  'maximum': lambda x: jnp.maximum(jnp.minimum(x, 0.5), -0.5),
  'comparison': lambda x: jnp.where((x > 0.1) | (x <= -0.3), x, 2.0),
  'whole numbers': lambda x: (x * 10).astype(jnp.int32) + jnp.arange(4),
  'sums': lambda x: x.sum(1) + x.min((0,)).max(0),
  'mean': lambda x: x.mean(axis=(1, 2)),
  'mean of the batch': lambda x: x.mean(axis=0) * (2 * _batch(x)),
  'argmax': lambda x: x.argmax(axis=-1).astype(jnp.int32),
  'argmin': lambda x: jnp.argmin(x, axis=1),
  'reshape': lambda x: x.reshape(-1, 4)[..., None].reshape(2, -1, 3, 2),
  'transpose': lambda x: x.transpose(2, 0, 1),
  'broadcast': lambda x: jnp.broadcast_to(x[:, :1], (_batch(x), 6, 4)) + 1,
  'of the batch': lambda x: jnp.zeros((2, 3 * _batch(x))),
  'slices': lambda x: jnp.flip(x[:, 1:6:2], (1, 2)),
  'all parts': lambda x: jnp.stack([*x.transpose(1, 0, 2)][::-1]),
  'an index': lambda x: x[:, 2] + x[:, -1],
  'indices': lambda x: jnp.asarray(_TABLE)[(abs(x) * 2).astype(jnp.int32)],
  'of an axis': lambda x: jnp.take(
    jnp.asarray(_TABLE), x[..., :3].argmax(-1), axis=1
  ),
  'concatenate': lambda x: jnp.concatenate([x[:, :0], x, x[:, 1:] * 2], axis=1),
  'one part': lambda x: jnp.concatenate([x[:, :0], x], axis=1),
  'pad': lambda x: jnp.pad(x, ((0, 0), (2, 1), (0, 3)), constant_values=7.0),
  'pad edges': lambda x: jnp.pad(x, ((0, 0), (2, 1), (0, 1)), mode='edge'),
  'pad nothing': lambda x: jnp.pad(x[:, :0], ((0, 0), (2, 0), (0, 0))),
  'cut off': lambda x: lax.pad(x, -1.0, ((0, 0, 0), (-1, 2, 0), (1, -2, 0))),
  'product': lambda x: x @ _WEIGHTS,
  'einsum': lambda x: jnp.einsum('bij,bkj->bik', x, x),
  'two axes': lambda x: jnp.einsum('bij,ijk->bk', x, jnp.ones((6, 4, 3))),
  'convolution': lambda x: _convolved(
    x, window_strides=(1, 1), padding=((2, 0), (1, 3)), rhs_dilation=(1, 2)
  ),
  'strides': lambda x: _convolved(
    x, window_strides=(2, 1), padding='SAME', feature_group_count=1
  ),
  'scan': lambda x: _scanned(x)[0],
  'scan, all steps': lambda x: _scanned(x)[1],
  'scan backwards': lambda x: _scanned(x, reverse=True)[0],
  'scan backwards, all steps': lambda x: _scanned(x, reverse=True)[1],
  'scan of nothing': _counted,
  'constant': lambda x: jnp.cumsum(jnp.arange(4.0)),
  'same': lambda x: x,
  'logic': lambda x: ~((x > 0) & (x < 1)),
}


@pytest.fixture(name='results', scope='module')
def fixture_results():
  """[(size of the batch, what JAX gives, what ONNX Runtime gives)]."""

  def function(_, x):
    return {name: each(x) for name, each in _FUNCTIONS.items()}

  (batch,) = jax.export.symbolic_shape('batch')
  abstract = jax.ShapeDtypeStruct((batch, 6, 4), np.float32)
  model = function_to_onnx(function, (), abstract)
  session = onnxruntime.InferenceSession(model.SerializeToString())
  names = [output.name for output in session.get_outputs()]
  results = []
  for size in (1, 3):
    x = np.random.default_rng(size).normal(size=(size, 6, 4)).astype(np.float32)
    found = dict(zip(names, session.run(names, {'video': x}), strict=True))
    results.append((size, jax.device_get(jax.jit(function)((), x)), found))
  return results


@pytest.mark.parametrize('name', _FUNCTIONS)
def test_it_gives_what_jax_gives(results, name):
  for size, wanted, found in results:
    assert found[name].dtype == wanted[name].dtype
    np.testing.assert_allclose(
      found[name], wanted[name], rtol=1e-5, atol=1e-5, err_msg=str(size)
    )


def _looped(x):
  return lax.while_loop(lambda y: y.sum() < 100, lambda y: y + y * y, x)


@pytest.mark.parametrize(
  'function, what',
  [
    (lambda x: jnp.cumsum(x, axis=1), 'cumsum'),
    (_looped, 'while'),
    (lambda x: x[:, jnp.arange(4), jnp.arange(4)], 'several axes'),
    (lambda x: jnp.take(x, x[..., 0].argmax(1), 1, mode='clip'), 'clipping'),
    (lambda x: jnp.zeros(_batch(x) + 1), r'size batch \+ 1'),
    (lambda x: x[: _batch(x) - 1 :], 'depends on the batch size'),
    (lambda x: jnp.zeros(len(x)), 'can not be traced'),
  ],
  ids=lambda value: value if isinstance(value, str) else '',
)
def test_what_has_no_operator_is_an_error(function, what):
  (batch,) = jax.export.symbolic_shape('batch')
  abstract = jax.ShapeDtypeStruct((batch, 6, 4), np.float32)
  with pytest.raises(InputError, match=what) as error:
    function_to_onnx(lambda _, x: {'output': function(x)}, (), abstract)
  assert '\n' not in str(error.value)
