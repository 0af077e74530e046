"""The commentary by a decoder that attends to the video and the other tasks."""

import dataclasses

import ml_collections

from aqa_jax.data.schema import Schema
from aqa_jax.data.word_rules import NO_RULES, WordRules
from aqa_jax.tasks.captions import CaptionsTask
from tfds_mtl_aqa.input_error import InputError

# Of C3D; see `C3D.with_maps`.
_MAPS = ('c1', 'c2', 'c3', 'c4', 'c5')


@dataclasses.dataclass(frozen=True)
class CommentaryTask(CaptionsTask):
  """The commentary, in words that agree with the classes.

  It differs from `CaptionsTask` in its decoder alone; see `AttendingCaptioner`.

  Attributes:
    rules: which words agree with which classes.
  """

  rules: WordRules = NO_RULES

  name = 'commentary'
  head = 'commentator'
  attends = True

  @classmethod
  def create(
    cls, config: ml_collections.ConfigDict, schema: Schema
  ) -> 'CommentaryTask':
    """Returns the task.

    Raises:
      InputError: the dataset has no captions, or a field of the config is
        wrong.
    """
    maps = config.model.get('caption_maps', _MAPS[-1])
    if maps not in _MAPS:
      raise InputError(
        f"config.model.caption_maps='{maps}': give {', '.join(_MAPS)}."
      )
    width, heads = (
      config.model.get(f'caption_{name}', default)
      for name, default in (('hidden', 512), ('heads', 4))
    )
    if width % heads:
      raise InputError(
        f'config.model.caption_hidden={width}: give a multiple of '
        f'config.model.caption_heads={heads}.'
      )
    task = super().create(config, schema)
    rules = WordRules.create(
      schema.words[: task.vocabulary_size], schema.classes
    )
    return cls(task.vocabulary_size, task.length, rules)

  @property
  def word_rules(self) -> WordRules:
    """Which words agree with which classes."""
    return self.rules
