"""353 dives, as many as MTL-AQA tests on, on one device and on eight."""

import cv2
import jax
import numpy as np
import optax
import pytest
from dive_tasks import dive_schema, dive_tasks

from aqa_jax import sharding
from aqa_jax.data.dive_split import DiveSplit
from aqa_jax.data.input_pipeline import make_inputs
from aqa_jax.data.video_input import VideoInput
from aqa_jax.evaluation import predict
from aqa_jax.layers.normalize import normalize
from aqa_jax.systems.c3davg.network import C3DAVG
from aqa_jax.train_state import create_train_state
from aqa_jax.training import steps
from tfds_mtl_aqa.labels import CLASS_NAMES

_NUM_DIVES = 353
_WORDS = ('<eos>', '<sos>', 'a', 'very', 'good', 'dive')
_INPUT = VideoInput(4, 4, 1.0, 'end', 0, 16, False)
_LENGTH = 6
_TASKS = dive_tasks(words=len(_WORDS), length=_LENGTH)


def _dive(index):
  rng = np.random.default_rng(index)
  # A shade of its own, which even a network of chance sees.
  shade = rng.integers(0, 256, (1, 1, 1, 3))
  noise = rng.integers(-9, 10, (4, 16, 16, 3))
  frames = np.clip(shade + noise, 0, 255).astype(np.uint8)
  return {
    'video': [cv2.imencode('.png', frame)[1].tobytes() for frame in frames],
    'padded_frames': np.zeros(2, np.int32),
    'event': 1 + index % 7,
    'sample': index,
    'dive_number': b'107B',
    'start_frame': 1,
    'end_frame': 100 + index % 50,
    'final_score': 40.0 + index % 60,
    'difficulty': 2.0 + index % 20 / 10,
    'judge_scores': np.full(7, 8.0),
    'caption_ids': np.array([1, 2, 3 + index % 3, 0]),
  } | {task: index % len(names) for task, names in CLASS_NAMES.items()}


@pytest.fixture(name='split', scope='module')
def fixture_split():
  return DiveSplit([_dive(i) for i in range(_NUM_DIVES)], range(_NUM_DIVES))


@pytest.fixture(name='model', scope='module')
def fixture_model():
  return C3DAVG(
    _TASKS,
    clips=2,
    width=2,
    fc6=16,
    caption_length=_LENGTH,
    caption_hidden=8,
    caption_embedding=5,
    conv_impl='stacked_2d',
  )


def _predict(model, split, devices, batch_size):
  mesh = sharding.make_mesh(devices)
  shape = (_INPUT.frames, _INPUT.crop, _INPUT.crop, 3)
  state = create_train_state(model, optax.sgd(1.0), 0, shape, _LENGTH, mesh)
  state = state.replace(params=jax.tree.map(lambda p: 4 * p, state.params))
  predictions = predict.predict(
    steps.make_predict_step(model, mesh),
    state,
    split,
    _INPUT,
    dive_schema(_WORDS),
    _TASKS,
    batch_size,
    mesh,
  )
  return state, predictions


def test_one_device_and_eight_say_the_same_of_every_dive(split, model):
  state, one = _predict(model, split, devices=1, batch_size=5)
  _, eight = _predict(model, split, devices=8, batch_size=20)
  for found in (one, eight):
    assert found.labels['sample'].tolist() == list(range(_NUM_DIVES))
    assert (
      len(found.outputs['score'])
      == len(found.outputs['captions'])
      == _NUM_DIVES
    )
  assert (
    np.ptp(one.outputs['score']) > 1
    and len(np.unique(one.outputs['score'])) > 300
  )
  np.testing.assert_allclose(
    eight.outputs['score'], one.outputs['score'], rtol=1e-5
  )
  assert eight.outputs['captions'] == one.outputs['captions']
  for task in CLASS_NAMES:
    np.testing.assert_array_equal(
      eight.outputs['classes'][task], one.outputs['classes'][task]
    )
  # The last of them, which a batch that is not full holds, asked by itself.
  inputs = make_inputs(split[_NUM_DIVES - 1], _INPUT, (), rng=None)
  alone = model.apply(
    {'params': jax.device_get(state.params)},
    normalize(inputs['video'][None], np.zeros(1, bool)),
  )
  np.testing.assert_allclose(
    17 * alone['score'], one.outputs['score'][-1:], rtol=1e-4
  )
  # And so are all the figures.
  first, second = (predict.measure(_TASKS, found) for found in (one, eight))
  assert first['num_dives'] == _NUM_DIVES
  leaves, others = (jax.tree.flatten(e) for e in (first, second))
  assert leaves[1] == others[1]
  np.testing.assert_allclose(
    *(
      [x for x in side[0] if not isinstance(x, str) and x is not None]
      for side in (leaves, others)
    ),
    rtol=1e-5,
  )
