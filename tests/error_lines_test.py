"""The sentences of errors, in one place: tests/error_lines.txt.

Other tests look at the field and the exit code. Where a sentence was meant to
change: python tests/error_lines_test.py writes the file anew.
"""

import pathlib
import re

import numpy as np

from aqa_jax import duration, sharding
from aqa_jax.config import check_config
from aqa_jax.configs import (
  c3d_lstm,
  c3d_lstm_svr,
  c3davg,
  i3d,
  mscadc,
  pretrain_ucf101,
  quickstart_commentary,
  segment_c3d,
)
from aqa_jax.data.cache_memory import check_memory
from aqa_jax.data.dive_split import find_builder
from aqa_jax.data.schema import Schema
from aqa_jax.data.video_input import VideoInput
from aqa_jax.data.vocabulary import Vocabulary
from aqa_jax.evaluation.evaluator import evaluator_classes
from aqa_jax.export import main as export
from aqa_jax.features.feature_input import FeatureInput
from aqa_jax.features.lstm_features import LSTMFeatures
from aqa_jax.features.network_features import NetworkFeatures
from aqa_jax.features.trunk_layer import find_layer
from aqa_jax.paper.__main__ import main as paper
from aqa_jax.pretrain import set_up as set_up_pretraining
from aqa_jax.systems.c3d_lstm import choose_tasks as choose_lstm_tasks
from aqa_jax.systems.chosen_system import chosen_system
from aqa_jax.tasks.chosen_tasks import chosen_tasks
from aqa_jax.tasks.score import with_score_unit
from aqa_jax.train import set_up
from aqa_jax.training import optimizer
from aqa_jax.weights import pretrained
from aqa_jax.workdir import check_workdir, local_folder
from tfds_mtl_aqa.aqa7 import annotations as aqa7
from tfds_mtl_aqa.finediving import annotations as finediving
from tfds_mtl_aqa.input_error import InputError
from tfds_mtl_aqa.mit_dive import annotations as mit_dive

_SNAPSHOT = pathlib.Path(__file__).with_name('error_lines.txt')
_SCORES = Schema()
_WITH_FAULTS = Schema(
  (('position', ('free', 'pike')),),
  ('<eos>', '<sos>'),
  ('faults', 'faults/splash'),
)
_NOWHERE = pathlib.Path('/nowhere')


def _config(module=c3davg, **changes):
  config = module.get_config()
  config.update_from_flattened_dict(changes)
  return config


def _check(**changes):
  return lambda: check_config(_config(**changes))


def _video(**changes):
  config = _config().input.to_dict() | changes
  return lambda: VideoInput(**config).check(109, 128, 171)


class _Device:
  """A GPU that is nearly full."""

  platform = 'gpu'

  def __str__(self):
    return 'cuda:0'

  def memory_stats(self):
    return {'bytes_limit': 2**31, 'bytes_in_use': 2**30}


def _tasks(**changes):
  return lambda: chosen_tasks(_config(**changes), _SCORES)


def _optimizer(**changes):
  config = _config().optimizer
  config.update(changes)
  return lambda: optimizer.create_optimizer(config, 10, 3, 30)


def _system(**changes):
  config = _config(**changes)
  system = chosen_system('c3davg')
  return lambda: system.create_network(config, (), sharding.make_mesh(1))


def _segments(**changes):
  config = _config(segment_c3d, **changes)
  system = chosen_system('segment_c3d')
  return lambda: system.choose_tasks(config, _SCORES)


def _windows(**changes):
  config = _config(i3d, **changes)
  system = chosen_system('i3d')
  return lambda: system.choose_tasks(config, _SCORES)


def _of_i3d(network, source):
  variables = {'params': {network: {'conv1': {'bias': np.zeros(1)}}}}
  names = chosen_system('c3davg').official_names
  return lambda: pretrained.initialize(variables, source, 'backbone', names)


def _of_mscadc():
  config = _config()
  config.model = mscadc.get_config().model
  return chosen_system('c3davg').create_network(config, ())


