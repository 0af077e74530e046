"""The files of an answer."""

import functools
import json
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from aqa_jax.evaluation.dive_words import class_words
from aqa_jax.judging.judgement import Judgement
from aqa_jax.judging.judgement_page import judgement_page
from aqa_jax.judging.model import Model
from aqa_jax.report.filmstrip import cut
from aqa_jax.serving.job import JUDGEMENT, REPORT, dive_file


def write_answer(
  folder: pathlib.Path, judgements: Sequence[Judgement], model: Model
) -> None:
  """Writes the judgements as JSON and as a page, and what a page shows more.

  Args:
    folder: of the job.
    judgements: of the dives of one video, with pictures.
    model: that made them.

  Raises:
    OSError: a file can't be written.
  """
  rows = [judgement.to_dict() for judgement in judgements]
  files = {
    JUDGEMENT: json.dumps(rows, indent=1, ensure_ascii=False) + '\n',
    REPORT: judgement_page(judgements, model),
  }
  for number, judgement in enumerate(judgements):
    files[dive_file(number)] = json.dumps(
      {
        'words': class_words(judgement.classes) if judgement.classes else '',
        'pictures': _pictures(judgement),
      }
    )
  for name, text in files.items():
    (folder / name).write_text(text, 'utf-8')


def _pictures(judgement: Judgement) -> list[dict[str, Any]]:
  """Returns some frames of a dive: picture, frame_number and seconds."""
  if not judgement.pictures:
    return []
  count = len(judgement.pictures)
  segments = cut(
    np.arange(count),
    np.zeros(count),
    [functools.partial(bytes, data) for data in judgement.pictures],
  )
  shown = [
    (segment.picture, segment.frames[segment.shown]) for segment in segments
  ]
  return [
    {
      'picture': picture,
      'frame_number': int(judgement.frame_numbers[index]),
      'seconds': float(judgement.frame_seconds[index]),
    }
    for picture, index in shown
  ]
