"""Draws a picture of several dives: one in each row.

`python -m tfds_mtl_aqa.simulated_dives.contact_sheet --out=dives.png`
"""

import numpy as np

from tfds_mtl_aqa.simulated_dives.commentary import happened
from tfds_mtl_aqa.simulated_dives.dive import SimulatedDive, simulate_dive
from tfds_mtl_aqa.simulated_dives.renderer import render_dive
from tfds_mtl_aqa.simulated_dives.simulation_config import CONFIGS
from tfds_mtl_aqa.simulation import contact_sheet

_BEFORE_TAKE_OFF_SECONDS = 0.3
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
  shown = contact_sheet.nearest(
    times, -_BEFORE_TAKE_OFF_SECONDS, end, num_frames
  )
  frames = render_dive(dive, width, height)[shown]
  return contact_sheet.labelled_row(frames, describe(dive))


def main() -> None:
  """Writes the contact sheet that the command line asks for."""
  contact_sheet.write_sheet(
    (__doc__ or '').split('\n')[0],
    'dives',
    CONFIGS,
    lambda config, split, index, *size: contact_row(
      simulate_dive(config, split, index), *size
    ),
  )


if __name__ == '__main__':
  main()
