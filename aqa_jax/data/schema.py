"""Which labels the examples of a dataset have."""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from aqa_jax.data.score_rule import ScoreRule
from aqa_jax.data.vocabulary import Vocabulary
from tfds_mtl_aqa.input_error import InputError

# A dive of a dataset, feature -> value; nested features are dicts.
Example = Mapping[str, Any]
# Feature -> [dives]: an array, or a list where the lengths differ.
Labels = dict[str, np.ndarray | list[np.ndarray]]

# Class labels that name a split of the examples, not what they show.
_PARTITIONS = ('unlv_dive',)
# Not labels: the frames, and texts that other features have as numbers.
_NO_LABELS = ('video', 'padded_frames', 'poses', 'caption')


@dataclasses.dataclass(frozen=True)
class Schema:
  """The labels of a dataset of dives; all have `final_score` and `sample`.

  Attributes:
    classes: (name, class names) of each classification, in order; empty for a
      dataset without classes.
    words: the vocabulary of the captions; empty for a dataset without.
    features: names of all features; those of a nested one also as 'part/name'.
    score_rule: how a score follows from difficulty and execution.
  """

  classes: tuple[tuple[str, tuple[str, ...]], ...] = ()
  words: tuple[str, ...] = ()
  features: tuple[str, ...] = ()
  score_rule: ScoreRule = ScoreRule.PRODUCT

  @functools.cached_property
  def class_names(self) -> dict[str, tuple[str, ...]]:
    """The class names of each classification."""
    return dict(self.classes)

  @functools.cached_property
  def vocabulary(self) -> Vocabulary | None:
    """The words of the captions; None for a dataset without."""
    return Vocabulary(self.words) if self.words else None


def schema_of(info: tfds.core.DatasetInfo, words: Sequence[str] = ()) -> Schema:
  """Returns the labels of a dataset from its features and its metadata.

  Every scalar `ClassLabel` is a classification, unless the metadata's
  `classes` names those that are. The metadata's `vocabulary` are the words,
  and its `score_rule` the value of a `ScoreRule`.

  Args:
    info: TFDS's description of the dataset.
    words: the vocabulary, instead of the metadata's.

  Raises:
    InputError: the dataset lacks `final_score` or `sample`, or the vocabulary
      does not begin with <eos> and <sos>, or there is no such `score_rule`.
  """
  metadata: Mapping[str, Any] = info.metadata or {}
  if missing := {'final_score', 'sample'} - set(info.features):
    raise InputError(
      f'{info.full_name}: its features lack {" and ".join(sorted(missing))}; '
      'docs/extending.md tells what a dataset needs.'
    )
  labels = {
    name: tuple(feature.names)
    for name, feature in info.features.items()
    if isinstance(feature, tfds.features.ClassLabel) and name not in _PARTITIONS
  }
  names = metadata.get('classes', labels)
  if unknown := [name for name in names if name not in labels]:
    raise InputError(
      f'{info.full_name}: its metadata names the classes {", ".join(unknown)}, '
      'and no ClassLabel has that name.'
    )
  if taken := sorted({'score', 'caption'} & set(names)):
    raise InputError(
      f'{info.full_name}: a ClassLabel cannot have the name {taken[0]}; choose '
      "another, or leave it out of the metadata's 'classes'."
    )
  rule = metadata.get('score_rule', ScoreRule.PRODUCT.value)
  rules = {known.value: known for known in ScoreRule}
  if rule not in rules:
    raise InputError(
      f"{info.full_name}: its metadata's 'score_rule' is {rule!r}; it has to "
      f'be {" or ".join(map(repr, rules))}.'
    )
  words = words or metadata.get('vocabulary', ())
  schema = Schema(
    classes=tuple((name, labels[name]) for name in names),
    words=tuple(words if has_captions(info) else ()),
    features=_feature_names(info),
    score_rule=rules[rule],
  )
  # Raises here if the vocabulary is wrong.
  _ = schema.vocabulary
  return schema


def _feature_names(info: tfds.core.DatasetInfo) -> tuple[str, ...]:
  """Returns the names of all features, as `Schema.features` has them."""
  nested = [
    f'{name}/{part}'
    for name, feature in info.features.items()
    if isinstance(feature, tfds.features.FeaturesDict)
    for part in feature
  ]
  return (*info.features, *nested)


def has_captions(info: tfds.core.DatasetInfo) -> bool:
  """Returns whether the examples of a dataset have captions."""
  return 'caption_ids' in info.features


def label_row(example: Example) -> dict[str, Any]:
  """Returns the labels of an example; a nested one is named 'part/name'."""
  row: dict[str, Any] = {}
  for name, value in example.items():
    if name in _NO_LABELS:
      continue
    if isinstance(value, Mapping):
      row |= {f'{name}/{part}': v for part, v in value.items()}
    else:
      row[name] = value
  return row


def label_columns(rows: list[dict[str, Any]]) -> Labels:
  """Returns the labels of several examples, feature by feature.

  Args:
    rows: rows from `label_row`, at least one.

  Returns:
    Arrays [examples, ...]; texts are decoded; caption_ids, whose lengths
    differ, is a list of arrays.
  """
  columns: Labels = {}
  for name in rows[0]:
    values = [row[name] for row in rows]
    if name == 'caption_ids':
      columns[name] = values
      continue
    values = [_text(value) for value in values]
    has_one_shape = len({np.shape(value) for value in values}) == 1
    columns[name] = np.array(values) if has_one_shape else values
  return columns


def _text(value: Any) -> Any:
  return value.decode() if isinstance(value, bytes) else value
