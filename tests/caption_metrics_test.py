"""Captions, against hand-made figures and pycocoevalcap's own BLEU."""

import math
import os
import shutil
from collections import Counter

import numpy as np
import pytest

from aqa_jax.evaluation import caption_metrics
from aqa_jax.evaluation.caption_metrics import caption_bleu


def bleu_by_hand(hypotheses, references, order):
  """Papineni's formula, written independently."""
  logs = []
  for n in range(1, order + 1):
    right = total = 0
    for hypothesis, reference in zip(hypotheses, references, strict=True):
      grams = [
        Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))
        for words in (hypothesis, reference)
      ]
      right += sum((grams[0] & grams[1]).values())
      total += max(len(hypothesis) - n + 1, 0)
    if not right:
      return 0.0
    logs.append(math.log(right / total))
  made = sum(map(len, hypotheses))
  wanted = sum(map(len, references))
  penalty = 1.0 if made >= wanted else math.exp(1 - wanted / made)
  return penalty * math.exp(sum(logs) / order)


def test_bleu_by_hand():
  # 5 of 6 words, 3 of 5 pairs, 1 of 4 triples, no run of four; equal lengths.
  generated = ['the', 'cat', 'sat', 'on', 'a', 'mat']
  reference = ['the', 'cat', 'sat', 'by', 'a', 'mat']
  found = caption_bleu([generated], [reference])
  assert found['bleu_1'] == pytest.approx(5 / 6)
  assert found['bleu_2'] == pytest.approx((5 / 6 * 3 / 5) ** (1 / 2))
  assert found['bleu_3'] == pytest.approx((5 / 6 * 3 / 5 * 1 / 4) ** (1 / 3))
  assert found['bleu_4'] == 0


def test_bleu_clips_repeated_words_and_punishes_brevity():
  found = caption_bleu([['the', 'the']], [['the', 'dive', 'was']])
  assert found['bleu_1'] == pytest.approx(1 / 2 * math.exp(1 - 3 / 2))


def test_bleu_of_a_corpus_against_the_formula():
  rng = np.random.default_rng(2)
  references = [
    [f'w{i}' for i in rng.integers(0, 12, rng.integers(1, 30))]
    for _ in range(40)
  ]
  generated = [
    [w if rng.random() < 0.7 else 'w0' for w in words][: rng.integers(0, 30)]
    for words in references
  ]
  generated[3] = []
  found = caption_bleu(generated, references)
  for order in range(1, 5):
    assert found[f'bleu_{order}'] == pytest.approx(
      bleu_by_hand(generated, references, order)
    )
  assert 0 < found['bleu_4'] < found['bleu_1'] < 1


def test_bleu_of_equal_captions_is_one():
  words = ['A', 'very', 'good', 'dive', '.']
  found = caption_bleu([words, words], [words, words])
  assert found == {f'bleu_{n}': pytest.approx(1.0) for n in range(1, 5)}
  assert max(found.values()) <= 1


def test_bleu_takes_the_words_as_given():
  # Case counts, a word with a space is one word, punctuation is not split.
  assert caption_bleu([['Good']], [['good']])['bleu_1'] == 0
  found = caption_bleu([['a b', 'c']], [['a', 'b', 'c']])
  assert found['bleu_1'] == pytest.approx(1 / 2 * math.exp(1 - 3 / 2))
  assert caption_bleu([["it's."]], [['it', "'s", '.']])['bleu_1'] == 0


def test_bleu_of_empty_captions():
  nothing = caption_bleu([[], []], [['a'], ['b', 'c']])
  assert set(nothing.values()) == {0.0}
  # A dive without a commentary is left out.
  found = caption_bleu([['a'], ['b']], [['a'], []])
  assert found['bleu_1'] == pytest.approx(1.0)
  undefined = caption_bleu([['a']], [[]])
  assert all(math.isnan(value) for value in undefined.values())


def test_bleu_refuses_what_does_not_fit():
  with pytest.raises(ValueError, match='got 1 and 2'):
    caption_bleu([['a']], [['a'], ['b']])
  with pytest.raises(ValueError, match='at least one'):
    caption_bleu([], [])
  with pytest.raises(ValueError, match='list of words'):
    caption_bleu(['a dive'], [['a', 'dive']])


