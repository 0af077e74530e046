"""Which frames of a dive are stored, against rules written out here."""

import pytest

from tfds_mtl_aqa.clips.window import (
  EndWindow,
  EvenWindow,
  StartWindow,
  StrideWindow,
  TooShort,
)


@pytest.mark.parametrize('num_frames', [103, 104, 107, 108, 109, 110, 300])
def test_the_end_of_a_dive(num_frames):
  places, (head, tail) = EndWindow().of_dive(num_frames)
  assert head + len(places) + tail == EndWindow().num_stored == 109
  assert list(places) == list(range(num_frames - len(places), num_frames))
  # What there is of the margins is split evenly, and the head gets the rest.
  assert head <= tail <= head + 1


def test_the_window_is_told_by_its_end():
  assert list(EndWindow().needed(1, 500)) == list(range(398, 501))
  assert list(EndWindow().needed(450, 500)) == list(range(398, 501))


@pytest.mark.parametrize('num_frames', [2, 63, 95, 96, 97, 101, 273])
def test_even_frames(num_frames):
  places, padding = EvenWindow(96).of_dive(num_frames)
  assert padding == (0, 0)
  assert list(places) == [k * (num_frames - 1) // 95 for k in range(96)]
  needed = EvenWindow(96).needed(1000, 999 + num_frames)
  assert [number - 1000 for number in needed] == list(places)


def test_the_start_of_a_clip():
  assert StartWindow(151).of_dive(160) == (range(151), (0, 0))
  assert list(StartWindow(3).needed(7, 100)) == [7, 8, 9]


@pytest.mark.parametrize('window', [EndWindow(), StartWindow(103)])
def test_too_few_frames(window):
  with pytest.raises(TooShort, match='103 are needed'):
    window.of_dive(102)


def test_every_second_frame():
  assert list(StrideWindow(2).needed(7, 12)) == [7, 9, 11]
  assert list(StrideWindow(2).needed(7, 13)) == [7, 9, 11, 13]
  assert StrideWindow(2).of_dive(5) == (range(0, 5, 2), (0, 0))
