"""Labels that no training can work with, told before it begins."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from aqa_jax.data.schema import Schema
from aqa_jax.data.vocabulary import EOS_ID
from tfds_mtl_aqa.input_error import InputError


def check_labels(
  labels: Mapping[str, Any],
  keys: Iterable[tuple[int, int]],
  schema: Schema,
  where: str,
) -> None:
  """Checks the labels of the dives of a split.

  Args:
    labels: labels of a `DiveSplit`.
    keys: event and sample of each dive.
    schema: schema of the dataset.
    where: path and split, for errors.

  Raises:
    InputError: two dives have one key, a score is not finite, a difficulty is
      not positive, a class is none of its classification's, or a caption is no
      list of word ids of the vocabulary that ends with <eos>.
  """
  dives = [f'dive {key}' for key in keys]
  if len(set(dives)) < len(dives):
    (twice, *_) = (d for i, d in enumerate(dives) if d in dives[:i])
    raise InputError(
      f'{where}: {twice} is there twice; give every dive an event and a sample '
      'of its own.'
    )

  def refuse(is_wrong: np.ndarray, text: str) -> None:
    wrong = np.flatnonzero(is_wrong)
    if wrong.size:
      raise InputError(
        f'{where}: {text} of {dives[wrong[0]]} ({wrong.size} of {len(dives)} '
        'dives have that); mend the dataset, or leave such dives out.'
      )

  refuse(~np.isfinite(_numbers(labels, 'final_score', where)), 'no final_score')
  if 'difficulty' in labels:
    difficulty = _numbers(labels, 'difficulty', where)
    refuse(~(difficulty > 0), 'no positive difficulty')
  for name, classes in schema.classes:
    ids = _numbers(labels, name, where)
    refuse((ids < 0) | (ids >= len(classes)), f'no class of {name!r}')
  if schema.vocabulary is None:
    return
  for dive, ids in zip(dives, labels['caption_ids'], strict=True):
    words = np.asarray(ids)
    if words.dtype.kind not in 'iu' or not words.size or words[-1] != EOS_ID:
      raise InputError(
        f'{where}: the caption_ids of {dive} have to be whole numbers, the '
        f'last of them {EOS_ID}, <eos>.'
      )
    schema.vocabulary.check_ids(words, f'the caption of {dive}')


def _numbers(labels: Mapping[str, Any], name: str, where: str) -> np.ndarray:
  values = np.asarray(labels[name])
  if values.ndim != 1 or values.dtype.kind not in 'biuf':
    raise InputError(f'{where}: {name} has to be one number for each dive.')
  return values
