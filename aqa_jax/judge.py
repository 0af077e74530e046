"""Judges videos: `python -m aqa_jax.judge clip.mp4`.

python -m aqa_jax.judge clip.mp4 folder/ '*.mov' --model=model --json=out.json
"""

import argparse
import json
import os
import pathlib
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from aqa_jax import small_command
from aqa_jax.judging.window_end import parse_end
from tfds_mtl_aqa.input_error import InputError

if TYPE_CHECKING:
  from aqa_jax.judging.annotated_files import AnnotatedFiles
  from aqa_jax.judging.clip import Clip
  from aqa_jax.judging.judge import Judge
  from aqa_jax.judging.judgement import Judgement
  from aqa_jax.judging.model import Model


_STDOUT = pathlib.Path('-')


def _parser() -> argparse.ArgumentParser:
  parser = small_command.Parser(
    prog='python -m aqa_jax.judge',
    description='Says how well an action was done in videos. It finds the '
    'dives in each; or judges what ends at --end.',
  )
  parser.add_argument(
    'videos',
    nargs='+',
    help='video files, folders of videos or of images, or patterns: *.mov',
  )
  parser.add_argument(
    '--model',
    help='a model folder, the workdir of a training, or a folder of official '
    'files; default: the small model that comes with aqa_jax',
  )
  parser.add_argument(
    '--finder',
    help='what finds the dives: a folder that aqa_jax.bundle has written, or '
    'the workdir of a training with configs/find_dives.py; default: the one '
    'that comes with aqa_jax',
  )
  parser.add_argument(
    '--force',
    action='store_true',
    help='judge videos that seem to show no dive, too',
  )
  parser.add_argument(
    '--end', type=_end, help='last frame to judge: 62, or 2.4s for its time'
  )
  parser.add_argument(
    '--difficulty',
    type=_difficulty,
    help='of the dives, for a model that predicts the execution: 3.2, or '
    'number and height of the dive: 5253B/10m',
  )
  parser.add_argument(
    '--speed',
    type=small_command.number(0.01, 100),
    default=1.0,
    help='0.25 for slow motion at a quarter of the speed; 0.01 to 100',
  )
  parser.add_argument(
    '--annotated',
    type=_file_or_folder,
    help='MP4 file for the video with the judgement drawn in; for several '
    'videos a folder',
  )
  parser.add_argument(
    '--html', type=_file, help='file for the judgements as a page'
  )
  parser.add_argument(
    '--fps',
    type=small_command.number(0.1, 1e5),
    help='frames a second of folders of images',
  )
  for kind in ('json', 'csv'):
    parser.add_argument(
      f'--{kind}',
      type=_file_or_stdout,
      help=f'file for the judgements as {kind.upper()}; - to print',
    )
  return parser


def _file(text: str) -> pathlib.Path:
  """Returns a file that can be written, as far as can be told."""
  path = small_command.path(text)
  if text == '-' or path.is_dir():
    raise argparse.ArgumentTypeError(f'{text!r}: give the name of a file')
  if not path.absolute().parent.is_dir():
    raise argparse.ArgumentTypeError(
      f'{text!r}: its folder is not there; make it first'
    )
  if not os.access(path if path.exists() else path.absolute().parent, os.W_OK):
    raise argparse.ArgumentTypeError(f'{text!r}: can not be written')
  return path


def _file_or_stdout(text: str) -> pathlib.Path:
  return _STDOUT if text == '-' else _file(text)


def _file_or_folder(text: str) -> pathlib.Path:
  path = small_command.path(text)
  return path if path.is_dir() else _file(text)


def _end(text: str) -> tuple[int | None, float | None]:
  """Returns a frame's number or time."""
  try:
    return parse_end(text)
  except InputError as e:
    raise argparse.ArgumentTypeError(str(e).removesuffix('.')) from e


def _difficulty(text: str) -> float:
  """Returns a difficulty that is given as such or by the dive."""
  from aqa_jax.data.difficulty import parse_difficulty

  try:
    return parse_difficulty(text)
  except ValueError as e:
    raise argparse.ArgumentTypeError(str(e)) from e


def main(arguments: Sequence[str] | None = None) -> int:
  """Judges the videos that the arguments name.

  Returns:
    The exit code: 1 if a video could not be judged.

  Raises:
    InputError: an argument is wrong.
  """
  chosen = _parser().parse_args(arguments)
  from aqa_jax.judging.video_paths import find_videos

  paths = find_videos(chosen.videos, _tell)
  _check_rate(chosen.fps, paths)
  annotated = _check_outputs(chosen, paths)
  # JAX and the rest take seconds to import: mistakes are told before.
  import aqa_jax
  from aqa_jax import compilation_cache

  compilation_cache.use_for_user()
  judge = aqa_jax.load(chosen.model, chosen.finder)
  judge.reader.check_difficulty(chosen.difficulty)
  prints = _STDOUT not in (chosen.json, chosen.csv)
  judgements: list[Judgement] = []
  try:
    failed = _judge(judge, paths, chosen, annotated, prints, judgements)
  finally:
    # After Ctrl-C, too, what is judged is not lost.
    _write_files(chosen, judgements, judge.model)
  return 1 if failed else 0


