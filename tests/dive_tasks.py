"""Tasks, schemas and predictions of dives for tests."""

import ml_collections

from aqa_jax.data.schema import Schema
from aqa_jax.evaluation import predict
from aqa_jax.evaluation.evaluator import chosen_evaluators
from aqa_jax.predictions import Predictions
from aqa_jax.tasks.captions import CaptionsTask
from aqa_jax.tasks.classes import ClassesTask
from aqa_jax.tasks.score import ScoreTask
from tfds_mtl_aqa.labels import CLASS_NAMES

ALL = ('score', 'classes', 'captions')


def dive_schema(words=('<eos>', '<sos>', 'a', 'dive')):
  return Schema(classes=tuple(CLASS_NAMES.items()), words=tuple(words))


def dive_tasks(names=ALL, words=11, length=6, initial_score=0.0):
  """Returns tasks by name, of dives whose captions have so many words."""
  made = {
    'score': ScoreTask(initial_score),
    'classes': ClassesTask(tuple((k, len(v)) for k, v in CLASS_NAMES.items())),
    'captions': CaptionsTask(words, length),
  }
  return tuple(made[name] for name in names)


def predictions(
  labels,
  scores=None,
  classes=None,
  captions=None,
  reference_captions=None,
  class_probabilities=None,
):
  """Returns predictions of the tasks that something is given for."""
  labels = dict(labels)
  if reference_captions is not None:
    labels['caption_words'] = reference_captions
  outputs = {
    'score': scores,
    'classes': classes,
    'class_probabilities': class_probabilities,
    'captions': captions,
  }
  known = {name: CLASS_NAMES[name] for name in CLASS_NAMES if name in labels}
  return Predictions(
    labels,
    {name: output for name, output in outputs.items() if output is not None},
    Schema(classes=tuple(known.items())),
  )


def tasks_of(found):
  """Returns the tasks of predictions, or of an evaluation."""
  keys = getattr(found, 'outputs', found)
  tasks = []
  if {'score', 'spearman'} & set(keys):
    tasks.append(ScoreTask())
  if classes := keys.get('classes', keys.get('accuracy')):
    tasks.append(ClassesTask(tuple((k, len(CLASS_NAMES[k])) for k in classes)))
  if {'captions', 'bleu_1'} & set(keys):
    tasks.append(CaptionsTask(4, 6))
  return tuple(tasks)


def evaluate(found, train_labels, evaluators='baselines', **config):
  """Returns what tasks and evaluators measure of predictions."""
  config = ml_collections.ConfigDict({'evaluators': evaluators} | config)
  tasks = tasks_of(found)
  measured = predict.measure(tasks, found)
  for evaluator in chosen_evaluators(config, tasks, train_labels):
    measured |= evaluator.evaluate(found)
  return measured
