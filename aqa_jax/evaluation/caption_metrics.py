"""The measures of captions, against one true caption a dive.

All measures see the same tokens: the words of the dataset's vocabulary. BLEU is
that of sacrebleu. METEOR, ROUGE-L and CIDEr are those of pycocoevalcap, the
usual package; they need it (aqa_jax[captions]), and METEOR needs Java.
"""

import atexit
import contextlib
import functools
import importlib.util
import os
import shutil
import subprocess
from collections.abc import Sequence
from typing import Any

import numpy as np
from sacrebleu.metrics.bleu import BLEU

Captions = Sequence[Sequence[str]]

# Measure -> its name for the reader, in the order of the tables.
NAMES = {
  **{f'bleu_{order}': f'BLEU-{order}' for order in range(1, 5)},
  'meteor': 'METEOR',
  'rouge_l': 'ROUGE-L',
  'cider': 'CIDEr',
}
# Time for Java to print its version.
_JAVA_SECONDS = 30
# Measures that have failed in this process, and why.
_failed: dict[str, str] = {}
# The most central one is chosen from so many training captions.
_CENTRAL_CANDIDATES = 1000


def caption_bleu(
  generated: Sequence[Sequence[str]], reference: Sequence[Sequence[str]]
) -> dict[str, float]:
  """Returns corpus BLEU-1 to BLEU-4 of captions, unsmoothed, by sacrebleu.

  The words are compared as given: nothing is split, joined or lower-cased.

  Args:
    generated: one list of words a dive, without <sos> and <eos>; may be empty.
    reference: the commentary of the same dives, as lists of words. A dive with
      an empty one has nothing to compare with and is left out.

  Returns:
    bleu_1 to bleu_4, each 0 to 1: the geometric mean of the clipped n-gram
    precisions of order 1 to n, times the brevity penalty (Papineni et al., ACL
    2002). NaN where every reference is empty.

  Raises:
    ValueError: there are no dives, the two differ in length, or a caption is
      one string instead of a list of words.
  """
  if len(generated) != len(reference) or not len(reference):
    raise ValueError(
      'BLEU needs as many generated as reference captions, at least one; got '
      f'{len(generated)} and {len(reference)}.'
    )
  if any(isinstance(words, str) for words in [*generated, *reference]):
    raise ValueError('A caption must be a list of words, not one string.')
  pairs = [
    (hypothesis, truth)
    for hypothesis, truth in zip(generated, reference, strict=True)
    if len(truth)
  ]
  if not pairs:
    return {f'bleu_{order}': float('nan') for order in range(1, 5)}
  # sacrebleu splits at white space: numbers stand in for the words, so that a
  # word with a space in it stays one word.
  numbers: dict[str, str] = {}

  def line(words: Sequence[str]) -> str:
    return ' '.join(
      numbers.setdefault(word, str(len(numbers))) for word in words
    )

  hypotheses = [line(hypothesis) for hypothesis, _ in pairs]
  references = [line(truth) for _, truth in pairs]
  scores = {}
  for order in range(1, 5):
    bleu = BLEU(
      max_ngram_order=order, smooth_method='none', tokenize='none', force=True
    )
    score = bleu.corpus_score(hypotheses, [references]).score
    # exp(log(1)) is a little above 1, by rounding.
    scores[f'bleu_{order}'] = min(score / 100, 1.0)
  return scores


def caption_metrics(
  generated: Captions, reference: Captions, with_meteor: bool = True
) -> dict[str, float]:
  """Returns all measures of captions that this machine can compute.

  Args:
    generated: one list of words a dive, without <sos> and <eos>; may be empty.
    reference: the commentary of the same dives, as lists of words. A dive with
      an empty one has nothing to compare with and is left out.
    with_meteor: whether to compute METEOR, whose Java program starts slowly.

  Returns:
    bleu_1 to bleu_4, see `caption_bleu`; and, where pycocoevalcap and (for
    METEOR) Java are there, meteor and rouge_l, 0 to 1, and cider, 0 to 10. NaN
    where every reference is empty; cider also where there is only one, since it
    weighs words by how many dives have them.

  Raises:
    ValueError: see `caption_bleu`.
  """
  measured = caption_bleu(generated, reference)
  missing = unavailable_metrics()
  if 'cider' not in missing:
    measured |= rouge_and_cider(generated, reference)
  if with_meteor and 'meteor' not in missing:
    meteor = _meteor(generated, reference)
    if meteor is not None:
      measured['meteor'] = meteor
  return measured


def rouge_and_cider(
  generated: Captions, reference: Captions
) -> dict[str, float]:
  """Returns rouge_l and cider by pycocoevalcap; see `caption_metrics`."""
  from pycocoevalcap.cider.cider import Cider
  from pycocoevalcap.rouge.rouge import Rouge

  true, said = _by_key(generated, reference)
  if not true:
    return {'rouge_l': float('nan'), 'cider': float('nan')}
  cider = float('nan')
  if len(true) > 1:
    cider = float(Cider().compute_score(true, said)[0])
  rouge = float(Rouge().compute_score(true, said)[0])
  return {'rouge_l': rouge, 'cider': cider}


