"""Judges simulated dives as a user's videos: `python -m aqa_jax.demo`.

It writes three videos of a dive and one of an event, judges them with what
comes with the installation, and writes a page about each kind.
"""

import pathlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from aqa_jax import small_command
from tfds_mtl_aqa.input_error import InputError

if TYPE_CHECKING:
  import numpy as np

_DIVES = (3, 11, 28)
_EVENT = 6
_SIZE = (344, 256)
_FRAMES_PER_SECOND = 25.0


def main(arguments: Sequence[str] | None = None) -> int:
  """Writes and judges the videos.

  Returns:
    The exit code of `aqa_jax.judge`.

  Raises:
    InputError: an argument is wrong, or the folder can't be written.
  """
  parser = small_command.Parser(
    prog='python -m aqa_jax.demo',
    description='Judges simulated dives with what comes with aqa_jax.',
  )
  parser.add_argument(
    '--out',
    type=small_command.path,
    default=pathlib.Path('workdir/demo'),
    help='folder for the videos and the pages; default: workdir/demo',
  )
  out = parser.parse_args(arguments).out
  try:
    out.mkdir(parents=True, exist_ok=True)
    dives = list(_write_dives(out))
    event = _write_event(out)
  except OSError as e:
    raise InputError(
      f'--out={out}: {e.strerror}; give a folder that can be written.'
    ) from e
  from aqa_jax import judge

  pages = []
  code = 0
  for name, videos in (('dives', dives), ('event', [event])):
    page = out / f'{name}.html'
    code |= judge.main([*map(str, videos), f'--html={page}'])
    pages.append(page)
  print('Videos and pages:')
  for path in (*dives, event, *pages):
    print(f'  {path}')
  return code


def _write_dives(out: pathlib.Path) -> Iterator[pathlib.Path]:
  """Writes videos of a dive each; yields their paths."""
  import dataclasses

  from tfds_mtl_aqa.simulated_dives.dive import simulate_dive
  from tfds_mtl_aqa.simulated_dives.renderer import render_dive
  from tfds_mtl_aqa.simulated_dives.simulation_config import CONFIGS

  # As the dives that the model has learned from, of events that it has not.
  config = dataclasses.replace(
    CONFIGS['longer'], frames_per_second=_FRAMES_PER_SECOND, window_frames=100
  )
  for index in _DIVES:
    dive = simulate_dive(config, 'test', index)
    path = out / f'dive_{dive.number.number}.mp4'
    _write_video(path, render_dive(dive, *_SIZE))
    yield path


def _write_event(out: pathlib.Path) -> pathlib.Path:
  """Writes a video of several dives; returns its path."""
  from tfds_mtl_aqa.simulated_footage.footage import simulate_footage
  from tfds_mtl_aqa.simulated_footage.footage_config import CONFIGS

  footage = simulate_footage(
    CONFIGS['as_longer'], 'test', _EVENT, _SIZE, _FRAMES_PER_SECOND
  )
  path = out / 'event.mp4'
  _write_video(path, footage.frames)
  return path


def _write_video(path: pathlib.Path, frames: 'np.ndarray') -> None:
  """Writes uint8 [frames, height, width, 3], RGB, as an MP4 file."""
  from aqa_jax.judging.mp4_file import write_mp4

  write_mp4(
    path,
    (
      (number / _FRAMES_PER_SECOND, frame[..., ::-1].copy())
      for number, frame in enumerate(frames)
    ),
  )


def run() -> None:
  """Runs `main`; an InputError ends in one line and exit code 2."""
  small_command.run(main, 'aqa_jax.demo')


if __name__ == '__main__':
  run()
