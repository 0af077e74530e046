"""Gradient times input, and that it reaches the page at the right frames."""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from dive_tasks import dive_tasks

from aqa_jax.data.input_pipeline import make_inputs
from aqa_jax.data.video_input import VideoInput
from aqa_jax.evaluation import frame_importance
from aqa_jax.layers.normalize import normalize
from aqa_jax.report import filmstrip
from aqa_jax.systems.c3davg.network import C3DAVG
from aqa_jax.task import Task
from aqa_jax.tasks.score import SCORE_UNIT
from tfds_mtl_aqa.labels import CLASS_NAMES
from tfds_mtl_aqa.simulated_dives.dive import simulate_dive
from tfds_mtl_aqa.simulated_dives.renderer import render_dive
from tfds_mtl_aqa.simulated_dives.simulation_config import CONFIGS
from tfds_mtl_aqa.simulation.frames import encode_frames

_CONFIG = CONFIGS['quickstart']
# Of 48 frames, so that both anchors see the splash, at other places; in clips
# of three, one of which begins with it: what is in a clip is mixed.
_FRAMES, _CLIPS, _CROP = 45, 15, 32


class LinearScore(nn.Module):
  """A score that is linear in the input: a weight for every number of it."""

  tasks: tuple[Task, ...]

  @nn.compact
  def __call__(self, video):
    weights = self.param('weights', nn.initializers.zeros, video.shape[1:])
    mean = self.variable('batch_stats', 'mean', jnp.zeros, ())
    score = (video * weights).sum(axis=(1, 2, 3, 4)) + mean.value
    return {'score': score}


def _video(batch, frames, size, seed=0):
  shape = (batch, frames, size, size, 3)
  return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def test_linear_score_by_hand():
  video = _video(3, 5, 4)
  weights = np.random.default_rng(1).normal(size=video.shape[1:])
  step = frame_importance.make_importance_step(
    LinearScore(dive_tasks(('score',)))
  )
  found = step({'weights': weights}, {'mean': jnp.float32(2.0)}, video)
  assert found.shape == (3, 5)
  assert found.dtype == jnp.float32
  mean, std = np.array([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]])
  normalized = (video / 255 - mean) / std
  expected = SCORE_UNIT * (weights * normalized).sum(axis=(2, 3, 4))
  np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-3)
  # Of a linear score, the frames' sum is all of it but the constant.
  outputs = LinearScore(dive_tasks(('score',))).apply(
    {'params': {'weights': weights}, 'batch_stats': {'mean': 2.0}},
    jnp.asarray(normalized, jnp.float32),
  )
  np.testing.assert_allclose(
    found.sum(axis=1), SCORE_UNIT * (outputs['score'] - 2.0), rtol=1e-4
  )


def _model(**changes):
  return C3DAVG(
    **{
      'tasks': dive_tasks(words=9, length=8),
      'clips': _CLIPS,
      'width': 4,
      'fc6': 32,
      'conv_impl': 'stacked_2d',
      'caption_length': 8,
      'caption_hidden': 8,
      'caption_embedding': 5,
    }
    | changes
  )


def _variables(model, frames, size):
  """Returns random variables; compiling `model.init` takes longer."""
  video = jnp.zeros((1, frames, size, size, 3))
  words = jnp.zeros((1, model.caption_length), jnp.int32)
  shapes = jax.eval_shape(model.init, jax.random.key(0), video, words)
  rng = np.random.default_rng(0)

  def draw(path, leaf):
    normal = rng.standard_normal(leaf.shape).astype(np.float32)
    if path[-1].key == 'kernel':
      return normal * np.float32(np.sqrt(2 / np.prod(leaf.shape[:-1])))
    return 0.05 * normal + (path[-1].key in ('scale', 'var'))

  return jax.tree_util.tree_map_with_path(draw, shapes)


