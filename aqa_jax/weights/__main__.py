"""Weights of the official code: `python -m aqa_jax.weights show FILE`."""

import argparse
import pathlib
from collections.abc import Iterator, Sequence

import numpy as np

from aqa_jax import small_command
from tfds_mtl_aqa.input_error import InputError


def _described(file: pathlib.Path) -> Iterator[str]:
  """Yields a line for each entry of a PyTorch file."""
  from aqa_jax.weights.torch_file import read_torch_file

  for name, array in read_torch_file(file).items():
    norm = np.linalg.norm(array.astype(np.float64))
    yield f'{name:<40} {array.dtype!s:<9} {array.shape!s:<24} norm {norm:.6g}'


def main(arguments: Sequence[str] | None = None) -> None:
  """Runs the command that the arguments name."""
  parser = argparse.ArgumentParser(
    prog='python -m aqa_jax.weights',
    description='Shows files of the official PyTorch code, and writes them.',
  )
  commands = parser.add_subparsers(dest='command', required=True)
  show = commands.add_parser('show', help='list what a PyTorch file holds')
  show.add_argument('file', type=small_command.path)
  give = commands.add_parser('export', help='write official PyTorch files')
  give.add_argument('--workdir', type=small_command.path, required=True)
  give.add_argument('--to', type=small_command.path, required=True)
  chosen = parser.parse_args(arguments)
  if chosen.command == 'show':
    print('\n'.join(_described(chosen.file)))
  else:
    # It takes seconds to import, and only this command needs it.
    import jax

    from aqa_jax.systems.chosen_system import chosen_system
    from aqa_jax.weights.pretrained import export
    from aqa_jax.workdir import recorded_config

    config = recorded_config(chosen.workdir)
    if config is None:
      raise InputError(
        f'--workdir={chosen.workdir}: holds no training; give the one of a '
        'training.'
      )
    jax.config.update('jax_platforms', 'cpu')
    names = chosen_system(config['network']).official_names
    for file in export(chosen.workdir, chosen.to, names):
      print(file)


def run() -> None:
  """Runs `main`; an InputError ends in one line and exit code 2."""
  small_command.run(main, 'aqa_jax.weights')


if __name__ == '__main__':
  run()
