"""The task `commentary`, and the networks that learn it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from dive_tasks import dive_schema, dive_tasks

from aqa_jax.configs import quickstart_commentary
from aqa_jax.data.schema import Schema
from aqa_jax.data.spoken_classes import contradicted
from aqa_jax.systems.c3davg.network import C3DAVG
from aqa_jax.systems.mscadc.network import MSCADC
from aqa_jax.tasks.captions import CaptionsTask
from aqa_jax.tasks.chosen_tasks import chosen_tasks
from aqa_jax.tasks.commentary import CommentaryTask
from aqa_jax.tasks.faults import FaultSide, FaultsTask
from aqa_jax.training import steps
from tfds_mtl_aqa.input_error import InputError
from tfds_mtl_aqa.labels import CLASS_NAMES

_WORDS = ('<eos>', '<sos>', 'back', 'forward', 'inward', 'reverse', 'dive')
_WORDS += ('two', 'and', 'a', 'half', 'somersaults', 'pike', 'tuck', 'free')
_LENGTH = 6
_SCHEMA = Schema(
  classes=tuple(CLASS_NAMES.items()),
  words=_WORDS,
  features=('faults', 'faults/splash'),
)


def _tasks(commentary=True):
  config = quickstart_commentary.get_config().unlock()
  config.model.caption_length = _LENGTH
  if commentary:
    return chosen_tasks(config, _SCHEMA)
  return (
    *dive_tasks(('score', 'classes')),
    FaultsTask((FaultSide('splash', 1, 1.0),)),
    CaptionsTask(len(_WORDS), _LENGTH),
  )


def _network(kind=C3DAVG, **changes):
  fields = {'tasks': _tasks(), 'width': 2, 'caption_length': _LENGTH}
  fields |= {'caption_layers': 1, 'caption_beams': 2}
  fields |= {'caption_hidden': 8, 'conv_impl': 'stacked_2d'}
  if kind is C3DAVG:
    fields |= {'clips': 2, 'fc6': 8, 'caption_maps': 'c3'}
  return kind(**(fields | changes))


def _inputs(batch=2, size=16, frames=16):
  rng = np.random.default_rng(0)
  video = rng.normal(size=(batch, frames, size, size, 3)).astype(np.float32)
  words = rng.integers(2, len(_WORDS), size=(batch, _LENGTH)).astype(np.int32)
  words[:, 0] = 1
  return video, words


def _variables(network, video, words):
  """Returns random variables, without compiling what makes them."""
  rng = np.random.default_rng(0)

  def draw(shape):
    deviation = max(np.prod(shape.shape[:-1]), 1) ** -0.5
    return deviation * rng.normal(size=shape.shape).astype(np.float32)

  shapes = jax.eval_shape(network.init, jax.random.key(0), video, words)
  variables = jax.tree.map(draw, shapes)
  if 'batch_stats' in variables:
    # Variances are above 0.
    variables['batch_stats'] = jax.tree.map(
      lambda shape: np.ones(shape.shape, shape.dtype), shapes['batch_stats']
    )
  return variables


@pytest.mark.parametrize('kind', [C3DAVG, MSCADC])
def test_networks_say_words_that_agree_with_their_classes(kind):
  network = _network(kind)
  video, words = _inputs(8, 24 if kind is MSCADC else 16)
  variables = _variables(network, video, words)
  assert set(variables['params']) >= {'commentator', 'fault_regressor'}
  outputs = jax.eval_shape(network.apply, variables, video, words)
  assert outputs['commentary'].shape == (8, _LENGTH - 1, len(_WORDS))
  outputs = jax.jit(network.apply)(variables, video)
  assert outputs['commentary'].shape == (8, _LENGTH - 1)
  for index, ids in enumerate(outputs['commentary']):
    classes = {
      name: CLASS_NAMES[name][int(logits[index].argmax())]
      for name, logits in outputs['classes'].items()
    }
    assert not contradicted([_WORDS[i] for i in ids], classes)


def test_rows_do_not_depend_on_how_they_are_spread():
  """The maps of clips come back to their dives, in the order of time."""
  network = _network()
  video, words = _inputs(4)
  variables = _variables(network, video, words)
  apply = jax.jit(network.apply)
  expected = apply(variables, video, words)['commentary']
  spread = _network(example_shards=2, clip_shards=2)
  found = jax.jit(spread.apply)(variables, video, words)['commentary']
  np.testing.assert_allclose(found, expected, atol=1e-5)
  backwards = apply(variables, video[:, ::-1], words)['commentary']
  assert np.abs(np.asarray(backwards) - expected).max() > 1e-4


def test_words_train_the_trunk_and_leave_the_other_heads():
  network = _network()
  video, words = _inputs()
  variables = _variables(network, video, words)
  batch = {'words': words, 'word_mask': np.ones(words.shape, np.float32)}

  def loss(params):
    outputs = network.apply(variables | {'params': params}, video, words)
    (task,) = (t for t in network.tasks if t.name == 'commentary')
    return steps.task_losses([task], outputs, batch)['commentary']

  gradient = jax.jit(jax.grad(loss))(variables['params'])
  largest = {
    name: max(float(jnp.abs(leaf).max()) for leaf in jax.tree.leaves(own))
    for name, own in gradient.items()
  }
  assert largest['c3d'] > 0
  assert largest['commentator'] > 0
  for head in ('fc6', 'score_regressor', 'dive_classifier', 'fault_regressor'):
    assert largest[head] == 0


def test_the_outer_layers_are_for_adam():
  assert ('commentator', 'out') in _network().output_layers()
  assert ('commentator', 'embed') in _network().output_layers()


def test_the_captioner_of_the_paper_is_as_it_was():
  """The same parameters, whatever the other decoder's fields."""
  tasks = _tasks(commentary=False)
  video, words = _inputs()
  found = [
    jax.eval_shape(
      _network(tasks=tasks, **changes).init, jax.random.key(0), video, words
    )
    for changes in ({}, {'caption_layers': 3, 'caption_maps': 'c5'})
  ]
  assert 'captioner' in found[0]['params']
  assert found[0] == found[1]


