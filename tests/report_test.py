"""The report, read again as a browser would read it."""

import base64
import json
import os
import re
import subprocess
import sys

import cv2
import dive_tasks
import numpy as np
import pytest
from html_page import Page, check_self_contained
from scipy import stats

from aqa_jax.evaluation import evaluation_files
from aqa_jax.report import filmstrip, report, report_tables
from tfds_mtl_aqa.labels import CLASS_NAMES

_FRAMES = 18
_FACTS = {'dataset': 'made/up', 'tasks': 'score'}


def _labels(num_dives, num_events=3, seed=0):
  rng = np.random.default_rng(seed)
  difficulty = rng.integers(15, 42, num_dives) / 10
  return {
    task: rng.integers(0, len(names), num_dives)
    for task, names in CLASS_NAMES.items()
  } | {
    'event': 1 + np.arange(num_dives) % num_events,
    'sample': 1 + np.arange(num_dives),
    'dive_number': np.array(['5253B'] * num_dives),
    'difficulty': difficulty.astype(np.float32),
    'start_frame': np.full(num_dives, 1),
    'end_frame': rng.integers(54, 273, num_dives),
    'final_score': (difficulty * rng.integers(30, 60, num_dives) / 2).astype(
      np.float32
    ),
  }


def _predictions(num_dives=12, tasks=('score', 'classes', 'captions'), **more):
  labels = _labels(num_dives, **more)
  rng = np.random.default_rng(5)
  probabilities = {
    task: rng.dirichlet(np.ones(len(names)), num_dives)
    for task, names in CLASS_NAMES.items()
  }
  made = {}
  if 'score' in tasks:
    made['scores'] = labels['final_score'] + rng.normal(0, 9, num_dives).astype(
      'f4'
    )
  if 'classes' in tasks:
    made['classes'] = {t: p.argmax(axis=1) for t, p in probabilities.items()}
    made['class_probabilities'] = probabilities
  if 'captions' in tasks:
    made['captions'] = [['a', 'good', 'dive']] * num_dives
    made['reference_captions'] = [['a', 'very', 'good', 'dive']] * num_dives
  return dive_tasks.predictions(labels, **made)


def _evaluation(predictions, **more):
  evaluation = dive_tasks.evaluate(predictions, _labels(40, seed=2))
  return evaluation | {'split': 'test', 'step': 60} | more


def _strip(index):
  video = np.full((_FRAMES, 16, 16, 3), index % 256, np.uint8)
  importances = np.linspace(-2, 1, _FRAMES) * (1 + index)
  return filmstrip.make_filmstrip(video, np.arange(2, 20), importances)


def _write(folder, predictions, evaluation=None, strips=_strip):
  if evaluation is None:
    evaluation = _evaluation(predictions)
  path = report.write_report(
    folder,
    dive_tasks.tasks_of(predictions),
    evaluation,
    predictions,
    strips,
    _FACTS,
  )
  text = path.read_text('utf-8')
  return Page(text), text


def test_the_page_needs_nothing_else(tmp_path):
  predictions = _predictions()
  page, text = _write(tmp_path, predictions)
  check_self_contained(page, text)
  assert (tmp_path / 'report_test.html').exists()
  assert page.text('h1') == 'test 12 dives'
  facts = page.text('dl', class_='facts')
  assert facts == 'checkpoint step 60 dataset made/up tasks score'
  # The same again, to the last bit.
  assert _write(tmp_path, predictions)[1] == text


