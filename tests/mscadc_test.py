import functools
import math
import re

import flax.traverse_util
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from dive_tasks import dive_tasks

from aqa_jax.layers.convolution import CONV_IMPLS
from aqa_jax.systems.mscadc.heads import CaptionHead
from aqa_jax.systems.mscadc.network import MSCADC
from aqa_jax.training import steps
from aqa_jax.trunks.dilated_c3d import DilatedC3D
from tfds_mtl_aqa.labels import CLASS_NAMES

_ALL = ('score', 'classes', 'captions')
# Sums of the sizes in the official state_dicts, running statistics left out.
_OFFICIAL_PARAMETERS = {
  'c3d': 6_918_720,
  'score_regressor': 437_065,
  'dive_classifier': 445_515,
  'caption_head': 440_640,
  'captioner': 14_070_419,
}
_MODULES = {
  'score': {'score_regressor'},
  'classes': {'dive_classifier'},
  'captions': {'caption_head', 'captioner'},
}


def _tiny(tasks=_ALL, **changes):
  return MSCADC(
    **{
      'tasks': dive_tasks(tasks, words=11),
      'width': 2,
      'caption_length': 6,
      'caption_hidden': 7,
      'caption_embedding': 5,
      'conv_impl': 'stacked_2d',
    }
    | changes
  )


def _inputs(batch=2, frames=16, size=32, seed=0):
  rng = np.random.default_rng(seed)
  video = rng.normal(size=(batch, frames, size, size, 3)).astype(np.float32)
  words = rng.integers(2, 11, size=(batch, 6)).astype(np.int32)
  words[:, 0] = 1
  return video, words


def _variables(model, *inputs, seed=0):
  """Values for a model's variables, positive where they must be."""
  shapes = jax.eval_shape(lambda: model.init(jax.random.key(0), *inputs))
  rng = np.random.default_rng(seed)
  flat = {
    path: (
      rng.uniform(0.5, 1.5, leaf.shape)
      if path[-1] in ('scale', 'var')
      else rng.normal(size=leaf.shape) / math.prod(leaf.shape[:-1]) ** 0.5
    ).astype(np.float32)
    for path, leaf in flax.traverse_util.flatten_dict(dict(shapes)).items()
  }
  return flax.traverse_util.unflatten_dict(flat)


def _numpy_convolve(x, params, padding, dilation):
  """Sums over shifted copies, channels last, as [b, t, h, w, c]."""
  x = np.pad(x, ((0, 0), *((padding, padding),) * 3, (0, 0)))
  taps = params['kernel'].shape[:3]
  sizes = [
    size - dilation * (tap - 1)
    for size, tap in zip(x.shape[1:4], taps, strict=True)
  ]
  total = params['bias']
  for t, y, z in np.ndindex(*taps):
    piece = x[
      :,
      dilation * t : dilation * t + sizes[0],
      dilation * y : dilation * y + sizes[1],
      dilation * z : dilation * z + sizes[2],
    ]
    total = total + piece @ params['kernel'][t, y, z]
  return total


def _numpy_block(x, variables, which, padding, dilation):
  x = _numpy_convolve(x, variables['params'][f'conv{which}'], padding, dilation)
  return _numpy_norm(x, variables, f'bn{which}')


def _numpy_norm(x, variables, name):
  params, running = variables['params'][name], variables['batch_stats'][name]
  x = (x - running['mean']) / np.sqrt(running['var'] + 1e-5)
  return np.maximum(x * params['scale'] + params['bias'], 0)


def _numpy_pool(x, time, stride):
  """Max-pools windows of time x 2 x 2; `stride` 1, or None for the window."""
  windows = np.lib.stride_tricks.sliding_window_view(
    x, (time, 2, 2), axis=(1, 2, 3)
  ).max(axis=(-3, -2, -1))
  return windows[:, :: stride or time, :: stride or 2, :: stride or 2]


