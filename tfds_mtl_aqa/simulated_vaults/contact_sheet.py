"""Draws a picture of several vaults: one in each row.

`python -m tfds_mtl_aqa.simulated_vaults.contact_sheet --out=vaults.png`
"""

import numpy as np

from tfds_mtl_aqa.simulated_vaults.faults import NAMES
from tfds_mtl_aqa.simulated_vaults.renderer import render_vault
from tfds_mtl_aqa.simulated_vaults.simulation_config import CONFIGS
from tfds_mtl_aqa.simulated_vaults.vault import SimulatedVault, simulate_vault
from tfds_mtl_aqa.simulation import contact_sheet

_BEFORE_TAKE_OFF_SECONDS = 0.75
# The text leaves out faults of lower severity.
_WRITTEN_SEVERITY = 0.15


def describe(vault: SimulatedVault) -> str:
  """Returns a line of text: name, score and faults of a vault."""
  severities = zip(NAMES, vault.faults.severities().tolist(), strict=True)
  seen = [
    f'{name.replace("_", " ")} {severity:.1f}'
    for name, severity in sorted(severities, key=lambda item: -item[1])
    if severity >= _WRITTEN_SEVERITY
  ]
  score = f'{vault.vault.difficulty:g} + {vault.execution:g}'
  return f'{vault.vault.name}  {score} = {vault.final_score:g}   ' + (
    ', '.join(seen) or 'no fault'
  )


def contact_row(
  vault: SimulatedVault, num_frames: int, width: int, height: int
) -> np.ndarray:
  """Returns frames of a vault from left to right, over a line of text.

  Args:
    vault: what to show.
    num_frames: how many frames, from before the take-off to the end of the
      window.
    width: of a frame, pixels.
    height: of a frame, pixels.

  Returns:
    uint8 [height + 14, num_frames * width, 3], RGB.
  """
  times = vault.frame_times
  end = times[-1 - vault.config.margin_frames]
  shown = contact_sheet.nearest(
    times, -_BEFORE_TAKE_OFF_SECONDS, end, num_frames
  )
  frames = render_vault(vault, width, height)[shown]
  return contact_sheet.labelled_row(frames, describe(vault))


def main() -> None:
  """Writes the contact sheet that the command line asks for."""
  contact_sheet.write_sheet(
    (__doc__ or '').split('\n')[0],
    'vaults',
    CONFIGS,
    lambda config, split, index, *size: contact_row(
      simulate_vault(config, split, index), *size
    ),
  )


if __name__ == '__main__':
  main()
