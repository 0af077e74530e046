"""Compares speed and memory with PyTorch's; the sides take turns in one run.

  python -m benchmarks.compare --what=step,forward,captions,input --size=toy

needs `pip install -e '.[bench]'`.
"""

import argparse
import importlib.util
import os
import pathlib
import sys
import tempfile

from benchmarks import machine, out_file, workload
from benchmarks.comparison import SIDES, compare
from benchmarks.comparison_table import table
from benchmarks.workload import Workload
from tfds_mtl_aqa.input_error import InputError

# Of `torch.compile`.
_COMPILE_MODES = (
  *('auto', 'none', 'default', 'max-autotune-no-cudagraphs', 'max-autotune'),
)
_NOISY_LOAD = 0.5
_TITLES = {
  'step': 'training step',
  'forward': 'forward pass to score and classes',
  'captions': 'greedy captions from features',
  'input': 'batches from JPEG files',
  'cached_input': 'batches, of ours with frames in memory',
  'device_input': 'batches, of ours with frames on the device',
}


def _parser() -> argparse.ArgumentParser:
  parser = argparse.ArgumentParser(
    prog='python -m benchmarks.compare',
    description='Times this project and PyTorch by turns in one run. Ratios '
    "are PyTorch's time divided by ours: above 1, ours is faster.",
  )
  add = parser.add_argument
  add(
    '--what',
    default=','.join(workload.PIECES),
    help='what to time, with commas between (default: all: %(default)s)',
  )
  add('--device', choices=workload.DEVICES, default='cpu')
  add(
    '--size',
    choices=workload.SIZES,
    default='full',
    help="the paper's network, or the quickstart's toy (default: full)",
  )
  add('--network', choices=workload.NETWORKS, default='c3davg')
  add(
    '--batch_size',
    type=_positive,
    help="dives of a step (default: the config's, 3 for full and 8 for toy)",
  )
  add(
    '--dtype',
    choices=workload.DTYPES,
    default='auto',
    help='of the trunk; auto: bfloat16 on GPU, float32 on CPU; the official '
    'form of PyTorch is always float32',
  )
  add(
    '--sides',
    default=','.join(SIDES),
    help="ours; official: PyTorch as the paper's code uses it; best: PyTorch "
    'at its best (default: %(default)s)',
  )
  add(
    '--compile_mode',
    choices=_COMPILE_MODES,
    default='auto',
    help='of torch.compile, for best; auto: default on GPU, none on CPU',
  )
  add(
    '--channels_first',
    action='store_true',
    help='for best: do not keep videos as channels_last_3d',
  )
  add('--rounds', type=_positive, default=5, help='turns of each side')
  add(
    '--seconds', type=float, default=2.0, help='of a turn, at least (default 2)'
  )
  add(
    '--one_start',
    action='store_true',
    help='leave out the second start, which has compiled programs to begin '
    'with',
  )
  add(
    '--dives',
    type=_positive,
    default=353,
    help='to decode captions of (default: 353, the test split of MTL-AQA)',
  )
  add(
    '--input_dives',
    type=_positive,
    default=24,
    help='to render for the input (default 24)',
  )
  add(
    '--out',
    type=pathlib.Path,
    help='JSON file (default: workdir/benchmarks/compare_NETWORK_SIZE_'
    'DEVICE_batchN.json)',
  )
  return parser


def main() -> None:
  """Runs the comparison that the flags ask for."""
  parser = _parser()
  flags = parser.parse_args()
  pieces = _choices(parser, '--what', flags.what, workload.PIECES)
  sides = _choices(parser, '--sides', flags.sides, SIDES)
  if flags.seconds <= 0:
    parser.error(f'--seconds={flags.seconds:g}: give more than 0.')
  config = workload.make_config(
    flags.network, flags.size, flags.device, flags.batch_size, flags.dtype
  )
  out = flags.out or pathlib.Path(
    f'workdir/benchmarks/compare_{flags.network}_{flags.size}_{flags.device}'
    f'_batch{config.batch_size}.json'
  )
  try:
    out_file.prepare(out)
  except InputError as e:
    parser.error(str(e))
  if set(sides) - {'ours'} and not importlib.util.find_spec('torch'):
    parser.error(
      "PyTorch is not installed: pip install -e '.[bench]', or give "
      '--sides=ours.'
    )
  compile_mode = flags.compile_mode
  if compile_mode == 'auto':
    compile_mode = 'default' if flags.device == 'gpu' else 'none'
  report = {
    'machine': machine.describe(),
    'device': flags.device,
    'network': flags.network,
    'size': flags.size,
    'batch_size': config.batch_size,
    'dtype': config.compute_dtype,
    'compile_mode': compile_mode,
    'channels_last': not flags.channels_first,
    'results': {},
  }
  if report['machine']['load_before'] > _NOISY_LOAD:
    print(
      f'The load of this machine is {report["machine"]["load_before"]}: other '
      'programs run, and absolute times will be too long.',
      flush=True,
    )
  with tempfile.TemporaryDirectory(prefix='aqa_jax_input_') as folder:
    has_dives = False
    for piece in pieces:
      print(
        f'{flags.network}, {flags.size}, {_TITLES[piece]}, batch '
        f'{config.batch_size}, {config.compute_dtype}, {flags.device}:',
        flush=True,
      )
      work = Workload(
        piece=piece,
        device=flags.device,
        config=config,
        num_dives=flags.dives,
        folder=folder,
        compile_mode=compile_mode,
        channels_last=not flags.channels_first,
      )
      if piece in workload.INPUTS and not has_dives:
        has_dives = True
        _render(work, flags.input_dives)
      result = compare(
        work,
        sides,
        flags.rounds,
        flags.seconds,
        with_cold_start=(piece not in workload.INPUTS and not flags.one_start),
      )
      report['results'][piece] = result
      report['machine']['load_after'] = round(os.getloadavg()[0], 2)
      out_file.write(out, report)
      print(table(result), end='\n\n', flush=True)
  print(f'All figures are in {out}.')
  failed = [
    f'{piece} ({name})'
    for piece, result in report['results'].items()
    for name, side in result['sides'].items()
    if 'error' in side
  ]
  if failed:
    sys.exit(f'aqa_jax: failed: {", ".join(failed)}; see above.')


def _render(work: Workload, num_dives: int) -> None:
  # It takes seconds to import, and only this part needs it.
  from absl import logging

  from benchmarks import input_dives

  # TFDS warns that it has no such config of its own.
  logging.set_verbosity(logging.ERROR)
  print(f'  rendering {num_dives} dives', flush=True)
  input_dives.make(work.config, pathlib.Path(work.folder), num_dives)


def _choices(
  parser: argparse.ArgumentParser,
  flag: str,
  value: str,
  known: tuple[str, ...],
) -> list[str]:
  names = [name.strip() for name in value.split(',')]
  if set(names) - set(known) or len(set(names)) < len(names):
    parser.error(f'{flag}={value}: give some of {",".join(known)}.')
  return names


def _positive(text: str) -> int:
  number = int(text)
  if number < 1:
    raise argparse.ArgumentTypeError(f'{text}: give 1 or more')
  return number


if __name__ == '__main__':
  main()