def _of_sequences(pool):
  config = _config(c3d_lstm, **{'features.pool': pool})
  return lambda: FeatureInput(
    NetworkFeatures(config.features, _NOWHERE, None), {}
  )


def _of_lstm(weights):
  config = _config(c3d_lstm_svr, **{'features.weights': weights})
  return lambda: LSTMFeatures(config.features, _NOWHERE, None)


def _causes():
  """Yields functions that raise."""
  yield _check(batch_size=0)
  yield _check(seed=2**32)
  yield _check(duration='3')
  yield _check(duration='0 steps')
  yield _check(test_splits=(1,))
  yield _check(compute_dtype='foo')
  yield _check(**{'optimizer.learning_rate': float('nan')})
  yield _check(**{'optimizer.learning_rate': 0.0})
  yield _check(**{'validation.fraction': 1.0})
  yield lambda: duration.parse('1 hour', 'optimizer.warmup')
  for changes in (
    {'anchor': 'middle'}, {'stride': 0.5}, {'frames': 0}, {'frames': 200},
    {'max_shift': 9}, {'crop': 999}, {'resize': (9,)}, {'window_frames': 999},
    {'interpolation': 'cubic'}, {'cache': 'disk'},
    {'cache': 'memory', 'interpolation': 'random', 'resize': (171, 128)},
  ):  # fmt: skip
    yield _video(**changes)
  for cache in ('memory', 'device'):
    cached = VideoInput(**_config().input.to_dict() | {'cache': cache})
    yield lambda cached=cached: check_memory(cached, 953, 106, [_Device()], 9)
  yield _tasks(tasks='classes')
  yield _tasks(tasks='captions')
  yield _tasks(tasks='score,caption')
  yield _tasks(tasks='score,score')
  yield _tasks(tasks='score,ranked_score')
  yield _tasks(tasks='score,no.such:Task')
  yield _tasks(tasks='score,json:dumps')
  yield _tasks(tasks='score,classes')
  yield _tasks(tasks='score,captions')
  yield from _heads()
  yield _tasks(tasks='score,captions,commentary')
  yield _tasks(tasks='score,commentary')
  yield _tasks(tasks='score,faults')
  for field, value in (('heads', 5), ('maps', 'c6')):
    config = _config(quickstart_commentary)
    config.model[f'caption_{field}'] = value
    yield lambda config=config: chosen_tasks(config, _WITH_FAULTS)
  yield lambda: evaluator_classes(_config(evaluators='baselines,marks'))
  yield lambda: evaluator_classes(_config(evaluators='json:dumps'))
  yield lambda: chosen_system('c3d')
  yield lambda: chosen_system('no.such')
  yield _system(**{'input.frames': 97})
  yield _of_mscadc
  yield _segments(**{'model.segments': 0})
  yield _segments(**{'model.segment_frames': 11})
  yield _segments(**{'model.ranking_margin': -1.0})
  yield _segments(tasks='ranked_score,captions')
  yield _windows(**{'model.windows': 0})
  yield _windows(**{'model.windows': 11})
  yield _windows(**{'model.window_frames': 7})
  yield _windows(**{'model.width': 12})
  yield _windows(**{'input.crop': 31})
  yield _of_i3d('c3d', 'i3d')
  yield _of_i3d('i3d', '/')
  yield lambda: choose_lstm_tasks(_config(c3d_lstm, tasks='classes'), _SCORES)
  yield lambda: choose_lstm_tasks(
    _config(c3d_lstm, **{'model.labels': 'last'}), _SCORES
  )
  yield lambda: with_score_unit(_config(c3d_lstm), [9.0, 9.0])
  yield _of_sequences('mean')
  yield _of_sequences('max')
  yield _of_lstm('')
  yield _of_lstm(str(pathlib.Path(__file__).parent))
  yield lambda: find_layer('/nowhere', 'last')
  yield lambda: pretrained.check_sources('/nowhere')
  yield _check(**{'input.resize': ('a', 'b')})
  yield _optimizer(name='sgd')
  yield _optimizer(schedule='step')
  yield _optimizer(scaling='cubic')
  yield lambda: sharding.make_mesh(data=0)
  yield lambda: sharding.make_mesh(data=3, clip=3)
  yield lambda: sharding.check_batch_size(3, 1, sharding.make_mesh(2))
  yield lambda: sharding.check_batch_size(8, 3, sharding.make_mesh(1))
  yield lambda: local_folder('workdir', 'gs://bucket/run')
  yield lambda: check_workdir(pathlib.Path(__file__), {})
  yield lambda: find_builder('simulated_dives/huge', '/nowhere')
  yield lambda: find_builder('mtl_aqa/annotations', '/nowhere')
  yield lambda: set_up(
    _config(batch_size=8, **{'dataset.data_dir': '/nowhere'}), _NOWHERE
  )
  yield lambda: set_up_pretraining(_config(tasks='actions'), _NOWHERE)
  yield lambda: set_up_pretraining(
    _config(pretrain_ucf101, batch_size=8), _NOWHERE
  )
  yield lambda: mit_dive.FILE.locate(None)
  yield lambda: aqa7.FILES['test'].locate(_NOWHERE)
  yield lambda: finediving.FILES['coarse'].locate(_NOWHERE)
  yield lambda: export(['--format=onnx', '--out=dives.pt'])
  yield lambda: export(['--format=onnx', '--out=/nowhere/dives.onnx'])
  yield lambda: paper(['--table=9', '--workdir=x', '--without=c4'])
  yield lambda: paper(['--table=9', '--workdir=x', '--config.sed=1'])
  full = ['--scale=full', '--dataset=mtl_aqa']
  yield lambda: paper(['--table=9', '--workdir=/nowhere/x', *full])
  yield lambda: Vocabulary(['a', 'dive'])
  yield lambda: Vocabulary(['<eos>', '<sos>', 'a', 'a'])
  yield lambda: Vocabulary(['<eos>', '<sos>']).encode(['splash'])
  yield lambda: Vocabulary(['<eos>', '<sos>']).decode([1, 7, 0])


