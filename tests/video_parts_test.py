"""Parts of videos that are read again."""

import pathlib

import numpy as np
import pytest

from aqa_jax.judging.video import VideoFrame
from aqa_jax.judging.video_parts import VideoParts
from tfds_mtl_aqa.input_error import InputError

_A, _B = pathlib.Path('a'), pathlib.Path('b')


def test_a_video_is_read_once_for_parts_in_order():
  opened, read = [], []

  def open_video(path):
    opened.append(path)
    for number in range(1, 31):
      if path == _B and number == 20:
        raise InputError('b: is damaged.')
      read.append(number)
      yield VideoFrame(number, number / 25, np.zeros((1, 1, 3), np.uint8))

  parts = VideoParts(open_video)

  def numbers(path, first, last):
    return [frame.number for frame in parts.part(path, first, last)]

  for first, last in ((3, 5), (6, 9), (15, 20)):
    assert numbers(_A, first, last) == list(range(first, last + 1))
  assert opened == [_A] and read == list(range(1, 21))
  # One that begins before the last one's end, and one of another video.
  assert numbers(_A, 18, 22) == [18, 19, 20, 21, 22]
  assert numbers(_B, 1, 2) == [1, 2]
  assert opened == [_A, _A, _B]
  # What can't be read never comes as an empty part.
  for _ in range(2):
    with pytest.raises(InputError, match='damaged'):
      numbers(_B, 18, 22)
