"""Tables: planned, trained on 32 dives, and computed from what was written."""

import csv
import json

import cv2
import forked_main
import numpy as np
import pytest
from made_up_results import write_results
from scipy import stats

from aqa_jax.data import dive_split
from aqa_jax.evaluation import row_comparison
from aqa_jax.paper import experiment, experiment_run, paper_tables, table_files
from aqa_jax.paper.__main__ import main as paper_main
from aqa_jax.paper.experiment import Plan, row_config
from aqa_jax.paper.finished_table import make_table
from aqa_jax.paper.row import Row
from tfds_mtl_aqa.input_error import InputError


def test_rows_of_table_4():
  rows = paper_tables.rows(4, 'mtl_aqa', 'full', 'data')
  assert len(rows) == 8 and len({row.name for row in rows}) == 8
  # As printed in the paper.
  assert [row.paper['spearman'] for row in rows] == [
    0.8960, 0.8962, 0.8878, 0.9044, 0.8472, 0.8576, 0.8547, 0.8612,
  ]  # fmt: skip
  assert [row.compared_with for row in rows] == [
    '', *['c3davg-score'] * 3, '', *['mscadc-score'] * 3,
  ]  # fmt: skip
  datasets = {row.overrides['dataset.name'] for row in rows}
  assert datasets == {'mtl_aqa/clips_171x128', 'mtl_aqa/clips_640x360'}


def test_rows_of_table_8(monkeypatch):
  class Builder:
    class info:  # noqa: N801
      splits = {'train': type('Split', (), {'num_examples': 1059})}

  monkeypatch.setattr(dive_split, 'open_builder', lambda *_: Builder)
  rows = paper_tables.rows(8, 'mtl_aqa', 'full', 'data')
  by_name = {row.name: row for row in rows}
  assert len(by_name) == len(rows) == 20
  stl = by_name['c3davg-score-released_443']
  mtl = by_name['c3davg-score-classes-captions-released_443']
  assert (stl.paper['spearman'], mtl.paper['spearman']) == (0.7727, 0.8352)
  assert mtl.compared_with == stl.name
  assert mtl.overrides['dataset.train_split'] == 'released_443'
  # As many steps as on the whole set.
  assert stl.duration_times == pytest.approx(1059 / 443)
  assert by_name['c3davg-score'].duration_times == 1
  assert all(
    not row.compared_with or row.compared_with in by_name for row in rows
  )
  simulated = paper_tables.rows(8, 'simulated_dives', 'small', 'data')
  assert {row.overrides['dataset.train_split'] for row in simulated} == {
    'train', 'resampled_450', 'resampled_280', 'resampled_140',
  }  # fmt: skip


def test_datasets_that_have_no_such_scale():
  with pytest.raises(InputError, match='--scale=small --dataset=mtl_aqa'):
    paper_tables.rows(4, 'mtl_aqa', 'small', 'data')


def test_a_dry_run_prints_commands_that_share_folders(capsys, tmp_path):
  lines = {}
  for table in (4, 6):
    paper_main(
      [f'--table={table}', f'--workdir={tmp_path}', '--dry_run', '--seeds=2']
      + ['--config.batch_size=4']
    )
    lines[table] = capsys.readouterr().out.splitlines()
  assert len(lines[4]) == 16 and len(lines[6]) == 4
  assert set(lines[6]) < set(lines[4])
  for line in lines[4]:
    assert line.startswith('python -m aqa_jax.main --config=configs/quickstart')
    assert line.endswith('--config.batch_size=4')
  assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
  'flags, message',
  [
    (['--seeds=0'], '--seeds=0: give 1 or more'),
    (['--sseds=2'], "unknown argument '--sseds=2'"),
    # No short form of --seeds.
    (['--seed=2'], "unknown argument '--seed=2'"),
  ],
)
def test_arguments_that_are_wrong(flags, message, tmp_path):
  with pytest.raises(InputError, match=message):
    paper_main(['--table=4', f'--workdir={tmp_path}', *flags])