def _part(variables, name):
  return {collection: tree[name] for collection, tree in variables.items()}


@pytest.mark.parametrize(
  'tasks',
  [
    ('score',),
    ('score', 'classes'),
    ('score', 'captions'),
    ('captions',),
    _ALL,
  ],
)
def test_full_size_has_as_many_parameters_as_the_official_network(tasks):
  model = MSCADC(dive_tasks(tasks, words=5779))
  outputs, variables = jax.eval_shape(
    lambda key: model.init_with_output(
      key, jnp.zeros((2, 16, 180, 180, 3)), jnp.zeros((2, 100), jnp.int32)
    ),
    jax.random.key(0),
  )
  params = variables['params']
  modules = {'c3d'}.union(*(_MODULES[task] for task in tasks))
  assert {
    module: sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(tree))
    for module, tree in params.items()
  } == {module: _OFFICIAL_PARAMETERS[module] for module in modules}
  statistics = flax.traverse_util.flatten_dict(variables['batch_stats'])
  # 8 in the trunk, 7 in each head.
  assert len(statistics) == 3 * (8 + 7 * len(tasks))
  assert params['c3d']['conv5b']['kernel'].shape == (3, 3, 3, 256, 256)
  assert set(outputs) == set(tasks)
  if 'score' in tasks:
    assert outputs['score'].shape == (2,)
  if 'classes' in tasks:
    assert {task: v.shape for task, v in outputs['classes'].items()} == {
      task: (2, len(names)) for task, names in CLASS_NAMES.items()
    }
  if 'captions' in tasks:
    assert outputs['captions'].shape == (2, 99, 5779)
    lower = params['captioner']['gru']['lower_0']['inputs']['kernel']
    assert lower.shape == (1200, 3, 512)


def test_full_size_has_the_shapes_of_the_official_network():
  model = MSCADC(dive_tasks(words=5779))
  _, variables = jax.eval_shape(
    lambda key: model.init_with_output(
      key,
      jnp.zeros((1, 16, 180, 180, 3)),
      jnp.zeros((1, 100), jnp.int32),
      capture_intermediates=True,
    ),
    jax.random.key(0),
  )

  def sizes(path):
    tree = variables['intermediates']
    for name in path.split('/'):
      tree = tree[name]
    _, time, height, width, channels = tree['__call__'][0].shape
    assert height == width
    return time, height, channels

  expected = {
    'c3d/bn1': (16, 180, 32),
    'c3d/bn2': (16, 90, 64),
    'c3d/bn3a': (8, 45, 128),
    'c3d/bn3b': (8, 45, 128),
    'c3d/bn4a': (4, 22, 256),
    'c3d/bn4b': (4, 22, 256),
    'c3d/bn5a': (4, 22, 256),
    'c3d/bn5b': (2, 20, 256),
    'c3d': (2, 20, 256),
  }
  for head in ('score_regressor', 'dive_classifier', 'caption_head'):
    expected |= {
      f'{head}/features/conv1': (4, 22, 12),
      f'{head}/features/context_net/bn1': (20, 38, 24),
      f'{head}/features/context_net/bn2': (18, 36, 24),
      f'{head}/features/context_net/bn3': (14, 32, 48),
      f'{head}/features/context_net/bn4': (6, 24, 96),
      f'{head}/features/context_net/bn5': (4, 22, 96),
      f'{head}/features/context_net': (4, 22, 12),
      f'{head}/features': (2, 11, 12),
    }
  expected['score_regressor/conv3'] = (2, 11, 1)
  expected['caption_head/conv3'] = (2, 11, 12)
  for task, names in CLASS_NAMES.items():
    expected[f'dive_classifier/conv3_{task}'] = (2, 11, len(names))
  assert {path: sizes(path) for path in expected} == expected


