"""I3D on windows of a dive, trained end to end."""

import contextlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from dive_tasks import dive_schema, dive_tasks

from aqa_jax import train
from aqa_jax.configs import i3d as i3d_config
from aqa_jax.configs import quickstart_i3d
from aqa_jax.data.schema import Schema
from aqa_jax.features.trunk_layer import find_layer, layer_features
from aqa_jax.judging.model_source import find_model
from aqa_jax.layers.normalize import normalize, to_symmetric
from aqa_jax.systems.chosen_system import chosen_system
from aqa_jax.systems.i3d.network import WindowedI3D, first_frames
from aqa_jax.training.training_loop import create_state
from aqa_jax.trunks.i3d import I3D
from aqa_jax.weights import i3d_weights, pretrained
from aqa_jax.weights.checkpoint import read_best
from tfds_mtl_aqa.input_error import InputError

_NETWORK = {
  'windows': 2,
  'window_frames': 8,
  'window_stride': 5,
  'width': 8,
  'conv_impl': 'stacked_2d',
  'caption_length': 6,
  'caption_hidden': 8,
  'caption_embedding': 4,
}


@pytest.mark.parametrize(
  'sizes, expected',
  [
    # USDL's.
    ((103, 10, 16, 10), [0, 10, 20, 30, 40, 50, 60, 70, 80, 87]),
    ((32, 3, 16, 8), [0, 8, 16]),
    ((12, 2, 8, 5), [0, 4]),
    ((16, 1, 16, 10), [0]),
  ],
)
def test_windows(sizes, expected):
  assert first_frames(*sizes) == expected


def test_a_video_that_is_too_short():
  with pytest.raises(ValueError, match='15 frames: give 16 or more'):
    first_frames(15, 1, 16, 10)


def test_pixels_are_those_of_the_weights():
  video = np.array([[0, 127.5, 255], [1, 2, 3]], np.float32)
  found = to_symmetric(normalize(video[None, None, None]))[0, 0, 0]
  np.testing.assert_allclose(found, video / 127.5 - 1, atol=1e-6)


def _drawn_like(shapes, seed=0):
  """Returns random variables; variances are positive, counts whole."""
  rng = np.random.default_rng(seed)

  def draw(path, leaf):
    if not jnp.issubdtype(leaf.dtype, jnp.floating):
      return np.zeros(leaf.shape, leaf.dtype)
    is_variance = path[-1].key == 'var'
    fan_in = max(np.prod(leaf.shape[:-1]), 1)
    bound = (6 / fan_in) ** 0.5
    low, high = (0.5, 2.0) if is_variance else (-bound, bound)
    return rng.uniform(low, high, leaf.shape).astype(np.float32)

  return jax.tree_util.tree_map_with_path(draw, dict(shapes))


def _shapes(tasks, video):
  """Returns the network of some tasks, and its abstract variables."""
  model = WindowedI3D(dive_tasks(tasks, words=9), **_NETWORK)
  return model, jax.eval_shape(
    lambda: model.init(
      jax.random.key(0),
      jnp.zeros(video.shape),
      jnp.zeros((len(video), 6), jnp.int32),
    )
  )


@pytest.fixture(name='drawn', scope='module')
def fixture_drawn():
  """(network, variables, video)."""
  video = np.random.default_rng(1).integers(0, 256, (2, 12, 32, 36, 3))
  model, shapes = _shapes(('score', 'classes'), video)
  return model, _drawn_like(shapes), video.astype(np.uint8)


@jax.jit
def _frozen(trunk, clips):
  """What `config.features` keeps of clips."""
  model = I3D(8, conv_impl='stacked_2d')
  return layer_features(model, ('last',), trunk, None, clips)['last']


