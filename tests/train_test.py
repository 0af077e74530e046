"""Training from the config to the evaluation, on a dataset of 32 dives."""

import collections
import contextlib
import csv
import fcntl
import json
import math
import pathlib

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
import pytest

from aqa_jax import train
from aqa_jax.configs import quickstart
from aqa_jax.data.schema import Schema
from aqa_jax.evaluation import baselines, caption_metrics, conformal
from aqa_jax.evaluation.interval_coverage import measure_intervals
from aqa_jax.predictions import Predictions
from tfds_mtl_aqa.input_error import InputError
from tfds_mtl_aqa.labels import CLASS_NAMES

ROOT = pathlib.Path(__file__).parents[1]


def _config(overrides, **changes) -> ml_collections.ConfigDict:
  config = quickstart.get_config()
  config.update_from_flattened_dict(overrides | changes)
  return config


@pytest.fixture(name='trained', scope='module')
def fixture_trained(tmp_path_factory, tiny_overrides):
  """The workdir of a finished training, and what it returned."""
  workdir = tmp_path_factory.mktemp('trained')
  config = _config(
    tiny_overrides,
    test_splits=('test', 'test_shared_events'),
    tensorboard=True,
  )
  return workdir, train.train_and_evaluate(config, workdir)


def _lines(workdir):
  text = (workdir / 'metrics.jsonl').read_text()
  return [json.loads(line) for line in text.splitlines()]


def _evaluation(workdir, split='test'):
  return json.loads((workdir / f'eval_{split}.json').read_text())


def _rows(workdir, split='test'):
  with open(workdir / f'predictions_{split}.csv', newline='') as file:
    return list(csv.DictReader(file))


def test_tensorboard_files(trained):
  assert list((trained[0] / 'tensorboard').iterdir())


def test_metrics_tell_every_step(trained):
  lines = _lines(trained[0])
  training = [line for line in lines if 'train/loss' in line]
  # Twelve dives, batches of 8, four epochs.
  assert [line['step'] for line in training] == [1, 2, 3, 4, 5, 6]
  for line in training:
    assert line['train/loss'] == pytest.approx(
      line['train/score']
      + line['train/classes']
      + 0.01 * line['train/captions'],
      rel=1e-5,
    )
    assert line['train/gradient_norm'] > 0
  chosen = [line for line in lines if 'validation/spearman' in line]
  assert [line['step'] for line in chosen] == [2, 4, 6]


def test_evaluation_has_all_measures(trained):
  workdir, returned = trained
  for split in ('test', 'test_shared_events'):
    evaluation = _evaluation(workdir, split)
    assert evaluation['split'] == split
    assert evaluation['num_dives'] == 8
    assert evaluation['mae'] > 0 and evaluation['relative_l2'] > 0
    # A constant prediction has none, which is null in the file.
    for name in ('spearman', 'execution_spearman'):
      value = returned[split][name]
      assert -1 <= value <= 1 or math.isnan(value)
    assert evaluation['trained_on'] == 0 and evaluation['is_finished'] is True
    assert set(evaluation['accuracy']) == set(CLASS_NAMES)
    for order in range(1, 5):
      assert 0 <= evaluation[f'bleu_{order}'] <= 1
    assert set(evaluation['baselines']) == {
      'mean',
      'median',
      *baselines.RIDGE_BASELINES,
    }
    for baseline in evaluation['baselines'].values():
      assert 'spearman' in baseline
    # NaN is null in the file.
    value = returned[split]['spearman']
    assert evaluation['spearman'] == (None if math.isnan(value) else value)


def test_predictions_give_the_measures(trained):
  """Measured again from the file alone."""
  workdir, _ = trained
  rows, evaluation = _rows(workdir), _evaluation(workdir)
  assert len({(row['event'], row['sample']) for row in rows}) == 8
  predicted, true = (
    np.array([float(row[name]) for row in rows])
    for name in ('predicted_score', 'true_score')
  )
  assert evaluation['mae'] == pytest.approx(
    np.abs(predicted - true).mean(), rel=1e-4
  )
  # The scores of the tiny dives differ, and so do predictions of a network.
  assert len(set(true)) == len(set(predicted)) == 8
  ranks = [values.argsort().argsort() for values in (predicted, true)]
  assert evaluation['spearman'] == pytest.approx(
    np.corrcoef(ranks)[0, 1], abs=1e-6
  )
  for task in CLASS_NAMES:
    right = [row[f'true_{task}'] == row[f'predicted_{task}'] for row in rows]
    assert evaluation['accuracy'][task] == pytest.approx(100 * np.mean(right))
  said, true = (
    [row[f'{name}_caption'].split() for row in rows]
    for name in ('predicted', 'true')
  )
  assert evaluation['bleu_1'] == pytest.approx(_bleu_1(said, true), abs=1e-6)
  for name, value in caption_metrics.caption_bleu(said, true).items():
    assert evaluation[name] == pytest.approx(value)