def test_headline_numbers(tmp_path):
  predictions = _predictions(30)
  predicted, true = (
    np.asarray(x, float)
    for x in (predictions.outputs['score'], predictions.labels['final_score'])
  )
  error = predicted - true
  evaluation = _evaluation(
    predictions,
    kendall_tau=-0.25,
    intervals={'mae': [1.5, 2.25], 'spearman': [float('nan'), None]},
    ceilings={'judges': {'mae': 0.75, 'spearman': 0.99}},
  )
  page, _ = _write(tmp_path, predictions, evaluation)
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
  predictions = _predictions()
  evaluation = _evaluation(predictions, selected_on='validation', trained_on=0)
  page, _ = _write(tmp_path, predictions, evaluation)
  assert not page.all('p', class_='warning')
  evaluation |= {'selected_on': 'test', 'trained_on': 7}
  page, _ = _write(tmp_path, predictions, evaluation)
  chosen, trained = [text for _, text in page.all('p', class_='warning')]
  assert 'chosen on the test split' in chosen
  assert '7 of the 12 dives were trained on' in trained


def test_shown_dives_have_filmstrips(tmp_path):
  predictions = _predictions(20)
  asked = []

  def strips(index):
    asked.append(index)
    return _strip(index)

  page, _ = _write(tmp_path, predictions, strips=strips)
  error = np.abs(
    predictions.outputs['score'] - predictions.labels['final_score']
  )
  order = error.argsort().tolist()
  assert asked[:3] == order[::-1][:3]
  assert sorted(asked[3:6], key=order.index) == order[8:11]
  assert asked[6:] == order[:3]
  articles = page.all('article')
  assert [a['id'] for a, _ in articles] == [
    f'{kind}-{rank}'
    for kind in ('worst', 'typical', 'best')
    for rank in (1, 2, 3)
  ]
  assert len(page.all('img')) == 9 * 8
  rows = evaluation_files.prediction_rows(
    dive_tasks.tasks_of(predictions), predictions
  )
  for index, (_, text) in zip(asked, articles, strict=True):
    row = rows[index]
    assert f'event {row["event"]}, dive {row["sample"]}, 5253B' in text
    assert f'predicted {row["predicted_score"]:.2f}' in text
    assert f'true {row["true_score"]:.2f}' in text
    assert 'generated a good dive true a very good dive' in text
    for task, names in CLASS_NAMES.items():
      guess = row[f'predicted_{task}']
      share = predictions.outputs['class_probabilities'][task][index]
      words = f'{task.replace("_", " ")} {guess} {100 * share.max():.0f} %'
      assert words in text
      if guess != row[f'true_{task}']:
        true = row[f'true_{task}']
        assert f'true: {true} {100 * share[names.index(true)]:.0f} %' in text
  # The dots of these dives lead to them, in both charts.
  links = [a['xlink:href'] for a, _ in page.all('a') if 'xlink:href' in a]
  assert sorted(links) == sorted(2 * [f'#{a["id"]}' for a, _ in articles])


