"""The files of an export: the one for the other program, and one beside it."""

import json
import pathlib

FORMATS = ('onnx', 'stablehlo')
# In the file beside: tells it from other JSON files.
KIND = 'aqa_jax export'


def description_path(out: pathlib.Path) -> pathlib.Path:
  """Returns the JSON file beside an exported file."""
  return out.with_name(f'{out.name}.json')


def is_description(path: pathlib.Path) -> bool:
  """Returns whether a file is one that an export has written beside."""
  try:
    found = json.loads(path.read_text('utf-8'))
  except (OSError, ValueError, RecursionError):
    return False
  return isinstance(found, dict) and found.get('kind') == KIND
