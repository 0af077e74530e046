import math
import re

import flax.traverse_util
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from dive_tasks import dive_tasks

from aqa_jax.systems.c3davg.network import C3DAVG
from aqa_jax.training import steps
from tfds_mtl_aqa.labels import CLASS_NAMES

_ALL = ('score', 'classes', 'captions')
# Sum of the sizes in the official state_dicts (vocabulary of 5779).
_OFFICIAL_PARAMETERS = 86_139_311


def _tiny(tasks=_ALL, **changes):
  return C3DAVG(
    **{
      'tasks': dive_tasks(tasks, words=11),
      'clips': 3,
      'width': 2,
      'fc6': 8,
      'caption_length': 6,
      'caption_hidden': 7,
      'caption_embedding': 5,
    }
    | changes
  )


def _inputs(batch=2, frames=12, seed=0):
  rng = np.random.default_rng(seed)
  video = rng.normal(size=(batch, frames, 16, 16, 3)).astype(np.float32)
  words = rng.integers(2, 11, size=(batch, 6)).astype(np.int32)
  words[:, 0] = 1
  return video, words


def _batch(batch=2):
  video, words = _inputs(batch)
  rng = np.random.default_rng(5)
  return video, {
    'words': words,
    'word_mask': np.ones(words.shape, np.float32),
    'score': rng.uniform(20, 90, batch).astype(np.float32),
  } | {
    task: rng.integers(0, len(names), batch).astype(np.int32)
    for task, names in CLASS_NAMES.items()
  }


def _sizes(params):
  return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(params))


def test_full_size_has_as_many_parameters_as_the_official_network():
  model = C3DAVG(dive_tasks(words=5779))
  outputs, variables = jax.eval_shape(
    lambda key: model.init_with_output(
      key, jnp.zeros((2, 96, 112, 112, 3)), jnp.zeros((2, 100), jnp.int32)
    ),
    jax.random.key(0),
  )
  params = variables['params']
  assert _sizes(params) == _OFFICIAL_PARAMETERS
  assert params['fc6']['kernel'].shape == (8192, 4096)
  assert outputs['score'].shape == (2,)
  assert outputs['captions'].shape == (2, 99, 5779)
  assert {task: v.shape for task, v in outputs['classes'].items()} == {
    'position': (2, 3),
    'armstand': (2, 2),
    'rotation_type': (2, 4),
    'somersaults': (2, 10),
    'twists': (2, 8),
  }


@pytest.mark.parametrize(
  'tasks, heads',
  [
    (('score',), {'fc6', 'score_regressor'}),
    (('score', 'classes'), {'fc6', 'score_regressor', 'dive_classifier'}),
    (('score', 'captions'), {'fc6', 'score_regressor', 'captioner'}),
    (('captions',), {'captioner'}),
    (_ALL, {'fc6', 'score_regressor', 'dive_classifier', 'captioner'}),
  ],
)
def test_tasks_that_are_not_named_have_no_parameters(tasks, heads):
  video, words = _inputs()
  outputs, variables = _tiny(tasks).init_with_output(
    jax.random.key(0), video, words
  )
  assert set(outputs) == set(tasks)
  assert set(variables['params']) == {'c3d'} | heads


@pytest.mark.parametrize('batch_norm', [False, True])
def test_every_parameter_gets_a_gradient(batch_norm):
  video, batch = _batch(batch=4)
  model = _tiny(batch_norm=batch_norm)
  variables = model.init(jax.random.key(0), video, batch['words'])

  def loss(params):
    outputs, _ = model.apply(
      variables | {'params': params},
      video,
      batch['words'],
      train=True,
      rngs={'dropout': jax.random.key(1)},
      mutable=['batch_stats'],
    )
    return steps.total_loss(
      steps.task_losses(model.tasks, outputs, batch), dict.fromkeys(_ALL, 1.0)
    )

  gradients = jax.jit(jax.grad(loss))(variables['params'])
  names = flax.traverse_util.flatten_dict(gradients, sep='/')
  without = {name for name, g in names.items() if not np.abs(g).max() > 1e-6}
  if batch_norm:
    # A bias in front of a BatchNorm changes nothing; bn4b's neither, where
    # maps of one pixel leave its ReLU either open or shut.
    without = {
      n for n in without if not re.fullmatch(r'c3d/(conv\w+|bn4b)/bias', n)
    }
  assert not without


def test_clip_order_matters_to_captions_only():
  video, words = _inputs()
  model = _tiny()
  variables = model.init(jax.random.key(0), video, words)
  # Larger kernels, so that the clips differ by more than rounding.
  variables = jax.tree.map(lambda leaf: 2.5 * leaf, variables)
  # Clips 2, 0, 1 of 4 frames.
  turned = np.concatenate([video[:, 8:], video[:, :8]], axis=1)
  outputs, other = (model.apply(variables, v, words) for v in (video, turned))
  np.testing.assert_allclose(outputs['score'], other['score'], rtol=1e-4)
  for task in CLASS_NAMES:
    np.testing.assert_allclose(
      outputs['classes'][task], other['classes'][task], rtol=1e-3, atol=1e-5
    )
  # A hundred times what rounding does.
  assert np.abs(outputs['captions'] - other['captions']).max() > 2e-5


def test_score_comes_from_the_average_over_clips():
  """Without ReLU's bend, one clip's change shows a clip's share in full."""
  video, words = _inputs()
  model = _tiny(('score',))
  variables = model.init(jax.random.key(0), video, words)
  same = np.concatenate([video[:, :4]] * 3, axis=1)
  one = _tiny(('score',), clips=1)
  # Three equal clips average to that clip.
  np.testing.assert_allclose(
    model.apply(variables, same)['score'],
    one.apply(variables, video[:, :4])['score'],
    rtol=1e-4,
    atol=1e-6,
  )


def test_without_words_captions_are_decoded():
  video, words = _inputs()
  model = _tiny()
  variables = model.init(jax.random.key(0), video, words)
  outputs = model.apply(variables, video)
  assert outputs['captions'].shape == (2, 5)
  assert outputs['captions'].dtype == jnp.int32


def test_heads_and_captions_stay_float32():
  video, words = _inputs()
  outputs, variables = _tiny(dtype=jnp.bfloat16).init_with_output(
    jax.random.key(0), video, words
  )
  leaves = jax.tree.leaves((outputs, variables))
  assert {leaf.dtype for leaf in leaves} == {jnp.dtype('float32')}
