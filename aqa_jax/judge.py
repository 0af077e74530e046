"""Judges videos: `python -m aqa_jax.judge clip.mp4`.

python -m aqa_jax.judge clip.mp4 folder/ '*.mov' --model=model --json=out.json
"""

import argparse
import csv
import glob
import json
import pathlib
import re
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from aqa_jax import small_command
from tfds_mtl_aqa.input_error import InputError

if TYPE_CHECKING:
  from aqa_jax.judging.clip import Clip
  from aqa_jax.judging.judge import Judge
  from aqa_jax.judging.judgement import Judgement


def _parser() -> argparse.ArgumentParser:
  parser = argparse.ArgumentParser(
    prog='python -m aqa_jax.judge',
    description='Says how well an action was done in videos. Judged are the '
    'last seconds of each, or those before --end.',
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
    '--end', type=_end, help='last frame to judge: 62, or 2.4s for its time'
  )
  parser.add_argument(
    '--speed',
    type=float,
    default=1.0,
    help='0.25 for slow motion at a quarter of the speed',
  )
  parser.add_argument(
    '--annotated',
    type=pathlib.Path,
    help='MP4 file for the video with the judgement drawn in; for several '
    'videos a folder',
  )
  parser.add_argument('--html', help='file for the judgements as a page')
  parser.add_argument(
    '--fps', type=float, help='frames a second of folders of images'
  )
  for kind in ('json', 'csv'):
    parser.add_argument(
      f'--{kind}', help=f'file for the judgements as {kind.upper()}; - to print'
    )
  return parser


def _end(text: str) -> tuple[int | None, float | None]:
  """Returns a frame's number or time."""
  if match := re.fullmatch(r'(\d+(?:\.\d*)?)\s*s', text):
    return None, float(match[1])
  if text.isdecimal():
    return int(text), None
  raise argparse.ArgumentTypeError(
    f'give the number of a frame, such as 62, or a time, such as 2.4s, not '
    f'{text!r}'
  )


def main(arguments: Sequence[str] | None = None) -> int:
  """Judges the videos that the arguments name.

  Returns:
    The exit code: 1 if a video could not be judged.

  Raises:
    InputError: an argument is wrong.
  """
  chosen = _parser().parse_args(arguments)
  if chosen.json == chosen.csv == '-':
    raise InputError('--json=- and --csv=-: print one of them only.')
  paths = _find(chosen.videos)
  for option in ('json', 'csv', 'html'):
    _check_writable(option, getattr(chosen, option))
  if chosen.annotated:
    _check_annotated(chosen.annotated, paths)
  # JAX and the rest take seconds to import: mistakes are told before.
  import aqa_jax
  from aqa_jax import compilation_cache

  compilation_cache.use_for_user()
  judge = aqa_jax.load(chosen.model)
  prints = '-' not in (chosen.json, chosen.csv)
  judgements, failed = _judge(judge, paths, chosen, prints)
  rows = [judgement.to_dict() for judgement in judgements]
  if chosen.json:
    _write(chosen.json, json.dumps(rows, indent=1, ensure_ascii=False) + '\n')
  if chosen.csv:
    _write(chosen.csv, _csv(rows))
  if chosen.html:
    from aqa_jax.judging.judgement_page import judgement_page

    _write(chosen.html, judgement_page(judgements, judge.model))
  return 1 if failed else 0


def _find(names: Sequence[str]) -> list[pathlib.Path]:
  """Returns the videos of files, folders and patterns, each once.

  Raises:
    InputError: there is no such file, or a folder or pattern holds no video.
  """
  from aqa_jax.judging import video

  paths: dict[pathlib.Path, None] = {}
  for name in names:
    path = pathlib.Path(name).expanduser()
    if not path.exists():
      # A shell leaves a pattern in quotes alone.
      found = [pathlib.Path(p) for p in sorted(glob.glob(str(path)))]
      if not found:
        raise InputError(f'{name}: is not there; give a video or a folder.')
    elif path.is_dir() and not video.is_image_folder(path):
      found = video.videos_in(path)
      if not found:
        raise InputError(f'{name}: holds neither videos nor images.')
    else:
      found = [path]
    paths |= dict.fromkeys(found)
  return list(paths)


