"""A video that a client has sent, and what has become of it."""

import dataclasses
import enum
import pathlib
import time
from collections.abc import Mapping
from typing import Any

from aqa_jax.serving.problem import Problem

# Names in the folder of a job.
UPLOAD, COPY = 'upload', 'copy.mp4'
JUDGEMENT, REPORT = 'judgement.json', 'report.html'


def dive_file(number: int) -> str:
  """Returns the name of the file with what a page shows of a dive.

  Args:
    number: of the dive in its video, from 0.
  """
  return f'dive_{number}.json'


class State(enum.StrEnum):
  """Where a video is on its way."""

  UPLOADING = 'uploading'
  QUEUED = 'queued'
  JUDGING = 'judging'
  # The answer is there; a copy for the player is being made.
  COPYING = 'copying'
  DONE = 'done'
  FAILED = 'failed'


@dataclasses.dataclass(frozen=True)
class PlayableVideo:
  """A file that browsers play.

  Attributes:
    file: its name in the job's folder.
    media_type: such as 'video/mp4'.
    offset_seconds: time of the first frame in the player.
  """

  file: str
  media_type: str
  offset_seconds: float


@dataclasses.dataclass(eq=False)
class Job:
  """A video that a client has sent, and what has become of it.

  Attributes:
    id: that nobody can guess.
    name: of the file, for people.
    folder: of its files; the server's own.
    options: of `Judge.dives`.
    has_player: whether a file for a player is wanted.
    state: where it is.
    seconds_read: of the video.
    seconds_total: of the video; None where it is not known.
    problem: why it has failed; None if it has not.
    num_dives: that were found; set with the answer.
    video: what a player can play; None if there is nothing (yet).
    ended: `time.monotonic()` of its end; None before.
    is_removed: whether nobody wants it any more.
  """

  id: str
  name: str
  folder: pathlib.Path
  options: Mapping[str, Any]
  has_player: bool
  state: State = State.UPLOADING
  seconds_read: float = 0.0
  seconds_total: float | None = None
  problem: Problem | None = None
  num_dives: int = 0
  video: PlayableVideo | None = None
  ended: float | None = None
  is_removed: bool = False

  @property
  def upload(self) -> pathlib.Path:
    """The file as it came; it may be gone."""
    return self.folder / UPLOAD

  @property
  def has_answer(self) -> bool:
    """Whether its judgement can be read."""
    return self.state in (State.COPYING, State.DONE)

  @property
  def is_decided(self) -> bool:
    """Whether it has an answer, or will have none."""
    return self.has_answer or self.state is State.FAILED

  def answer(self, num_dives: int) -> None:
    """Notes that its judgement is there."""
    self.num_dives = num_dives
    self.state = State.COPYING

  def end(self, problem: Problem | None = None) -> None:
    """Notes that nothing more will come.

    Args:
      problem: why there is no answer; it changes nothing if there is one.
    """
    if problem is not None and not self.has_answer:
      self.problem = problem
      self.state = State.FAILED
    else:
      self.state = State.DONE
    self.ended = time.monotonic()
