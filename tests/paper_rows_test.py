"""The commands of the tables' rows: complete, in order, and buildable."""

import pathlib
import shlex
import sys
from unittest import mock

import jax
import pytest
from absl import flags
from ml_collections import config_flags

from aqa_jax import command_line
from aqa_jax.abstract_setup import abstract_setup
from aqa_jax.config import check_values
from aqa_jax.configs import quickstart
from aqa_jax.data import dive_split
from aqa_jax.data.schema import Schema, schema_of
from aqa_jax.data.video_input import VideoInput
from aqa_jax.features.feature_source import source_class
from aqa_jax.features.trunk_layer import LAYERS
from aqa_jax.paper import paper_tables
from aqa_jax.paper.__main__ import main as paper_main
from aqa_jax.paper.experiment import Plan
from aqa_jax.paper.row import Row
from aqa_jax.regression import fit
from aqa_jax.tasks.chosen_tasks import chosen_tasks
from aqa_jax.training.setup import choose_devices, make_setup
from tfds_mtl_aqa.input_error import InputError
from tfds_mtl_aqa.simulated_dives.simulation_config import CONFIGS

# ml_collections reads a config so.
pytestmark = pytest.mark.filterwarnings(
  'ignore:the load_module.*:DeprecationWarning'
)
_SCALES = ('small', 'full')
# Table 8 opens its dataset; its rows are those of table 4 on fewer dives.
_TABLES = (4, 5, 6, 7, 9, 10, 'modern')


def _rows(table, scale, **more):
  return paper_tables.rows(
    table, paper_tables.SCALES[scale], scale, 'data', **more
  )


def _runs(table, scale, num_seeds=1, **more):
  return Plan(pathlib.Path('tables'), 'data', **more).runs(
    _rows(table, scale), num_seeds
  )


def _parsed(command):
  """Returns workdir and config, parsed as aqa_jax.main does."""
  values = flags.FlagValues()
  config_flags.DEFINE_config_file('config', flag_values=values)
  for name in ('workdir', 'mode'):
    flags.DEFINE_string(name, None, '', flag_values=values)
  argv = [command_line._with_config_path(part) for part in command]
  with mock.patch.object(sys, 'argv', argv):
    command_line._check_fields(_config_of(values, argv), argv[0])
  return values.workdir, values.config


def _config_of(values, argv):
  values(argv)
  return values.config


def _build(config, trainings):
  """Builds the network of a training, or the source of a regression."""
  if 'regressor' in config:
    _check_regression(config, trainings)
  elif config.tasks == 'actions':
    config, mesh = choose_devices(config, devices=jax.devices()[:1])
    size = (config.input.frames, config.input.crop, config.input.crop, 3)
    schema = Schema(classes=(('action', tuple(map(str, range(101)))),))
    make_setup(config, mesh, schema, size, 9000).abstract_state()
  elif 'features' in config:
    builder = dive_split.find_builder(config.dataset.name, 'nowhere')
    source_class(config)
    config, mesh = choose_devices(config, devices=jax.devices()[:1])
    make_setup(
      config, mesh, schema_of(builder.info), (16, 64), 1000
    ).abstract_state()
  else:
    abstract_setup(config, jax.devices()[:1]).abstract_state()


def _check_regression(config, trainings):
  check_values(config)
  fit.check(config.regressor)
  source = source_class(config)
  builder = dive_split.find_builder(
    config.dataset.name, config.dataset.data_dir, source.needs_video
  )
  weights = config.features.get('weights', '')
  if not source.needs_video or weights == 'i3d':
    return
  of_trunk = trainings[weights]
  assert config.features.get('layer', 'fc6') in LAYERS
  if 'input' in of_trunk and of_trunk.tasks != 'actions':
    # The network takes the frames of this dataset, too.
    shape = builder.info.features['video'].shape
    VideoInput(**of_trunk.input).check(*shape[:3])


def _what_is_built(config):
  """Returns what of a config its network or its source comes from."""
  fields = config.to_dict()
  for name in ('seed', 'duration', 'init_from', 'features', 'test_splits'):
    if 'regressor' not in fields:
      fields.pop(name, None)
  fields['dataset'].pop('train_split')
  return repr(fields)


def _has_classes_alone():
  """Whether this version trains without a score."""
  config = quickstart.get_config()
  config.tasks = 'classes'
  try:
    chosen_tasks(config, Schema(classes=(('twists', ('0', '1')),)))
  except InputError:
    return False
  return True