def unavailable_metrics() -> dict[str, str]:
  """Returns measure -> why it can't be computed on this machine."""
  if importlib.util.find_spec('pycocoevalcap') is None:
    reason = "they need pycocoevalcap: pip install -e '.[captions]'"
    return dict.fromkeys(('meteor', 'rouge_l', 'cider'), reason)
  if problem := _problem_of_java():
    return {'meteor': problem}
  return dict(_failed)


@functools.cache
def _problem_of_java() -> str:
  """Returns why Java can't be used; '' if it can.

  It has to be started to know: macOS has a program `java` that only asks to
  install Java.
  """
  if shutil.which('java') is None:
    return 'it needs Java on the PATH'
  try:
    done = subprocess.run(
      ['java', '-Xmx2G', '-version'],
      capture_output=True,
      text=True,
      timeout=_JAVA_SECONDS,
      check=False,
    )
  except (OSError, subprocess.TimeoutExpired) as e:
    return f'the Java on the PATH does not run ({type(e).__name__})'
  if not done.returncode:
    return ''
  said = (done.stderr or done.stdout).strip().splitlines()
  reason = said[-1] if said else f'exit code {done.returncode}'
  return f'the Java on the PATH does not run ({reason})'


def _by_key(
  generated: Captions, reference: Captions
) -> tuple[dict[int, list[str]], dict[int, list[str]]]:
  """Returns true and generated captions as the package's scorers take them.

  They split at blanks, and METEOR's protocol has bars between texts.
  """
  true, said = (
    {
      index: [
        # A word may hold blanks and line ends.
        ' '.join('_'.join(word.split()).replace('|', '/') for word in words)
      ]
      for index, words in enumerate(captions)
      if len(reference[index])
    }
    for captions in (reference, generated)
  )
  return true, said


def _meteor(generated: Captions, reference: Captions) -> float | None:
  """Returns METEOR 1.5 by pycocoevalcap; None if its program fails."""
  true, said = _by_key(generated, reference)
  if not true:
    return float('nan')
  meteor = _meteor_program()
  try:
    return float(meteor.compute_score(true, said)[0])
  except (OSError, ValueError, AssertionError) as e:
    # It still holds its lock, and its destructor would wait for it.
    meteor.lock.release()
    meteor.meteor_p.kill()
    with contextlib.suppress(BrokenPipeError):
      meteor.meteor_p.stdin.close()
    reason = ' '.join(str(e).split())[:200] or type(e).__name__
    _failed['meteor'] = f'its Java program has failed ({reason})'
    return None


@functools.cache
def _meteor_program() -> Any:
  """Starts the Java program, which takes seconds to load its dictionaries."""
  from pycocoevalcap.meteor.meteor import Meteor

  # Its numbers have to have points, whatever the user's language. The last
  # option of a name counts.
  options = os.environ.get('JAVA_TOOL_OPTIONS')
  os.environ['JAVA_TOOL_OPTIONS'] = ' '.join(
    filter(None, (options, '-Duser.language=en', '-Duser.country=US'))
  )
  try:
    meteor = Meteor()
  finally:
    if options is None:
      del os.environ['JAVA_TOOL_OPTIONS']
    else:
      os.environ['JAVA_TOOL_OPTIONS'] = options
  process = meteor.meteor_p

  def stop() -> None:
    for stream in (process.stdin, process.stdout, process.stderr):
      with contextlib.suppress(BrokenPipeError):  # It may have ended already.
        stream.close()
    process.wait()

  atexit.register(stop)
  return meteor


def random_captions(train: Captions, count: int, seed: int = 0) -> Captions:
  """Returns captions of training dives drawn at random, with repetition.

  Args:
    train: the training dives' captions, at least one.
    count: how many are wanted.
    seed: seed of the draw.
  """
  drawn = np.random.default_rng(seed).integers(len(train), size=count)
  return [train[index] for index in drawn]


def central_caption(train: Captions, seed: int = 0) -> Sequence[str]:
  """Returns the training caption that is most like all others.

  Likeness is the F1 of the words that two captions share, each counted as often
  as both have it. Among more than 1000 captions 1000 are drawn.

  Args:
    train: the training dives' captions, at least one.
    seed: seed of the draw.
  """
  if len(train) > _CENTRAL_CANDIDATES:
    drawn = np.random.default_rng(seed).choice(
      len(train), _CENTRAL_CANDIDATES, replace=False
    )
    train = [train[index] for index in sorted(drawn)]
  words = {word: i for i, word in enumerate({w: 0 for c in train for w in c})}
  counts = np.zeros((len(train), len(words)), np.int32)
  for row, caption in zip(counts, train, strict=True):
    np.add.at(row, [words[word] for word in caption], 1)
  lengths = counts.sum(axis=1)
  likeness = [
    np.mean(
      2 * np.minimum(row, counts).sum(axis=1) / np.maximum(length + lengths, 1)
    )
    for row, length in zip(counts, lengths, strict=True)
  ]
  return train[int(np.argmax(likeness))]
