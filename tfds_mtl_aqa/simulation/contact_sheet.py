"""Pictures of several examples: one in each row."""

import argparse
from collections.abc import Callable, Mapping

import cv2
import numpy as np

from tfds_mtl_aqa.simulation.simulation_config import SPLITS, SimulationConfig

_TEXT_HEIGHT = 14

# Draws a row of: config, split, index, number of frames, width and height of a
# frame in pixels.
RowPainter = Callable[[SimulationConfig, str, int, int, int, int], np.ndarray]


def labelled_row(frames: np.ndarray, text: str) -> np.ndarray:
  """Returns frames from left to right, over a line of text.

  Args:
    frames: uint8 [n, height, width, 3], RGB.
    text: to write below.

  Returns:
    uint8 [height + 14, n * width, 3], RGB.
  """
  pictures = np.concatenate(list(frames), axis=1)
  line = np.full((_TEXT_HEIGHT, pictures.shape[1], 3), 255, np.uint8)
  cv2.putText(
    line,
    text,
    (4, _TEXT_HEIGHT - 4),
    cv2.FONT_HERSHEY_SIMPLEX,
    0.36,
    (30, 30, 30),
    1,
    cv2.LINE_AA,
  )
  return np.concatenate([pictures, line])


def nearest(
  times: np.ndarray, begin: float, end: float, count: int
) -> np.ndarray:
  """Returns which of the times are nearest to evenly spaced ones.

  Args:
    times: float64 [n], seconds.
    begin: first wanted time, seconds.
    end: last wanted time, seconds.
    count: number of wanted times.

  Returns:
    int [count], indices into `times`.
  """
  wanted = np.linspace(begin, end, count)
  return np.abs(times[None] - wanted[:, None]).argmin(axis=1)


def write_sheet(
  description: str,
  things: str,
  configs: Mapping[str, SimulationConfig],
  paint_row: RowPainter,
) -> None:
  """Writes the contact sheet that the command line asks for.

  Args:
    description: what the command does, for --help.
    things: what is in the rows, such as 'dives', for the flags.
    configs: the sets, by name.
    paint_row: draws one row.
  """
  parser = argparse.ArgumentParser(description=description)
  parser.add_argument('--out', required=True, help='the PNG file to write')
  parser.add_argument('--config', choices=configs, default='clips_171x128')
  parser.add_argument('--split', choices=SPLITS, default='train')
  parser.add_argument('--first', type=int, default=0, help='index in the split')
  parser.add_argument(f'--num_{things}', dest='rows', type=int, default=8)
  parser.add_argument('--num_frames', type=int, default=10)
  parser.add_argument('--height', type=int, default=96, help='of a frame')
  args = parser.parse_args()
  config = configs[args.config]
  width = round(args.height * config.width / config.height)
  rows = [
    paint_row(config, args.split, index, args.num_frames, width, args.height)
    for index in range(args.first, args.first + args.rows)
  ]
  sheet = cv2.cvtColor(np.concatenate(rows), cv2.COLOR_RGB2BGR)
  if not cv2.imwrite(args.out, sheet, [cv2.IMWRITE_PNG_COMPRESSION, 9]):
    parser.error(
      f'--out={args.out}: cannot be written; give a file name that ends in '
      '.png, in an existing folder'
    )