@pytest.mark.parametrize('scale', _SCALES)
def test_every_command_is_complete(scale, capsys):
  """Parses what --dry_run prints, and builds each network once."""
  built, trainings = set(), {}
  has_classes_alone = _has_classes_alone()
  for table in _TABLES:
    dataset = paper_tables.SCALES[scale]
    paper_main(
      [f'--table={table}', f'--scale={scale}', f'--dataset={dataset}']
      + ['--workdir=tables', '--seeds=2', '--dry_run', '--data_dir=nowhere']
    )
    for line in capsys.readouterr().out.splitlines():
      python, *command = shlex.split(line)
      assert (python, *command[:2]) == ('python', '-m', 'aqa_jax.main')
      workdir, config = _parsed(command[1:])
      if workdir in trainings:
        # Two tables share the folder, and so the training.
        assert repr(trainings[workdir]) == repr(config), workdir
      trainings[workdir] = config
      if config.get('tasks') == 'classes' and not has_classes_alone:
        continue
      # What a run takes of another is planned before it.
      features = config.get('features', {})
      for path in (
        config.get('init_from', ''),
        features.get('weights'),
        features.get('stages'),
      ):
        assert path in ('', None, 'i3d') or path in trainings
      if (key := _what_is_built(config)) not in built:
        built.add(key)
        _build(config, trainings)


def test_what_is_needed_comes_before_and_once():
  runs = _runs(9, 'full', num_seeds=2)
  places = {run.workdir: place for place, run in enumerate(runs)}
  assert len(places) == len(runs)
  for run in runs:
    for field in run.row.needs:
      assert places[pathlib.Path(run.changes[field])] < places[run.workdir]
  # The trunk serves both seeds; what begins with it has two.
  by_name = {}
  for run in runs:
    by_name.setdefault(run.row.name, []).append(run)
  assert len(by_name['ucf101-c3d']) == len(by_name['probe-ucf101-c1']) == 1
  probes = by_name['probe-c3davg-score-classes-captions-c4']
  assert [run.changes['features.weights'] for run in probes] == [
    f'tables/c3davg-score-classes-captions/seed{seed}' for seed in (0, 1)
  ]
  # One pass over the videos serves all layers.
  assert {run.changes['features.cache'] for run in probes} == {
    'tables/features'
  }


@pytest.mark.parametrize('scale', _SCALES)
# Tables 5 and 6 compare none.
@pytest.mark.parametrize('table', [4, 7, 9, 10, 'modern'])
def test_rows_are_compared_with_rows(table, scale):
  rows = _rows(table, scale)
  by_name = {row.name: row for row in rows}
  assert len(by_name) == len(rows)
  for row in rows:
    other = row.compared_with
    assert not other or by_name[other].part == row.part
    assert other != row.name


def test_figures_of_the_paper():
  def spearman(rows):
    return {row.label: row.paper.get('spearman') for row in rows}

  rows = _rows(7, 'full')
  upper, lower = (
    [row for row in rows if row.part == part]
    for part in dict.fromkeys(row.part for row in rows)
  )
  assert spearman(upper) == {
    'Pose+DCT': 0.2682,
    'C3D-SVR': 0.7716,
    'I3D, SVR': None,
    'I3D, ridge': None,
    'C3D-LSTM': 0.8489,
    'C3D-LSTM, incremental labels': None,
    'C3D-LSTM-SVR': None,
    'MSCADC-STL': 0.8472,
    'C3D-AVG-STL': 0.8960,
    'MSCADC-MTL': 0.8612,
    'C3D-AVG-MTL': 0.9044,
  }
  assert spearman(lower) == {
    "S3D, its authors' features": 0.8600,
    'S3D, on C3D': None,
    'Li et al., a reconstruction': 0.8009,
    'MSCADC-STL': 0.7979,
    'C3D-AVG-STL': 0.8383,
    'MSCADC-MTL': 0.8060,
    'C3D-AVG-MTL': 0.8808,
  }
  for table, expected in (
    (9, {'test': 0.8618}),
    (10, {'test_shared_events': 0.4918, 'test': 0.2956}),
  ):
    (row,) = (
      row
      for row in _rows(table, 'small')
      if (row.label, row.column) == ('C3D-AVG-MTL', 'c4')
    )
    assert row.paper == expected
    assert row.compared_with.startswith('probe-c3davg-classes-c4')


