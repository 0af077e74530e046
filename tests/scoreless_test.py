"""Trainings on dives that learn no score."""

import contextlib
import csv
import dataclasses
import json

import numpy as np
import pytest
from html_page import Page
from splash_task import SplashTask

import aqa_jax
from aqa_jax import bundle, train
from aqa_jax.configs import quickstart
from aqa_jax.exporting import self_check
from aqa_jax.exporting.stablehlo import run_stablehlo, to_stablehlo
from aqa_jax.judging.model_source import find_model
from tfds_mtl_aqa.input_error import InputError
from tfds_mtl_aqa.labels import CLASS_NAMES


@dataclasses.dataclass(frozen=True)
class ChoosingSplash(SplashTask):
  """A task from outside that chooses the checkpoint, by a negative figure."""

  chooses_by = 'splash_spearman'

  def measure(self, predictions):
    figures = super().measure(predictions)
    return figures | {'splash_spearman': -figures['splash_mae']}


def _config(overrides, **changes):
  config = quickstart.get_config()
  with config.unlocked():
    config.loss_weights.splash = 1.0
    config.update_from_flattened_dict(overrides | changes)
  return config


@pytest.fixture(name='of_classes', scope='module')
def fixture_of_classes(tmp_path_factory, tiny_overrides):
  """The workdir of a training on classes, its evaluation, and its config."""
  workdir = tmp_path_factory.mktemp('of_classes')
  config = _config(tiny_overrides, tasks='classes')
  return workdir, train.train_and_evaluate(config, workdir)['test'], config


def _lines(workdir):
  text = (workdir / 'metrics.jsonl').read_text()
  return [json.loads(line) for line in text.splitlines()]


def _rows(workdir):
  with open(workdir / 'predictions_test.csv', newline='') as file:
    return list(csv.DictReader(file))


def test_the_checkpoint_is_that_of_the_best_accuracy(of_classes):
  workdir, evaluation, _ = of_classes
  chosen = {}
  for line in _lines(workdir):
    by_class = [
      value
      for name, value in line.items()
      if name.startswith('validation/accuracy_')
    ]
    if by_class:
      assert len(by_class) == len(CLASS_NAMES)
      mean = line['validation/mean_accuracy']
      assert mean == pytest.approx(np.mean(by_class))
      chosen[line['step']] = mean
  assert list(chosen) == [2, 4, 6]
  # The first of the best.
  assert evaluation['step'] == max(chosen, key=chosen.get)


def test_the_files_lack_the_score_alone(of_classes):
  workdir, evaluation, _ = of_classes
  assert set(evaluation) == {
    'split', 'step', 'selected_on', 'trained_on', 'is_finished', 'num_dives',
    'accuracy', 'mean_accuracy', 'majority_accuracy', 'intervals', 'confusion',
    'recall',
  }  # fmt: skip
  rows = _rows(workdir)
  right = {
    name: 100
    * np.mean([r[f'true_{name}'] == r[f'predicted_{name}'] for r in rows])
    for name in CLASS_NAMES
  }
  assert evaluation['accuracy'] == pytest.approx(right)
  found = evaluation['mean_accuracy']
  assert found == pytest.approx(np.mean(list(right.values())))
  low, high = evaluation['intervals']['mean_accuracy']
  assert low <= found <= high
  assert not any('score' in name for name in rows[0])
  assert not (workdir / 'calibration.json').exists()
  stored = json.loads((workdir / 'eval_test.json').read_text())
  assert set(stored) == set(evaluation)


def test_the_page_lacks_the_score_alone(of_classes):
  workdir, evaluation, _ = of_classes
  text = (workdir / 'report_test.html').read_text('utf-8')
  page = Page(text)
  sections = [section['id'] for section, _ in page.all('section')]
  assert sections == ['classes', 'training']
  links = [link['href'] for link, _ in page.all('a')]
  assert links[:2] == ['#classes', '#training']
  for figure in (
    evaluation['accuracy']['position'],
    evaluation['mean_accuracy'],
  ):
    assert f'<b>{figure:.2f}</b> %' in text
  assert 'score' not in page.text('main')


def test_it_is_evaluated_again(of_classes, capsys):
  workdir, evaluation, config = of_classes
  with contextlib.closing(train.set_up(config, workdir)) as training:
    again = train.evaluate_best(training)['test']
  # NaN, of classes that no dive has, is not equal to itself.
  assert repr(again) == repr(evaluation)
  said = capsys.readouterr().out
  table = [line.split() for line in said.splitlines()]
  guessed = np.mean(list(evaluation['majority_accuracy'].values()))
  mean = [f'{evaluation["mean_accuracy"]:.2f}', f'{guessed:.2f}']
  assert ['mean', *mean] in table
  assert 'score' not in said and 'points' not in said
  train.train_and_evaluate(config, workdir)
  assert 'Going on from step 6 of 6' in capsys.readouterr().out


def test_it_judges_what_it_has_learned(of_classes, tmp_path, capsys):
  workdir, evaluation, _ = of_classes
  bundle.main([f'--workdir={workdir}', f'--out={tmp_path / "model"}'])
  assert 'It gives no score.' in capsys.readouterr().out
  card = (tmp_path / 'model' / 'README.md').read_text('utf-8')
  assert 'learned from scores' not in card
  assert f'{evaluation["mean_accuracy"]:.4g}' in card
  judge = aqa_jax.load(tmp_path / 'model')
  video = np.random.default_rng(0).integers(0, 256, (30, 24, 32, 3), np.uint8)
  judgement = judge(video, force=True)
  assert judgement.score is None and judgement.importance is None
  assert set(judgement.classes) == set(CLASS_NAMES)
  assert 'score' not in str(judgement)


def test_it_is_exported(of_classes, tmp_path):
  model = find_model(of_classes[0])
  path = tmp_path / 'dives.stablehlo'
  path.write_bytes(to_stablehlo(model))
  video = self_check.random_video(model, 2)
  wanted = self_check.network_outputs(model, video)
  assert self_check.difference(wanted, run_stablehlo(path, video)).is_small
  assert not any('score' in name for name in wanted)


def test_a_task_from_outside_chooses(tmp_path, monkeypatch, tiny_overrides):
  config = _config(tiny_overrides, tasks='scoreless_test:ChoosingSplash')
  with contextlib.closing(train.set_up(config, tmp_path)) as training:
    training.state = training.setup.create_state()
    figures = training.validate()
    assert figures[training.measure] == -figures['splash_mae'] < 0
    monkeypatch.setattr(ChoosingSplash, 'chooses_by', 'splash')
    with pytest.raises(InputError, match="chooses_by='splash' is no figure"):
      training.validate()
