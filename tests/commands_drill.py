"""Runs every command of the documents, each in a fresh copy of the project.

  python tests/commands_drill.py
  python tests/commands_drill.py --only='benchmarks|kill_drill' --again

What a laptop can't run is checked in another way, which documented_commands.py
lists with the reasons. What has passed is not run again: the same command goes
on where it stopped. The project is what git knows of this checkout, changes and
new files included, and its environment the packages of the Python that runs
this. It takes about an hour on two cores.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

import document_text
import documented_commands as documented
import given_files

ROOT = document_text.ROOT
_LIMIT_S = 1800
_PASSED = 'passed'


class Drill:
  """The folder that the drill works in.

  Attributes:
    folder: with results.json, logs, copies of the project, and what several
      commands need.
    results: command -> outcome, seconds and commit.
  """

  def __init__(self, folder: pathlib.Path, only: str, again: bool):
    """Opens it.

    Args:
      folder: made if it is not there.
      only: see `_arguments`.
      again: likewise.
    """
    self.folder = folder.resolve()
    (self.folder / 'logs').mkdir(parents=True, exist_ok=True)
    self._file = self.folder / 'results.json'
    self.results: dict[str, dict[str, object]] = {}
    if self._file.exists():
      self.results = json.loads(self._file.read_text())
    everything = document_text.all_commands()
    texts = {command.text for command in everything}
    # What no document has any more is forgotten.
    self.results = {k: v for k, v in self.results.items() if k in texts}
    self.chosen = [c for c in everything if re.search(only, c.text)]
    if again:
      for command in self.chosen:
        self.results.pop(command.text, None)
    self._commit = _git('rev-parse', '--short', 'HEAD').strip()

  def run(self) -> None:
    """Runs the chosen commands that have not passed."""
    for index, command in enumerate(self.chosen, 1):
      before = self.results.get(command.text, {})
      if before.get('outcome') == _PASSED:
        continue
      print(f'[{index}/{len(self.chosen)}] {_short(command)}', flush=True)
      started = time.monotonic()
      outcome = self._try(command)
      seconds = round(time.monotonic() - started, 1)
      self.results[command.text] = {
        'outcome': outcome,
        'seconds': seconds,
        'commit': self._commit,
      }
      self._file.write_text(json.dumps(self.results, indent=2))
      print(f'  {outcome}, {seconds:.0f} s', flush=True)

  def _try(self, command: document_text.Command) -> str:
    """Returns how a command ended, and what it said last if it failed."""
    steps = documented.plan(command)
    name = re.sub(r'\W+', '_', f'{command.document}_{command.text}')[:100]
    log = self.folder / 'logs' / f'{name}.txt'
    project = self.folder / 'project'
    # What others need of this very command is made by it.
    made = [n for n, g in given_files.GIVEN.items() if [*g.made_by] == steps]
    try:
      if made:
        log = self.folder / 'logs' / f'given_{made[0]}.txt'
        shutil.rmtree(self.folder / 'given' / made[0], ignore_errors=True)
        self._given(made[0])
        return _PASSED
      needs = [name for step in steps for name in given_files.given(step)]
      given = [self._given(name) for name in dict.fromkeys(needs)]
      self._copy_project(project)
      for folder in given:
        shutil.copytree(folder, project, dirs_exist_ok=True, symlinks=True)
      log.unlink(missing_ok=True)
      for step in steps:
        _run(step, project, log)
    except subprocess.CalledProcessError as e:
      end = '\n    '.join(log.read_text().splitlines()[-12:])
      return f'failed with exit code {e.returncode}:\n    {end}\n    in {log}'
    except subprocess.TimeoutExpired:
      return f'ran longer than {_LIMIT_S} s; see {log}'
    return _PASSED

  def _given(self, name: str) -> pathlib.Path:
    """Returns the folder of what a command needs, made the first time."""
    folder = self.folder / 'given' / name
    if folder.exists():
      return folder
    given = given_files.GIVEN[name]
    before = [self._given(other) for other in given.needs]
    print(f'  making the {name} that it needs', flush=True)
    project = self.folder / f'making_{name}'
    log = self.folder / 'logs' / f'given_{name}.txt'
    log.unlink(missing_ok=True)
    self._copy_project(project)
    for other in before:
      shutil.copytree(other, project, dirs_exist_ok=True)
    for step in given.made_by:
      _run(step, project, log)
    half = self.folder / 'given' / f'{name}.tmp'
    shutil.rmtree(half, ignore_errors=True)
    half.mkdir(parents=True)
    for path in given.paths:
      shutil.move(project / path, half / path)
    half.rename(folder)
    shutil.rmtree(project)
    return folder

  def _copy_project(self, project: pathlib.Path) -> None:
    """Makes a fresh clone with this checkout's changes and an environment."""
    shutil.rmtree(project, ignore_errors=True)
    _git('clone', '--quiet', '--shared', str(ROOT), str(project))
    changed = _git('ls-files', '-z', '-mo', '--exclude-standard').split('\0')
    for path in filter(None, dict.fromkeys(changed)):
      (project / path).parent.mkdir(parents=True, exist_ok=True)
      if (ROOT / path).exists():
        shutil.copy(ROOT / path, project / path, follow_symlinks=False)
      else:
        (project / path).unlink()
    for name, text in document_text.flag_files().items():
      (project / name).write_text(text)
    _make_environment(project)


