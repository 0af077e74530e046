"""Whether a network sees faults in the frames in which they show.

  python tests/fault_timing_drill.py workdir/faults

The simulator knows when a fault shows: the dive is rendered again without it,
and the frames that differ are those. For each fault the table has how many
times more of it shows in the frames that the network looks at than in an
average frame, weighted by `fault_timing`; the same for the frames that it looks
at for the other faults; and for the frames in which it shows. At the end, how
often the surest frame is one with at least half of the largest difference; how
often the surest frame for another fault is; and how often a random frame is.
"""

import argparse
import dataclasses
from collections.abc import Sequence

import jax
import numpy as np

from aqa_jax.data.input_pipeline import make_inputs
from aqa_jax.evaluation.fault_timing import make_timing_step
from aqa_jax.judging.model import Model
from aqa_jax.judging.model_source import find_model
from aqa_jax.text_table import aligned
from tfds_mtl_aqa.simulated_dives.dive import SimulatedDive, simulate_dive
from tfds_mtl_aqa.simulated_dives.faults import NAMES
from tfds_mtl_aqa.simulated_dives.renderer import render_dive
from tfds_mtl_aqa.simulated_dives.simulation_config import CONFIGS
from tfds_mtl_aqa.simulation.frames import encode_frames

_HEAD = ('fault', 'own', 'others', 'at most', 'surest', 'others', 'by chance')


def pixels(dive: SimulatedDive, model: Model) -> np.ndarray:
  """Returns what the network sees of a dive."""
  example = {'video': encode_frames(render_dive(dive)), 'sample': 0}
  video_input = model.video_input
  return np.asarray(make_inputs(example, video_input, (), rng=None)['video'])


def differences(dive: SimulatedDive, model: Model) -> np.ndarray:
  """Returns how much each fault shows: float [faults, frames]."""
  video = pixels(dive, model).astype(np.float64)
  found = []
  for name in NAMES:
    better = dataclasses.replace(dive.faults, **{name: 0.0})
    without = simulate_dive(
      dive.config, dive.split, dive.index, dive.number, better
    )
    found.append(np.abs(video - pixels(without, model)).sum(axis=(1, 2, 3)))
  return np.array(found)


def agreement(seen: np.ndarray, shows: np.ndarray) -> list[list[float]]:
  """Returns the six numbers of each fault; see the module.

  Args:
    seen: float [dives, faults, frames], of `fault_timing`.
    shows: float [dives, faults, frames], of `differences`.
  """
  rows = []
  for fault in range(seen.shape[1]):
    made = shows[:, fault].sum(axis=1) > 0
    there = shows[made, fault] / shows[made, fault].mean(axis=1, keepdims=True)
    gains = [
      float((seen[made, other] * there).sum(axis=1).mean())
      for other in range(seen.shape[1])
    ]
    much = there >= 0.5 * there.max(axis=1, keepdims=True)
    hits = [
      float(much[np.arange(len(much)), seen[made, other].argmax(axis=1)].mean())
      for other in range(seen.shape[1])
    ]
    rows.append(
      [
        gains[fault],
        float(np.mean(gains[:fault] + gains[fault + 1 :])),
        float((there**2).mean()),
        hits[fault],
        float(np.mean(hits[:fault] + hits[fault + 1 :])),
        float(much.mean()),
      ]
    )
  return rows


def main(argv: Sequence[str] | None = None) -> None:
  """Prints the table."""
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument('model', help='workdir or model folder')
  parser.add_argument('--dives', type=int, default=60)
  args = parser.parse_args(argv)
  model = find_model(args.model)
  config = CONFIGS[model.config.dataset.name.partition('/')[2]]
  step = make_timing_step(model.network)
  variables = model.variables
  seen, shows = [], []
  for index in range(args.dives):
    dive = simulate_dive(config, 'test', index)
    video = pixels(dive, model)[None]
    found = step(variables['params'], variables['batch_stats'], video)
    seen.append([jax.device_get(found[name])[0] for name in NAMES])
    shows.append(differences(dive, model))
  rows = [
    [name.replace('_', ' '), *(f'{value:.2f}' for value in values)]
    for name, values in zip(
      NAMES, agreement(np.array(seen), np.array(shows)), strict=True
    )
  ]
  print('\n'.join(aligned([_HEAD, *rows])))


if __name__ == '__main__':
  main()