@pytest.mark.parametrize('conv_impl', CONV_IMPLS)
def test_trunk_equals_an_independent_one(conv_impl):
  model = DilatedC3D(width=1, conv_impl=conv_impl)
  video = np.random.default_rng(0).normal(size=(2, 16, 45, 28, 3))
  video = video.astype(np.float32)
  variables = _variables(model, video, False)
  features = jax.jit(model.apply, static_argnums=2)(variables, video, False)
  expected = video.astype(np.float64)
  for time, layers in (
    (1, (('1', 1, 1),)),
    (2, (('2', 1, 1),)),
    (2, (('3a', 1, 1), ('3b', 1, 1))),
    (None, (('4a', 1, 1), ('4b', 1, 1), ('5a', 2, 2), ('5b', 1, 2))),
  ):
    for which, padding, dilation in layers:
      expected = _numpy_block(expected, variables, which, padding, dilation)
    if time:
      expected = _numpy_pool(expected, time, None)
  assert expected.shape == (2, 2, 3, 1, 8)
  np.testing.assert_allclose(features, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize('conv_impl', CONV_IMPLS)
def test_head_equals_an_independent_one(conv_impl):
  """Zero and edge padding, dilations, and torch's order of the vector."""
  model = CaptionHead(conv_impl=conv_impl)
  features = np.random.default_rng(0).normal(size=(1, 2, 3, 5, 8))
  features = features.astype(np.float32)
  variables = _variables(model, features, False)
  vector = jax.jit(model.apply, static_argnums=2)(variables, features, False)
  common = _part(variables, 'features')
  context = _part(common, 'context_net')
  x = _numpy_convolve(
    features.astype(np.float64), common['params']['conv1'], 1, 1
  )
  # The rim is what zeros become.
  np.testing.assert_allclose(x[0, 0, 0, 0], common['params']['conv1']['bias'])
  x = np.pad(x, ((0, 0), (9, 9), (9, 9), (9, 9), (0, 0)), mode='edge')
  for which, dilation in ((1, 1), (2, 1), (3, 2), (4, 4), (5, 1)):
    x = _numpy_block(x, context, which, 0, dilation)
  x = _numpy_convolve(x, context['params']['conv6'], 0, 1)
  assert x.shape == (1, 4, 5, 7, 12)
  x = _numpy_pool(_numpy_norm(x, common, 'bn1'), 2, None)
  x = _numpy_block(x, common, 2, 1, 1)
  x = _numpy_convolve(x, variables['params']['conv3'], 1, 1)
  x = _numpy_pool(x, 2, 1)
  assert x.shape == (1, 1, 1, 2, 12)
  np.testing.assert_allclose(
    vector, x.transpose(0, 4, 1, 2, 3).reshape(1, 1, 24), rtol=1e-3, atol=1e-4
  )


def test_every_parameter_gets_a_gradient():
  video, words = _inputs(batch=4, frames=12, size=24)
  rng = np.random.default_rng(5)
  batch = {
    'words': words,
    'word_mask': np.ones(words.shape, np.float32),
    'score': rng.uniform(20, 90, 4).astype(np.float32),
  } | {
    task: rng.integers(0, len(names), 4).astype(np.int32)
    for task, names in CLASS_NAMES.items()
  }
  model = _tiny()
  variables = _variables(model, video, words)

  def loss(params):
    outputs, _ = model.apply(
      variables | {'params': params},
      video,
      words,
      train=True,
      rngs={'dropout': jax.random.key(1)},
      mutable=['batch_stats'],
    )
    return steps.total_loss(
      steps.task_losses(model.tasks, outputs, batch), dict.fromkeys(_ALL, 1.0)
    )

  gradients = jax.jit(jax.grad(loss))(variables['params'])
  names = flax.traverse_util.flatten_dict(gradients, sep='/')
  largest = {name: float(np.abs(g).max()) for name, g in names.items()}
  # What is added everywhere, the BatchNorm behind it takes away. Between the
  # first convolution of a head and that BatchNorm is no zero padding.
  before_batch_norm = re.compile(
    r'(c3d|\w+/features(/context_net)?)/conv\w+/bias'
  )
  without = {name for name in names if before_batch_norm.fullmatch(name)}
  assert len(without) == 8 + 3 * 8
  assert not {n for n, g in largest.items() if n not in without and g < 1e-7}
  assert max(largest[name] for name in without) < 1e-4 * max(largest.values())


def test_one_video_alone_is_judged_as_in_company():
  video, words = _inputs(batch=2, frames=14, size=25)
  model = _tiny(('score', 'captions'))
  variables = _variables(model, video, words)
  apply = jax.jit(model.apply)
  together = apply(variables, video, words)
  alone = apply(variables, video[:1], words[:1])
  jax.tree.map(
    lambda one, two: np.testing.assert_allclose(
      one, two[:1], rtol=1e-4, atol=1e-5
    ),
    alone,
    together,
  )


def test_without_words_captions_are_decoded():
  video, words = _inputs(batch=1, frames=12, size=24)
  model = _tiny()
  variables = _variables(model, video, words)
  outputs = jax.eval_shape(model.apply, variables, video)
  assert outputs['captions'].shape == (1, 5)
  assert outputs['captions'].dtype == jnp.int32


def test_dropout_is_for_training_only():
  model = DilatedC3D(width=1, dropout=0.5)
  video = _inputs()[0]
  variables = _variables(model, video, False)

  @functools.partial(jax.jit, static_argnums=0)
  def features(train, seed):
    result, _ = model.apply(
      variables,
      video,
      train,
      rngs={'dropout': jax.random.key(seed)},
      mutable=['batch_stats'],
    )
    return result

  np.testing.assert_array_equal(features(False, 1), features(False, 2))
  one, two = features(True, 1), features(True, 2)
  kept = (one > 0) & (two > 0)
  assert kept.any()
  np.testing.assert_allclose(one[kept], two[kept], rtol=1e-5)
  open_units = (one > 0) | (two > 0)
  # Half of half are dropped once and kept once, of three quarters seen.
  assert 0.2 < kept.sum() / open_units.sum() < 0.5


def test_heads_and_captions_stay_float32():
  video, words = _inputs()
  outputs, variables = jax.eval_shape(
    lambda: _tiny(dtype=jnp.bfloat16).init_with_output(
      jax.random.key(0), video, words, capture_intermediates=True
    )
  )
  intermediates = variables.pop('intermediates')
  assert intermediates['c3d']['__call__'][0].dtype == jnp.bfloat16
  head = intermediates['score_regressor']['features']['context_net']
  leaves = jax.tree.leaves((outputs, variables, head))
  # All but the counts of BatchNorm.
  assert {leaf.dtype for leaf in leaves if leaf.ndim} == {jnp.dtype('float32')}


@pytest.mark.parametrize(
  'shape', [(1, 11, 24, 24, 3), (1, 12, 24, 23, 3), (16, 32, 32, 3)]
)
def test_too_small_a_video_is_refused(shape):
  with pytest.raises(ValueError, match='at least 12 frames of 24 x 24'):
    jax.eval_shape(
      lambda: _tiny(('score',)).init(jax.random.key(0), jnp.zeros(shape))
    )


def test_statistics_groups_reach_every_batch_norm():
  """In two groups, one half of the batch means nothing to the other."""
  videos, _ = _inputs(batch=4, frames=12, size=24)
  others = np.concatenate([videos[:2], 2 * videos[:1], videos[:1]])
  model = _tiny(('score',), dropout=0.0)
  variables = _variables(model, videos)

  @functools.partial(jax.jit, static_argnums=0)
  def scores(groups, videos):
    outputs, _ = model.clone(statistics_groups=groups).apply(
      variables, videos, train=True, mutable=['batch_stats']
    )
    return outputs['score'][:2]

  np.testing.assert_array_equal(scores(2, videos), scores(2, others))
  assert np.abs(scores(1, videos) - scores(1, others)).max() > 1e-2
