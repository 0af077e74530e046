"""A judged video, with what the network says drawn under it."""

import itertools
import pathlib
import textwrap
from collections.abc import Iterable

import cv2
import numpy as np

from aqa_jax.evaluation.dive_words import class_words
from aqa_jax.judging.judgement import Judgement
from aqa_jax.judging.mp4_file import write_mp4
from aqa_jax.judging.video import VideoFrame

# Larger pictures are made smaller; smaller ones larger, so that text fits.
_MAX_HEIGHT, _MIN_WIDTH = 720, 480
_BAND = 132
# BGR.
_INK, _MUTED = (245, 240, 235), (165, 155, 145)
_UP, _DOWN, _GROUND = (255, 176, 92), (74, 192, 217), (40, 30, 21)
_FONT = cv2.FONT_HERSHEY_SIMPLEX


def write_annotated(
  path: pathlib.Path,
  frames: Iterable[VideoFrame],
  judgement: Judgement,
  comment: str = '',
) -> None:
  """Writes an MP4 file (H.264) of the judged frames, as browsers play it.

  Under the picture are score, classes, and the importance of each frame that
  the network saw: bars up to the present one are bright.

  Args:
    path: file to write, whole or not at all.
    frames: of the video, in the order of time: those that were judged and those
      between them, at least.
    judgement: judgement of that video.
    comment: see `write_mp4`.

  Raises:
    OSError: the file can't be written.
  """
  first, last = judgement.frame_numbers[0], judgement.frame_numbers[-1]
  judged = itertools.dropwhile(lambda frame: frame.number < first, frames)
  write_mp4(
    path,
    (
      (frame.seconds, _annotated(_fitted(frame.image), frame.number, judgement))
      for frame in itertools.takewhile(
        lambda frame: frame.number <= last, judged
      )
    ),
    comment=comment,
  )


def _fitted(image: np.ndarray) -> np.ndarray:
  """Returns a frame of a size that can be shown and encoded: even."""
  height, width, _ = image.shape
  scale = min(_MAX_HEIGHT / height, 1.0)
  scale = max(scale, _MIN_WIDTH / width)
  size = [max(2 * round(scale * side / 2), 2) for side in (width, height)]
  if size == [width, height]:
    return image
  method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
  return cv2.resize(image, size, interpolation=method)


def _annotated(
  image: np.ndarray, number: int, judgement: Judgement
) -> np.ndarray:
  """Returns a frame with the band under it."""
  band = np.full((_BAND, image.shape[1], 3), _GROUND, np.uint8)
  if judgement.score is not None:
    text = f'{judgement.score:.1f} points'
    if judgement.score_interval is not None:
      low, high = judgement.score_interval
      text += f'  ({low:.1f} to {high:.1f})'
    _write(band, text, 26, 0.75, _INK)
  if judgement.classes:
    _write(band, class_words(judgement.classes), 50, 0.5, _INK)
  if judgement.is_of_simulated_dives:
    _write(band, 'a model of simulated dives: no judgement', 70, 0.42, _MUTED)
  if judgement.importance is not None:
    _draw_bars(band, number, judgement)
  return np.concatenate([image, band])


def _write(
  band: np.ndarray,
  text: str,
  bottom: int,
  scale: float,
  colour: tuple[int, int, int],
) -> None:
  """Writes a line, as much of it as there is room for."""
  room = band.shape[1] - 20
  while text and cv2.getTextSize(text, _FONT, scale, 1)[0][0] > room:
    text = textwrap.shorten(text, len(text) - 4, placeholder=' ...')
    if text == '...':
      return
  # OpenCV's font has ASCII alone.
  text = text.encode('ascii', 'replace').decode()
  cv2.putText(band, text, (10, bottom), _FONT, scale, colour, 1, cv2.LINE_AA)


def _draw_bars(band: np.ndarray, number: int, judgement: Judgement) -> None:
  """Draws the importance of each frame, and where the video is."""
  assert judgement.importance is not None
  values = np.asarray(judgement.importance, np.float64)
  largest = np.abs(values).max() or 1.0
  middle, reach = 102, 24
  edges = np.linspace(10, band.shape[1] - 10, len(values) + 1).round()
  for index, value in enumerate(values):
    left, right = int(edges[index]), max(int(edges[index + 1]) - 2, 0)
    colour = np.array(_UP if value >= 0 else _DOWN)
    if judgement.frame_numbers[index] > number:
      colour = (colour + 2 * np.array(_GROUND)) // 3
    end = middle - round(reach * float(value / largest))
    cv2.rectangle(band, (left, middle), (right, end), colour.tolist(), -1)
  cv2.line(band, (10, middle), (band.shape[1] - 10, middle), _MUTED, 1)
