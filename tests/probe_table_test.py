"""Tables of linear probes and of other systems: from files, and fitted."""

import json
import shutil

import forked_main
import numpy as np
import pytest
from made_up_results import write_results
from scipy import stats

from aqa_jax.paper import experiment, paper_tables, table_files
from aqa_jax.paper.__main__ import main as paper_main
from aqa_jax.paper.experiment import Plan
from aqa_jax.paper.finished_table import make_table
from aqa_jax.paper.row import Row
from aqa_jax.paper.row_scores import RowScores
from tfds_mtl_aqa.input_error import InputError
from tfds_mtl_aqa.labels import CLASS_NAMES

_DIVES = 60
_STRENGTHS = {'c1': 30, 'c2': 20, 'c3': 12, 'c4': 6, 'c5': 9}


def _finished(number, tmp_path, num_seeds=2, **more):
  """Returns the rows and the runs of a small table, with made-up results."""
  rng = np.random.default_rng(0)
  true = rng.normal(67, 17, _DIVES).round(2)
  rows = paper_tables.rows(number, 'simulated_dives', 'small', 'data')
  runs = Plan(tmp_path, 'data').runs(rows, num_seeds)
  for run in runs:
    noise = _STRENGTHS.get(run.row.column, 10)
    for split in run.row.splits:
      scores = (true + rng.normal(0, noise, _DIVES)).round(2)
      write_results(
        run.workdir,
        stats.spearmanr(scores, true).statistic,
        scores,
        true,
        split,
        trained_on=0,
        **more,
      )
  return rows, runs


def _spearman(runs, name, split='test'):
  scores = [RowScores.of([r], split) for r in runs if r.row.name == name]
  return [
    stats.spearmanr(found.predicted[0], found.true).statistic
    for found in scores
  ]


def test_table_9(tmp_path):
  rows, runs = _finished(9, tmp_path, regressor={'strength': 1.0})
  table = make_table(9, rows, runs)
  assert table.columns == ('features of', 'c1', 'c2', 'c3', 'c4', 'c5')
  titles = [row[0] for row in table.rows]
  assert titles == [
    'Floor: C3D, untrained', 'its interval',
    'Baseline-1: I3D, actions of Kinetics-400', 'its interval',
    'the same, in the paper',
    'Baseline-2: C3D-AVG, classes of dives', 'its interval',
    'the same, in the paper',
    'difference to Baseline-1: I3D, actions of Kinetics-400',
    'C3D-AVG-STL', 'its interval',
    'difference to Baseline-2: C3D-AVG, classes of dives',
    'C3D-AVG-MTL', 'its interval', 'the same, in the paper',
    'difference to Baseline-2: C3D-AVG, classes of dives',
  ]  # fmt: skip
  by_title = dict(zip(titles, table.rows, strict=True))
  values = _spearman(runs, 'probe-c3davg-score-classes-captions-c4')
  assert len(values) == 2
  expected = f'{np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}'
  assert by_title['C3D-AVG-MTL'][4] == expected
  # The weights of Kinetics-400 are always the same: a single run.
  (value,) = _spearman(runs, 'probe-i3d-c2')
  assert by_title[titles[2]][2] == f'{value:.3f}'
  others = _spearman(runs, 'probe-c3davg-classes-c4')
  gap = f'{np.mean(values) - np.mean(others):+.3f} (p '
  assert table.rows[-1][4].startswith(gap)
  assert table.rows[-2] == (
    'the same, in the paper', '0.7426', '0.7795', '0.8278', '0.8618', '0.8575',
  )  # fmt: skip
  notes = ' '.join(table.notes)
  for part in (
    f'{_DIVES} test dives.',
    'One run alone: Baseline-1: I3D',
    'has seen no dives of the dataset',
    'No interval of a single score',
    'event 0.250',
    'Floor: C3D, untrained: the trunk has learned nothing',
  ):
    assert part in notes, part


