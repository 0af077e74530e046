"""A page that judges videos: `python -m aqa_jax.serve --model=model`."""

import argparse
import importlib.util
import sys
from collections.abc import Callable, Sequence

from aqa_jax import small_command
from aqa_jax.judging.user_path import user_path
from tfds_mtl_aqa.input_error import InputError

# Of the extra `serve`: the names that are imported.
_PACKAGES = ('python_multipart', 'starlette', 'uvicorn')


def _parser() -> argparse.ArgumentParser:
  parser = small_command.Parser(
    prog='python -m aqa_jax.serve',
    description='Serves a page, and an endpoint for programs, that judge '
    'videos. Nothing is sent anywhere else.',
  )
  parser.add_argument(
    '--model',
    help='a model folder, the workdir of a training, or a folder of official '
    'files; default: the small model that comes with aqa_jax',
  )
  parser.add_argument(
    '--finder',
    help='what finds the dives; default: the one that comes with aqa_jax',
  )
  parser.add_argument(
    '--host',
    default='127.0.0.1',
    help='address to listen at; 0.0.0.0 lets other machines in (default: '
    '%(default)s, this machine only)',
  )
  parser.add_argument(
    '--port',
    type=_whole(0, 65535),
    default=8000,
    help='0 for any that is free (default: %(default)s)',
  )
  parser.add_argument(
    '--allow_host',
    action='append',
    default=[],
    metavar='NAME',
    help='a name by which browsers may call this server; addresses and '
    'localhost they always may',
  )
  parser.add_argument(
    '--open', action='store_true', help='open the page in a browser'
  )
  for name, default, least, most, text in (
    ('max_mb', 500, 1, 10**6, 'largest upload, MB'),
    ('max_minutes', 60, 1, 10**4, 'longest video, minutes'),
    ('max_seconds', 600, 1, 10**6, 'longest time for a video, s'),
    ('max_queue', 32, 1, 10**4, 'most videos that wait'),
    ('max_memory_mb', 4096, 256, 10**7, 'memory beside the model, MB'),
    ('max_results', 100, 1, 10**4, 'most answers that are kept'),
    ('keep_minutes', 60, 1, 10**5, 'longest that an answer is kept, minutes'),
  ):
    parser.add_argument(
      f'--{name}',
      type=_whole(least, most),
      default=default,
      help=f'{text} (default: %(default)s)',
    )
  return parser


def _whole(least: int, most: int) -> Callable[[str], int]:
  """Returns what reads a whole number from `least` to `most`."""

  def read(text: str) -> int:
    try:
      value = int(text)
    except ValueError:
      value = least - 1
    if not least <= value <= most:
      raise argparse.ArgumentTypeError(
        f'give a whole number from {least} to {most}, not {text!r}'
      )
    return value

  return read


def main(arguments: Sequence[str] | None = None) -> None:
  """Serves until Ctrl-C or SIGTERM.

  Raises:
    InputError: an argument or the model is wrong, the port is taken, or a
      package is missing.
    KeyboardInterrupt: Ctrl-C has come.
  """
  chosen = _parser().parse_args(arguments)
  missing = [
    name for name in _PACKAGES if importlib.util.find_spec(name) is None
  ]
  if missing:
    raise InputError(
      f'the page needs {", ".join(missing)}: install the extra serve, as in '
      "pip install -e '.[serve]'."
    )
  for source in (chosen.model, chosen.finder):
    if source is not None:
      user_path(source)
  from aqa_jax.serving.limits import Limits
  from aqa_jax.serving.server import address_of, listen, run_server

  limits = Limits(
    max_bytes=chosen.max_mb * 10**6,
    max_video_seconds=chosen.max_minutes * 60.0,
    max_seconds=float(chosen.max_seconds),
    max_queue=chosen.max_queue,
    max_memory=chosen.max_memory_mb * 10**6,
    max_results=chosen.max_results,
    max_kept_bytes=8 * chosen.max_mb * 10**6,
    max_age=chosen.keep_minutes * 60.0,
  )
  listener = listen(chosen.host, chosen.port)
  address = address_of(listener)
  print('Loading the model ...', file=sys.stderr, flush=True)

  def tell() -> None:
    print(f'{address}  (Ctrl-C ends it)', flush=True)
    if chosen.open:
      import webbrowser

      webbrowser.open(address)

  run_server(
    listener,
    (chosen.model, chosen.finder),
    limits,
    [name.lower() for name in chosen.allow_host],
    tell,
  )


def run() -> None:
  """Runs `main`; an InputError ends in one line and exit code 2."""
  small_command.run(main, 'aqa_jax.serve')


if __name__ == '__main__':
  run()