def test_a_duration_for_all_rows_keeps_their_steps_equal(tmp_path):
  rows = [
    Row('all', 'all', 'configs/quickstart.py', {}, '', {}),
    Row(
      'half', 'half', 'configs/quickstart.py', {}, '', {}, duration_times=2.0
    ),
  ]
  durations = []
  for overrides in ([], ['--config.duration=4epochs']):
    for run in Plan(tmp_path, 'data', overrides).runs(rows, 1):
      given = [f for f in run.command if f.startswith('--config.duration=')]
      durations.append([f.partition('=')[2].replace(' ', '') for f in given])
  assert durations[0] == []
  (of_config,) = durations[1]
  # Twice that of the config.
  assert float(of_config.removesuffix('epochs')) == pytest.approx(3.36)
  assert durations[2] == ['4epochs']
  assert [float(d.removesuffix('epochs')) for d in durations[3]] == [8]


@pytest.mark.parametrize(
  'evaluation, headline',
  [
    ({'spearman': 0.81, 'accuracy': {'twists': 90.0}}, 'Spearman 0.810'),
    ({'spearman': None}, 'Spearman nan'),
    ({'accuracy': {}, 'mean_accuracy': 90.55}, 'classes 90.5 % right'),
    ({'stage_accuracy': 96.4}, 'frames 96.4 % right'),
    ({'accuracy': 44.0, 'num_videos': 9}, 'actions 44.0 % right'),
    ({'of_my_own_task': 1.0}, 'evaluated'),
  ],
)
def test_each_kind_of_run_has_a_headline(evaluation, headline, tmp_path):
  row = Row('any', 'any', 'configs/quickstart.py', {}, '', {})
  (run,) = Plan(tmp_path, 'data').runs([row], 1)
  run.workdir.mkdir(parents=True)
  (run.workdir / 'eval_test.json').write_text(json.dumps(evaluation))
  assert run.headline() == headline


@pytest.mark.parametrize(
  'field, chosen, other',
  [
    ('compute_dtype', 'bfloat16', None),
    ('model.score_unit', 16.5, None),
    ('model.hidden', 256, 128),
  ],
)
def test_what_a_training_chooses_is_its_own(field, chosen, other, tmp_path):
  row = Row('lstm', 'C3D-LSTM', 'configs/c3d_lstm.py', {}, '', {})
  if field == 'compute_dtype':
    row = Row('c3davg', 'C3D-AVG', 'configs/c3davg.py', {}, '', {})
  (run,) = Plan(tmp_path, 'data').runs([row], 1)
  config = row_config(row.config)
  config.update_from_flattened_dict({field: chosen, 'seed': 0})
  if 'features' in config:
    config.features.cache = str(tmp_path / 'features')
  run.workdir.mkdir(parents=True)
  path = run.workdir / 'config.json'
  path.write_text(config.to_json())
  (run.workdir / 'eval_test.json').write_text('{}')
  assert run.is_finished()
  if other is not None:
    config.update_from_flattened_dict({field: other})
    path.write_text(config.to_json())
    with pytest.raises(InputError, match=f'config.{field}={other}, not'):
      run.is_finished()


def test_a_training_of_an_earlier_version_is_finished(tmp_path):
  """It lacks fields of heads that came after it, and has used none."""
  row = Row('score', 'score', 'configs/quickstart.py', {'seed': '0'}, '', {})
  (run,) = Plan(tmp_path, '').runs([row], 1)
  config = row_config(row.config)
  config.dataset.data_dir = ''
  run.workdir.mkdir(parents=True)
  recorded = config.to_dict()
  del recorded['heads']['votes'], recorded['loss_weights']['execution']
  (run.workdir / 'config.json').write_text(json.dumps(recorded))
  (run.workdir / 'eval_test.json').write_text('{}')
  assert run.is_finished()
  recorded['heads']['units'] += 1
  (run.workdir / 'config.json').write_text(json.dumps(recorded))
  with pytest.raises(InputError, match=r'config\.heads\.units=257, not 256'):
    run.is_finished()


