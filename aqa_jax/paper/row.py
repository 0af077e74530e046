"""A row of a table of the paper: what is trained or fitted for it."""

import dataclasses
from collections.abc import Mapping
from typing import Self


@dataclasses.dataclass(frozen=True)
class Row:
  """A row of a table.

  Attributes:
    name: name of its folder; equal rows of two tables have the same name.
    label: name for the reader.
    config: path of the config.
    overrides: field of the config -> value.
    compared_with: name of the row that it is tested against; '' for none.
    paper: measure -> the paper's value, if it has one.
    duration_times: factor of the config's duration.
    needs: field of the config -> the row whose workdir it names. That row is
      trained before, with the same seed.
    given: field of the config -> flag of `aqa_jax.paper` that gives its value,
      which only the user knows.
    one_seed: whether a single run, of seed 0, serves all seeds: nothing in it
      is drawn at random that matters, or it takes too long.
    splits: splits that it is evaluated on; the first is the one shown.
    column: its column, in a table whose rows have several; '' otherwise.
    part: part of the table that it is in; '' for a table of one part.
    mode: `--mode` of `aqa_jax.main`: 'train'; or 'eval', of the weights that it
      needs as `init_from`.
    note: what the reader has to know of it, a sentence; '' for nothing.
  """

  name: str
  label: str
  config: str
  overrides: Mapping[str, str]
  compared_with: str
  paper: Mapping[str, float]
  duration_times: float = 1.0
  needs: Mapping[str, Self] = dataclasses.field(default_factory=dict)
  given: Mapping[str, str] = dataclasses.field(default_factory=dict)
  one_seed: bool = False
  splits: tuple[str, ...] = ('test',)
  column: str = ''
  part: str = ''
  mode: str = 'train'
  note: str = ''

  @property
  def is_trunk(self) -> bool:
    """Whether it learns actions: other rows need it, and it has no dives."""
    return self.splits == ('validation',)
