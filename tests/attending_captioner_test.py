import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from aqa_jax.data.spoken_classes import contradicted
from aqa_jax.data.vocabulary import EOS_ID, SOS_ID
from aqa_jax.data.word_rules import WordRules
from aqa_jax.layers.attending_captioner import AttendingCaptioner
from aqa_jax.layers.attention import Attention
from tfds_mtl_aqa.labels import CLASS_NAMES
from tfds_mtl_aqa.simulated_dives.commentary import vocabulary

_WORDS, _LENGTH, _WIDTH, _DIVES = 13, 8, 12, 3


def _captioner(**changes):
  fields = {'max_length': _LENGTH, 'width': _WIDTH, 'heads': 3, 'dropout': 0.0}
  return AttendingCaptioner(**({'vocabulary_size': _WORDS} | fields | changes))


def _variables(captioner, maps, cues, scale=2.5):
  words = jnp.zeros((len(maps), captioner.max_length), jnp.int32)
  shapes = jax.eval_shape(
    lambda key: captioner.init(
      key,
      maps,
      cues,
      words,
      False,
      method=AttendingCaptioner.teacher_forced,
    ),
    jax.random.key(0),
  )
  rng = np.random.default_rng(1)

  def draw(shape):
    deviation = scale * max(np.prod(shape.shape[:-1]), 4) ** -0.5
    return jnp.asarray(deviation * rng.normal(size=shape.shape), jnp.float32)

  variables = jax.tree.map(draw, shapes)
  # So that captions are not one word again and again: none is preferred.
  params = variables['params']
  params['out']['bias'] *= 0.1
  params['norm'] = {
    'bias': 0 * params['norm']['bias'],
    'scale': jnp.ones(_WIDTH),
  }
  return variables


@pytest.fixture(name='case', scope='module')
def fixture_case():
  """Variables, maps, cues and words."""
  rng = np.random.default_rng(0)
  maps = rng.normal(size=(_DIVES, 2, 3, 3, 5)).astype(np.float32)
  cues = {
    'position': rng.random((_DIVES, 3)).astype(np.float32),
    'severities': rng.random((_DIVES, 8)).astype(np.float32),
  }
  words = rng.integers(2, _WORDS, size=(_DIVES, _LENGTH)).astype(np.int32)
  words[:, 0] = SOS_ID
  return _variables(_captioner(), maps, cues), maps, cues, words


def _logits(case, **changes):
  variables, maps, cues, words = case
  given = {'maps': maps, 'cues': cues, 'words': words} | changes
  return _teacher_forced(
    _captioner(), variables, given['maps'], given['cues'], given['words']
  )


@functools.partial(jax.jit, static_argnums=0)
def _teacher_forced(captioner, variables, maps, cues, words):
  return captioner.apply(
    variables,
    maps,
    cues,
    words,
    False,
    method=AttendingCaptioner.teacher_forced,
  )


def _decode(case, **options):
  variables, maps, cues, _ = case
  decode = functools.partial(
    _captioner().apply, method=AttendingCaptioner.decode, **options
  )
  return np.asarray(jax.jit(decode)(variables, maps, cues))


def test_attention_is_that_of_flax(case):
  """Against `nn.MultiHeadDotProductAttention` with the same weights."""
  rng = np.random.default_rng(0)
  rows = rng.normal(size=(2, 4, _WIDTH)).astype(np.float32)
  seen = rng.normal(size=(2, 6, _WIDTH)).astype(np.float32)
  mask = rng.random((2, 1, 4, 6)) < 0.7
  mask[..., 0] = True
  ours = Attention(_WIDTH, 3)

  def attend(module, rows, seen):
    return module(rows, module.keys_values(seen), mask)

  variables = ours.init(jax.random.key(0), rows, seen, method=attend)
  params = jax.tree.map(np.asarray, variables['params'])
  theirs = {
    name: {
      'kernel': params[name]['kernel'].reshape(_WIDTH, 3, -1),
      'bias': params[name]['bias'].reshape(3, -1),
    }
    for name in ('query', 'key', 'value')
  }
  theirs['out'] = {
    'kernel': params['out']['kernel'].reshape(3, -1, _WIDTH),
    'bias': params['out']['bias'],
  }
  expected = nn.MultiHeadDotProductAttention(num_heads=3).apply(
    {'params': theirs}, rows, seen, mask=mask
  )
  found = ours.apply(variables, rows, seen, method=attend)
  np.testing.assert_allclose(found, expected, atol=1e-5)


def test_no_word_sees_a_later_one(case):
  words = case[-1]
  assert _logits(case).shape == (_DIVES, _LENGTH - 1, _WORDS)
  changed = words.copy()
  changed[:, 4] = (changed[:, 4] + 1) % _WORDS
  before, after = _logits(case), _logits(case, words=changed)
  np.testing.assert_array_equal(before[:, :4], after[:, :4])
  assert (np.abs(before - after)[:, 4:].max(axis=(1, 2)) > 1e-3).all()