def test_the_coverage_of_the_intervals(trained):
  """Counted again, from the files alone."""
  workdir, _ = trained
  stored = json.loads((workdir / 'calibration.json').read_text())
  # Four dives are held out: they promise no 90 %.
  assert len(stored['absolute_errors']) == 4
  measured = _evaluation(workdir)['score_interval']
  assert measured['coverage_wanted'] == 0.9
  assert measured['coverage'] == 1.0
  assert measured['half_width'] is None
  assert stored['step'] == _evaluation(workdir)['step']
  rows = _rows(workdir)
  predicted, true = (
    np.array([float(row[name]) for row in rows])
    for name in ('predicted_score', 'true_score')
  )
  intervals = conformal.ScoreIntervals((1.0,) * 17 + (5.0, 20.0))
  predictions = conformal.with_half_widths(
    Predictions({'final_score': true}, {'score': predicted}, Schema()),
    intervals,
  )
  found = measure_intervals(predictions, intervals)
  # The 18th of 19 errors: ceil(20 * 0.9).
  assert found['half_width'] == 5.0
  assert found['coverage'] == np.mean(np.abs(predicted - true) <= 5)


def _bleu_1(said, true):
  """Returns the share of words that are right, times the brevity penalty."""
  right = sum(
    (collections.Counter(words) & collections.Counter(expected)).total()
    for words, expected in zip(said, true, strict=True)
  )
  num_said, num_true = sum(map(len, said)), sum(map(len, true))
  # Of an untrained network too: else every measure is zero.
  assert num_said and right
  return right / num_said * min(1.0, math.exp(1 - num_true / num_said))


def test_every_split_has_its_report(trained):
  workdir, returned = trained
  for split in ('test', 'test_shared_events'):
    text = (workdir / f'report_{split}.html').read_text('utf-8')
    assert f'<title>{split}: 8 dives evaluated</title>' in text
    assert f'<p class="value">{returned[split]["mae"]:.2f}</p>' in text
    # All eight dives, a strip of eight pictures each, a bar for every frame.
    assert text.count('<img src="data:image/jpeg;base64,') == 8 * 8
    assert text.count('<rect class=') == 8 * 12
    assert 'training: captions loss' in text


def test_two_trainings_of_one_workdir_exclude_one_another(
  tmp_path, tiny_config
):
  (tmp_path / '.lock').touch()
  with open(tmp_path / '.lock') as file:
    fcntl.flock(file, fcntl.LOCK_EX)
    with pytest.raises(InputError, match='another process is training there'):
      train.train_and_evaluate(tiny_config, tmp_path)
  assert not (tmp_path / 'metrics.jsonl').exists()


def test_a_config_that_is_refused_claims_no_workdir(tmp_path, tiny_overrides):
  for wrong in (
    {'dataset.vocabulary_size': 5},
    {'input.stride': 50.0},
    {'test_splits': ('nope',)},
    {'duration': 'nan epochs'},
  ):
    with pytest.raises(InputError):
      train.set_up(_config(tiny_overrides, **wrong), tmp_path)
    assert not list(tmp_path.iterdir())


def test_auto_goes_on_in_what_the_workdir_was_begun_with(
  tmp_path, tiny_overrides
):
  """A training begun on a GPU that goes on on this CPU, say."""
  config = _config(tiny_overrides, compute_dtype='bfloat16')
  begun = train.set_up(config, tmp_path)
  with contextlib.closing(begun.checkpoints):
    begun.checkpoints.save(begun.setup.create_state())
  experiment = train.set_up(_config(tiny_overrides), tmp_path)
  state = experiment.checkpoints.restore_latest(experiment.state)
  video = jnp.zeros((1, *experiment.dive_input.shape))
  text = str(
    jax.make_jaxpr(experiment.setup.model.apply)(
      {'params': state.params, 'batch_stats': state.batch_stats}, video
    )
  )
  assert 'bf16' in text
  with pytest.raises(
    InputError, match="compute_dtype: 'bfloat16' there, 'float32' now"
  ):
    train.set_up(_config(tiny_overrides, compute_dtype='float32'), tmp_path)