@pytest.mark.parametrize('num_dives', [1, 2, 3, 4, 7, 8, 9, 10])
def test_no_dive_is_shown_twice(num_dives):
  shown = report.dives_to_show(_predictions(num_dives))
  places = [index for indices in shown.values() for index in indices]
  assert len(set(places)) == len(places) == min(num_dives, 9)
  assert len(shown['worst']) == max(min((num_dives + 1) // 3, 3), 0)


def test_bars_are_the_importances(tmp_path):
  page, _ = _write(tmp_path, _predictions(1))
  bars = [
    attributes
    for attributes, _ in page.all('rect')
    if 'plus' in attributes.get('class', '')
    or 'minus' in attributes.get('class', '')
  ]
  values = np.linspace(-2, 1, _FRAMES) / 2
  assert len(bars) == _FRAMES
  for bar, value in zip(bars, values, strict=True):
    assert float(bar['height']) == pytest.approx(abs(value), abs=1e-3)
    assert float(bar['y']) == pytest.approx(min(-value, 0), abs=1e-3)
    assert bar['class'].startswith('plus' if value >= 0 else 'minus')
  titles = [t for _, t in page.all('title')][1:]
  assert titles[0] == 'frame 3: \N{MINUS SIGN}2.00 points'
  assert titles[-1] == 'frame 20: +1.00 points'
  assert 'the longest bar is 2.00 points' in page.text('article')


def test_filmstrip_shows_the_frames_it_names():
  video = np.arange(20, dtype=np.uint8)[:, None, None, None]
  video = np.broadcast_to(10 * video, (20, 180, 150, 3))
  offsets = np.floor(2.5 * np.arange(20)).astype(int)
  segments = filmstrip.make_filmstrip(video, offsets, np.arange(20.0))
  assert len(segments) == 8
  np.testing.assert_array_equal(
    np.concatenate([segment.frames for segment in segments]), offsets + 1
  )
  np.testing.assert_array_equal(
    np.concatenate([segment.importances for segment in segments]), np.arange(20)
  )
  for segment in segments:
    data = base64.b64decode(segment.picture.split(',')[1])
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape == (128, 107, 3)
    place = np.flatnonzero(offsets + 1 == segment.frames[segment.shown])[0]
    assert abs(picture.mean() - 10 * place) < 2
  assert len(filmstrip.make_filmstrip(video[:3], [0, 1, 2], np.zeros(3))) == 3
  with pytest.raises(ValueError, match='frames differ'):
    filmstrip.make_filmstrip(video, offsets, np.zeros(19))


def test_hostile_texts_are_text(tmp_path):
  predictions = _predictions(2)
  hostile = '<script>alert("1")</script> & \' "> <img src=x onerror=y>'
  predictions = dive_tasks.predictions(
    predictions.labels | {'dive_number': np.array(['<b>&'] * 2)},
    scores=predictions.outputs['score'],
    captions=[[hostile], []],
    reference_captions=[[hostile], [hostile]],
  )
  evaluation = _evaluation(predictions, split='<test>', caption_notes=[hostile])
  evaluation['baselines'] |= {hostile: {'mae': 1.0}}
  (tmp_path / 'metrics.jsonl').write_text(
    json.dumps({'step': 1, f'train/{hostile}$': 1.0}) + '\n'
  )
  page, text = _write(tmp_path, predictions, evaluation)
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
  predictions = _predictions(5, tasks)
  page, text = _write(tmp_path, predictions)
  check_self_contained(page, text)
  sections = {attributes['id'] for attributes, _ in page.all('section')}
  expected = {'training'}
  if 'score' in tasks:
    expected |= {'headline', 'score', 'errors', 'dives'}
  assert sections == expected | ({'classes', 'captions'} & set(tasks))


def test_absent_and_undefined_figures(tmp_path):
  predictions = _predictions(1)
  bare = {'split': 'test', 'num_dives': 1}
  page, text = _write(tmp_path, predictions, bare)
  check_self_contained(page, text)
  assert page.text('h1') == 'test 1 dive'
  nothing = float('nan')
  evaluation = _evaluation(predictions, events={'1': {'spearman': None}})
  for undefined in (nothing, None):
    evaluation |= {
      'spearman': undefined,
      'intervals': {'spearman': [undefined, undefined]},
      'bleu_4': undefined,
      'cider': undefined,
      'caption_baselines': {'dealt': {'bleu_4': undefined}},
      'ceilings': {},
    }
    page, text = _write(tmp_path, predictions, evaluation)
    check_self_contained(page, text)
    assert 'nan' not in re.sub(r'base64,[^"]*', '', text).lower()
    # A single dive has no rank, and a card of a dash would say nothing.
    assert not page.all('div', data_measure='spearman')
    assert page.all('div', data_measure='mae')
    assert 'CIDEr – –' in page.text('section', id='captions')


def test_many_events(tmp_path):
  predictions = _predictions(400, num_events=100)
  evaluation = _evaluation(predictions)
  evaluation['events'] = {e: {'spearman': e / 100} for e in range(1, 101)}
  page, text = _write(tmp_path, predictions, evaluation)
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
  predictions = _predictions(3)
  page, _ = _write(tmp_path, predictions)
  assert 'no metrics.jsonl' in page.text('section', id='training')
  path = tmp_path / 'metrics.jsonl'
  path.write_text('')
  page, _ = _write(tmp_path, predictions)
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
  page, text = _write(tmp_path, predictions)
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
