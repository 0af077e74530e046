import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aqa_jax.data.vocabulary import SOS_ID
from aqa_jax.layers.captioner import Captioner
from aqa_jax.layers.gru import GRULayer

_HIDDEN, _WORDS, _LENGTH, _FEATURES = 7, 13, 9, 6


def _captioner(**changes):
  return Captioner(
    **{
      'vocabulary_size': _WORDS,
      'max_length': _LENGTH,
      'hidden': _HIDDEN,
      'embedding': 5,
      'dropout': 0.0,
    }
    | changes
  )


@pytest.fixture(name='case', scope='module')
def fixture_case():
  """Variables with biases that are not zero, clip features and words."""
  rng = np.random.default_rng(0)
  features = rng.normal(size=(3, 4, _FEATURES)).astype(np.float32)
  words = rng.integers(2, _WORDS, size=(3, _LENGTH)).astype(np.int32)
  words[:, 0] = SOS_ID
  variables = _captioner().init(
    jax.random.key(0),
    features,
    words,
    False,
    method=Captioner.teacher_forced,
  )
  variables = jax.tree.map(
    lambda leaf: leaf + 0.5 * rng.normal(size=leaf.shape).astype(np.float32),
    variables,
  )
  # So that greedy decoding does not say the same word again and again: words
  # drive the upper layers, and no output is preferred.
  params = variables['params']
  for name in ('upper_0', 'upper_1'):
    gates = params['gru'][name]['inputs']
    gates['kernel'] *= 3
    gates['bias'] -= 3 * np.array([[0], [1], [0]])  # Of the update gate.
  params['out']['bias'] *= 0.1
  return variables, features, words


def _teacher_forced(case, captioner=None, train=False, **kwargs):
  variables, features, words = case
  return (captioner or _captioner()).apply(
    variables, features, words, train, method=Captioner.teacher_forced, **kwargs
  )


def _torch_gru(params, hidden, inputs):
  """torch.nn.GRU's equations, as its documentation has them."""

  def sigmoid(x):
    return 1 / (1 + np.exp(-x))

  def affine(name, x):
    layer = params[name]
    return np.stack(
      [x @ layer['kernel'][:, i] + layer['bias'][i] for i in range(3)]
    )

  i, h = affine('inputs', inputs), affine('carry', hidden)
  # W_i? x + b_i? + W_h? h + b_h?
  reset, update = sigmoid(i[0] + h[0]), sigmoid(i[1] + h[1])
  # The reset gate multiplies W_hn h + b_hn, after the matrix product.
  new = np.tanh(i[2] + reset * h[2])
  return (1 - update) * new + update * hidden


class _NumpyS2vt:
  """The official captioner, one time step at a time, in float64."""

  def __init__(self, variables, batch):
    params = jax.tree.map(
      lambda leaf: np.asarray(leaf, np.float64), variables['params']
    )
    self.params, self.gru = params, params['gru']
    self.hidden = {
      name: np.zeros((batch, _HIDDEN))
      for name in ('lower_0', 'lower_1', 'upper_0', 'upper_1')
    }

  def step(self, feature, embedded):
    """Returns logits after a step."""
    output = feature
    for name in ('lower_0', 'lower_1', 'upper_0', 'upper_1'):
      if name == 'upper_0':
        output = np.concatenate([output, embedded], axis=1)
      output = _torch_gru(self.gru[name], self.hidden[name], output)
      self.hidden[name] = output
    return output @ self.params['out']['kernel'] + self.params['out']['bias']

  def watch(self, features):
    for clip in range(features.shape[1]):
      self.step(features[:, clip], np.zeros((len(features), 5)))

  def say(self, word):
    embedded = self.params['embed']['embedding'][word]
    return self.step(np.zeros((len(word), _FEATURES)), embedded)


def test_teacher_forced_equals_an_independent_implementation(case):
  variables, features, words = case
  model = _NumpyS2vt(variables, len(features))
  model.watch(features)
  expected = [model.say(words[:, i]) for i in range(_LENGTH - 1)]
  np.testing.assert_allclose(
    _teacher_forced(case), np.stack(expected, axis=1), rtol=1e-4, atol=1e-5
  )


def test_gradients_equal_those_of_one_step_after_another():
  """By JAX of plain steps: `GRULayer` has a gradient of its own."""
  layer = GRULayer(_HIDDEN)
  keys = jax.random.split(jax.random.key(0), 3)
  inputs = jax.random.normal(keys[0], (3, 8, _FEATURES))
  weights = jax.random.normal(keys[1], (3, 8, _HIDDEN))

  def layerwise(layer, inputs):
    return layer(layer.project(inputs))

  def step_by_step(layer, inputs):
    carry, outputs = jnp.zeros((3, _HIDDEN)), []
    for step in range(inputs.shape[1]):
      carry = layer.step(carry, layer.project(inputs[:, step]))
      outputs.append(carry)
    return jnp.stack(outputs, axis=1)

  params = layer.init(keys[2], inputs, method=layerwise)

  def gradients(method):
    def weighted(params, inputs):
      return (layer.apply(params, inputs, method=method) * weights).sum()

    return jax.grad(weighted, argnums=(0, 1))(params, inputs)

  jax.tree.map(
    lambda one, other: np.testing.assert_allclose(one, other, atol=2e-5),
    gradients(layerwise),
    gradients(step_by_step),
  )


