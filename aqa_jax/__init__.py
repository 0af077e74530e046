"""Multitask action quality assessment in JAX and Flax."""

import os
import time
import typing

if typing.TYPE_CHECKING:
  from aqa_jax.judging.judge import Judge

# time.monotonic() of a program's start: before JAX and the rest are imported.
STARTED = time.monotonic()


def load(
  model: str | os.PathLike[str] | None = None,
  finder: str | os.PathLike[str] | None = None,
) -> 'Judge':
  """Returns a judge of videos.

    judge = aqa_jax.load()
    print(judge('clip.mp4'))

  Args:
    model: folder of a model; the workdir of a training; a folder of official
      files, such as model_CNN_94.pth; or None for the small model that comes
      with aqa_jax, which has seen simulated dives only.
    finder: what finds the dives in a video: a folder from aqa_jax.bundle, or
      the workdir of a training with configs/find_dives.py; None for the one
      that comes with aqa_jax.

  Returns:
    See `aqa_jax.judging.judge.Judge`.

  Raises:
    InputError: there is no such model or finder, or it can't be read.
  """
  # JAX and the rest take seconds to import.
  from aqa_jax.judging.dive_search import DiveFinder
  from aqa_jax.judging.finder_model import find_finder
  from aqa_jax.judging.judge import Judge
  from aqa_jax.judging.model_source import find_model

  return Judge(find_model(model), DiveFinder(find_finder(finder)))