needs_pycocoevalcap = pytest.mark.skipif(
  'cider' in caption_metrics.unavailable_metrics(),
  reason='needs pycocoevalcap: pip install aqa_jax[captions]',
)


def _random_captions(rng, count, vocabulary=12):
  return [
    [f'w{i}' for i in rng.integers(0, vocabulary, rng.integers(1, 30))]
    for _ in range(count)
  ]


@needs_pycocoevalcap
@pytest.mark.parametrize('block', range(10))
def test_a_thousand_corpora_against_pycocoevalcap(block):
  from pycocoevalcap.bleu.bleu import Bleu
  from pycocoevalcap.cider.cider import Cider
  from pycocoevalcap.rouge.rouge import Rouge

  rng = np.random.default_rng(block)
  for trial in range(100):
    count = int(rng.integers(2, 6))
    reference = _random_captions(rng, count)
    generated = [
      [word for word in words if rng.random() < 0.8] for words in reference
    ]
    if trial % 4 == 1:
      generated = reference
    if trial % 4 == 2:
      generated = _random_captions(rng, count)
    if trial % 4 == 3:
      generated[0] = []
    found = caption_bleu(generated, reference)
    true, said = (
      {i: [' '.join(words)] for i, words in enumerate(captions)}
      for captions in (reference, generated)
    )
    theirs = Bleu(4).compute_score(true, said, verbose=0)[0]
    for order, expected in enumerate(theirs, 1):
      if found[f'bleu_{order}'] > 0:
        assert found[f'bleu_{order}'] == pytest.approx(expected, abs=1e-6)
      else:  # Theirs puts a tiny number in the place of no match at all.
        assert expected < 0.05
    consensus = caption_metrics.rouge_and_cider(generated, reference)
    assert consensus['rouge_l'] == pytest.approx(
      Rouge().compute_score(true, said)[0], abs=1e-6
    )
    assert consensus['cider'] == pytest.approx(
      Cider().compute_score(true, said)[0], abs=1e-6
    )


@needs_pycocoevalcap
def test_rouge_by_hand():
  # The longest common subsequence of 4 and 3 words has 2: P 2/4, R 2/3, and
  # F with beta 1.2.
  found = caption_metrics.rouge_and_cider(
    [['a', 'x', 'good', 'y'], ['b']], [['a', 'good', 'dive'], ['b']]
  )
  p, r, beta2 = 2 / 4, 2 / 3, 1.44
  first = (1 + beta2) * p * r / (r + beta2 * p)
  assert found['rouge_l'] == pytest.approx((first + 1) / 2)


def _forget_java():
  caption_metrics._problem_of_java.cache_clear()
  caption_metrics._meteor_program.cache_clear()
  caption_metrics._failed.clear()


_PAIR = [['a', 'dive'], ['the', 'entry']], [['a', 'fine', 'dive'], ['he']]


# These three take one Java program, which needs seconds to start; the last
# starts another.
@needs_pycocoevalcap
@pytest.mark.skipif(not shutil.which('java'), reason='METEOR needs Java')
def test_all_measures_of_equal_and_of_other_captions():
  words = [
    ['a', 'very', 'good', 'dive', 'from', 'him'],
    ['she', '|||', 'misses it', 'over', 'the', 'top'],
    ['no', 'splash', 'at', 'all', 'there', 'now'],
  ]
  same = caption_metrics.caption_metrics([*words, []], [*words, []])
  assert same['rouge_l'] == pytest.approx(1)
  assert same['cider'] == pytest.approx(10)
  assert same['meteor'] == pytest.approx(1, abs=1e-2)
  other = caption_metrics.caption_metrics(words, [words[1], words[2], words[0]])
  for name in ('rouge_l', 'cider', 'meteor'):
    assert other[name] < 0.2 * same[name]
  said_nothing = caption_metrics.caption_metrics([[], [], []], words)
  assert set(said_nothing.values()) == {0.0}


@needs_pycocoevalcap
@pytest.mark.skipif(not shutil.which('java'), reason='METEOR needs Java')
def test_words_with_line_ends():
  said, true = [['a\nfine', 'dive'], ['the', 'entry']], _PAIR[1]
  assert 0 <= caption_metrics.caption_metrics(said, true)['meteor'] <= 1