def test_greedy_equals_an_independent_implementation(case):
  variables, features, _ = case
  model = _NumpyS2vt(variables, len(features))
  model.watch(features)
  word, expected = np.full(len(features), SOS_ID), []
  for _ in range(_LENGTH - 1):
    word = model.say(word).argmax(axis=1)
    expected.append(word)
  greedy = _captioner().apply(variables, features, method=Captioner.greedy)
  np.testing.assert_array_equal(greedy, np.stack(expected, axis=1))
  # Not one word for ever.
  assert np.any(greedy != greedy[:, :1])


def test_greedy_equals_teacher_forcing_on_its_own_words(case):
  variables, features, words = case
  greedy = _captioner().apply(variables, features, method=Captioner.greedy)
  said = np.concatenate([words[:, :1], greedy], axis=1)
  logits = _teacher_forced((variables, features, said))
  np.testing.assert_array_equal(greedy, logits.argmax(axis=-1))


def test_parameters_are_those_of_two_two_layer_grus(case):
  shapes = jax.tree.map(jnp.shape, case[0]['params']['gru'])
  sizes = {'lower_0': 6, 'lower_1': 7, 'upper_0': 12, 'upper_1': 7}
  for name, size in sizes.items():
    assert shapes[name]['inputs'] == {'kernel': (size, 3, 7), 'bias': (3, 7)}
    assert shapes[name]['carry'] == {'kernel': (7, 3, 7), 'bias': (3, 7)}


def test_logits_depend_on_no_later_word(case):
  """By gradients: a comparison of two captions could miss a weak leak."""
  variables, features, words = case
  table = variables['params']['embed']['embedding']

  def logits_of(embedded):
    # Every position its own row of the table, so that it can be told apart.
    params = variables['params'] | {
      'embed': {'embedding': embedded.reshape(-1, table.shape[1])}
    }
    places = jnp.arange(3 * _LENGTH).reshape(3, _LENGTH)
    captioner = _captioner(vocabulary_size=3 * _LENGTH)
    params['out'] = {
      'kernel': jnp.ones((_HIDDEN, 3 * _LENGTH)),
      'bias': jnp.zeros(3 * _LENGTH),
    }
    return captioner.apply(
      {'params': params},
      features,
      places,
      False,
      method=Captioner.teacher_forced,
    )[..., 0].sum(axis=0)

  jacobian = jax.jacrev(logits_of)(table[words])
  # [position of the logit, row, position of the word, embedding]
  strength = np.abs(jacobian).max(axis=(1, 3))
  assert strength.shape == (_LENGTH - 1, _LENGTH)
  for position in range(_LENGTH - 1):
    assert np.all(strength[position, : position + 1] > 0)
    assert np.all(strength[position, position + 1 :] == 0)


def test_captions_depend_on_every_clip(case):
  variables, features, words = case

  def first_logits(features):
    return _teacher_forced((variables, features, words))[:, 0].sum()

  strength = np.abs(jax.grad(first_logits)(features)).max(axis=(0, 2))
  assert np.all(strength > 0)


def test_dropout_is_between_layers_only(case):
  """With everything dropped, the second layers get zeros, as in torch."""
  variables, features, words = case
  logits = _teacher_forced(
    case,
    _captioner(dropout=1.0),
    train=True,
    rngs={'dropout': jax.random.key(0)},
  )
  # The upper layers' output then is a constant of the second layer's biases,
  # the same whatever was seen or said.
  others = _teacher_forced(
    (variables, features + 1, words[:, ::-1]),
    _captioner(dropout=1.0),
    train=True,
    rngs={'dropout': jax.random.key(1)},
  )
  np.testing.assert_allclose(logits, others, rtol=1e-5, atol=1e-5)
  # What enters the lower first layer and leaves the upper second is whole: the
  # logits move from step to step as the second layer's own recurrence does.
  gru = jax.tree.map(np.asarray, variables['params']['gru']['upper_1'])
  hidden = np.zeros((3, _HIDDEN))
  for _ in range(features.shape[1] + 1):
    hidden = _torch_gru(gru, hidden, np.zeros((3, _HIDDEN)))
  out = variables['params']['out']
  np.testing.assert_allclose(
    logits[:, 0], hidden @ out['kernel'] + out['bias'], rtol=1e-4, atol=1e-5
  )


def test_dropout_masks_differ_between_steps_rows_and_keys(case):
  captioner = _captioner(dropout=0.5)
  one, again, other = (
    _teacher_forced(
      case, captioner, train=True, rngs={'dropout': jax.random.key(key)}
    )
    for key in (0, 0, 1)
  )
  np.testing.assert_array_equal(one, again)
  assert np.abs(one - other).max() > 1e-3
  # Equal rows get different masks.
  variables, features, words = case
  same = (variables, features[:1].repeat(3, 0), words[:1].repeat(3, 0))
  rows = _teacher_forced(
    same, captioner, train=True, rngs={'dropout': jax.random.key(0)}
  )
  assert np.abs(rows[0] - rows[1]).max() > 1e-3
  np.testing.assert_array_equal(
    _teacher_forced(case, captioner), _teacher_forced(case)
  )
