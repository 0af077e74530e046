"""The ends of the stages of UNLV-Dive's dives, as S3D's authors marked them."""

import pathlib

from tfds_mtl_aqa.labels import STAGES
from tfds_mtl_aqa.manual_file import ManualFile, read_text
from tfds_mtl_aqa.mtl_aqa import unlv_dive

FILE = ManualFile(
  ('jump_drop_water_label.txt',),
  (
    '',
    'data_files',
    'diving-score/data_files',
    'diving-score-master/data_files',
  ),
  'github.com/YeTianJHU/diving-score, data_files/',
)


def read(path: pathlib.Path) -> dict[int, tuple[int, ...]]:
  """Returns the last frame of four stages by AQA-7 diving id.

  Frames count in the clips of 151 frames. In dives 32 and 95 of the published
  file they do not rise.

  Args:
    path: of the file: a line for each of 370 dives, such as '31,42,65,75'.

  Raises:
    InputError: the file can't be read, or has other content.
  """
  rows = [line.split(',') for line in read_text(path).splitlines() if line]
  if len(rows) != unlv_dive.NUM_DIVES:
    raise FILE.malformed(
      path, f'has {len(rows)} lines, not {unlv_dive.NUM_DIVES}'
    )
  ends = {}
  for number, row in enumerate(rows, start=1):
    try:
      frames = tuple(map(int, row))
    except ValueError:
      frames = ()
    if len(frames) != len(STAGES) or min(frames) < 1:
      raise FILE.malformed(
        path, f'line {number} is not {len(STAGES)} numbers of frames'
      )
    ends[number] = frames
  return ends
