"""What a network says of a video."""

import dataclasses
import textwrap
from collections.abc import Mapping
from typing import Any

import numpy as np

from aqa_jax.data.difficulty import MAX_EXECUTION
from aqa_jax.data.judges_marks import scoreboard
from aqa_jax.evaluation.dive_words import class_words
from aqa_jax.files import json_ready
from aqa_jax.judging import lost_points
from aqa_jax.judging.lost_points import LostPoints
from aqa_jax.judging.model_card import SIMULATED

_WIDTH = 80


# Arrays have no single equality.
@dataclasses.dataclass(frozen=True, eq=False)
class Judgement:
  """What a network says of a video.

  What the network has not learned is None or empty.

  Attributes:
    name: path of the video, or another name of it.
    score: predicted score, points.
    score_interval: (lowest, highest) score, points: it holds the true score of
      90 % of the dives that are as those of the training's validation. None
      where those are not known, or too few.
    classes: classification -> name of the likeliest class.
    class_probabilities: classification -> class -> probability, 0 to 1.
    dive_number: number of a dive with these classes, such as '5253B'.
    difficulties: height ('10m', '3m') -> difficulty of that dive.
    caption: the commentary.
    frame_numbers: int [frames], numbers of the frames that the network saw,
      from 1; empty for what is no dive, and so the next.
    frame_seconds: float [frames], when they are shown, s from the start.
    importance: float [frames], points: what each of those frames adds to the
      score or takes from it; see `frame_importance`. Of a model that predicts
      the execution it is of the execution.
    warnings: what may make the judgement worse, sentences.
    is_dive: whether it shows a dive; if not, there is no score.
    take_off_seconds: when the diver leaves the board, s from the start; None
      where no dive was found or looked for.
    entry_seconds: when the diver first touches the water, as above.
    dive_confidence: how sure it is that it shows a dive, 0 to 1; None where
      none was looked for.
    is_of_simulated_dives: whether the network has seen simulated dives only.
    pictures: JPEG file of each of those frames, for people; empty unless asked
      for.
    marks: marks of the seven judges, 0 to 10, of a model that predicts them;
      else empty.
    difficulty: difficulty that the score was made with, of a model that
      predicts the execution: the one that was given, or that of the likeliest
      dive; else None.
    points_lost: what each fault cost, the dearest first, of a model that has
      learned faults and what they cost, and knows the difficulty; else empty.
    perfect_score: score of that dive where every judge gives 10; of such a
      model, else None.
  """

  name: str
  score: float | None
  score_interval: tuple[float, float] | None
  classes: Mapping[str, str]
  class_probabilities: Mapping[str, Mapping[str, float]]
  dive_number: str | None
  difficulties: Mapping[str, float]
  caption: str | None
  frame_numbers: np.ndarray
  frame_seconds: np.ndarray
  importance: np.ndarray | None
  warnings: tuple[str, ...]
  is_dive: bool
  take_off_seconds: float | None
  entry_seconds: float | None
  dive_confidence: float | None
  is_of_simulated_dives: bool
  pictures: tuple[bytes, ...] = ()
  marks: tuple[float, ...] = ()
  difficulty: float | None = None
  points_lost: tuple[LostPoints, ...] = ()
  perfect_score: float | None = None

  @property
  def points_unexplained(self) -> float | None:
    """Points lost that no fault explains; None where that is not known.

    Below zero where the faults explain more than the score has lost.
    """
    if self.score is None or self.perfect_score is None or not self.points_lost:
      return None
    return lost_points.unexplained(
      self.points_lost, self.score, self.perfect_score
    )

  def lost_words(self) -> str:
    """Returns where points were lost, for people; '' if it is not known."""
    return lost_points.words(self.points_lost, self.score, self.perfect_score)

  @property
  def executions(self) -> dict[str, float]:
    """Score / difficulty by height, 0 to 30.

    A height from which the dive can not have that score has none.
    """
    if self.score is None:
      return {}
    return {
      height: self.score / value
      for height, value in self.difficulties.items()
      if self.score <= MAX_EXECUTION * value
    }

  def difficulty_words(self) -> dict[str, str]:
    """Returns height -> difficulty and execution, for people."""
    words = {}
    executions = self.executions
    for height, value in self.difficulties.items():
      words[height] = f'difficulty {value:.1f}'
      if height in executions:
        words[height] += f', execution {executions[height]:.1f} of 30'
      elif self.score is not None:
        words[height] += f', at most {MAX_EXECUTION * value:.1f} points'
    return words

  def frame_words(self) -> str:
    """Returns which frames were judged, for people."""
    if not len(self.frame_numbers):
      return 'no dive'
    first, last = self.frame_numbers[0], self.frame_numbers[-1]
    begin, end = self.frame_seconds[0], self.frame_seconds[-1]
    return f'frames {first} to {last}, {begin:.2f} to {end:.2f} s'

  def to_dict(self) -> dict[str, Any]:
    """Returns all of it as JSON can hold it; a note is first, if there is one.

    Its keys are the attributes but for the pictures; `executions` and
    `points_unexplained`; and `note`, which tells that the network has seen
    simulated dives only.
    """
    fields = {
      field.name: getattr(self, field.name)
      for field in dataclasses.fields(self)
      if field.name != 'pictures'
    }
    fields |= {
      'points_lost': [dataclasses.asdict(each) for each in self.points_lost],
      'executions': self.executions,
      'points_unexplained': self.points_unexplained,
    }
    note = {'note': SIMULATED} if self.is_of_simulated_dives else {}
    return note | json_ready(fields)

  def __str__(self) -> str:
    """Returns it as lines of text."""
    lines = []
    if self.is_of_simulated_dives:
      lines += textwrap.wrap(SIMULATED, _WIDTH)
    lines.append(f'{self.name}: {self.frame_words()}')
    if self.take_off_seconds is not None and self.entry_seconds is not None:
      lines.append(
        f'  found    take-off at {self.take_off_seconds:.2f} s, entry at '
        f'{self.entry_seconds:.2f} s'
      )
    if self.score is not None:
      line = f'  score    {self.score:.1f} points'
      if self.score_interval is not None:
        low, high = self.score_interval
        line += f' (90 % interval: {low:.1f} to {high:.1f})'
      lines.append(line)
    if self.marks:
      lines.append(f'  marks    {scoreboard(self.marks)}')
    if self.difficulty is not None:
      lines.append(f'  by       a difficulty of {self.difficulty:.2f}')
    if lost := self.lost_words():
      lines += textwrap.wrap(
        lost,
        _WIDTH,
        initial_indent='  lost     ',
        subsequent_indent=' ' * 11,
      )
    if self.classes:
      sureness = min(
        self.class_probabilities[name][value]
        for name, value in self.classes.items()
      )
      lines.append(
        f'  dive     {class_words(self.classes)} '
        f'(least sure: {100 * sureness:.0f} %)'
      )
    if self.dive_number is not None:
      lines.append(f'  number   {self.dive_number}')
      lines += [
        f'           from {height}: {words}'
        for height, words in self.difficulty_words().items()
      ]
    if self.caption is not None:
      lines += textwrap.wrap(
        f'"{self.caption}"',
        _WIDTH,
        initial_indent='  says     ',
        subsequent_indent=' ' * 11,
      )
    for warning in self.warnings:
      lines += textwrap.wrap(
        warning,
        _WIDTH,
        initial_indent='  warning  ',
        subsequent_indent=' ' * 11,
      )
    return '\n'.join(lines)