def test_words_see_each_map_and_each_cue(case):
  """The gradient of the logits by everything that is looked at."""
  _, maps, cues, _ = case

  def total(maps, cues):
    return jnp.square(_logits(case, maps=maps, cues=cues)).sum()

  of_maps, of_cues = jax.grad(total, (0, 1))(maps, cues)
  assert (np.abs(of_maps).max(axis=-1) > 0).all()
  for gradient in of_cues.values():
    assert (np.abs(gradient) > 0).all()


def test_one_beam_is_greedy(case):
  """Against the argmax of the teacher-forced pass, word by word."""
  words = _decode(case)
  assert len({tuple(row) for row in words}) > 1
  said = np.full((_DIVES, _LENGTH), EOS_ID, np.int32)
  said[:, 0] = SOS_ID
  for place in range(_LENGTH - 1):
    next_word = _logits(case, words=said)[:, place].argmax(-1)
    ended = (said[:, 1 : place + 1] == EOS_ID).any(axis=1)
    said[:, place + 1] = np.where(ended, EOS_ID, next_word)
  np.testing.assert_array_equal(words, said[:, 1:])


def _mean_log_likelihood(case, rows):
  said = np.concatenate([np.full((_DIVES, 1), SOS_ID), rows], axis=1)
  found = np.asarray(nn.log_softmax(_logits(case, words=said.astype(np.int32))))
  means = []
  for logits, row in zip(found, rows, strict=True):
    end = np.flatnonzero(row == EOS_ID)
    length = end[0] + 1 if end.size else len(row)
    means.append(logits[np.arange(length), row[:length]].mean())
  return np.array(means)


def test_many_beams_find_the_likeliest_caption(case):
  """Against all captions of two words, of which there are 13 * 13."""
  short = _captioner(max_length=3)
  variables, maps, cues, _ = case
  variables = {
    'params': variables['params'] | {'place': variables['params']['place'][:3]}
  }
  apply = functools.partial(_teacher_forced, short, variables, maps, cues)
  best = np.full(_DIVES, -np.inf)
  chosen = np.zeros((_DIVES, 2), int)
  for first in range(_WORDS):
    words = np.tile(np.array([SOS_ID, first, 0], np.int32), (_DIVES, 1))
    found = np.asarray(nn.log_softmax(apply(words)))
    for dive in range(_DIVES):
      for second in range(_WORDS):
        mean = (found[dive, 0, first] + found[dive, 1, second]) / 2
        if first == EOS_ID:
          mean, second = found[dive, 0, EOS_ID], EOS_ID
        if mean > best[dive]:
          best[dive], chosen[dive] = mean, (first, second)
  decode = functools.partial(
    short.apply, beams=_WORDS, method=AttendingCaptioner.decode
  )
  words = jax.jit(decode)(variables, maps, cues)
  np.testing.assert_array_equal(words, chosen)


def test_more_beams_find_likelier_captions(case):
  greedy, beams = _decode(case), _decode(case, beams=6)
  assert (
    _mean_log_likelihood(case, beams)
    > _mean_log_likelihood(case, greedy) - 1e-5
  ).all()


@pytest.mark.parametrize('beams', [1, 3])
def test_captions_never_contradict_the_classes(beams):
  """Of a decoder with random weights, that says words of dives at random."""
  known = 'back forward inward to dive armstand one two half and a ' + (
    'somersaults twist pike tucked free'
  )
  words = [w for w in vocabulary() if w in known.split() or w[0] == '<']
  rules = WordRules.create(words, tuple(CLASS_NAMES.items()))
  dives = 40
  rng = np.random.default_rng(0)
  maps = rng.normal(size=(dives, 1, 1, 1, 4)).astype(np.float32)
  captioner = _captioner(vocabulary_size=len(words), max_length=20)
  variables = _variables(captioner, maps, {}, scale=3.0)
  # Words of the caption are drawn, as it were: no <eos>.
  bias = variables['params']['out']['bias']
  variables['params']['out']['bias'] = bias.at[EOS_ID].set(-50.0)
  ids = {
    name: rng.integers(0, len(names), dives)
    for name, names in CLASS_NAMES.items()
  }
  rows = [
    {name: CLASS_NAMES[name][ids[name][i]] for name in CLASS_NAMES}
    for i in range(dives)
  ]

  def wrong(**options):
    decode = functools.partial(
      captioner.apply,
      beams=beams,
      method=AttendingCaptioner.decode,
      **options,
    )
    found = jax.jit(decode)(variables, maps, {})
    return sum(
      bool(contradicted([words[i] for i in caption], row))
      for caption, row in zip(np.asarray(found), rows, strict=True)
    )

  assert wrong() > dives / 2
  assert not wrong(
    rules=rules, classes={k: jnp.asarray(v) for k, v in ids.items()}
  )