def test_fewer_dives_take_the_same_steps():
  (row,) = (
    row for row in _rows(7, 'small') if row.name == 'c3davg-score-resampled_300'
  )
  assert row.duration_times == CONFIGS['quickstart'].num_train / 300
  # A few dives of UNLV-Dive's test split are in MTL-AQA's training split.
  for row in _rows(7, 'full'):
    if row.part.startswith('UNLV') and row.needs:
      assert row.overrides['dataset.name'].startswith('unlv_dive/')
      for needed in row.needs.values():
        name = needed.overrides.get('dataset.name', '')
        assert needed.is_trunk or name.startswith('unlv_dive/')


def test_what_only_the_user_has():
  run = next(run for run in _runs(7, 'full') if run.row.is_trunk)
  assert run.missing == ('ucf101',)
  assert run.changes['dataset.name'] == '<ucf101>'
  runs = _runs(7, 'full', given={'ucf101': 'UCF-101', 'poses': ''})
  missing = {run.row.name: run.missing for run in runs if run.missing}
  assert missing == {'pose-dct': ('poses',), 's3d-unlv': ('s3d_features',)}


@pytest.mark.parametrize(
  'more, message',
  [
    ([], r'--poses is missing: Pose\+DCT needs .*--without, pose-dct\.'),
    (
      ['--without=pose-dct'],
      r'--ucf101 is missing: .* ucf101-svr, ucf101-lstm, .* and \d more rows',
    ),
    (['--without=pose'], '--without=pose: table 7 has no such row; --dry_run'),
    (['--config.sed=1'], '--config.sed=1: no row of this table has such a'),
    (
      ['--without=pose-dct', '--ucf101=nowhere'],
      "--s3d_features is missing: S3D, its authors' features needs",
    ),
  ],
)
def test_a_run_says_first_what_is_missing(more, message, tmp_path):
  flags_ = ['--table=7', '--scale=full', '--dataset=mtl_aqa', '--seeds=1']
  with pytest.raises(InputError, match=message):
    paper_main([*flags_, f'--workdir={tmp_path}', *more])
  assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
  'more, message',
  [
    ([], 'the dataset is not prepared'),
    (['--s3d_features=none.npz'], 'none.npz: is not there, and S3D, its'),
  ],
)
def test_files_are_looked_for_first(more, message, tmp_path, monkeypatch):
  row = Row('s3d', 'S3D, its', 'configs/s3d.py', {}, '', {})
  if more:
    monkeypatch.setattr(
      'aqa_jax.paper.experiment_check.open_builder', lambda *_: None
    )
    row = Row(
      's3d', 'S3D, its', 'configs/s3d.py', {}, '', {},
      given={'features.path': 's3d_features'},
    )  # fmt: skip
  monkeypatch.setattr(paper_tables, 'rows', lambda *_: [row])
  with pytest.raises(InputError, match=message):
    paper_main(
      ['--table=7', f'--workdir={tmp_path}', f'--data_dir={tmp_path}', *more]
    )


def test_overrides_are_for_the_rows_that_have_the_field():
  overrides = ['--config.init_from=c3d.pickle', '--config.duration=1epochs']
  runs = _runs(9, 'full', overrides=overrides)
  by_name = {run.row.name: run.changes for run in runs}
  # Weights that are given take the place of the trunk on UCF-101; the first
  # baseline is this trunk, and begins from nothing.
  assert by_name['c3davg-score']['init_from'] == 'c3d.pickle'
  assert 'init_from' not in by_name['ucf101-c3d']
  assert by_name['ucf101-c3d']['duration'] == '1epochs'
  assert 'duration' not in by_name['probe-c3davg-score-c1']
  by_name = {
    run.row.name: run.changes
    for run in _runs(9, 'small', overrides=overrides[1:])
  }
  assert by_name['c3davg-score']['duration'] == '1epochs'
  assert by_name['c3davg-untrained']['duration'] == '1 steps'


def test_rows_left_out_by_a_pattern():
  rows = _rows(9, 'small', without=['probe-i3d-*', 'probe-*-c5'])
  assert len(rows) == 4 * 4
  with pytest.raises(InputError, match='leaves no row of table 9'):
    _rows(9, 'small', without=['*'])


def test_a_row_left_out_is_not_compared_with():
  rows = _rows(7, 'small', without=['c3davg-score-classes-captions'])
  assert {row.compared_with for row in rows} == {
    '', 'c3davg-score-classes-captions-resampled_300',
  }  # fmt: skip
