"""Trains in several processes on this machine, as on several hosts.

  python launch/run_local_processes.py --num_processes=2 \
    --devices_per_process=2 --config=configs/quickstart.py --workdir=/tmp/two

Flags that are not listed by --help go to `python -m aqa_jax.main`. Each line of
output begins with the number of its process. Once one fails, the others are
ended, and its exit code is this program's. With --max_restarts all of them are
started again where one was preempted (exit code 75) or killed by a signal.
"""

import argparse
import os
import pathlib
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence

_ROOT = pathlib.Path(__file__).resolve().parents[1]
# Between SIGTERM and SIGKILL: a process may have to save.
_GRACE_SECONDS = 60.0
# As in aqa_jax.training.preemption, which takes seconds to import.
_PREEMPTED = 75


def main(argv: Sequence[str]) -> int:
  """Runs the processes; returns the exit code."""
  parser = argparse.ArgumentParser(
    description=__doc__,
    formatter_class=argparse.RawDescriptionHelpFormatter,
    allow_abbrev=False,
  )
  parser.add_argument('--num_processes', type=_positive, required=True)
  parser.add_argument(
    '--devices_per_process',
    type=_positive,
    help='CPU devices that each process has; default: what JAX finds.',
  )
  parser.add_argument(
    '--max_restarts',
    type=_count,
    default=0,
    help='how often to start again what was preempted or killed',
  )
  arguments, passed_on = parser.parse_known_args(argv)
  environment = dict(os.environ)
  environment['PYTHONPATH'] = os.pathsep.join(
    filter(None, [str(_ROOT), environment.get('PYTHONPATH')])
  )
  if arguments.devices_per_process:
    environment['JAX_PLATFORMS'] = 'cpu'
    environment['XLA_FLAGS'] = ' '.join(
      [
        environment.get('XLA_FLAGS', ''),
        '--xla_force_host_platform_device_count='
        f'{arguments.devices_per_process}',
      ]
    ).strip()
  for restarts_left in range(arguments.max_restarts, -1, -1):
    command = [
      sys.executable,
      '-m',
      'aqa_jax.main',
      *passed_on,
      # Another port each time: the old one may not be free yet.
      f'--coordinator_address=localhost:{_free_port()}',
      f'--num_processes={arguments.num_processes}',
    ]
    code = run_together(
      [
        [*command, f'--process_id={index}']
        for index in range(arguments.num_processes)
      ],
      environment,
    )
    # After Ctrl-C the user does not want another start.
    if code != _PREEMPTED and (code <= 128 or code == 128 + signal.SIGINT):
      break
    if restarts_left:
      print(f'Ended with code {code}; starting again.', flush=True)
  return code


def run_together(
  commands: Sequence[Sequence[str]], environment: dict[str, str]
) -> int:
  """Runs commands side by side until all are done or one has failed.

  Args:
    commands: one for each process.
    environment: environment variables of all processes.

  Returns:
    0, or the exit code of the first process that failed: 128 + n if signal n
    ended it, as in a shell.

  Raises:
    SystemExit: SIGTERM has come, and the processes are ended. The code is 75 if
      all have saved, 143 otherwise.
  """
  processes, readers = [], []

  def end_all(*_):
    # The one who ends this program wants to end all processes.
    _end(processes)
    codes = {process.returncode for process in processes}
    sys.exit(_PREEMPTED if codes <= {0, _PREEMPTED} else 128 + signal.SIGTERM)

  signal.signal(signal.SIGTERM, end_all)
  try:
    for index, command in enumerate(commands):
      process = subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors='replace',
      )
      processes.append(process)
      reader = threading.Thread(target=_prefix_lines, args=(index, process))
      reader.start()
      readers.append(reader)
    running = list(processes)
    while running:
      time.sleep(0.1)
      failed = [p.returncode for p in running if p.poll()]
      if failed:
        # A process that lost another ends with 75: another code tells more.
        code = next((c for c in failed if c != _PREEMPTED), _PREEMPTED)
        return code if code > 0 else 128 - code
      running = [process for process in running if process.returncode is None]
    return 0
  except KeyboardInterrupt:
    return 128 + signal.SIGINT
  finally:
    _end(processes)
    for reader in readers:
      reader.join()


def _prefix_lines(index: int, process: subprocess.Popen[str]) -> None:
  """Prints the output of a process, line by line, after its number."""
  for line in process.stdout:
    # One write for each line, so that lines of two processes do not mix.
    sys.stdout.write(f'[{index}] {line.rstrip()}\n')
    sys.stdout.flush()


def _end(processes: Sequence[subprocess.Popen[str]]) -> None:
  """Ends the processes that still run, the hard way if need be."""
  for process in processes:
    if process.poll() is None:
      process.terminate()
  deadline = time.monotonic() + _GRACE_SECONDS
  for process in processes:
    try:
      process.wait(max(deadline - time.monotonic(), 0.1))
    except subprocess.TimeoutExpired:
      process.kill()
      process.wait()


def _free_port() -> int:
  with socket.socket() as listener:
    listener.bind(('localhost', 0))
    return listener.getsockname()[1]


def _count(text: str) -> int:
  return _number(text, 0)


def _positive(text: str) -> int:
  return _number(text, 1)


def _number(text: str, least: int) -> int:
  try:
    number = int(text)
  except ValueError:
    number = None
  if number is None or number < least:
    # For a ValueError argparse would print the name of this function.
    raise argparse.ArgumentTypeError(
      f'give a whole number from {least} on, not {text!r}'
    )
  return number


if __name__ == '__main__':
  sys.exit(main(sys.argv[1:]))