def _rows_without_scores(path):
  lines = path.read_text().splitlines()
  path.write_text('\n'.join([lines[0], lines[1].split(',')[0]]))


@pytest.mark.parametrize(
  'name, damage',
  [
    ('eval_test.json', lambda path: path.write_text('{"spear')),
    ('eval_test.json', lambda path: path.write_text('[]')),
    ('predictions_test.csv', lambda path: path.unlink()),
    ('predictions_test.csv', lambda path: path.write_bytes(b'\xff\xfe')),
    ('predictions_test.csv', lambda path: path.write_text('score\n1\n')),
    ('predictions_test.csv', _rows_without_scores),
  ],
)
def test_a_damaged_evaluation_is_named(tmp_path, name, damage):
  rows, runs = _finished(9, tmp_path, num_seeds=1)
  folder = runs[-1].workdir
  damage(folder / name)
  with pytest.raises(InputError, match='give the same command again') as told:
    make_table(9, rows, runs)
  assert str(folder / name) in str(told.value)
  assert f'remove {folder / "eval_test.json"}' in str(told.value)


def test_a_table_whose_workdir_is_a_file(tmp_path):
  path = tmp_path / 'file'
  path.write_text('mine')
  with pytest.raises(InputError, match=f'--workdir={path}/x: Not a directory'):
    paper_main(['--table=9', f'--workdir={path / "x"}', '--data_dir=nowhere'])


def test_table_10_has_a_part_for_each_split(tmp_path):
  rows, runs = _finished(10, tmp_path, num_seeds=1)
  table = make_table(10, rows, runs)
  titles = [row[0] for row in table.rows]
  middle = titles.index('Vaults of other events')
  assert titles[0] == 'Vaults of the events of training'
  assert titles[1:middle] == titles[middle + 1 :]
  name = 'probe-c3davg-classes-c3-vaults'
  place = titles.index('Baseline-2: C3D-AVG, classes of dives')
  for at, split, paper in (
    (place, 'test_shared_events', '0.3798'),
    (place + middle, 'test', '0.0507'),
  ):
    (value,) = _spearman(runs, name, split)
    assert table.rows[at][3] == f'{value:.3f}'
    assert table.rows[at + 2][3] == paper
  assert f'{titles[0]}: {_DIVES} test vaults.' in table.notes
  path, _, page = table_files.write(table, tmp_path, 'table')
  assert f'| **{titles[0]}** | |' in path.read_text().replace('  ', ' ')
  assert f'<th colspan="6">{titles[0]}</th>' in page.read_text()
  assert any(
    note.startswith('Vaults of other events: Without any video')
    for note in table.notes
  )


def test_table_7_compares_within_its_halves(tmp_path):
  rows, runs = _finished(7, tmp_path)
  table = make_table(7, rows, runs)
  parts = [row[0] for row in table.rows if not any(row[1:])]
  assert parts == list(dict.fromkeys(row.part for row in rows))
  last_of_half = [
    row for row in table.rows if row[0] == 'C3D-AVG-MTL'
  ]  # fmt: skip
  assert [row[1] for row in last_of_half] == ['0.9044', '0.8808']
  assert all(row[5:] == ('', '', '') for row in last_of_half)
  (svr,) = (row for row in table.rows if row[0] == 'C3D-SVR, on I3D')
  assert svr[1] == '0.7716' and svr[5][0] in '+-'
  assert 'I3D, trained on Kinetics-400' in ' '.join(table.notes)


def test_rows_of_other_dives_are_not_compared(tmp_path):
  rows, runs = _finished(7, tmp_path, num_seeds=1)
  (run,) = (run for run in runs if run.row.name == 'pose-dct')
  write_results(run.workdir, 0.5, np.arange(9.0), np.arange(9.0))
  table = make_table(7, rows, runs)
  (row,) = (row for row in table.rows if row[0] == 'Pose+DCT')
  assert row[2] == '1.000' and row[5:] == ('', '', '')
  assert table.notes[-1] == (
    'Pose+DCT: tested on other dives than C3D-AVG-MTL, and not compared.'
  )


