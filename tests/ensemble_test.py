"""Several networks evaluated together."""

import contextlib
import json

import numpy as np
import pytest

from aqa_jax import ensemble, train
from aqa_jax.configs import quickstart
from aqa_jax.data.schema import Schema
from aqa_jax.evaluation.ensemble import combined, spread_scale
from aqa_jax.predictions import Predictions
from tfds_mtl_aqa.input_error import InputError


def _predictions(score, **outputs):
  return Predictions(
    {'final_score': np.array([60.0, 70.0])},
    {'score': np.float32(score), **outputs},
    Schema(),
  )


def test_scales_by_hand():
  # Errors of 3 and 4 points.
  assert spread_scale(_predictions([63, 66])) == pytest.approx(np.sqrt(12.5))
  spreads = np.array([1.0, 2.0])
  found = spread_scale(_predictions([63, 66], score_spread=spreads))
  assert found == pytest.approx(np.sqrt((9 + 4) / 2))


def test_a_mixture_by_hand():
  one = _predictions(
    [60, 72],
    score_spread=np.array([1.0, 2.0]),
    captions=[['one'], ['two']],
    class_probabilities={'position': np.array([[0.9, 0.1], [0.4, 0.6]])},
    classes={'position': np.array([0, 1])},
  )
  two = _predictions(
    [64, 72],
    score_spread=np.array([0.5, 0.5]),
    captions=[['three'], ['four']],
    class_probabilities={'position': np.array([[0.8, 0.2], [0.7, 0.3]])},
    classes={'position': np.array([0, 0])},
  )
  found = combined([one, two], [1.0, 2.0]).outputs
  assert found['score'].tolist() == [62, 72]
  # Means of 1 and 1, of 4 and 1; and the variance of 60 and 64.
  np.testing.assert_allclose(found['score_spread'] ** 2, [1 + 4, 2.5])
  np.testing.assert_allclose(
    found['class_probabilities']['position'], [[0.85, 0.15], [0.55, 0.45]]
  )
  assert found['classes']['position'].tolist() == [0, 0]
  assert found['captions'] == [['one'], ['two']]


def test_the_variance_is_that_of_the_mixture():
  """Of Gaussians drawn from either member, as often."""
  rng = np.random.default_rng(0)
  spreads, scores = np.array([2.0, 5.0]), np.array([60.0, 66.0])
  members = [
    _predictions([s, s], score_spread=np.full(2, spread))
    for s, spread in zip(scores, spreads, strict=True)
  ]
  drawn = rng.normal(scores, spreads, (100_000, 2))
  found = combined(members, [1.0, 1.0]).outputs
  assert found['score_spread'][0] == pytest.approx(drawn.std(), rel=0.01)


def _workdir(folder, overrides, seed, tasks='gaussian_execution,classes'):
  config = quickstart.get_config()
  config.update_from_flattened_dict(overrides | {'tasks': tasks, 'seed': seed})
  training = train.set_up(config, folder)
  with contextlib.closing(training.checkpoints):
    training.state = training.setup.create_state()
    training.checkpoints.save_best(training.state, 0.5)
    return training.predictions(training.tests['test'])


@pytest.fixture(name='members', scope='module')
def fixture_members(tmp_path_factory, tiny_overrides):
  folder = tmp_path_factory.mktemp('members')
  predictions = [
    _workdir(folder / str(seed), tiny_overrides, seed) for seed in range(2)
  ]
  return [folder / '0', folder / '1'], predictions


def test_workdirs_are_evaluated_together(members, tmp_path, capsys):
  workdirs, predictions = members
  out = tmp_path / 'both'
  ensemble.main([f'--workdirs={workdirs[0]},{workdirs[1]}', f'--out={out}'])
  evaluation = json.loads((out / 'eval_test.json').read_text())
  scores = np.mean([p.outputs['score'] for p in predictions], axis=0)
  true = predictions[0].label('final_score')
  assert evaluation['mae'] == pytest.approx(
    np.abs(scores - true).mean(), rel=1e-4
  )
  assert evaluation['members'] == [str(workdir) for workdir in workdirs]
  assert evaluation['score_interval']['coverage_wanted'] == 0.9
  assert len(json.loads((out / 'calibration.json').read_text())['spreads']) == 4
  header, *rows = (out / 'predictions_test.csv').read_text().splitlines()
  assert 'score_spread' in header.split(',') and len(rows) == len(true)
  page = (out / 'report_test.html').read_text()
  assert 'id="intervals"' in page and 'ensemble of' in page
  assert 'stated spread and error' in capsys.readouterr().out


def test_members_that_do_not_fit(members, tiny_training, tmp_path):
  (workdir, other), _ = members
  out = f'--out={tmp_path / "out"}'
  for workdirs, message in (
    (f'{workdir}', 'two workdirs'),
    (f'{workdir},{workdir}', 'all different'),
    (f'{workdir},{tmp_path / "none"}', 'none is no workdir of a training'),
    (f'{workdir},{tiny_training[0]}', 'has learned other tasks'),
  ):
    with pytest.raises(InputError, match=message):
      ensemble.main([f'--workdirs={workdirs}', out])
  with pytest.raises(InputError, match='is the workdir of a training'):
    ensemble.main([f'--workdirs={workdir},{other}', f'--out={workdir}'])
  path = tmp_path / 'file'
  path.write_text('')
  with pytest.raises(InputError, match='is no folder'):
    ensemble.main([f'--workdirs={workdir},{other}', f'--out={path}'])
