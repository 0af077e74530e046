"""The report's tables, by hand."""

import dive_tasks
import numpy as np

from aqa_jax.report import report_tables


def test_group_errors_by_hand():
  groups = report_tables.group_errors(
    np.array([3.0, -1.0, -4.0]), np.array([0, 0, 2]), {0: 'a', 1: 'b', 2: 'c'}
  )
  assert [(g.num_dives, g.bias, g.mae) for g in groups[::2]] == [
    (2, 1.0, 2.0),
    (1, -4.0, 4.0),
  ]
  assert groups[1].num_dives == 0
  first, last = report_tables.error_rows(groups)
  assert (first['bias'], last['bias']) == ('+1.0', '\N{MINUS SIGN}4.0')
  assert (first['left'], first['width'], first['reach']) == (50, 12.5, 25)
  assert (last['left'], last['width'], last['reach']) == (0, 50, 50)


def test_confusions_by_hand():
  labels = {'position': np.array([0, 0, 0, 2, 2])}
  predictions = dive_tasks.predictions(
    labels, classes={'position': np.array([0, 0, 1, 2, 1])}
  )
  (table,) = report_tables.confusion_tables(
    predictions, {'accuracy': {'position': 60.0}}
  )
  assert (table['accuracy'], table['majority']) == ('60.00', '–')
  assert [row['recall'] for row in table['rows']] == ['66.7', '–', '50.0']
  assert [[cell[0] for cell in row['cells']] for row in table['rows']] == [
    [2, 1, 0],
    [0, 0, 0],
    [0, 1, 1],
  ]
  labels['position'] = np.array([0, 0, 0, 0, 2])
  predictions = dive_tasks.predictions(
    labels, classes={'position': labels['position']}
  )
  (table,) = report_tables.confusion_tables(predictions, {})
  assert table['class_names'] == ['free', 'tuck']
  assert table['absent'] == ['pike']


def test_numbers():
  assert report_tables.number(-0.04, 1) == '0.0'
  assert report_tables.number(-1.25, 2) == '\N{MINUS SIGN}1.25'
  assert report_tables.signed(0.04, 1) == '0.0'
  assert report_tables.signed(0.06, 1) == '+0.1'
  assert report_tables.number(float('nan'), 1) == '–'
  assert report_tables.signed(None, 1) == '–'
