"""The part of a video that is judged, as frames that a network has learned."""

import dataclasses

import numpy as np

from aqa_jax.evaluation.found_dives import FoundDive


@dataclasses.dataclass(frozen=True)
class Clip:
  """The frames of a video that are judged.

  Attributes:
    name: path of the video, or another name of it.
    frames: JPEG files, as a dataset stores them, in the order of time.
    numbers: int [frames], number of each frame in the video, from 1.
    seconds: float [frames], when each frame is shown, from the video's start.
    padded: so many frames at the beginning repeat the first.
    warnings: what may make the judgement worse, sentences.
    pictures: JPEG file of each frame, for people; empty unless asked for.
    dive: dive that was found in it; None where none was, or none was looked
      for.
    is_dive: whether it is to be judged.
    confidence: how sure it is that it shows a dive, 0 to 1; None where none was
      looked for.
    difficulty: difficulty of the dive; None where nobody has given it.
  """

  name: str
  frames: list[bytes]
  numbers: np.ndarray
  seconds: np.ndarray
  padded: int
  warnings: tuple[str, ...]
  pictures: tuple[bytes, ...] = ()
  dive: FoundDive | None = None
  is_dive: bool = True
  confidence: float | None = None
  difficulty: float | None = None
