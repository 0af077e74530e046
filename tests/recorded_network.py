"""What the official code gave for seeded weights, and our network with them."""

import os
import pathlib
import runpy

import jax
import numpy as np
import seeded_weights
from dive_tasks import dive_schema

from aqa_jax.systems.chosen_system import chosen_system
from aqa_jax.weights import pretrained
from aqa_jax.weights.torch_file import write_torch_file

_ROOT = pathlib.Path(__file__).parents[1]
GOLDENS = pathlib.Path(
  os.environ.get('AQA_GOLDENS', _ROOT / 'tests' / 'goldens')
)
# Frames and crop of the recorded videos.
SIZES = {'c3davg': (96, 112), 'mscadc': (16, 180)}
_VOCABULARY_SIZE = 5779


class RecordedNetwork:
  """What was recorded of a network, and the network."""

  def __init__(self, name, folder):
    self.name = name
    self.golden = dict(np.load(GOLDENS / f'{name}.npz'))
    self.seed = int(self.golden['seed'])
    # The same in float64, if that was recorded.
    self.exact = {}
    if (GOLDENS / f'{name}_float64.npz').exists():
      self.exact = dict(np.load(GOLDENS / f'{name}_float64.npz'))
      assert self.exact['seed'] == self.seed
    self.config = runpy.run_path(str(_ROOT / f'configs/{name}.py'))[
      'get_config'
    ]()
    # On GPU and TPU it would be bfloat16.
    self.config.compute_dtype = 'float32'
    self.batch = seeded_weights.batch(*SIZES[name], self.seed)
    self.official = {
      str(entry): seeded_weights.weights(
        str(entry), tuple(map(int, _integers(shape))), self.seed
      )
      for entry, shape in zip(
        self.golden['names'], self.golden['shapes'], strict=True
      )
    }
    for module in {entry.split('.')[0] for entry in self.official}:
      write_torch_file(
        folder / f'{module}_94.pth',
        {
          entry.removeprefix(f'{module}.'): array
          for entry, array in self.official.items()
          if entry.startswith(f'{module}.')
        },
      )
    system = chosen_system(name)
    words = ('<eos>', '<sos>', *map(str, range(_VOCABULARY_SIZE - 2)))
    tasks = system.choose_tasks(self.config, dive_schema(words))
    self.model = system.create_network(self.config, tasks)
    self.names = system.official_names
    shapes = jax.eval_shape(
      lambda: self.model.init(
        jax.random.key(0), self.batch['video'][:1], self.batch['words'][:1]
      )
    )
    self.variables, self.table = pretrained.initialize(
      shapes, str(folder), 'everything', self.names
    )

    # A bias that a BatchNorm takes away again has a gradient of rounding only.
    self.without_gradient = {
      entry
      for entry in self.official
      if name == 'mscadc'
      and entry.endswith('.bias')
      and 'conv' in entry
      and 'head_conv3' not in entry
    }

  def without_dropout(self):
    return self.model.clone(
      **{
        field: 0.0
        for field in ('dropout', 'caption_dropout')
        if hasattr(self.model, field)
      }
    )

  def features(self, outputs):
    """Returns what is recorded of the inside, by its name there."""
    inside = outputs['intermediates']
    found = {
      name: next(iter(inside[name].values()))[0]
      for name in ('c3d', 'fc6')
      if name in inside
    }
    if isinstance(found['c3d'], tuple):  # Of `C3D.with_maps`.
      found['c3d'] = found['c3d'][0]
    if 'fc6' not in found:  # [batch, channels, time, height, width]
      return {'features': found['c3d'].transpose(0, 4, 1, 2, 3)}
    clips = found['c3d'].reshape(2, 6, -1)
    return {'clip_features': clips, 'fc6': jax.nn.relu(found['fc6'])}


def _integers(shape):
  return str(shape).strip('()').replace(',', ' ').split()


def _error(ours, recorded):
  """Returns the relative error in the L2 norm."""
  ours = np.asarray(ours, np.float64)
  assert ours.shape == recorded.shape
  return np.linalg.norm(ours - recorded) / np.linalg.norm(recorded)


class Errors:
  """Errors against a tolerance; recorded, to be printed, then asserted.

  `exceptions` is how many may exceed it, up to five times, if at least half of
  all are ten times better.
  """

  def __init__(self, title, tolerance, exceptions=0):
    self.title, self.tolerance, self.errors = title, tolerance, {}
    self.exceptions = exceptions

  def compare(self, name, ours, recorded):
    """Notes the error, or the least of several."""
    error = _error(ours, np.asarray(recorded, np.float64))
    self.errors[name] = min(error, self.errors.get(name, np.inf))

  def passes(self):
    errors = np.array(list(self.errors.values()))
    failures = np.sum(~(errors <= self.tolerance))
    return failures == 0 or (
      failures <= self.exceptions
      and errors.max() <= 5 * self.tolerance
      and np.median(errors) <= self.tolerance / 10
    )

  def record(self, record_property):
    worst = sorted(self.errors, key=self.errors.get, reverse=True)
    record_property(
      'measured',
      f'{self.title}: worst relative errors of {len(worst)}, tolerance '
      f'{self.tolerance:g}: '
      + ', '.join(f'{name} {self.errors[name]:.1e}' for name in worst[:3]),
    )