def test_features_are_those_of_the_frozen_trunk(drawn):
  model, variables, video = drawn
  pixels = normalize(video)
  found = jax.jit(model.apply)(variables, pixels)
  trunk = {kind: variables[kind]['i3d'] for kind in variables}
  average = np.mean(
    [_frozen(trunk, video[:, first : first + 8]) for first in (0, 4)], axis=0
  )
  params = variables['params']
  expected = {
    name: average @ layer['kernel'] + layer['bias']
    for head in ('score_regressor', 'dive_classifier')
    for name, layer in params[head].items()
  }
  np.testing.assert_allclose(
    found['score'], expected.pop('final_score')[:, 0], rtol=1e-3, atol=1e-4
  )
  for name, logits in expected.items():
    np.testing.assert_allclose(
      found['classes'][name], logits, rtol=1e-3, atol=1e-4
    )
  # With frozen statistics training computes the same, and learns none.
  trained, updated = jax.jit(
    lambda v, x: model.apply(v, x, train=True, mutable=['batch_stats'])
  )(variables, pixels)
  np.testing.assert_allclose(trained['score'], found['score'], rtol=1e-4)
  jax.tree.map(
    np.testing.assert_array_equal,
    updated['batch_stats'],
    variables['batch_stats'],
  )


def test_a_captioner_reads_the_windows(drawn):
  video = drawn[2]
  model, shapes = _shapes(('score', 'classes', 'captions'), video)
  found = jax.eval_shape(model.apply, shapes, jnp.zeros(video.shape))
  assert found['captions'].shape == (2, 5)
  gru = shapes['params']['captioner']['gru']['lower_0']['inputs']['kernel']
  assert gru.shape[0] == 128
  assert ('dive_classifier', 'position') in model.output_layers()
  assert ('captioner', 'embed') in model.output_layers()


def _loaded(variables, monkeypatch, scope='backbone', width=8):
  """Returns variables with weights that the package is said to hold."""
  shapes = jax.eval_shape(
    lambda: I3D(width).init(
      jax.random.key(0), jnp.zeros((1, 8, 32, 32, 3)), train=False
    )
  )
  trunk = _drawn_like(shapes, seed=5)
  monkeypatch.setattr(
    i3d_weights,
    'read_kinetics_400',
    lambda: i3d_weights.I3DWeights(trunk, {}),
  )
  names = chosen_system('i3d').official_names
  return trunk, *pretrained.initialize(variables, 'i3d', scope, names)


@pytest.mark.parametrize('scope', pretrained.SCOPES)
def test_weights_of_the_package_become_the_trunk(drawn, monkeypatch, scope):
  _, variables, _ = drawn
  trunk, loaded, table = _loaded(variables, monkeypatch, scope)
  assert loaded.keys() == variables.keys()
  for kind in ('params', 'batch_stats'):
    jax.tree.map(
      np.testing.assert_array_equal, loaded[kind]['i3d'], trunk[kind]
    )
  head = 'score_regressor'
  assert loaded['params'][head] == variables['params'][head]
  assert {line.split()[0]: line.split()[-1] for line in table.split('\n')} == {
    'module': 'from',
    'i3d': 'i3d',
    **dict.fromkeys(('score_regressor', 'dive_classifier'), 'new'),
  }


@pytest.mark.skipif(
  not i3d_weights.is_installed(), reason='the weights of I3D: the extra `i3d`'
)
def test_weights_that_are_installed():
  model = WindowedI3D(dive_tasks(('score',)))
  shapes = jax.eval_shape(
    lambda: model.init(jax.random.key(0), jnp.zeros((1, 103, 32, 32, 3)))
  )
  names = chosen_system('i3d').official_names
  loaded, _ = pretrained.initialize(shapes, 'i3d', 'backbone', names)
  expected = i3d_weights.read_kinetics_400().trunk
  jax.tree.map(
    np.testing.assert_array_equal, loaded['params']['i3d'], expected['params']
  )