def _check_writable(option: str, name: str | None) -> None:
  """Raises InputError where a file's folder is not there."""
  if name and name != '-' and not pathlib.Path(name).absolute().parent.is_dir():
    raise InputError(f'--{option}={name}: its folder is not there; make it.')


def _check_annotated(
  annotated: pathlib.Path, paths: Sequence[pathlib.Path]
) -> None:
  """Raises InputError where --annotated is no place for so many videos."""
  if len(paths) == 1 and not annotated.is_dir():
    _check_writable('annotated', str(annotated))
    if annotated.suffix.lower() != '.mp4':
      raise InputError(
        f'--annotated={annotated}: give a name that ends in .mp4.'
      )
    if annotated.exists() and annotated.samefile(paths[0]):
      raise InputError(f'--annotated={annotated}: is the video; give another.')
  elif not annotated.is_dir():
    raise InputError(f'--annotated={annotated}: give a folder that is there.')


def _annotate(
  judge: 'Judge', judgement: 'Judgement', annotated: pathlib.Path, fps: float
) -> None:
  """Writes the video of a judgement.

  Raises:
    InputError: the file can't be written.
  """
  from aqa_jax.judging.annotated_video import write_annotated

  _, frames = judge.frames(judgement.name, fps)
  if annotated.is_dir():
    annotated /= f'{pathlib.Path(judgement.name).stem}_judged.mp4'
  try:
    write_annotated(annotated, frames, judgement)
  except OSError as e:
    raise InputError(
      f'--annotated={annotated}: {e.strerror or e}; give a file that can be '
      'written.'
    ) from e


def _judge(
  judge: 'Judge',
  paths: Sequence[pathlib.Path],
  chosen: argparse.Namespace,
  prints: bool,
) -> tuple[list['Judgement'], int]:
  """Returns the judgements, and how many videos could not be judged."""
  import tqdm

  end_frame, end_seconds = chosen.end or (None, None)
  failed = 0
  bar = tqdm.tqdm(
    total=len(paths), unit='video', disable=len(paths) == 1, file=sys.stderr
  )

  def read() -> Iterator['Clip']:
    nonlocal failed
    for path in paths:
      try:
        yield judge.read(
          path,
          end_frame=end_frame,
          end_seconds=end_seconds,
          speed=chosen.speed,
          frames_per_second=chosen.fps,
          with_pictures=bool(chosen.html),
        )
      except InputError as e:
        failed += 1
        bar.update()
        tqdm.tqdm.write(f'aqa_jax.judge: {e}', file=sys.stderr)

  judgements = []
  with bar:
    for judgement in judge.judge_each(read()):
      judgements.append(judgement)
      bar.update()
      if chosen.annotated:
        _annotate(judge, judgement, chosen.annotated, chosen.fps)
      if prints:
        tqdm.tqdm.write(f'{judgement}\n', file=sys.stdout)
  return judgements, failed


def _csv(rows: list[dict[str, Any]]) -> str:
  """Returns one line a video; what is nested gets a column each."""
  import io

  flat = [dict(_flat(row)) for row in rows]
  names = list(dict.fromkeys(name for row in flat for name in row))
  text = io.StringIO(newline='')
  table = csv.DictWriter(text, names, lineterminator='\n')
  table.writeheader()
  table.writerows(flat)
  return text.getvalue()


def _flat(row: dict[str, Any], prefix: str = '') -> Iterator[tuple[str, Any]]:
  for name, value in row.items():
    if isinstance(value, dict):
      yield from _flat(value, f'{prefix}{name}/')
    elif name == 'score_interval' and value is not None:
      yield from zip(('score_low', 'score_high'), value, strict=True)
    elif name in ('frame_numbers', 'frame_seconds') and value:
      yield f'first_{name[:-1]}', value[0]
      yield f'last_{name[:-1]}', value[-1]
    elif name == 'warnings':
      yield prefix + name, ' '.join(value)
    elif not isinstance(value, list):
      yield prefix + name, value


def _write(name: str, text: str) -> None:
  from aqa_jax.files import write_atomically

  if name == '-':
    print(text, end='')
    return
  try:
    write_atomically(name, text)
  except OSError as e:
    raise InputError(
      f'{name}: {e.strerror}; give a file that can be written.'
    ) from e


def run() -> None:
  """Runs `main`; an InputError ends in one line and exit code 2."""
  small_command.run(main, 'aqa_jax.judge')


if __name__ == '__main__':
  run()
