"""The table of heads: its rows, their commands, and its cells."""

import json
import pathlib

import numpy as np
import pytest
from made_up_results import write_results
from scipy import stats

from aqa_jax.paper import paper_tables
from aqa_jax.paper.experiment import Plan, row_config
from aqa_jax.paper.finished_table import make_table

_DATASETS = {'small': 'simulated_dives', 'full': 'mtl_aqa'}


def _rows(scale):
  return paper_tables.rows('modern', _DATASETS[scale], scale, 'data')


@pytest.mark.parametrize('scale', _DATASETS)
def test_every_row_is_compared_with_the_papers_head(scale):
  first, *others = _rows(scale)
  assert first.compared_with == ''
  assert {row.compared_with for row in others} == {first.name}
  names = [row.name for row in (first, *others)]
  assert len(set(names)) == len(names)


def test_published_figures_are_those_of_the_authors():
  for scale in _DATASETS:
    found = {
      row.overrides['tasks'].split(',')[0]: row.paper
      for row in _rows(scale)
      if row.mode == 'train'
    }
    assert found == {
      'score': {'spearman': 0.9044},
      'execution': {},
      'score_distribution': {'spearman': 0.9066},
      'judge_marks': {'spearman': 0.9273},
      'relative_score': {'spearman': 0.9512, 'relative_l2': 0.26},
    }


def test_what_is_evaluated_alone_has_the_weights_of_its_seed():
  plan = Plan(pathlib.Path('tables'), 'data', ['--config.init_from=c3d.pickle'])
  runs = plan.runs(_rows('small'), 2)
  places = {run.workdir: place for place, run in enumerate(runs)}
  evaluated = [run for run in runs if run.row.mode == 'eval']
  assert len(evaluated) == 3 * 2
  for run in evaluated:
    assert '--mode=eval' in run.command
    source = pathlib.Path(run.changes['init_from'])
    assert (
      source
      == run.workdir.parent.with_name(run.row.name.removesuffix('-predicted'))
      / f'seed{run.seed}'
    )
    assert places[source] < places[run.workdir]
    assert run.changes['heads.difficulty'] == 'predicted'
  trained = [run for run in runs if run.row.mode == 'train']
  assert {run.changes['init_from'] for run in trained} == {'c3d.pickle'}


def test_what_is_evaluated_alone_is_finished_without_a_training(tmp_path):
  (row,) = [
    row
    for row in _rows('small')
    if row.name == 'c3davg-execution-classes-captions-predicted'
  ]
  run = next(
    run for run in Plan(tmp_path, 'data').runs([row], 1) if run.row == row
  )
  assert not run.is_finished()
  run.workdir.mkdir(parents=True)
  config = row_config(row.config)
  changes = run.changes | {'seed': 0}
  config.update_from_flattened_dict(changes)
  (run.workdir / 'config.json').write_text(config.to_json())
  (run.workdir / 'eval_test.json').write_text('{"is_finished": false}')
  assert run.is_finished()


def test_the_authors_hyperparameters():
  """USDL's are those of the config; CoRe's are changes of it."""
  config = row_config('configs/i3d.py')
  assert (config.batch_size, config.duration) == (4, '100 epochs')
  assert config.optimizer.learning_rate == 1e-4
  (core,) = (row for row in _rows('full') if 'relative' in row.name)
  assert core.overrides['batch_size'] == '2'
  factor = float(core.overrides['optimizer.trunk_factor'])
  rate = float(core.overrides['optimizer.learning_rate'])
  assert (rate, factor * rate) == (1e-3, pytest.approx(1e-4))


def test_cells(tmp_path):
  rng = np.random.default_rng(0)
  true = rng.normal(67, 17, 60).round(2)
  rows = _rows('small')
  runs = Plan(tmp_path, 'data').runs(rows, 2)
  figures = {}
  for run in runs:
    error = 4 if run.row.name.startswith('c3davg-execution') else 20
    scores = true + rng.normal(0, error, 60)
    value = stats.spearmanr(scores, true).statistic
    figures.setdefault(run.row.label, []).append(value)
    baselines = {
      'mean': {'spearman': None, 'relative_l2': 2.5, 'mae': 12.8},
      'difficulty': {'spearman': 0.59, 'relative_l2': 1.336, 'mae': 9.472},
    }
    write_results(run.workdir, value, scores, true)
    path = run.workdir / 'eval_test.json'
    more = {'execution_spearman': 0.5, 'mae': 5.25, 'baselines': baselines}
    if run.row.mode == 'eval':
      more['difficulty_mae'] = 0.1 + 0.1 * run.seed
    path.write_text(json.dumps(json.loads(path.read_text()) | more))
  table = make_table('modern', rows, runs)
  assert all(len(row) == len(table.columns) for row in table.rows)
  by_label = {row[0]: row for row in table.rows}
  mean = by_label['baseline: the mean score of the training']
  assert (mean[2], mean[5], mean[6]) == ('', '2.500', '12.80')
  assert by_label['baseline: the difficulty alone'][2] == '0.590'
  for label, values in figures.items():
    expected = f'{np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}'
    assert by_label[label][2] == expected
  core = by_label['relative to exemplars (CoRe)']
  assert core[1] == '0.9512 (rel. L2 0.260)'
  assert by_label['execution'][4] == '0.500 ± 0.000'
  assert by_label['execution'][7].startswith('+')
  assert by_label['execution'][9] == '< 0.001'
  assert by_label["score, the paper's head"][7:] == ('', '', '')
  notes = ' '.join(table.notes)
  assert 'execution, difficulty predicted: the difficulty is off by 0.15' in (
    notes
  )
  assert 'SAP-Net 0.9638' in notes
  assert 'USDL are not told the difficulty' in notes
  assert 'from 10 m.' in notes
