"""Trains twice with `deterministic=True`, and compares the bits.

  python tests/determinism_drill.py --workdir=FOLDER FLAGS_OF_AQA_JAX_MAIN

The two run at the same time, so that each meets another timing.
"""

import argparse
import pathlib
import shutil
import subprocess
import sys

import kill_drill


def main() -> None:
  """Exits with 1 where anything differs."""
  parser = argparse.ArgumentParser(
    description='Trains twice with deterministic=True and compares parameters, '
    'metrics and predictions bit by bit; all other flags are those of '
    'aqa_jax.main.',
  )
  parser.add_argument(
    '--workdir', type=pathlib.Path, required=True, help='for both trainings'
  )
  flags, training = parser.parse_known_args()
  shutil.rmtree(flags.workdir, ignore_errors=True)
  workdirs = [flags.workdir.resolve() / name for name in ('first', 'second')]
  processes = [
    subprocess.Popen(
      [
        *(sys.executable, '-m', 'aqa_jax.main', f'--workdir={workdir}'),
        *(*training, '--config.deterministic=True'),
      ],
      cwd=kill_drill.ROOT,
    )
    for workdir in workdirs
  ]
  codes = [process.wait() for process in processes]
  if any(codes):
    sys.exit(f'A training has failed: exit codes {codes}.')
  different = kill_drill.differences(*workdirs)
  print(f'Different: {", ".join(different) or "nothing"}.')
  sys.exit(bool(different))


if __name__ == '__main__':
  sys.path.insert(0, str(kill_drill.ROOT))
  main()
