"""The rows of the paper's Table 4: two networks, four sets of tasks."""

import ast
import contextlib
import json
import pathlib

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
import pytest
from dive_tasks import dive_schema, dive_tasks

from aqa_jax import train
from aqa_jax.configs import c3davg, mscadc
from aqa_jax.systems.c3davg.network import C3DAVG
from aqa_jax.systems.chosen_system import chosen_system
from aqa_jax.training import steps, training_loop
from tfds_mtl_aqa.labels import CLASS_NAMES

_GOLDENS = pathlib.Path(__file__).parent / 'goldens'
_CONFIGS = {'c3davg': c3davg, 'mscadc': mscadc}
_TASKS = (
  'score',
  'score,classes',
  'score,captions',
  'score,classes,captions',
)
_OFFICIAL_MODULES = {
  'score': 'model_score_regressor',
  'classes': 'model_dive_classifier',
  'captions': 'model_caption',
}
_ROWS = [(network, tasks) for network in _CONFIGS for tasks in _TASKS]


def _official_parameters(network, tasks):
  """Counts the official code's parameters that a row needs."""
  golden = np.load(_GOLDENS / f'{network}.npz')
  modules = {'model_CNN', 'model_my_fc6'}
  modules |= {_OFFICIAL_MODULES[task] for task in tasks.split(',')}
  return sum(
    int(np.prod(ast.literal_eval(str(shape))))
    for name, shape in zip(golden['names'], golden['shapes'], strict=True)
    if str(name).split('.')[0] in modules
    and not str(name).endswith(('running_mean', 'running_var', 'tracked'))
  )


@pytest.mark.parametrize('network, tasks', _ROWS)
def test_full_size_has_the_official_parameters_and_no_more(network, tasks):
  config = _CONFIGS[network].get_config()
  config.tasks = tasks
  system = chosen_system(network)
  schema = dive_schema(['<eos>', '<sos>', *map(str, range(5777))])
  model = system.create_network(config, system.choose_tasks(config, schema))
  frames, crop = config.input.frames, config.input.crop
  variables = jax.eval_shape(
    model.init,
    jax.random.key(0),
    jnp.zeros((2, frames, crop, crop, 3)),
    jnp.zeros((2, 100), jnp.int32),
  )
  ours = sum(leaf.size for leaf in jax.tree.leaves(variables['params']))
  assert ours == _official_parameters(network, tasks)


def _tiny(network, tasks, overrides) -> ml_collections.ConfigDict:
  """The row, on 32 dives of 32 x 24 pixels."""
  config = _CONFIGS[network].get_config()
  fits = {
    name: value
    for name, value in overrides.items()
    if not name.startswith('model.') or name.split('.')[1] in config.model
  }
  config.update_from_flattened_dict(
    fits
    | {
      'tasks': tasks,
      'duration': '8 epochs',
      'checkpoint_every': '8 epochs',
      'mesh.data': 1,
      'optimizer.learning_rate': 1e-2,
    }
  )
  if network == 'mscadc':
    config.update_from_flattened_dict(
      {
        'input.frames': 12,
        'input.stride': 1.5,
        'input.anchor': 'start',
        'input.crop': 24,
        'model.head_channels': 3,
        'model.dropout': 0.0,
        'optimizer.learning_rate': 3e-2,
      }
    )
  return config


# Each compiles for a minute; the last has the tasks of those left out.
@pytest.mark.parametrize('network, tasks', _ROWS[:5] + _ROWS[-1:])
def test_each_row_trains(network, tasks, tmp_path, tiny_overrides):
  config = _tiny(network, tasks, tiny_overrides)
  experiment = train.set_up(config, tmp_path)
  with contextlib.closing(experiment.checkpoints):
    training_loop.run(experiment)
  lines = [
    json.loads(line)
    for line in (tmp_path / 'metrics.jsonl').read_text().splitlines()
  ]
  validated = next(line for line in lines if 'validation/mse' in line)
  assert ('validation/accuracy_twists' in validated) == ('classes' in tasks)
  assert ('validation/bleu_1' in validated) == ('captions' in tasks)
  losses = [line for line in lines if 'train/loss' in line]
  learned = {name for name in losses[0] if name.startswith('train/')}
  assert learned == {
    'train/loss',
    'train/gradient_norm',
    *(f'train/{task}' for task in tasks.split(',')),
  }
  first, last = (
    np.mean([line['train/loss'] for line in part])
    for part in (losses[:3], losses[-3:])
  )
  assert last < 0.9 * first


def test_a_loss_weight_of_zero_is_a_task_dropped():
  rng = np.random.default_rng(0)
  batch = {
    'words': np.array([[1, 2, 3, 0]] * 2, np.int32),
    'word_mask': np.ones((2, 4), np.float32),
    'score': np.array([40, 80], np.float32),
    **{task: np.array([0, 1], np.int32) for task in CLASS_NAMES},
  }
  video = rng.normal(size=(2, 8, 16, 16, 3)).astype(np.float32)

  def gradients(tasks, weights, params=None):
    model = C3DAVG(
      dive_tasks(tasks, words=5, length=4),
      clips=2,
      width=2,
      fc6=6,
      caption_length=4,
      caption_hidden=3,
      caption_embedding=2,
    )
    if params is None:
      params = model.init(jax.random.key(0), video, batch['words'])['params']

    def loss(params):
      outputs = model.apply({'params': params}, video, batch['words'])
      return steps.total_loss(
        steps.task_losses(model.tasks, outputs, batch), weights
      )

    return params, jax.jit(jax.grad(loss))(params)

  weights = {'score': 1.0, 'classes': 0.0, 'captions': 0.0}
  params, of_all = gradients(('score', 'classes', 'captions'), weights)
  kept = {name: params[name] for name in ('c3d', 'fc6', 'score_regressor')}
  _, of_score = gradients(('score',), weights, kept)
  for name, expected in of_score.items():
    jax.tree.map(
      lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-7),
      of_all[name],
      expected,
    )
  for name in ('dive_classifier', 'captioner'):
    assert not any(np.any(leaf) for leaf in jax.tree.leaves(of_all[name]))