def _tell(text: str) -> None:
  print(f'aqa_jax.judge: {text}', file=sys.stderr)


def _write_files(
  chosen: argparse.Namespace, judgements: list['Judgement'], model: 'Model'
) -> None:
  """Writes the files that the arguments ask for."""
  rows = [judgement.to_dict() for judgement in judgements]
  if chosen.json:
    text = json.dumps(rows, indent=1, ensure_ascii=False)
    _write('json', chosen.json, text + '\n')
  if chosen.csv:
    from aqa_jax.judging.judgement_table import csv_text

    _write('csv', chosen.csv, csv_text(rows))
  if chosen.html:
    from aqa_jax.judging.judgement_page import judgement_page

    _write('html', chosen.html, judgement_page(judgements, model))


def _check_rate(fps: float | None, paths: Sequence[pathlib.Path]) -> None:
  """Raises InputError where a rate is given, and no folder of images."""
  if fps is not None and not any(path.is_dir() for path in paths):
    raise InputError(
      f'--fps={fps:g}: is for folders of images, a video file tells its own '
      'rate; leave it out, or give --speed for slow motion.'
    )


def _check_outputs(
  chosen: argparse.Namespace, paths: Sequence[pathlib.Path]
) -> 'AnnotatedFiles | None':
  """Returns where annotated videos go.

  Raises:
    InputError: an output would take the place of something.
  """
  from aqa_jax.judging.annotated_files import AnnotatedFiles

  if chosen.json == chosen.csv == _STDOUT:
    raise InputError('--json=- and --csv=-: print one of them only.')
  taken = {_real(path): f'the video {path}' for path in paths}
  annotated = chosen.annotated and AnnotatedFiles(chosen.annotated, paths)
  for option in ('annotated', 'json', 'csv', 'html'):
    path = getattr(chosen, option)
    if path in (None, _STDOUT) or path.is_dir():
      continue
    if _real(path) in taken:
      raise InputError(
        f'--{option}={path}: is {taken[_real(path)]}, too; give another file.'
      )
    taken[_real(path)] = f'--{option}'
  return annotated


def _real(path: pathlib.Path) -> str:
  return os.path.realpath(path)


def _judge(
  judge: 'Judge',
  paths: Sequence[pathlib.Path],
  chosen: argparse.Namespace,
  annotated: 'AnnotatedFiles | None',
  prints: bool,
  judgements: list['Judgement'],
) -> int:
  """Adds to the judgements; returns how many videos could not be judged."""
  import tqdm

  from aqa_jax.judging.annotated_files import mark
  from aqa_jax.judging.annotated_video import write_annotated
  from aqa_jax.judging.judgement_printer import JudgementPrinter
  from aqa_jax.judging.reading_bar import ReadingBar
  from aqa_jax.judging.video_parts import VideoParts

  end_frame, end_seconds = chosen.end or (None, None)
  failed = 0
  read_from: list[pathlib.Path] = []
  bar = tqdm.tqdm(
    total=len(paths),
    unit='video',
    disable=len(paths) == 1 or not sys.stderr.isatty(),
    file=sys.stderr,
  )

  def tell(error: InputError) -> None:
    nonlocal failed
    failed += 1
    tqdm.tqdm.write(f'aqa_jax.judge: {error}', file=sys.stderr)

  def read() -> Iterator['Clip']:
    for path in paths:
      with ReadingBar(path.name) as reading:
        try:
          for clip in judge.reader.clips(
            path,
            reading.update,
            end_frame=end_frame,
            end_seconds=end_seconds,
            speed=chosen.speed,
            frames_per_second=chosen.fps,
            with_pictures=bool(chosen.html),
            force=chosen.force,
            difficulty=chosen.difficulty,
          ):
            read_from.append(path)
            yield clip
        except InputError as e:
          tell(e)
      bar.update()

  parts = VideoParts(lambda path: judge.reader.frames(path, chosen.fps)[1])
  with bar, JudgementPrinter(prints) as printer:
    for judgement in judge.judge_each(read()):
      path = read_from[len(judgements)]
      judgements.append(judgement)
      printer.add(judgement)
      if annotated and judgement.is_dive:
        file = annotated.file_for(path)
        numbers = judgement.frame_numbers
        frames = parts.part(path, int(numbers[0]), int(numbers[-1]))
        try:
          write_annotated(file, frames, judgement, mark(path))
        except InputError as e:
          tell(e)
        except OSError as e:
          tell(
            InputError(
              f'--annotated={file}: {e.strerror or e}; give a file that '
              'can be written.'
            )
          )
  return failed


def _write(option: str, path: pathlib.Path, text: str) -> None:
  from aqa_jax.files import write_atomically

  if path == _STDOUT:
    print(text, end='')
    return
  try:
    if path.exists() and not path.is_file():
      # A pipe or a device stays what it is.
      path.write_text(text, 'utf-8')
    else:
      # A link stays one.
      write_atomically(_real(path), text)
  except OSError as e:
    raise InputError(
      f'--{option}={path}: {e.strerror}; give a file that can be written.'
    ) from e


def run() -> None:
  """Runs `main`; an InputError ends in one line and exit code 2."""
  small_command.run(main, 'aqa_jax.judge')


if __name__ == '__main__':
  run()
