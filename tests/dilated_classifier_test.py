"""The network of the dilated classifier."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from dive_tasks import dive_schema, dive_tasks

from aqa_jax.configs import dilated_classifier, quickstart_dilated_classifier
from aqa_jax.layers.convolution import CONV_IMPLS
from aqa_jax.systems.chosen_system import chosen_system
from aqa_jax.systems.dilated_classifier.network import DilatedClassifier
from aqa_jax.trunks.dilated_c3d import DilatedC3D
from tfds_mtl_aqa.input_error import InputError
from tfds_mtl_aqa.labels import CLASS_NAMES

_SCHEMA = dive_schema()


def _config(module, **changes):
  config = module.get_config()
  config.update_from_flattened_dict(changes)
  return config


@pytest.mark.parametrize(
  'module, frames, crop',
  [(dilated_classifier, 16, 180), (quickstart_dilated_classifier, 32, 32)],
)
@pytest.mark.parametrize('tasks', ['classes', 'score,classes', 'score'])
def test_a_head_for_each_classification(module, frames, crop, tasks):
  config = _config(module, tasks=tasks)
  system = chosen_system(config.network)
  chosen = system.choose_tasks(config, _SCHEMA)
  network = system.create_network(config, chosen)
  assert (config.input.frames, config.input.crop) == (frames, crop)
  outputs, variables = jax.eval_shape(
    network.init_with_output,
    jax.random.key(0),
    jnp.zeros((2, frames, crop, crop, 3)),
  )
  assert set(outputs) == set(tasks.split(','))
  params = variables['params']
  if 'classes' in outputs:
    assert {name: out.shape for name, out in outputs['classes'].items()} == {
      name: (2, len(names)) for name, names in CLASS_NAMES.items()
    }
    assert set(params['dive_classifier']) == set(CLASS_NAMES)
  for path in network.output_layers():
    assert params[path[0]][path[1]]['kernel'].shape[0] == 8 * config.model.width


@pytest.mark.parametrize('conv_impl', CONV_IMPLS)
def test_it_equals_a_torch_network(conv_impl):
  """Behind the trunk, which has a test of its own."""
  torch = pytest.importorskip('torch')

  def tensor(array):
    return torch.tensor(np.asarray(array, np.float64))

  network = DilatedClassifier(
    dive_tasks(('score', 'classes')), width=1, conv_impl=conv_impl
  )
  rng = np.random.default_rng(0)
  video = rng.normal(size=(2, 24, 40, 48, 3)).astype(np.float32)
  variables = jax.tree_util.tree_map_with_path(
    lambda path, leaf: (
      rng.normal(size=leaf.shape)
      if path[-1].key in ('kernel', 'bias')
      else rng.uniform(0.5, 1, leaf.shape)
    ).astype(leaf.dtype),
    jax.eval_shape(network.init, jax.random.key(0), video),
  )
  found = jax.jit(network.apply)(variables, video)
  params, running = variables['params'], variables['batch_stats']
  trunk = {'params': params['c3d'], 'batch_stats': running['c3d']}
  maps = jax.jit(DilatedC3D(1).apply, static_argnums=2)(trunk, video, False)
  x = tensor(maps).permute(0, 4, 1, 2, 3)
  assert x.shape[2:] == (4, 3, 4)
  for n, dilation in enumerate((1, 1, 2, 4), 1):
    layer, norm = (
      params[f'context_{kind}{n}'] | running.get(f'context_{kind}{n}', {})
      for kind in ('conv', 'bn')
    )
    kernel = tensor(layer['kernel']).permute(4, 3, 0, 1, 2)
    x = torch.nn.functional.conv3d(
      x, kernel, tensor(layer['bias']), padding=dilation, dilation=dilation
    )
    x = torch.nn.functional.batch_norm(
      x, *(tensor(norm[name]) for name in ('mean', 'var', 'scale', 'bias'))
    ).relu()
  mean = x.mean(dim=(2, 3, 4))
  for name in CLASS_NAMES:
    head = params['dive_classifier'][name]
    expected = mean @ tensor(head['kernel']) + tensor(head['bias'])
    np.testing.assert_allclose(
      found['classes'][name], expected, rtol=1e-4, atol=1e-4
    )
  assert found['score'].shape == (2,)


@pytest.mark.parametrize('tasks', ['classes,captions', 'score,captions'])
def test_it_has_no_captioner(tasks):
  config = _config(quickstart_dilated_classifier, tasks=tasks)
  with pytest.raises(InputError, match='has no captioner; leave captions out'):
    chosen_system(config.network).choose_tasks(config, _SCHEMA)
