"""Writes a model as a file of another program: `python -m aqa_jax.export`.

  python -m aqa_jax.export --format=onnx --out=dives.onnx

The file holds network and weights; it takes videos and gives what the network
predicts. Beside it a JSON file tells what its numbers mean.
"""

import argparse
import importlib.util
import json
import os
import pathlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from aqa_jax import small_command
from aqa_jax.exporting.export_files import (
  FORMATS,
  description_path,
  is_description,
)
from tfds_mtl_aqa.input_error import InputError

if TYPE_CHECKING:
  from aqa_jax.exporting.self_check import Difference
  from aqa_jax.judging.model import Model

# What the extra `onnx` installs.
_PACKAGES = ('onnx', 'onnxruntime')
# Both formats are messages of a kind that ends at 2 GiB.
_MOST_BYTES = 2_000_000_000


def main(arguments: Sequence[str] | None = None) -> None:
  """Writes the file that the arguments ask for, and checks it.

  Raises:
    InputError: an argument or the model is wrong, a package is missing, or the
      file does not give what the network gives.
  """
  chosen = _parser().parse_args(arguments)
  out = _checked_out(chosen.out, chosen.format)
  _check_packages(chosen.format)
  # JAX and the rest take seconds to import: errors in the arguments come
  # before.
  from aqa_jax import compilation_cache
  from aqa_jax.exporting.description import describe
  from aqa_jax.judging.model_card import SIMULATED
  from aqa_jax.judging.model_source import find_model

  compilation_cache.use_for_user()
  model = find_model(chosen.model)
  size = 4 * model.num_parameters()
  if size > _MOST_BYTES:
    raise InputError(
      f'the weights take {size / 1e9:.1f} GB, a file of this kind 2 GB at '
      'most; export a smaller network.'
    )
  description = json.dumps(
    describe(model, chosen.format), indent=1, ensure_ascii=False
  )
  content = _content(model, chosen.format, description)
  found = _write(model, chosen.format, out, content, description + '\n')
  if model.is_of_simulated_dives:
    print(SIMULATED)
  print(
    f'{model.config.network} of {model.dataset}: {model.num_parameters():,} '
    f'parameters of step {model.step}.'
  )
  print(f'Checked on random videos: {found}.')
  print(
    f'Written: {out}, {out.stat().st_size / 1e6:.2f} MB; what it takes and '
    f'gives: {description_path(out)}.'
  )


def _parser() -> argparse.ArgumentParser:
  parser = small_command.Parser(
    prog='python -m aqa_jax.export',
    description='Writes a model as an ONNX or StableHLO file, which runs '
    'without this program.',
  )
  parser.add_argument(
    '--model',
    help='a model folder, the workdir of a training, or a folder of official '
    'files; default: the small model that comes with aqa_jax',
  )
  parser.add_argument(
    '--format',
    choices=FORMATS,
    required=True,
    help='onnx: for ONNX Runtime and others; stablehlo: for JAX, on CPU, GPU '
    'and TPU',
  )
  parser.add_argument(
    '--out',
    required=True,
    help='the file, such as dives.onnx or dives.stablehlo; or the folder for '
    'model.onnx or model.stablehlo',
  )
  return parser


def _checked_out(text: str, file_format: str) -> pathlib.Path:
  """Returns the file to write.

  Raises:
    InputError: it can't be written, or would take the place of another file.
  """
  try:
    return _free_place(text, file_format)
  except OSError as e:  # Such as a name that is too long.
    raise InputError(
      f'--out={text[:100]}: {e.strerror}; give another name.'
    ) from e


def _free_place(text: str, file_format: str) -> pathlib.Path:
  """Does the same; an OSError where the text can't be a path."""
  out = pathlib.Path(os.path.expanduser(text))
  suffix = f'.{file_format}'
  if text and out.is_dir():
    out /= f'model{suffix}'
  elif out.suffix != suffix or text.endswith(os.sep):
    raise InputError(
      f'--out={text}: give a name that ends in {suffix}, or a folder that is '
      'there.'
    )
  folder = out.absolute().parent
  if not folder.is_dir():
    raise InputError(f'--out={text}: its folder is not there; make it first.')
  if not os.access(folder, os.W_OK):
    raise InputError(
      f'--out={text}: its folder can not be written; give another.'
    )
  beside = description_path(out)
  is_there = out.exists() or beside.exists()
  if is_there and (out.is_dir() or not is_description(beside)):
    raise InputError(
      f'--out={text}: {out.name} or {beside.name} is there, and not of an '
      'export; give another name.'
    )
  return out


def _check_packages(file_format: str) -> None:
  """Raises InputError where a package is missing."""
  missing = [
    name for name in _PACKAGES if importlib.util.find_spec(name) is None
  ]
  if file_format == 'onnx' and missing:
    raise InputError(
      f'--format=onnx: needs {" and ".join(missing)}; pip install '
      "'aqa_jax[onnx]'."
    )


def _content(model: 'Model', file_format: str, description: str) -> bytes:
  """Returns the content of the file.

  Raises:
    InputError: the network can't be exported.
  """
  if file_format == 'onnx':
    from aqa_jax.exporting.onnx_model import to_onnx

    return to_onnx(model, description)
  from aqa_jax.exporting.stablehlo import to_stablehlo

  return to_stablehlo(model)


def _write(
  model: 'Model',
  file_format: str,
  out: pathlib.Path,
  content: bytes,
  description: str,
) -> 'Difference':
  """Writes the file, if it gives what the network gives, and the one beside.

  Raises:
    InputError: it gives something else, or can't be written.
  """
  from aqa_jax.exporting import self_check
  from aqa_jax.files import write_atomically
  from tfds_mtl_aqa import atomic_file

  if file_format == 'onnx':
    from aqa_jax.exporting.onnx_model import run_onnx as run
  else:
    from aqa_jax.exporting.stablehlo import run_stablehlo as run

  video = self_check.random_video(model, 2)
  wanted = self_check.network_outputs(model, video)
  try:
    with atomic_file.replaced(out) as part:
      part.write_bytes(content)
      found = self_check.difference(wanted, run(part, video))
      if not found.is_small:
        raise InputError(
          'the exported program does not give what the network gives: '
          f'{found}. Nothing was written.'
        )
    write_atomically(description_path(out), description)
  except OSError as e:
    raise InputError(
      f'--out={out}: {e.strerror or e}; give a file that can be written.'
    ) from e
  return found


def run() -> None:
  """Runs `main`; an InputError ends in one line and exit code 2."""
  small_command.run(main, 'aqa_jax.export')


if __name__ == '__main__':
  run()
