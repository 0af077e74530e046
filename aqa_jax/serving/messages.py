"""What a server and its process that judges tell each other."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from aqa_jax.serving.job import PlayableVideo

# Model and finder, as `aqa_jax.load` takes them.
Sources = tuple[str | None, str | None]


@dataclasses.dataclass(frozen=True)
class Task:
  """A video to judge.

  Attributes:
    folder: with the upload; the answer's files are written there.
    name: of the video, for people.
    options: of `Judge.dives`.
    has_player: whether a file for a player is wanted.
    max_video_seconds: length of a video that is judged.
    max_seconds: of time for all of it.
  """

  folder: str
  name: str
  options: Mapping[str, Any]
  has_player: bool
  max_video_seconds: float
  max_seconds: float


@dataclasses.dataclass(frozen=True)
class Cancel:
  """The present task is not wanted any more."""


@dataclasses.dataclass(frozen=True)
class Ready:
  """The model is loaded.

  Attributes:
    facts: what there is to know of it; see `model_facts`.
  """

  facts: Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Unloadable:
  """The model can't be loaded.

  Attributes:
    message: why, a line.
  """

  message: str


@dataclasses.dataclass(frozen=True)
class Progress:
  """How much of the video is read, in seconds of it."""

  seconds_read: float
  seconds_total: float | None


@dataclasses.dataclass(frozen=True)
class Answered:
  """The files of the answer are written.

  Attributes:
    num_dives: that were found.
  """

  num_dives: int


@dataclasses.dataclass(frozen=True)
class Failed:
  """There will be no answer; the attributes are those of a `Problem`."""

  status: int
  code: str
  message: str


@dataclasses.dataclass(frozen=True)
class Finished:
  """The task is over.

  Attributes:
    video: what a player can play, if there is something.
  """

  video: PlayableVideo | None
