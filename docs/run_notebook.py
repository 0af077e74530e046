"""Runs docs/first_dive.ipynb again, and stores its outputs in it.

  make notebook

or `python docs/run_notebook.py --keep=FOLDER`, which runs it in a folder that
stays, with the dives that are there.
"""

import argparse
import contextlib
import os
import pathlib
import re
import sys
import tempfile

import nbclient
import nbformat

ROOT = pathlib.Path(__file__).resolve().parents[1]
NOTEBOOK = ROOT / 'docs/first_dive.ipynb'
_LIMIT_S = 1800
_MAX_BYTES = 300_000


def _as_shown(text: str) -> str:
  """Returns what a terminal shows in the end, without colours."""
  text = re.sub(r'\x1b\[[0-9;]*m', '', text)
  lines = [line.rstrip('\r').rpartition('\r')[2] for line in text.split('\n')]
  return '\n'.join(line.rstrip() for line in lines)


def _clean(notebook: nbformat.NotebookNode) -> None:
  """Leaves of the outputs what a reader is to see.

  Raises:
    ValueError: there is a warning, an error, or a path of this machine.
  """
  for cell in notebook.cells:
    # Times of this run.
    cell.metadata = {}
    for output in cell.get('outputs', ()):
      if output.output_type == 'stream':
        output.text = _as_shown(output.text)
        if output.name != 'stdout':
          raise ValueError(f'Not of the output: {output.text}')
      # A picture is shown; what Python calls it is not.
      for kind in [k for k in output.get('data', {}) if 'image/' in k]:
        output.data = {kind: output.data[kind]}
        output.metadata = {}
  text = nbformat.writes(notebook)
  if found := re.search(r'(/home|/root|/tmp|/work|/Users|/usr)\b[^"\\]*', text):
    raise ValueError(f'A path of this machine is in the outputs: {found[0]}')
  if len(text) > _MAX_BYTES:
    raise ValueError(f'It has {len(text)} bytes, more than {_MAX_BYTES}.')


def main() -> None:
  """Runs the notebook in an empty folder."""
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument('--keep', type=pathlib.Path, metavar='FOLDER')
  keep = parser.parse_args().keep
  notebook = nbformat.read(NOTEBOOK, as_version=4)
  os.environ['PYTHONPATH'] = str(ROOT)
  # Progress bars, and frames that a debugger would want.
  os.environ |= {'TQDM_DISABLE': '1', 'PYDEVD_DISABLE_FILE_VALIDATION': '1'}
  with contextlib.ExitStack() as stack:
    folder = keep or stack.enter_context(tempfile.TemporaryDirectory())
    nbclient.NotebookClient(
      notebook,
      timeout=_LIMIT_S,
      kernel_name='python3',
      resources={'metadata': {'path': str(folder)}},
      # Or each print is an output of its own.
      coalesce_streams=True,
      on_cell_execute=lambda cell, cell_index: print(
        f'cell {cell_index + 1} of {len(notebook.cells)}', flush=True
      ),
    ).execute()
  notebook.metadata = {
    'kernelspec': notebook.metadata['kernelspec'],
    'language_info': {'name': 'python'},
  }
  _clean(notebook)
  nbformat.validate(notebook)
  nbformat.write(notebook, NOTEBOOK)
  print(f'{NOTEBOOK.name}: {NOTEBOOK.stat().st_size} bytes.')


if __name__ == '__main__':
  sys.exit(main())