def test_network_against_finite_differences():
  """With BatchNorm, whose statistics are the running ones, and all heads."""
  model = _model(clips=3, batch_norm=True, width=2)
  variables = _variables(model, 6, 16)
  video = _video(2, 6, 16)
  step = frame_importance.make_importance_step(model)
  found = step(variables['params'], variables['batch_stats'], video)
  normalized = normalize(video, jnp.zeros(2, bool))

  @jax.jit
  def points(scales):
    """The scores where each frame is multiplied by its scale, [2]."""
    outputs = model.clone(tasks=dive_tasks(('score',))).apply(
      variables, normalized * scales[None, :, None, None, None]
    )
    return outputs['score'] * SCORE_UNIT

  size = 1e-2
  for frame in range(6):
    bump = size * np.eye(6, dtype=np.float32)[frame]
    slope = (points(1 + bump) - points(1 - bump)) / (2 * size)
    scale = np.abs(found).max()
    np.testing.assert_allclose(found[:, frame], slope, atol=0.05 * scale)
  # A dive's figures do not depend on what else is in the batch.
  video[0] = 0
  beside = step(variables['params'], variables['batch_stats'], video)
  np.testing.assert_allclose(beside[1], found[1], rtol=1e-4, atol=1e-4)


@pytest.fixture(name='splashes', scope='module')
def fixture_splashes():
  """A dive as frames, with hardly a splash and with the largest."""
  dive = simulate_dive(_CONFIG, 'train', 0)
  rendered = []
  for splash in (0.05, 1.0):
    faults = dataclasses.replace(dive.faults, splash=splash)
    flight = dataclasses.replace(dive.flight, faults=faults)
    rendered.append(render_dive(dataclasses.replace(dive, flight=flight)))
  return rendered


@pytest.fixture(name='network', scope='module')
def fixture_network():
  """A small C3D-AVG of random weights, and its step."""
  model = _model()
  step = frame_importance.make_importance_step(model)
  variables = _variables(model, _FRAMES, _CROP)
  # With all its units on, what fc6 makes of a clip is not for others to change.
  variables['params']['fc6']['bias'] += 1000.0
  return variables, step


@pytest.mark.parametrize('anchor', ['start', 'end'])
def test_the_splash_changes_the_frames_of_the_splash(splashes, network, anchor):
  """From the stored frames, as in an evaluation, to the numbers on the page."""
  video_input = VideoInput(48, _FRAMES, 1.0, anchor, 0, _CROP, False)
  variables, step = network
  by_frame = []
  for frames in splashes:
    example = {
      'video': encode_frames(frames),
      'padded_frames': (0, 0),
      'caption_ids': np.array([1, 0]),
      'event': 1,
      'sample': 1,
      'final_score': 50.0,
      'difficulty': 3.0,
    } | dict.fromkeys(CLASS_NAMES, 0)
    video = make_inputs(example, video_input, (), rng=None)['video']
    importances = step(variables['params'], {}, video[None])
    segments = filmstrip.make_filmstrip(
      video, video_input.offsets(), np.asarray(importances[0])
    )
    by_frame.append(
      {
        int(frame): value
        for segment in segments
        for frame, value in zip(
          segment.frames, segment.importances, strict=True
        )
      }
    )
  change = {
    frame: abs(by_frame[1][frame] - by_frame[0][frame]) for frame in by_frame[0]
  }
  assert len(change) == _FRAMES
  # The window follows after the margin; its frames count from 1.
  differs = (splashes[0] != splashes[1]).any(axis=(1, 2, 3))
  splash = np.flatnonzero(differs) - _CONFIG.margin_frames + 1
  splash = splash[np.isin(splash, list(change))]
  assert 35 < splash[0] < splash[-1]

  def share(frames):
    return sum(change.get(int(frame), 0.0) for frame in frames) / sum(
      change.values()
    )

  assert share(splash) > 0.999
  # With the frames even one off, less.
  for off in (-3, -2, -1, 1, 2, 3):
    assert share(splash + off) < 0.99
