"""The report, read again as a browser would read it."""

import json
import os
import re
import subprocess
import sys

import dive_tasks
import numpy as np
import pytest
from html_page import check_self_contained
from made_up_report import evaluation_of, predictions_of, write_page
from scipy import stats

from aqa_jax.report import report_tables


def test_the_page_needs_nothing_else(tmp_path):
  predictions = predictions_of()
  page, text = write_page(tmp_path, predictions)
  check_self_contained(page, text)
  assert (tmp_path / 'report_test.html').exists()
  assert page.text('h1') == 'test 12 dives'
  facts = page.text('dl', class_='facts')
  assert facts == 'checkpoint step 60 dataset made/up tasks score'
  # The same again, to the last bit.
  assert write_page(tmp_path, predictions)[1] == text


def test_headline_numbers(tmp_path):
  predictions = predictions_of(30)
  predicted, true = (
    np.asarray(x, float)
    for x in (predictions.outputs['score'], predictions.labels['final_score'])
  )
  error = predicted - true
  evaluation = evaluation_of(
    predictions,
    kendall_tau=-0.25,
    intervals={'mae': [1.5, 2.25], 'spearman': [float('nan'), None]},
    ceilings={'judges': {'mae': 0.75, 'spearman': 0.99}},
  )
  page, _ = write_page(tmp_path, predictions, evaluation)
  cards = {
    attributes['data-measure']: text
    for attributes, text in page.all('div', class_='card')
  }
  difficulty = predictions.labels['difficulty'].astype(float)
  # Without the rounding of float32, equal executions are equal.
  executions = [np.round(x / difficulty, 3) for x in (predicted, true)]
  baselines = evaluation['baselines']
  mae = min(baselines, key=lambda name: baselines[name]['mae'])
  expected = {
    'spearman': f'{stats.spearmanr(predicted, true).statistic:.3f}',
    'kendall_tau': '\N{MINUS SIGN}0.250',
    'execution_spearman': f'{stats.spearmanr(*executions).statistic:.3f}',
    'relative_l2': f'{100 * np.mean((error / np.ptp(true)) ** 2):.3f}',
    'mse': f'{np.mean(error**2):.1f}',
    'mae': f'{np.abs(error).mean():.2f}',
  }
  assert set(cards) == set(expected)
  for name, value in expected.items():
    assert f' {value}' in cards[name]
  assert '95 %: 1.50–2.25' in cards['mae']
  assert (
    f'{baselines[mae]["mae"]:.2f} ({mae.replace("+", " + ")})' in cards['mae']
  )
  assert '95' not in cards['spearman']
  rows = [
    t for a, t in page.all('tr') if a.get('class') in ('baseline', 'model')
  ]
  assert len(rows) == 1 + len(baselines)
  for name, baseline in baselines.items():
    (row,) = [
      r
      for r in rows
      if r.startswith(f'baseline {" + ".join(name.split("+"))} ')
      and r.count('+') == name.count('+')
    ]
    assert row.endswith(f'{baseline["mse"]:.1f} {baseline["mae"]:.2f}')
  assert 'ceiling judges 0.990 – – – 0.75' in page.text(
    'section', id='headline'
  )


def test_warnings(tmp_path):
  predictions = predictions_of()
  evaluation = evaluation_of(
    predictions, selected_on='validation', trained_on=0
  )
  page, _ = write_page(tmp_path, predictions, evaluation)
  assert not page.all('p', class_='warning')
  evaluation |= {'selected_on': 'test', 'trained_on': 7}
  page, _ = write_page(tmp_path, predictions, evaluation)
  chosen, trained = [text for _, text in page.all('p', class_='warning')]
  assert 'chosen on the test split' in chosen
  assert '7 of the 12 dives were trained on' in trained


def test_hostile_texts_are_text(tmp_path):
  predictions = predictions_of(2)
  hostile = '<script>alert("1")</script> & \' "> <img src=x onerror=y>'
  predictions = dive_tasks.predictions(
    predictions.labels | {'dive_number': np.array(['<b>&'] * 2)},
    scores=predictions.outputs['score'],
    captions=[[hostile], []],
    reference_captions=[[hostile], [hostile]],
  )
  evaluation = evaluation_of(
    predictions, split='<test>', caption_notes=[hostile]
  )
  evaluation['baselines'] |= {hostile: {'mae': 1.0}}
  (tmp_path / 'metrics.jsonl').write_text(
    json.dumps({'step': 1, f'train/{hostile}$': 1.0}) + '\n'
  )
  page, text = write_page(tmp_path, predictions, evaluation)
  check_self_contained(page, text)
  assert len(page.all('img')) == 2 * 8
  assert hostile in page.text('section', id='captions')
  (_, first), (_, second) = page.all('article', class_='dive worst') + page.all(
    'article', class_='dive best'
  )
  both = first + second
  assert both.count(hostile) == 3
  assert '(nothing)' in both
  assert ', <b>&' in first
  assert '&lt;script&gt;' in text


