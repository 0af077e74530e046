"""A report of made-up dives, for tests."""

import dive_tasks
import numpy as np
from html_page import Page

from aqa_jax.report import filmstrip, report
from tfds_mtl_aqa.labels import CLASS_NAMES

FRAMES = 18
_FACTS = {'dataset': 'made/up', 'tasks': 'score'}


def labels_of(num_dives, num_events=3, seed=0):
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


def predictions_of(
  num_dives=12, tasks=('score', 'classes', 'captions'), **more
):
  labels = labels_of(num_dives, **more)
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


def evaluation_of(predictions, **more):
  evaluation = dive_tasks.evaluate(predictions, labels_of(40, seed=2))
  return evaluation | {'split': 'test', 'step': 60} | more


def strip(index):
  video = np.full((FRAMES, 16, 16, 3), index % 256, np.uint8)
  importances = np.linspace(-2, 1, FRAMES) * (1 + index)
  return filmstrip.make_filmstrip(video, np.arange(2, 20), importances)


def write_page(folder, predictions, evaluation=None, strips=strip):
  if evaluation is None:
    evaluation = evaluation_of(predictions)
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
