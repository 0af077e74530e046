"""Names the packages that `gpu.sh` needs and this environment lacks.

A machine with a GPU often has JAX and PyTorch already, in versions that fit its
driver: so the environment is completed, not made anew.
"""

import importlib.metadata
import pathlib
import sys

_FOLDER = pathlib.Path(__file__).parent
# Their builds depend on the machine.
_FROM_THE_MACHINE = ('jax', 'torch')


def missing() -> list[str]:
  """Returns packages that are not installed, pinned where a pin is known."""
  listed = (_FOLDER / 'gpu_packages.txt').read_text().split()
  pins = {}
  for line in (_FOLDER.parent / 'constraints.txt').read_text().splitlines():
    name, _, version = line.partition('==')
    if version:
      pins[name.lower().replace('_', '-')] = version
  return [
    f'{name}=={pins[name]}' if name in pins else name
    for name in (*_FROM_THE_MACHINE, *listed)
    if not _is_installed(name)
  ]


def _is_installed(name: str) -> bool:
  try:
    importlib.metadata.version(name)
  except importlib.metadata.PackageNotFoundError:
    return False
  return True


def main() -> None:
  """Prints the command that installs what is missing, and exits with 1."""
  if packages := missing():
    sys.exit(
      'Some packages are missing. Where there is a network:\n'
      f'  {sys.executable} -m pip install --no-deps {" ".join(packages)}\n'
      'Where there is none, download them elsewhere for this Python, '
      f'{sys.version_info.major}.{sys.version_info.minor}:\n'
      '  python -m pip download --no-deps --only-binary=:all: '
      f'--python-version {sys.version_info.major}.{sys.version_info.minor} '
      f'--dest wheels {" ".join(packages)}'
    )


if __name__ == '__main__':
  main()
