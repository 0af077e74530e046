import csv
import json
import math

import dive_tasks
import numpy as np
import pytest

from aqa_jax.evaluation import evaluation_files, metrics
from aqa_jax.evaluation.dive_words import dive_words
from tfds_mtl_aqa import labels

SCORE_KEYS = {'spearman', 'kendall_tau', 'relative_l2', 'mse', 'mae'}


def _format_table(evaluation):
  return evaluation_files.format_table(
    dive_tasks.tasks_of(evaluation), evaluation
  )


def made_labels(num_dives=6, seed=0):
  rng = np.random.default_rng(seed)
  made = {
    task: rng.integers(0, len(names), num_dives)
    for task, names in labels.CLASS_NAMES.items()
  }
  difficulty = rng.integers(15, 42, num_dives) / 10
  return made | {
    'event': np.full(num_dives, 7),
    'sample': np.arange(1, num_dives + 1),
    'dive_number': np.array(['5253B'] * num_dives),
    'difficulty': difficulty.astype(np.float32),
    'start_frame': np.full(num_dives, 1),
    'end_frame': rng.integers(54, 273, num_dives),
    'final_score': (difficulty * rng.integers(30, 60, num_dives) / 2).astype(
      np.float32
    ),
  }


def made_predictions(num_dives=6):
  truth = made_labels(num_dives)
  truth |= {
    'position': np.array([2, 1, 0, 1, 2, 0][:num_dives]),
    'armstand': np.array([0, 1, 0, 0, 0, 0][:num_dives]),
    'rotation_type': np.array([0, 1, 2, 3, 0, 1][:num_dives]),
    'somersaults': np.array([7, 2, 5, 4, 9, 0][:num_dives]),
    'twists': np.array([0, 2, 3, 0, 0, 0][:num_dives]),
  }
  rng = np.random.default_rng(1)
  reference = [['a', 'good', 'dive', ',', 'well'] for _ in range(num_dives)]
  return dive_tasks.predictions(
    labels=truth,
    scores=truth['final_score'] + rng.normal(0, 9, num_dives).astype('f4'),
    classes={task: truth[task].copy() for task in labels.CLASS_NAMES},
    captions=[*reference[:-1], []],
    reference_captions=reference,
  )


def test_evaluate_holds_every_measure():
  predictions = made_predictions()
  found = dive_tasks.evaluate(predictions, made_labels(40, seed=2))
  assert found['num_dives'] == 6
  expected = metrics.score_metrics(
    predictions.outputs['score'], predictions.labels['final_score']
  )
  assert {key: found[key] for key in SCORE_KEYS} == expected
  assert found['execution_spearman'] == metrics.execution_spearman(
    predictions.outputs['score'],
    predictions.labels['final_score'],
    predictions.labels['difficulty'],
  )
  assert found['accuracy'] == dict.fromkeys(labels.CLASS_NAMES, 100.0)
  # 25 of 30 words, all right: the brevity penalty alone.
  assert found['bleu_1'] == pytest.approx(math.exp(1 - 30 / 25))
  assert found['bleu_4'] == pytest.approx(found['bleu_1'])
  assert set(found['majority_accuracy']) == set(labels.CLASS_NAMES)
  assert 'difficulty+class+event+length' in found['baselines']
  assert all(
    set(baseline) == SCORE_KEYS for baseline in found['baselines'].values()
  )


def test_a_score_only_model_has_no_other_rows():
  whole = made_predictions()
  predictions = dive_tasks.predictions(
    whole.labels, scores=whole.outputs['score']
  )
  found = dive_tasks.evaluate(predictions, made_labels(40, seed=2))
  assert 'accuracy' not in found
  assert 'bleu_1' not in found
  table = _format_table(found)
  assert 'Spearman' in table
  assert 'BLEU' not in table
  assert 'majority' not in table
  (row, *_) = evaluation_files.prediction_rows(
    dive_tasks.tasks_of(predictions), predictions
  )
  assert 'true_twists' in row
  assert 'predicted_twists' not in row
  assert 'predicted_caption' not in row


