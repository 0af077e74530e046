"""Prints how many dives per second one core simulates, draws and encodes.

`python -m tfds_mtl_aqa.simulated_dives.benchmark --config=clips_171x128`
"""

import argparse
import time

import cv2

from tfds_mtl_aqa.simulated_dives.dive import simulate_dive
from tfds_mtl_aqa.simulated_dives.renderer import render_dive
from tfds_mtl_aqa.simulated_dives.simulation_config import CONFIGS
from tfds_mtl_aqa.simulation.frames import encode_frames


def main() -> None:
  """Measures the time of each stage and prints the results."""
  parser = argparse.ArgumentParser(description=(__doc__ or '').split('\n')[0])
  parser.add_argument('--config', choices=CONFIGS, default='clips_171x128')
  parser.add_argument('--num_dives', type=int, default=60)
  args = parser.parse_args()
  config = CONFIGS[args.config]
  cv2.setNumThreads(1)
  seconds = {'labels': 0.0, 'poses': 0.0, 'frames': 0.0, 'JPEG': 0.0}
  for index in range(args.num_dives):
    marks = [time.perf_counter()]
    dive = simulate_dive(config, 'train', index)
    marks.append(time.perf_counter())
    dive.poses()
    marks.append(time.perf_counter())
    frames = render_dive(dive)
    marks.append(time.perf_counter())
    encode_frames(frames)
    marks.append(time.perf_counter())
    for i, stage in enumerate(seconds):
      seconds[stage] += marks[i + 1] - marks[i]
  for stage, total in seconds.items():
    print(f'{stage}: {1e3 * total / args.num_dives:.2f} ms a dive')
  rate = args.num_dives / sum(seconds.values())
  print(
    f'{rate:.1f} dives/s ({config.num_frames} frames of '
    f'{config.width}x{config.height}, one core)'
  )


if __name__ == '__main__':
  main()