def test_dives_in_another_order_are_the_same(tmp_path):
  rng = np.random.default_rng(0)
  true, one, other = rng.normal(50, 9, (3, 40))
  forward = RowScores(tuple(('1', str(i)) for i in range(40)), one[None], true)
  same = RowScores(forward.dives, other[None], true)
  order = rng.permutation(40)
  moved = RowScores(
    tuple(forward.dives[place] for place in order), other[None, order],
    true[order],
  )  # fmt: skip
  assert forward.difference(moved) == forward.difference(same)


def test_a_probe_takes_the_network_of_another_row(
  tmp_path, tiny_training, tiny_flags, monkeypatch, capsys
):
  network = Row('network', 'MTL', 'configs/quickstart.py', {}, '', {})
  probe = Row(
    'probe', 'C3D-AVG-MTL', 'configs/linear_probe.py',
    {'features.layer': 'c4', 'features.clip_frames': '4'}, '', {'test': 0.5},
    needs={'features.weights': network}, column='c4',
  )  # fmt: skip
  monkeypatch.setattr(paper_tables, 'rows', lambda *_: [probe])
  monkeypatch.setattr(experiment.subprocess, 'run', forked_main.for_a_table)
  trained = tmp_path / 'a/network/seed0'
  shutil.copytree(tiny_training[0], trained)
  path = trained / 'eval_test.json'
  evaluation = json.loads(path.read_text())
  path.write_text(json.dumps(evaluation | {'is_finished': True}))
  tiny = [flag for flag in tiny_flags[1:] if '--config.seed' not in flag]
  flags = ['--table=9', f'--workdir={tmp_path / "a"}', '--seeds=1', *tiny]
  flags += ['--config.regressor.folds=3', '--config.regressor.strength=1.0']
  paper_main(flags)
  said = capsys.readouterr().out
  assert '2 trainings, 1 of them finished' in said
  assert '[1/1] C3D-AVG-MTL, c4, seed 0' in said
  assert '| the same, in the paper | 0.5000 |' in said
  assert len(list((tmp_path / 'a/features').iterdir())) == 2
  # In another place, as on another machine, it is the same.
  (tmp_path / 'a').rename(tmp_path / 'b')
  flags[1] = f'--workdir={tmp_path / "b"}'
  paper_main(flags)
  assert '2 trainings, 2 of them finished' in capsys.readouterr().out
  # Weights of another row are not taken for these.
  path = tmp_path / 'b/probe/seed0/config.json'
  config = json.loads(path.read_text())
  config['features']['weights'] = 'a/network/seed1'
  path.write_text(json.dumps(config))
  with pytest.raises(Exception, match=r'config.features.weights=.*seed1'):
    paper_main(flags)


def test_table_5_of_a_network_without_captions(tmp_path):
  rows = paper_tables.rows(
    5, 'simulated_dives', 'small', 'data', ['c3davg*', 'mscadc*']
  )
  runs = Plan(tmp_path, 'data').runs(rows, 1)
  figures = dict.fromkeys(CLASS_NAMES, 75.0)
  for run in runs:
    run.workdir.mkdir(parents=True)
    (run.workdir / 'eval_test.json').write_text(
      json.dumps(
        {'num_dives': 9, 'accuracy': figures, 'majority_accuracy': figures}
      )
    )
  table = make_table(5, rows, runs)
  assert table.columns == ('row', *CLASS_NAMES)
  assert [row[0] for row in table.rows] == [
    'Nibali et al., a reconstruction', 'the same, in the paper',
    'baseline: the commonest class',
  ]  # fmt: skip
  assert table.rows[0][1:] == ('75.0',) * len(CLASS_NAMES)