def _config(**changes):
  config = quickstart_commentary.get_config().unlock()
  config.update_from_flattened_dict(changes)
  return config


@pytest.mark.parametrize(
  ('changes', 'message'),
  [
    (
      {'tasks': 'score,captions,commentary'},
      'captions and commentary both give the caption',
    ),
    ({'model.caption_heads': 5}, 'caption_hidden=96: give a multiple of'),
    (
      {'model.caption_maps': 'c6'},
      "caption_maps='c6': give c1, c2, c3, c4, c5",
    ),
  ],
)
def test_wrong_configs_are_told(changes, message):
  with pytest.raises(InputError, match=message):
    chosen_tasks(_config(**changes), _SCHEMA)


def test_datasets_that_lack_what_is_needed_are_refused():
  with pytest.raises(InputError, match='has no captions'):
    CommentaryTask.create(_config(), Schema())
  without = _config(tasks='score,classes,faults,commentary')
  with pytest.raises(InputError, match='does not know the faults'):
    chosen_tasks(without, dive_schema())
  # Any dataset with captions will do without the task of the faults.
  tasks = chosen_tasks(_config(tasks='score,classes,commentary'), dive_schema())
  assert [task.name for task in tasks] == ['score', 'classes', 'commentary']


def test_a_network_without_classes_has_no_rules():
  tasks = chosen_tasks(
    _config(**{'tasks': 'score,commentary', 'model.caption_length': _LENGTH}),
    _SCHEMA,
  )
  network = _network(tasks=tasks)
  video, words = _inputs()
  variables = _variables(network, video, words)
  outputs = jax.eval_shape(network.apply, variables, video)
  assert outputs['commentary'].shape == (2, 5)


def test_a_file_for_jax_says_the_same_words():
  """Of a batch of any size."""
  network = _network()
  video, words = _inputs(3)
  variables = _variables(network, video, words)

  def say(video):
    return network.apply(variables, video)['commentary']

  (batch,) = jax.export.symbolic_shape('batch')
  shape = jax.ShapeDtypeStruct((batch, *video.shape[1:]), jnp.float32)
  exported = jax.export.export(jax.jit(say))(shape)
  again = jax.export.deserialize(exported.serialize())
  np.testing.assert_array_equal(again.call(video), jax.jit(say)(video))