@pytest.mark.parametrize(
  'tasks',
  [
    ('score',),
    ('score', 'classes'),
    ('score', 'captions'),
    ('classes',),
    ('captions',),
  ],
)
def test_any_tasks(tmp_path, tasks):
  predictions = predictions_of(5, tasks)
  page, text = write_page(tmp_path, predictions)
  check_self_contained(page, text)
  sections = {attributes['id'] for attributes, _ in page.all('section')}
  expected = {'training'}
  if 'score' in tasks:
    expected |= {'headline', 'score', 'errors', 'dives'}
  assert sections == expected | ({'classes', 'captions'} & set(tasks))


def test_absent_and_undefined_figures(tmp_path):
  predictions = predictions_of(1)
  bare = {'split': 'test', 'num_dives': 1}
  page, text = write_page(tmp_path, predictions, bare)
  check_self_contained(page, text)
  assert page.text('h1') == 'test 1 dive'
  nothing = float('nan')
  evaluation = evaluation_of(predictions, events={'1': {'spearman': None}})
  for undefined in (nothing, None):
    evaluation |= {
      'spearman': undefined,
      'intervals': {'spearman': [undefined, undefined]},
      'bleu_4': undefined,
      'cider': undefined,
      'caption_baselines': {'dealt': {'bleu_4': undefined}},
      'ceilings': {},
    }
    page, text = write_page(tmp_path, predictions, evaluation)
    check_self_contained(page, text)
    assert 'nan' not in re.sub(r'base64,[^"]*', '', text).lower()
    # A single dive has no rank, and a card of a dash would say nothing.
    assert not page.all('div', data_measure='spearman')
    assert page.all('div', data_measure='mae')
    assert 'CIDEr – –' in page.text('section', id='captions')


def test_many_events(tmp_path):
  predictions = predictions_of(400, num_events=100)
  evaluation = evaluation_of(predictions)
  evaluation['events'] = {e: {'spearman': e / 100} for e in range(1, 101)}
  page, text = write_page(tmp_path, predictions, evaluation)
  check_self_contained(page, text)
  error = (
    predictions.outputs['score'] - predictions.labels['final_score']
  ).astype(float)
  table = page.text('details')
  assert table.startswith('By event (100)')
  for event in (1, 50, 100):
    own = error[predictions.labels['event'] == event]
    bias = report_tables.signed(own.mean(), 1)
    row = f' {event} 4 {bias} {np.abs(own).mean():.1f} {event / 100:.2f}'
    assert row in table
  assert len(text) < 1e6


def test_training_curves(tmp_path):
  predictions = predictions_of(3)
  page, _ = write_page(tmp_path, predictions)
  assert 'no metrics.jsonl' in page.text('section', id='training')
  path = tmp_path / 'metrics.jsonl'
  path.write_text('')
  page, _ = write_page(tmp_path, predictions)
  assert 'no metrics.jsonl' in page.text('section', id='training')
  lines = [
    {'step': step, 'train/loss': 1 / step, 'train/score': 2.0, 'train/x': None}
    for step in range(1, 2000)
  ]
  lines.append({'step': 60, 'validation/spearman': None})
  lines.append({'step': 90, 'validation/spearman': 0.5, 'validation/mae': 3.0})
  lines.append({'step': 90, 'validation/accuracy_twists': 80.0})
  whole = ''.join(json.dumps(line) + '\n' for line in lines)
  path.write_text(whole + '[1]\n{"step": 2000, "train/lo')
  page, text = write_page(tmp_path, predictions)
  check_self_contained(page, text)
  names = [
    name
    for _, name in page.all('figcaption')
    if name.startswith(('training', 'validation'))
  ]
  assert names == [
    'training: loss',
    'training: score loss',
    'validation: rank correlation',
    'validation: accuracy, percent',
    'validation: MAE, points',
  ]
  # Two thousand steps are drawn as some hundred points.
  assert len(text) < 250_000


@pytest.mark.parametrize('backend, kept', [('svg', 'svg'), ('none_such', None)])
def test_a_notebook_keeps_its_backend(backend, kept):
  # A program of its own: the backend is chosen when Matplotlib is imported.
  shows = (
    'import os; from aqa_jax.report import report_charts as charts; '
    'backend = charts.matplotlib.rcParams._get_backend_or_none(); '
    'print(os.environ["MPLBACKEND"], backend)'
  )
  done = subprocess.run(
    [sys.executable, '-c', shows],
    env=os.environ | {'MPLBACKEND': backend},
    capture_output=True,
    text=True,
    check=True,
  )
  assert done.stdout.split() == [backend, str(kept)]
