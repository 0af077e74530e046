"""Puts the results of `gpu.sh` into one file, and prints them."""

import json
import pathlib
import re
import sys

from benchmarks import machine, out_file
from benchmarks.comparison_table import table

# So many last lines of a part's log are in results.json.
_LOG_LINES = 40


def collect(folder: pathlib.Path) -> dict[str, object]:
  """Returns the machine, and status, log and figures of each part.

  Args:
    folder: folder that `gpu.sh` wrote to.
  """
  parts = {}
  paths = (folder / 'status').iterdir()
  for path in sorted(paths, key=lambda path: path.stat().st_mtime):
    name = path.name
    parts[name] = {'status': path.read_text().strip()}
    log, figures = folder / f'{name}.log', folder / f'{name}.json'
    if log.exists():
      parts[name]['log'] = log.read_text().splitlines()[-_LOG_LINES:]
    if figures.exists():
      parts[name]['figures'] = json.loads(figures.read_text())
  for name in {'training', 'cached_training'} & parts.keys():
    if (log := folder / f'{name}.log').exists():
      # Of its lines of progress.
      found = re.findall(r'([\d.]+) dives/s', log.read_text())
      parts[name]['dives_per_second'] = [float(rate) for rate in found]
  return {'machine': machine.describe(), 'parts': parts}


def main() -> None:
  """Writes results.json and prints it; exits with 1 if a part is missing."""
  folder = pathlib.Path(sys.argv[1])
  found = collect(folder)
  out_file.write(folder / 'results.json', found)
  for name, part in found['parts'].items():
    for piece, result in part.get('figures', {}).get('results', {}).items():
      print(f'\n{name}, {piece}\n{table(result)}')
  print()
  for name, part in found['parts'].items():
    print(f'{name}: {part["status"]}')
  print(f'All results are in {folder / "results.json"}.')
  if any(
    not part['status'].startswith('done') for part in found['parts'].values()
  ):
    sys.exit('Not all parts are done; the same command goes on with the rest.')


if __name__ == '__main__':
  main()
