"""Segment C3D and its task, the score by squared error and ranks."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import traverse_util

from aqa_jax import sharding, train
from aqa_jax.configs import quickstart_segment_c3d, segment_c3d
from aqa_jax.data.schema import Schema
from aqa_jax.judging.model_source import find_model
from aqa_jax.official_names import to_official
from aqa_jax.systems.chosen_system import chosen_system
from aqa_jax.systems.segment_c3d.network import SegmentC3D, first_frames
from aqa_jax.tasks.ranked_score import RankedScoreTask, ranking_loss
from aqa_jax.tasks.score import ScoreTask
from aqa_jax.trunks.c3d import C3D
from aqa_jax.weights import pretrained
from aqa_jax.weights.torch_file import write_torch_file
from tfds_mtl_aqa.input_error import InputError

_TASK = RankedScoreTask(ranking_weight=0.5, ranking_margin=0.1)


def test_ranking_loss_by_hand():
  true = jnp.array([3.0, 1.0, 2.0, 1.0])
  predicted = jnp.array([2.0, 1.8, 2.1, 0.0])
  # Better, worse: 0 > 1 by .2, 0 > 2 by -.1, 0 > 3 by 2, 2 > 1 by .3, 2 > 3 by
  # 2.1; 1 and 3 are the same.
  expected = (0.3 + 0.6 + 0 + 0.2 + 0) / 5
  assert ranking_loss(predicted, true, 0.5) == pytest.approx(expected)
  assert ranking_loss(predicted, jnp.ones(4), 0.5) == 0
  assert ranking_loss(predicted[:1], true[:1], 0.5) == 0


def test_loss_by_hand():
  output = jnp.array([4.0, 3.0])
  batch = {'score': jnp.array([3.0, 3.5]) * 17}
  # Squared errors 1 and .25; the better dive is predicted worse by 1.
  expected = (1 + 0.25) / 2 + 0.5 * (0.1 + 1)
  assert _TASK.loss(output, batch) == pytest.approx(expected)


def _drawn(size=6, seed=0):
  rng = np.random.default_rng(seed)
  true = rng.normal(size=size).round(1)
  return rng.normal(size=size), true


def test_gradient_is_that_of_finite_differences():
  predicted, true = _drawn()
  # Errors of float32 are too large for differences.
  with jax.enable_x64():
    batch = {'score': jnp.asarray(true * 17, jnp.float64)}
    found = jax.grad(_TASK.loss)(jnp.asarray(predicted, jnp.float64), batch)
    for place in range(len(predicted)):
      step = np.zeros_like(predicted)
      step[place] = 1e-6
      ends = [
        _TASK.loss(jnp.asarray(predicted + sign * step, jnp.float64), batch)
        for sign in (1, -1)
      ]
      assert found[place] == pytest.approx((ends[0] - ends[1]) / 2e-6, abs=1e-6)


def test_gradient_is_finite_where_all_scores_are_the_same():
  gradient = jax.grad(ranking_loss)(jnp.ones(3), jnp.ones(3), 0.1)
  np.testing.assert_array_equal(gradient, 0)


def test_ranking_loss_is_that_of_pytorch():
  torch = pytest.importorskip('torch', reason='PyTorch is not installed')
  predicted, true = _drawn(7, seed=1)
  first, second = np.array(list(itertools.combinations(range(7), 2))).T
  differ = true[first] != true[second]
  first, second = first[differ], second[differ]
  scores = torch.tensor(predicted, requires_grad=True)
  loss = torch.nn.MarginRankingLoss(margin=0.3)(
    scores[first],
    scores[second],
    torch.tensor(np.sign(true[first] - true[second])),
  )
  loss.backward()
  value, gradient = jax.value_and_grad(ranking_loss)(
    jnp.asarray(predicted), jnp.asarray(true), 0.3
  )
  assert value == pytest.approx(loss.item(), rel=1e-5)
  np.testing.assert_allclose(gradient, scores.grad.numpy(), atol=1e-6)


def test_pairs_are_of_the_whole_batch_on_all_devices():
  predicted, true = _drawn(8)
  place = sharding.batch_sharding(sharding.make_mesh(), 'score')
  assert len(place.device_set) == 8
  batch = {'score': jnp.asarray(true * 17)}
  spread = {'score': jax.device_put(batch['score'], place)}
  found = jax.jit(_TASK.loss)(jax.device_put(predicted, place), spread)
  expected = _TASK.loss(jnp.asarray(predicted), batch)
  assert found == pytest.approx(float(expected), rel=1e-6)


@pytest.mark.parametrize(
  'sizes, expected',
  [
    ((36, 9, 4), list(range(0, 36, 4))),
    # 87 frames between the first and the last beginning.
    ((103, 9, 16), [0, 10, 21, 32, 43, 54, 65, 76, 87]),
    ((7, 1, 7), [0]),
  ],
)
def test_segments_cover_the_video(sizes, expected):
  assert first_frames(*sizes) == expected
  frames, _, length = sizes
  seen = {first + k for first in expected for k in range(length)}
  assert seen == set(range(frames))


_NETWORK = {
  'segments': 3,
  'segment_frames': 4,
  'width': 2,
  'channels': 5,
  'fc6': 7,
  'conv_impl': 'stacked_2d',
}


def _variables(model, *inputs):
  shapes = jax.eval_shape(lambda: model.init(jax.random.key(0), *inputs))
  rng = np.random.default_rng(0)
  return jax.tree.map(
    lambda leaf: rng.uniform(-0.3, 0.3, leaf.shape).astype(np.float32),
    dict(shapes),
  )


def test_is_what_its_parts_give():
  rng = np.random.default_rng(1)
  video = rng.normal(size=(2, 10, 16, 16, 3)).astype(np.float32)
  model = SegmentC3D((_TASK,), **_NETWORK)
  variables = _variables(model, video)
  params = variables['params']
  found = jax.jit(model.apply)(variables, video)['ranked_score']
  trunk = C3D(2, conv_impl='stacked_2d')
  features = np.stack(
    [
      trunk.apply({'params': params[name]}, video[:, first : first + 4], False)
      for name, first in (('c3d_1', 0), ('c3d_2', 3), ('c3d_3', 6))
    ],
    axis=1,
  )
  # Padded with zeros, so that there are as many segments as before.
  padded = np.pad(features, ((0, 0), (1, 1), (0, 0)))
  layer = params['conv_segments']
  convolved = sum(padded[:, k : k + 3] @ layer['kernel'][k] for k in range(3))
  hidden = np.maximum(convolved + layer['bias'], 0).reshape(2, 15)
  for layer in (params['fc6'], params['score_regressor']['final_score']):
    output = hidden @ layer['kernel'] + layer['bias']
    hidden = np.maximum(output, 0)
  np.testing.assert_allclose(found, output[:, 0], rtol=1e-4, atol=1e-5)
  assert model.output_layers() == {('score_regressor', 'final_score')}
  with pytest.raises(ValueError, match='3 frames: give 4 or more'):
    first_frames(3, 3, 4)


def test_one_trained_c3d_goes_into_all(tmp_path):
  video = np.zeros((1, 10, 16, 16, 3), np.float32)
  model = SegmentC3D((_TASK,), **_NETWORK)
  variables = _variables(model, video)
  trained = _variables(C3D(2), video[:, :4], False)['params']
  entries = {
    f'{layer}.{"weight" if leaf == "kernel" else leaf}': to_official(
      ('params', 'c3d', layer, leaf), array + 1
    )
    for (layer, leaf), array in traverse_util.flatten_dict(trained).items()
  }
  write_torch_file(tmp_path / 'c3d.pth', entries)
  names = chosen_system('segment_c3d').official_names
  for scope in pretrained.SCOPES:
    loaded, _ = pretrained.initialize(
      variables, str(tmp_path / 'c3d.pth'), scope, names
    )
    assert loaded['params'].keys() == variables['params'].keys()
    for number in (1, 2, 3):
      jax.tree.map(
        lambda found, array: np.testing.assert_array_equal(found, array + 1),
        loaded['params'][f'c3d_{number}'],
        trained,
      )
    assert loaded['params']['fc6']['bias'] is variables['params']['fc6']['bias']


def _tiny(overrides, **changes):
  config = quickstart_segment_c3d.get_config()
  config.update_from_flattened_dict(
    {
      name: value
      for name, value in overrides.items()
      if not name.startswith('model.')
    }
    | {
      'model.segments': 2,
      'model.segment_frames': 6,
      'model.width': 2,
      'model.channels': 4,
      'model.fc6': 8,
      'duration': '1 steps',
      'evaluators': 'intervals',
      'mesh.data': 1,
    }
    | changes
  )
  return config


def test_trains_and_is_a_model(tiny_overrides, tmp_path):
  config = _tiny(tiny_overrides)
  found = train.train_and_evaluate(config, tmp_path)['test']
  assert found['selected_on'] == 'validation'
  assert -1 <= found['spearman'] <= 1
  assert 'score_interval' in found
  assert (tmp_path / 'report_test.html').exists()
  assert find_model(tmp_path).config.network == 'segment_c3d'


@pytest.mark.parametrize(
  ('field', 'value'),
  [
    ('model.segments', 0),
    ('model.segment_frames', 5),
    ('model.segment_frames', 13),
    ('model.ranking_weight', -1.0),
    ('model.ranking_margin', float('nan')),
    ('tasks', 'ranked_score,captions'),
    ('tasks', 'score,ranked_score'),
  ],
)
def test_a_wrong_field_is_named(field, value, tiny_overrides):
  config = _tiny(tiny_overrides, **{field: value})
  schema = Schema(words=('<eos>', '<sos>'))
  with pytest.raises(InputError, match=rf'config\.{field}=') as caught:
    chosen_system('segment_c3d').choose_tasks(config, schema)
  assert '\n' not in str(caught.value)


def test_ranks_without_a_network_of_segments(tiny_config):
  with tiny_config.unlocked():
    tiny_config.loss_weights.ranked_score = 1.0
  tiny_config.tasks = 'ranked_score'
  (task,) = chosen_system('c3davg').choose_tasks(tiny_config, Schema())
  assert isinstance(task, ScoreTask)
  assert (task.ranking_weight, task.ranking_margin) == (1.0, 0.1)


def test_the_whole_config_is_of_the_whole_window():
  config = segment_c3d.get_config()
  (task,) = chosen_system('segment_c3d').choose_tasks(config, Schema())
  model = chosen_system('segment_c3d').create_network(config, (task,))
  shapes = jax.eval_shape(
    lambda: model.init(jax.random.key(0), jnp.zeros((1, 103, 112, 112, 3)))
  )
  kernels = {
    name: shapes['params'][name]['kernel'].shape
    for name in ('conv_segments', 'fc6')
  }
  assert kernels == {
    'conv_segments': (3, 8192, 512),
    'fc6': (9 * 512, 1024),
  }
  assert sum(name.startswith('c3d_') for name in shapes['params']) == 9