def test_weights_that_do_not_fit(drawn, monkeypatch, tmp_path):
  _, variables, _ = drawn
  with pytest.raises(InputError, match=r'not \(8,\).*config\.model\.width=64'):
    _loaded(variables, monkeypatch, width=16)
  for system, source, told in (
    ('i3d', str(tmp_path), 'holds no training; give one, a file such as rgb_'),
    ('c3davg', 'i3d', "'i3d': is of I3D, which this network is not"),
  ):
    of_c3d = {'params': {'c3d': {'conv1': {'bias': np.zeros(2)}}}}
    with pytest.raises(InputError, match=told) as caught:
      pretrained.initialize(
        variables if system == 'i3d' else of_c3d,
        source,
        'backbone',
        chosen_system(system).official_names,
      )
    assert str(caught.value).startswith('config.init_from: ')


def _tiny(overrides, **changes):
  config = quickstart_i3d.get_config()
  config.update_from_flattened_dict(
    {
      name: value
      for name, value in overrides.items()
      if not name.startswith('model.')
    }
    | {
      'input.resize': (48, 32),
      'input.crop': 32,
      'model.windows': 2,
      'model.window_frames': 8,
      'model.window_stride': 4,
      'duration': '1 steps',
      'evaluators': 'intervals',
      'mesh.data': 1,
    }
    | changes
  )
  return config


@pytest.fixture(name='trained', scope='module')
def fixture_trained(tiny_overrides, tmp_path_factory):
  """(workdir, losses, whether statistics changed), of six steps on a batch."""
  workdir = tmp_path_factory.mktemp('trained')
  config = _tiny(
    tiny_overrides,
    **{'optimizer.learning_rate': 1e-3, 'optimizer.warmup': '0 steps'},
  )
  training = train.set_up(config, workdir)
  with contextlib.closing(training):
    create_state(training)
    before = jax.tree.map(np.asarray, training.state.batch_stats)
    batch = training.place(next(training.batches(0)))
    losses = []
    for _ in range(6):
      training.state, scalars = training.setup.train_step(training.state, batch)
      losses.append(float(scalars['loss']))
    changed = jax.tree.map(
      lambda old, new: not np.array_equal(old, new),
      before,
      training.state.batch_stats,
    )
    training.checkpoints.save_best(training.state, 0.5)
    training.checkpoints.wait()
  return workdir, losses, all(jax.tree.leaves(changed))


def test_steps_lower_the_loss(trained):
  _, losses, has_changed_statistics = trained
  assert np.all(np.isfinite(losses))
  assert losses[-1] < losses[0]
  assert has_changed_statistics


def test_is_a_model_and_a_trunk_for_features(trained):
  workdir, _, _ = trained
  assert find_model(workdir).config.network == 'i3d'
  layer = find_layer(str(workdir), 'last')
  assert isinstance(layer.trunk, I3D)
  assert layer.video_input.crop == 32
  variables, _ = read_best(workdir)
  jax.tree.map(
    np.testing.assert_array_equal,
    layer.variables['params'],
    variables['params']['i3d'],
  )


@pytest.mark.parametrize(
  ('field', 'value'),
  [
    ('model.windows', 0),
    ('model.windows', 3),
    ('model.window_frames', 7),
    ('model.window_frames', 13),
    ('model.window_stride', 0),
    ('model.width', 12),
    ('input.crop', 31),
  ],
)
def test_a_wrong_field_is_named(field, value, tiny_overrides):
  config = _tiny(tiny_overrides, **{field: value})
  with pytest.raises(InputError, match=rf'config\.{field}=') as caught:
    chosen_system('i3d').choose_tasks(config, dive_schema())
  assert '\n' not in str(caught.value)


def test_the_whole_config_is_the_papers():
  config = i3d_config.get_config()
  system = chosen_system('i3d')
  tasks = system.choose_tasks(config, Schema())
  model = system.create_network(config, tasks)
  shapes = jax.eval_shape(
    lambda: model.init(jax.random.key(0), jnp.zeros((1, 103, 224, 224, 3)))
  )
  assert set(shapes['params']) == {'i3d', tasks[0].head}
  # USDL: 1024 features, 256 and 128 units, 101 scores.
  kernels = sorted(
    leaf.shape
    for leaf in jax.tree.leaves(shapes['params'][tasks[0].head])
    if len(leaf.shape) == 2
  )
  assert kernels == [(128, 101), (256, 128), (1024, 256)]
