"""Describes the machine of a measurement."""

import datetime
import importlib.metadata
import os
import pathlib
import platform
import subprocess
import sys

_PACKAGES = (
  'jax',
  'jaxlib',
  'flax',
  'grain',
  'torch',
  'numpy',
  'opencv-python-headless',
  'pillow',
)
# The installed ones of these belong to JAX or PyTorch.
_CUDA_PACKAGES = ('nvidia-cudnn-cu12', 'nvidia-cudnn-cu13', 'triton')


def describe() -> dict[str, object]:
  """Returns date, command, commit, processors, load and versions."""
  return {
    'date': datetime.datetime.now(datetime.UTC).isoformat(timespec='seconds'),
    'command': ' '.join(['python -m', _module(), *sys.argv[1:]]),
    'commit': _output('git', 'describe', '--always', '--dirty'),
    'cpu': _cpu_model(),
    'cores': len(os.sched_getaffinity(0)),
    'load_before': round(os.getloadavg()[0], 2),
    'gpu': _output(
      'nvidia-smi',
      '--query-gpu=name,driver_version',
      '--format=csv,noheader',
    ),
    'python': platform.python_version(),
    'versions': _versions(),
  }


def _module() -> str:
  path = pathlib.Path(sys.argv[0])
  return f'{path.parent.name}.{path.stem}'


def _cpu_model() -> str:
  cpuinfo = pathlib.Path('/proc/cpuinfo')
  if not cpuinfo.exists():  # Linux alone has it.
    return platform.processor()
  for line in cpuinfo.read_text().splitlines():
    if line.startswith('model name'):
      return line.partition(':')[2].strip()
  return platform.machine()


def _versions() -> dict[str, str]:
  found = {}
  for name in (*_PACKAGES, *_CUDA_PACKAGES):
    try:
      found[name] = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
      continue
  return found


def _output(*command: str) -> str:
  """Returns the output of a program; '' if it is not there or fails."""
  try:
    done = subprocess.run(command, capture_output=True, text=True, check=True)
  except (OSError, subprocess.CalledProcessError):
    return ''
  return done.stdout.strip()
