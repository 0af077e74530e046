"""Draws a picture of several dives: one in each row.

`python -m tfds_mtl_aqa.simulated_dives.contact_sheet --out=dives.png`
"""

import argparse

import cv2
import numpy as np

from tfds_mtl_aqa.simulated_dives.commentary import happened
from tfds_mtl_aqa.simulated_dives.dive import SimulatedDive, simulate_dive
from tfds_mtl_aqa.simulated_dives.renderer import render_dive
from tfds_mtl_aqa.simulated_dives.simulation_config import CONFIGS
from tfds_mtl_aqa.simulation.simulation_config import SPLITS

_BEFORE_TAKE_OFF_SECONDS = 0.3
_TEXT_HEIGHT = 14
# The text leaves out faults of lower severity.
_WRITTEN_SEVERITY = 0.15


def describe(dive: SimulatedDive) -> str:
  """Returns a line of text: dive number, score and faults of a dive."""
  severities = happened(dive.faults)
  seen = [
    f'{name.replace("_", " ")} {severity:.1f}'
    for name, severity in sorted(
      severities.items(), key=lambda item: item[1], reverse=True
    )
    if severity >= _WRITTEN_SEVERITY
  ]
  score = f'{dive.execution:g} x {dive.number.difficulty:g}'
  return f'{dive.number.number}  {score} = {dive.final_score:g}   ' + (
    ', '.join(seen) or 'no fault'
  )


def contact_row(
  dive: SimulatedDive, num_frames: int, width: int, height: int
) -> np.ndarray:
  """Returns frames of a dive from left to right, over a line of text.

  Args:
    dive: what to show.
    num_frames: how many frames, from just before the take-off to the end of the
      window.
    width: of a frame, pixels.
    height: of a frame, pixels.

  Returns:
    uint8 [height + 14, num_frames * width, 3], RGB.
  """
  times = dive.frame_times
  end = times[-1 - dive.config.margin_frames]
  wanted = np.linspace(-_BEFORE_TAKE_OFF_SECONDS, end, num_frames)
  nearest = np.abs(times[None] - wanted[:, None]).argmin(axis=1)
  frames = render_dive(dive, width, height)[nearest]
  text = np.full((_TEXT_HEIGHT, num_frames * width, 3), 255, np.uint8)
  cv2.putText(
    text,
    describe(dive),
    (4, _TEXT_HEIGHT - 4),
    cv2.FONT_HERSHEY_SIMPLEX,
    0.36,
    (30, 30, 30),
    1,
    cv2.LINE_AA,
  )
  return np.concatenate([np.concatenate(list(frames), axis=1), text])


def main() -> None:
  """Writes the contact sheet that the command line asks for."""
  parser = argparse.ArgumentParser(description=(__doc__ or '').split('\n')[0])
  parser.add_argument('--out', required=True, help='the PNG file to write')
  parser.add_argument('--config', choices=CONFIGS, default='clips_171x128')
  parser.add_argument('--split', choices=SPLITS, default='train')
  parser.add_argument('--first', type=int, default=0, help='index of a dive')
  parser.add_argument('--num_dives', type=int, default=8)
  parser.add_argument('--num_frames', type=int, default=10)
  parser.add_argument('--height', type=int, default=96, help='of a frame')
  args = parser.parse_args()
  config = CONFIGS[args.config]
  width = round(args.height * config.width / config.height)
  rows = [
    contact_row(
      simulate_dive(config, args.split, index),
      args.num_frames,
      width,
      args.height,
    )
    for index in range(args.first, args.first + args.num_dives)
  ]
  sheet = cv2.cvtColor(np.concatenate(rows), cv2.COLOR_RGB2BGR)
  if not cv2.imwrite(args.out, sheet, [cv2.IMWRITE_PNG_COMPRESSION, 9]):
    parser.error(
      f'--out={args.out}: cannot be written; give a file name that ends in '
      '.png, in an existing folder'
    )


if __name__ == '__main__':
  main()