def test_spread_and_difference_against_scipy():
  rng = np.random.default_rng(0)
  true = rng.normal(67, 17, 200)
  better = true + rng.normal(0, 8, (3, 200))
  worse = true + rng.normal(0, 16, (3, 200))
  by_seed = [stats.spearmanr(scores, true).statistic for scores in better]
  spread = row_comparison.spread(better, true)
  assert spread.mean == pytest.approx(np.mean(by_seed))
  assert spread.deviation == pytest.approx(np.std(by_seed, ddof=1))
  assert spread.low < spread.mean < spread.high
  gap = row_comparison.difference(better, worse, true)
  others = [stats.spearmanr(scores, true).statistic for scores in worse]
  assert gap.mean == pytest.approx(np.mean(by_seed) - np.mean(others))
  assert gap.low > 0 and gap.p < 0.01
  same = row_comparison.difference(better[:2], better[1:], true)
  assert same.low < 0 < same.high and same.p > 0.2


def test_no_difference_is_seldom_found():
  """Rows of one kind: about one in twenty has p below 0.05, not more."""
  rng = np.random.default_rng(1)
  true = rng.normal(size=60)
  found = [
    row_comparison.difference(*(true + rng.normal(size=(2, 3, 60))), true).p
    for _ in range(20)
  ]
  assert np.sum(np.array(found) < 0.05) <= 4


def test_evaluations_of_earlier_versions_are_read(tmp_path):
  rows = paper_tables.rows(4, 'simulated_dives', 'small', 'data')
  (run, *_) = Plan(tmp_path, 'data').runs(rows, 1)
  run.workdir.mkdir(parents=True)
  old = {'floors': {'mean': {}}, 'caption_floors': {'random': {}}}
  (run.workdir / 'eval_test.json').write_text(json.dumps(old))
  assert run.evaluation['baselines'] == {'mean': {}}
  assert run.evaluation['caption_baselines'] == {'random': {}}


@pytest.mark.parametrize('number', [4, 5, 6])
def test_tables_from_files(number, tmp_path, monkeypatch):
  rng = np.random.default_rng(0)
  true = rng.normal(67, 17, 50).round(2)
  rows = paper_tables.rows(number, 'simulated_dives', 'small', 'data')
  runs = Plan(tmp_path, 'data').runs(rows, 2)
  figures = {}
  for run in runs:
    scores = true + rng.normal(0, 10, 50)
    value = stats.spearmanr(scores, true).statistic
    figures.setdefault(run.row.label, []).append(value)
    # A network without a score lacks its measures, and here captions too.
    lacks = (
      ('relative_l2', 'bleu_1', 'baselines', 'caption_baselines')
      if run.row.overrides['tasks'] == 'classes'
      else ()
    )
    if lacks:
      value = None
    write_results(run.workdir, value, scores, true, **dict.fromkeys(lacks))
  monkeypatch.setattr(experiment_run.Run, 'picture', lambda *_: b'a picture')
  table = make_table(number, rows, runs)
  assert all(len(row) == len(table.columns) for row in table.rows)
  notes = ' '.join(table.notes)
  for part in ('50 test dives', '2 seed(s)', 'event 0.250', 'needs Java'):
    assert part in notes
  assert '3 of the test dives were trained on' in notes
  assert 'computed in' not in notes
  for run, dtype in zip(runs, ('bfloat16', 'float32'), strict=False):
    config = json.dumps({'compute_dtype': dtype})
    (run.workdir / 'config.json').write_text(config)
  notes = make_table(number, rows[:2], runs[:2]).notes
  assert any('computed in bfloat16 and float32' in note for note in notes)
  by_label = {row[0]: row for row in table.rows}
  if number == 4:
    for label, values in figures.items():
      expected = f'{np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}'
      assert by_label[label][2] == expected
    assert by_label['MSCADC + classes'][1] == '0.8576'
    assert by_label['MSCADC score (STL)'][5:] == ('', '', '')
  if number == 5:
    assert by_label['C3D-AVG + classes + captions'][1] == '55.0 ± 0.0'
    place = [row[0] for row in table.rows].index(rows[-1].label)
    accuracies, paper = table.rows[place : place + 2]
    assert accuracies[1:7] == ('55.0 ± 0.0',) * 5 + ('',)
    assert paper[1:7] == ('74.8', '98.3', '78.8', '77.3', '79.9', '')
    assert by_label['baseline: the commonest class'][1] == '40.0'
    assert by_label['baseline: random training caption'][-1] == '0.125'
  if number == 6:
    assert [row[1] for row in table.rows[:3]] == [
      'truth', *(row.label for row in rows)
    ]  # fmt: skip
  paths = table_files.write(table, tmp_path, 'table')
  assert [path.suffix for path in paths] == ['.md', '.csv', '.html']
  with open(paths[1], newline='') as file:
    assert [tuple(row) for row in csv.reader(file)][1:] == table.rows
  page = paths[2].read_text()
  assert '<script>' not in page and 'http' not in page
  pictures = sorted(tmp_path.glob('*.jpg'))
  assert len(pictures) == (5 if number == 6 else 0)
  assert page.count('<img ') == len(pictures)
  text = paths[0].read_text()
  assert all(f']({path.name})\n' in text for path in pictures)