def test_choosing_on_the_test_split_marks_every_table(
  tmp_path, tiny_overrides, capsys
):
  config = _config(
    tiny_overrides,
    select_on='test',
    test_splits=('test', 'train'),
    duration='1 epochs',
  )
  found = train.train_and_evaluate(config, tmp_path)
  said = capsys.readouterr().out
  # Nothing is held out.
  assert 'Training on 16 dives, choosing by 8 of the test split' in said
  assert said.count('chosen on the test split: too favourable') == 2
  assert {e['selected_on'] for e in found.values()} == {'test'}
  assert found['test']['trained_on'] == 0
  assert found['train']['trained_on'] == found['train']['num_dives'] == 16
  assert said.count('16 of them were trained on: a leak') == 1
  for split in ('test', 'train'):
    page = (tmp_path / f'report_{split}.html').read_text()
    assert 'test split' in page
  with pytest.raises(InputError, match="select_on='tset': give validation"):
    train.set_up(_config(tiny_overrides, select_on='tset'), tmp_path / 'other')


def test_the_best_of_the_validations_is_evaluated(trained):
  workdir, _ = trained
  spearman = {
    line['step']: line['validation/spearman']
    for line in _lines(workdir)
    if 'validation/spearman' in line
  }
  # The first of the best; null, where all predictions are equal, is worse.
  best = max(
    spearman, key=lambda step: -1 if spearman[step] is None else spearman[step]
  )
  assert _evaluation(workdir)['step'] == best


def test_a_finished_run_evaluates_again(trained, tiny_overrides, capsys):
  workdir, _ = trained
  names = (
    'metrics.jsonl',
    'eval_test.json',
    'predictions_test.csv',
    'report_test.html',
    'goodput.json',
  )
  before = [(workdir / name).read_bytes() for name in names]
  config = _config(tiny_overrides)
  train.train_and_evaluate(config, workdir)
  assert 'Going on from step 6 of 6, on 1 ' in capsys.readouterr().out
  train.evaluate_best(train.set_up(config, workdir))
  assert [(workdir / name).read_bytes() for name in names] == before
  assert 'Spearman' in capsys.readouterr().out


def test_what_had_a_part_in_the_training_is_counted(trained, tiny_overrides):
  """Of the training split 12 dives were trained on, and 4 chose."""
  workdir, _ = trained
  config = _config(tiny_overrides, test_splits=('train',), meteor=False)
  experiment = train.set_up(config, workdir)
  with contextlib.closing(experiment.checkpoints):
    found = train.evaluate_best(experiment)['train']
  assert found['num_dives'] == found['trained_on'] == 16


def test_a_begun_training_is_no_set_of_weights(
  trained, tmp_path, tiny_overrides
):
  """What it began with is not its result."""
  config = _config(tiny_overrides, init_from=str(trained[0]))
  experiment = train.set_up(config, tmp_path)
  with contextlib.closing(experiment.checkpoints):
    experiment.checkpoints.save(experiment.setup.create_state())
    with pytest.raises(InputError, match='best: holds no checkpoint'):
      train.evaluate_best(experiment)


@pytest.mark.parametrize(
  'max_non_finite, message',
  [
    (1, 'in 1 steps in a row, the last of them step 2; .*non_finite.jsonl'),
    (9, 'predictions for 4 of 4 dives are not finite'),
  ],
)
def test_a_loss_that_is_not_finite_stops(
  tmp_path, tiny_overrides, max_non_finite, message
):
  config = _config(
    tiny_overrides,
    **{
      'optimizer.learning_rate': 1e38,
      'optimizer.warmup': '0 steps',
      'mesh.data': 1,
      'max_non_finite': max_non_finite,
      'tasks': 'score',
    },
  )
  with pytest.raises(FloatingPointError, match=message):
    train.train_and_evaluate(config, tmp_path)
  (line,) = (tmp_path / 'non_finite.jsonl').read_text().splitlines()
  record = json.loads(line)
  assert record['step'] == 2 and record['loss'] is None
  assert len(record['dive_id']) == 8 and {
    len(key) for key in record['dive_id']
  } == {2}


def test_different_seeds_train_differently(tmp_path, tiny_overrides):
  """Other parameters, in another order; the same dives are held out."""
  params, scores, held_out = [], [], []
  for seed in (0, 0, 1):
    config = _config(tiny_overrides, seed=seed)
    experiment = train.set_up(config, tmp_path / str(len(params)))
    with contextlib.closing(experiment.checkpoints):
      params.append(jax.tree.leaves(experiment.setup.create_state().params))
      scores.append(next(experiment.batches(0))['score'].tolist())
      held_out.append(experiment.validation.labels['final_score'].tolist())
  assert all(map(np.array_equal, params[0], params[1]))
  assert not all(map(np.array_equal, params[0], params[2]))
  assert scores[0] == scores[1] != scores[2]
  assert held_out[0] == held_out[2]
