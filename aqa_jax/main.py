"""Trains and evaluates a network, from a config and a folder.

  python -m aqa_jax.main --config=configs/c3davg.py --workdir=workdir/c3davg

trains, or goes on training, and evaluates the best checkpoint.
`--config.batch_size=6` changes a field of the config. `--config=quickstart`
names a config that comes with the program, from any folder.
"""

import contextlib
import os
import pathlib
import types
from collections.abc import Sequence

from absl import app, flags, logging
from ml_collections import config_flags

from aqa_jax import (
  STARTED,
  command_line,
  cpu_memory,
  distributed,
  exits,
  own_parts,
)
from aqa_jax.workdir import check_can_be_made, has_checkpoint, local_folder
from tfds_mtl_aqa.input_error import InputError

_CONFIG = config_flags.DEFINE_config_file(
  'config', None, 'Path of the config, such as configs/c3davg.py.'
)
_WORKDIR = flags.DEFINE_string(
  'workdir', None, 'Folder for checkpoints, metrics and evaluations.'
)
_MODE = flags.DEFINE_enum(
  'mode',
  'train',
  ['train', 'eval', 'compile', 'benchmark'],
  'train: train (or go on) and evaluate; eval: evaluate the best checkpoint; '
  'compile: check the config for a topology; benchmark: time the training '
  'step; both without data or workdir.',
)
_TOPOLOGY = flags.DEFINE_string(
  'topology',
  '',
  'What --mode=compile compiles for: cpu:8, or a TPU slice such as v5e:4x4; '
  'default: the devices that are here.',
)
flags.adopt_module_key_flags(distributed)

# With it XLA does not choose kernels by timing them: the choice would differ
# from start to start.
_DETERMINISTIC = '--xla_gpu_deterministic_ops=true'


def main(argv: Sequence[str]) -> None:
  """Runs the mode that the flags ask for.

  Args:
    argv: the arguments that are not flags: the program's name alone.

  Raises:
    InputError: a flag, the config, the dataset or the workdir is wrong.
  """
  config, mode = _CONFIG.value, _MODE.value
  if len(argv) > 1:
    raise InputError(f'unknown argument {argv[1]!r}; flags begin with --.')
  if not config:
    raise InputError('--config is missing.')
  if _TOPOLOGY.value and mode != 'compile':
    raise InputError(f'--topology={_TOPOLOGY.value} is for --mode=compile.')
  distributed.check_flags(mode)
  workdir = None
  if mode in ('train', 'eval'):
    if not _WORKDIR.value:
      raise InputError('--workdir is missing.')
    workdir = local_folder('workdir', _WORKDIR.value)
    if mode == 'train':
      # A trunk of features is read, and its programs are compiled into the
      # workdir, before the config is recorded there.
      check_can_be_made(workdir)
  if config.get('deterministic'):
    # XLA reads it once, when it first looks for devices.
    os.environ['XLA_FLAGS'] = ' '.join(
      filter(None, (os.environ.get('XLA_FLAGS'), _DETERMINISTIC))
    )
  if mode in ('compile', 'benchmark'):
    if 'regressor' in config:
      raise InputError(
        f'--mode={mode}: a regression has no training step; give --mode=train.'
      )
    if 'features' in config:
      raise InputError(
        f'--mode={mode}: is for networks that see videos, not features; give '
        '--mode=train.'
      )
  cpu_memory.keep_freed()
  if not _TOPOLOGY.value:
    distributed.initialize()
    distributed.check_platforms()
  # JAX and TFDS take seconds to import: errors in the flags come before.
  if mode == 'compile':
    from aqa_jax.profiling import compile_check

    compile_check.run(config, _TOPOLOGY.value)
  elif mode == 'benchmark':
    from aqa_jax.profiling import benchmark

    benchmark.run(config)
  elif workdir is not None:
    _train_or_evaluate(workdir)


def _train_or_evaluate(workdir: pathlib.Path) -> None:
  import jax

  from aqa_jax import compilation_cache

  config = _CONFIG.value
  program: types.ModuleType
  if 'regressor' in config:
    from aqa_jax import regress

    program = regress
  elif config.tasks == 'actions':
    from aqa_jax import pretrain

    program = pretrain
  elif config.tasks == 'phases':
    from aqa_jax import train_finder

    program = train_finder
  else:
    from aqa_jax import train

    program = train
  with contextlib.ExitStack() as stack:
    if jax.process_index():
      # All processes would print the same.
      silent = stack.enter_context(open(os.devnull, 'w'))
      stack.enter_context(contextlib.redirect_stdout(silent))
    compilation_cache.use(workdir)
    if _MODE.value == 'train':
      program.train_and_evaluate(config, workdir, STARTED)
      return
    is_begun = has_checkpoint(workdir) or (workdir / 'config.json').exists()
    if not is_begun and not config.get('init_from'):
      raise InputError(
        f'--workdir={workdir}: holds no training; give the one of a training, '
        'or the weights to evaluate with --config.init_from=...'
      )
    experiment = program.set_up(config, workdir)
    stack.enter_context(contextlib.closing(experiment))
    program.evaluate_best(experiment)


def run() -> None:
  """Runs `main`; an error ends the program as `exits.end_with` says."""
  # --verbosity shows more.
  logging.set_verbosity(logging.ERROR)
  own_parts.find_in(os.getcwd())
  exits.leave_out_closed_loops()
  try:
    app.run(main, flags_parser=command_line.parse_flags)
  # Not SystemExit, with which absl ends the program.
  except (Exception, KeyboardInterrupt) as e:
    # Not _WORKDIR.value, which raises if parsing has failed.
    exits.end_with(e, flags.FLAGS['workdir'].value)


if __name__ == '__main__':
  run()