def test_a_table_is_trained_once(tmp_path, tiny_flags, monkeypatch, capsys):
  rows = [
    Row(
      'c3davg-score',
      'score',
      'configs/quickstart.py',
      {'tasks': 'score'},
      '',
      {'spearman': 0.9},
    )
  ]
  monkeypatch.setattr(paper_tables, 'rows', lambda *_: rows)
  tiny = [
    flag for flag in tiny_flags[1:] if not flag.startswith('--config.seed')
  ]
  flags = ['--table=4', f'--workdir={tmp_path}', '--seeds=2', *tiny]
  flags += ['--config.duration=2epochs']
  # The first stops at a mistake, and says where to look.
  with pytest.raises(InputError, match=r'log\.txt: .*config.model.clips=7'):
    paper_main([*flags, '--config.model.clips=7'])
  monkeypatch.setattr(experiment.subprocess, 'run', forked_main.for_a_table)
  paper_main(flags)
  said = capsys.readouterr().out
  assert '2 trainings, 0 of them finished' in said
  assert '| score | 0.9000 |' in said
  paper_main(flags)
  assert '2 trainings, 2 of them finished' in capsys.readouterr().out
  assert (tmp_path / 'table4_simulated_dives_small.html').exists()
  run = Plan(tmp_path, '').runs(rows, 1)[0]
  picture = cv2.imdecode(
    np.frombuffer(run.picture(3), np.uint8), cv2.IMREAD_COLOR
  )
  assert picture.shape == (96, 8 * 96, 3)
  assert picture.std() > 5
  # What has been evaluated before its last step is not finished.
  path = run.workdir / 'eval_test.json'
  evaluation = json.loads(path.read_text())
  assert evaluation['is_finished'] is True
  path.write_text(json.dumps(evaluation | {'is_finished': False}))
  given = [*tiny, '--config.duration=2epochs']
  (again,) = Plan(tmp_path, 'data', given).runs(rows, 1)
  assert not again.is_finished()
  path.write_text(json.dumps(evaluation))
  assert again.is_finished()
  # Another config's results are not taken for these.
  with pytest.raises(InputError, match='config.duration=2epochs, not 3'):
    paper_main([*flags, '--config.duration=3epochs'])
  (tmp_path / 'c3davg-score/seed1/config.json').write_text('')
  with pytest.raises(InputError, match='seed1/config.json: is damaged'):
    paper_main(flags)