def _make_environment(project: pathlib.Path) -> None:
  """Makes .venv with the packages that are here, and the project in it."""
  environment = project / '.venv'
  _check([sys.executable, '-m', 'venv', '--without-pip', environment])
  packages = [p for p in sys.path if pathlib.Path(p).name == 'site-packages']
  version = f'python{sys.version_info.major}.{sys.version_info.minor}'
  # Packages only: a .pth file in them, such as that of this checkout's editable
  # installation, is not followed.
  inside = environment / 'lib' / version / 'site-packages'
  (inside / 'drill.pth').write_text('\n'.join([str(project), *packages]) + '\n')
  for folder in packages:
    prefix = pathlib.Path(folder).parents[2]
    # Templates of nbconvert.
    shared, there = environment / 'share/jupyter', prefix / 'share/jupyter'
    if there.exists() and not shared.exists():
      shared.parent.mkdir(exist_ok=True)
      shared.symlink_to(there)
    for program in (prefix / 'bin').iterdir():
      copy = environment / 'bin' / program.name
      if copy.exists() or not program.is_file():
        continue
      first, _, rest = program.read_bytes().partition(b'\n')
      if first.startswith(b'#!') and b'python' in first:
        copy.write_bytes(
          b'#!%s\n%s' % (bytes(environment / 'bin/python'), rest)
        )
        copy.chmod(0o755)
      elif first[:4] == b'\x7fELF':
        copy.symlink_to(program)
  # What make would install is there.
  for name in ('.installed', '.installed-dev', '.installed-docs'):
    (environment / name).touch()


def _run(step: str, project: pathlib.Path, log: pathlib.Path) -> None:
  """Runs a command of the shell in a copy of the project.

  Raises:
    subprocess.CalledProcessError: it failed.
    subprocess.TimeoutExpired: it took too long.
  """
  dropped = ('PYTHONPATH', 'TFDS_DATA_DIR', 'VIRTUAL_ENV', 'JAX_', 'XLA_')
  environment = {
    name: value
    for name, value in os.environ.items()
    if not name.startswith(dropped)
  }
  environment['PATH'] = f'{project}/.venv/bin:{environment["PATH"]}'
  with log.open('a') as file:
    file.write(f'$ {step}\n')
    file.flush()
    process = subprocess.Popen(
      ['bash', '-c', step],
      cwd=project,
      env=environment,
      stdin=subprocess.DEVNULL,
      stdout=file,
      stderr=subprocess.STDOUT,
      start_new_session=True,
    )
    try:
      code = process.wait(_LIMIT_S)
    finally:
      # With whatever it has started.
      if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
  if code:
    raise subprocess.CalledProcessError(code, step)


def _git(*arguments: str) -> str:
  return _check(['git', '-C', str(ROOT), *arguments])


def _check(command: list[str | pathlib.Path]) -> str:
  return subprocess.run(
    command, check=True, stdout=subprocess.PIPE, text=True
  ).stdout


def _short(command: document_text.Command) -> str:
  text = ' '.join(command.text.split())
  text = text if len(text) < 90 else text[:87] + '...'
  return f'{command.document}:{command.line}: {text}'


def _arguments() -> argparse.Namespace:
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument(
    '--only',
    default='',
    metavar='PATTERN',
    help='the commands in which this regular expression is found',
  )
  parser.add_argument(
    '--again', action='store_true', help='also those that have passed'
  )
  parser.add_argument(
    '--list', action='store_true', help='print what would be run; run nothing'
  )
  parser.add_argument(
    '--folder',
    type=pathlib.Path,
    default=ROOT / 'workdir/commands_drill',
    help='of the results (default: %(default)s)',
  )
  return parser.parse_args()


def main() -> int:
  """Runs the drill; returns 1 if a command failed."""
  arguments = _arguments()
  if arguments.list:
    for command in document_text.all_commands():
      if re.search(arguments.only, command.text):
        print(_short(command))
        if entry := documented.instead(command):
          print(f'  {entry.why}')
          for step in documented.plan(command):
            print('  $ ' + step.replace('\n', '\n    '))
    return 0
  # Or what it has started would go on.
  signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
  drill = Drill(arguments.folder, arguments.only, arguments.again)
  drill.run()
  print(f'\n{"seconds":>8}  outcome')
  failed = 0
  for command in drill.chosen:
    result = drill.results[command.text]
    outcome = str(result['outcome']).splitlines()[0]
    failed += outcome != _PASSED
    if outcome == _PASSED and documented.instead(command):
      outcome = 'checked'
    print(f'{result["seconds"]:8.1f}  {outcome:<9} {_short(command)}')
  print(f'{len(drill.chosen)} commands, {failed} failed.')
  return int(failed > 0)


if __name__ == '__main__':
  sys.exit(main())