def test_a_class_only_model_has_no_score_rows():
  whole = made_predictions()
  classes = {'twists': whole.outputs['classes']['twists']}
  predictions = dive_tasks.predictions(whole.labels, classes=classes)
  found = dive_tasks.evaluate(predictions, made_labels(40, seed=2))
  assert not SCORE_KEYS & set(found)
  assert found['accuracy'] == {'twists': 100.0}
  table = _format_table(found)
  assert 'Spearman' not in table
  assert 'armstand' not in table
  sample = evaluation_files.format_samples(
    evaluation_files.prediction_rows(
      dive_tasks.tasks_of(predictions), predictions
    ),
    1,
  )
  assert sample.splitlines()[-1].split() == ['predicted', 'no', 'twist']


def test_predictions_of_different_sizes_are_refused():
  truth = made_labels(6)
  with pytest.raises(ValueError, match=r"'outputs'\]\['score'\]\S+ 5"):
    dive_tasks.predictions(truth, scores=np.zeros(5))


def test_the_csv_reads_back(tmp_path):
  predictions = made_predictions()
  rows = evaluation_files.prediction_rows(
    dive_tasks.tasks_of(predictions), predictions
  )
  path = evaluation_files.write_predictions(tmp_path, 'test', rows)
  assert path == tmp_path / 'predictions_test.csv'
  with open(path, encoding='utf-8', newline='') as file:
    found = list(csv.DictReader(file))
  assert len(found) == 6
  assert list(found[0]) == [
    'event', 'sample', 'dive_number', 'difficulty',
    'true_score', 'predicted_score',
    'true_position', 'predicted_position',
    'true_armstand', 'predicted_armstand',
    'true_rotation_type', 'predicted_rotation_type',
    'true_somersaults', 'predicted_somersaults',
    'true_twists', 'predicted_twists',
    'true_caption', 'predicted_caption',
  ]  # fmt: skip
  first, last = found[0], found[-1]
  assert (first['event'], first['sample']) == ('7', '1')
  assert first['dive_number'] == '5253B'
  assert first['true_somersaults'] == '3.5'
  assert first['true_position'] == 'tuck'
  assert first['true_rotation_type'] == 'backward'
  assert first['true_caption'] == 'a good dive , well'
  assert last['predicted_caption'] == ''
  scores = np.array([row['predicted_score'] for row in found], np.float32)
  np.testing.assert_array_equal(scores, predictions.outputs['score'])


def test_float32_numbers_are_written_as_they_read():
  truth = made_labels(1)
  truth |= {
    'difficulty': np.float32([3.2]),
    'final_score': np.float32([84.15]),
  }
  del truth['dive_number']
  predictions = dive_tasks.predictions(truth, truth['final_score'])
  (row,) = evaluation_files.prediction_rows(
    dive_tasks.tasks_of(predictions), predictions
  )
  assert (row['difficulty'], row['true_score']) == (3.2, 84.15)
  assert row['dive_number'] == ''


def test_the_json_is_strict(tmp_path):
  truth = made_predictions()
  constant = dive_tasks.predictions(truth.labels, scores=np.full(6, 67.4))
  evaluation = dive_tasks.evaluate(constant, made_labels(40, seed=2))
  path = evaluation_files.write_evaluation(
    tmp_path, 'test[:50%]/a', evaluation | {'step': np.int32(7)}
  )
  assert path == tmp_path / 'eval_test_50_a.json'

  def refuse(name):
    raise AssertionError(f'{name} is not JSON')

  found = json.loads(path.read_text('utf-8'), parse_constant=refuse)
  assert found['spearman'] is None
  assert found['baselines']['mean']['spearman'] is None
  assert found['mae'] == evaluation['mae']
  assert found['step'] == 7
  # The table reads the file's null as it reads NaN.
  table = _format_table(found)
  assert table == evaluation_files.format_table(
    dive_tasks.tasks_of(evaluation), evaluation
  )


def test_writing_no_rows_is_refused(tmp_path):
  with pytest.raises(ValueError, match='no predictions'):
    evaluation_files.write_predictions(tmp_path, 'test', [])