def _heads():
  """Yields those of the heads in place of the score."""
  dives = Schema(features=('difficulty', 'judge_scores'))

  def heads(tasks, schema=dives, **changes):
    changes = {f'heads.{name}': value for name, value in changes.items()}
    return lambda: chosen_tasks(_config(tasks=tasks, **changes), schema)

  yield heads('execution', _SCORES)
  yield heads('judge_marks', _SCORES)
  yield heads('execution', difficulty='told')
  yield heads('execution', difficulty='predicted')
  yield heads('execution', height='5m')
  yield heads('score_distribution', label_std=0.0)
  yield heads('score_distribution', highest=0.0)
  yield heads('score_distribution', readout='median')
  yield heads('score_distribution', hidden=(256, 0))
  yield heads('relative_score', groups=(0.0, 2.0, 1.0))
  yield heads('relative_score', votes=300)
  distribution, marks, relative = (
    heads(name)()[0]
    for name in ('score_distribution', 'judge_marks', 'relative_score')
  )
  yield lambda: distribution.check_labels({'final_score': [60.0, 110.0]})
  yield lambda: marks.check_labels({'judge_scores': [[float('nan')] * 7]})
  yield lambda: marks.check_labels({'judge_scores': [[80.0] * 7]})
  yield lambda: relative.check_labels(
    {'final_score': [0.0, 90.0], 'difficulty': [2.0, 2.0]}
  )


def _lines():
  lines = []
  for cause in _causes():
    try:
      cause()
    except InputError as e:
      line = str(e).replace(str(pathlib.Path(__file__).parents[1]), '.')
      # Python's and TFDS's own words differ from version to version.
      lines.append(
        re.sub(r'\((No module|module|cannot|not enough).*?\)', '(...)', line)
      )
    else:
      lines.append('nothing was raised')
  return lines


def test_the_sentences_of_errors():
  lines = _lines()
  assert lines == _SNAPSHOT.read_text('utf-8').splitlines()
  assert all('\n' not in line and len(line) < 400 for line in lines)
  assert 'nothing was raised' not in lines


if __name__ == '__main__':
  _SNAPSHOT.write_text('\n'.join(_lines()) + '\n', 'utf-8')