@needs_pycocoevalcap
@pytest.mark.skipif(not shutil.which('java'), reason='METEOR needs Java')
def test_meteor_in_a_language_of_decimal_commas(monkeypatch):
  expected = caption_metrics.caption_metrics(*_PAIR)['meteor']
  _forget_java()
  monkeypatch.setenv(
    'JAVA_TOOL_OPTIONS', '-Duser.language=de -Duser.country=DE'
  )
  assert caption_metrics.caption_metrics(*_PAIR)['meteor'] == expected
  assert 'user.language=en' not in os.environ['JAVA_TOOL_OPTIONS']
  _forget_java()


@pytest.fixture(name='java')
def fixture_java(tmp_path, monkeypatch):
  """Puts a program called java on the PATH, and forgets it afterwards."""

  def put(script):
    path = tmp_path / 'java'
    path.write_text(f'#!/bin/sh\n{script}\n')
    path.chmod(0o755)
    monkeypatch.setenv('PATH', f'{tmp_path}{os.pathsep}{os.environ["PATH"]}')
    _forget_java()

  yield put
  _forget_java()


@needs_pycocoevalcap
def test_a_java_that_does_not_run_is_as_none(java):
  java('echo "Unable to locate a Java Runtime." >&2; exit 1')
  found = caption_metrics.caption_metrics(*_PAIR)
  assert 'meteor' not in found and 'rouge_l' in found
  reason = caption_metrics.unavailable_metrics()['meteor']
  assert 'Unable to locate a Java Runtime' in reason


@needs_pycocoevalcap
@pytest.mark.parametrize('answer', ['exit 1', 'read line; echo 0,5', 'echo'])
def test_a_meteor_that_fails_is_left_out(java, answer):
  java(f'case "$*" in *-version*) exit 0;; esac\n{answer}')
  found = caption_metrics.caption_metrics(*_PAIR)
  assert 'meteor' not in found and 'rouge_l' in found
  assert 'has failed' in caption_metrics.unavailable_metrics()['meteor']
  # Neither again, which would take its time, nor at the end of the program.
  assert 'meteor' not in caption_metrics.caption_metrics(*_PAIR)


@needs_pycocoevalcap
def test_one_reference_has_no_cider(monkeypatch):
  _forget_java()
  monkeypatch.setattr(shutil, 'which', lambda name: None)
  found = caption_metrics.caption_metrics([['a', 'b'], ['c']], [['a'], []])
  assert math.isnan(found['cider']) and found['rouge_l'] > 0
  assert 'meteor' not in found
  assert caption_metrics.unavailable_metrics() == {
    'meteor': 'it needs Java on the PATH'
  }
  _forget_java()
  nothing = caption_metrics.caption_metrics([['a']], [[]])
  assert all(math.isnan(value) for value in nothing.values())


def test_without_pycocoevalcap_bleu_is_left(monkeypatch):
  monkeypatch.setattr(
    caption_metrics.importlib.util, 'find_spec', lambda name: None
  )
  found = caption_metrics.caption_metrics([['a']], [['a']])
  assert set(found) == {'bleu_1', 'bleu_2', 'bleu_3', 'bleu_4'}
  missing = caption_metrics.unavailable_metrics()
  assert set(missing) == {'meteor', 'rouge_l', 'cider'}
  assert "'.[captions]'" in missing['cider']


def test_random_captions_are_drawn_from_training():
  train = [[str(i)] for i in range(50)]
  drawn = caption_metrics.random_captions(train, 200)
  assert len(drawn) == 200 and all(words in train for words in drawn)
  assert len({words[0] for words in drawn}) > 30
  assert drawn == caption_metrics.random_captions(train, 200)
  assert drawn != caption_metrics.random_captions(train, 200, seed=1)


def test_the_central_caption_shares_most_words():
  # F1 with each: 'a b' has 1, 1, 4/5, 0; no other has as much.
  train = [['a', 'b', 'c'], ['a', 'b'], ['b', 'a'], ['d', 'e']]
  assert caption_metrics.central_caption(train) == ['a', 'b']
  assert caption_metrics.central_caption([['x']]) == ['x']
  many = [[str(i % 7)] * (1 + i % 3) for i in range(1200)]
  assert caption_metrics.central_caption(many) in many