def test_format_table():
  evaluation = {
    'num_dives': 353,
    'spearman': 0.90441,
    'relative_l2': 0.4,
    'mse': 40.0,
    'mae': 5.126,
    'execution_spearman': 0.8,
    'accuracy': {'position': 96.317, 'twists': 93.2},
    'bleu_1': 0.25,
    'bleu_2': 0.125,
    'bleu_3': 0.05,
    'bleu_4': float('nan'),
    'baselines': {
      'mean': {'spearman': None, 'relative_l2': 3.0, 'mse': 1.0, 'mae': 12.0},
      'event': {'spearman': 0.637, 'relative_l2': 1.9, 'mse': 1.0, 'mae': 10.0},
    },
    'majority_accuracy': {'position': 48.725, 'twists': 73.371},
  }
  lines = evaluation_files.format_table(
    dive_tasks.tasks_of(evaluation), evaluation
  ).splitlines()
  assert [line.split() for line in lines] == [
    ['353', 'dives'],
    [],
    ['score', 'Spearman', 'rel.', 'L2', 'MAE'],
    ['model', '0.9044', '0.400', '5.13'],
    ['baseline:', 'mean', '-', '3.000', '12.00'],
    ['baseline:', 'event', '0.6370', '1.900', '10.00'],
    ['model,', 'execution', 'alone', '0.8000'],
    [],
    ['class,', '%', 'correct', 'model', 'majority'],
    ['position', '96.32', '48.73'],
    ['twists', '93.20', '73.37'],
    # The mean of these, and of the majority's.
    ['mean', '94.76', '61.05'],
    [],
    ['caption', 'BLEU-1', 'BLEU-2', 'BLEU-3', 'BLEU-4'],
    ['model', '0.2500', '0.1250', '0.0500', '-'],
  ]
  # Columns end at the same place.
  assert len({len(line) for line in lines[2:6]}) == 1
  assert max(map(len, lines)) <= 80


@pytest.mark.parametrize(
  ('number', 'expected'),
  [
    (0, 'backward 3.5 somersaults tuck'),
    (1, 'armstand forward 1 somersault 1 twist pike'),
    (2, 'inward 2.5 somersaults 1.5 twists free'),
    (5, 'forward 0 somersaults free'),
  ],
)
def test_dive_words(number, expected):
  predictions = made_predictions()
  classes = {
    task: names[predictions.labels[task][number]]
    for task, names in labels.CLASS_NAMES.items()
  }
  assert dive_words(classes) == expected


def test_dive_words_of_some_tasks():
  assert dive_words({'position': 'pike'}) == 'pike'
  none = {'armstand': 'no', 'twists': '0'}
  assert dive_words(none) == 'no armstand no twist'
  assert dive_words(none | {'position': 'pike'}) == 'pike'
  assert dive_words({}) == ''
  with pytest.raises(ValueError, match="'bomb' is no class of 'position'"):
    dive_words({'position': 'bomb'})


def test_format_samples():
  rows = evaluation_files.prediction_rows(
    dive_tasks.dive_tasks(), made_predictions()
  )
  rows[0] |= {
    'difficulty': 3.2,
    'true_score': 88.0,
    'predicted_score': 79.256,
    'predicted_position': 'pike',
    'true_caption': ' '.join(['splash'] * 40),
  }
  lines = evaluation_files.format_samples(rows, 1).splitlines()
  assert lines[0] == 'event 7, dive 1, 5253B, difficulty 3.2'
  assert lines[1].split() == (
    ['true', '88.00', 'points', 'backward', '3.5', 'somersaults', 'tuck']
  )
  assert max(map(len, lines)) <= 100
  assert ' '.join(lines[2:6]).count('splash') == 40
  assert [line.split() for line in lines[6:]] == [
    ['predicted', '79.26', 'points', 'backward', '3.5', 'somersaults', 'pike'],
    ['"a', 'good', 'dive', ',', 'well"'],
  ]


def test_format_samples_spreads_over_the_rows():
  rows = evaluation_files.prediction_rows(
    dive_tasks.dive_tasks(), made_predictions()
  )

  def shown(n):
    text = evaluation_files.format_samples(rows, n)
    return [
      int(line.split(',')[1].split()[1])
      for line in text.splitlines()
      if line.startswith('event')
    ]

  assert shown(2) == [1, 6]
  assert shown(3) == [1, 3, 6]
  assert shown(50) == [1, 2, 3, 4, 5, 6]
  assert evaluation_files.format_samples(rows, 0) == ''
  assert evaluation_files.format_samples([], 3) == ''
