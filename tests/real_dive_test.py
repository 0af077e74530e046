"""A few steps on the one real dive at hand: it is not in this repository."""

import json
import os
import pathlib
import subprocess
import sys

import pytest
import tensorflow_datasets as tfds

from tfds_mtl_aqa import prepare

ROOT = pathlib.Path(__file__).parents[1]
SHARED = ROOT.parent / 'shared'
_VIDEO = SHARED / 'media/mtl_aqa_03_55.avi'

pytestmark = pytest.mark.skipif(
  not (_VIDEO.exists() and (SHARED / 'mtl_aqa').is_dir()),
  reason='needs the MTL-AQA release and a dive in ../shared',
)


@pytest.fixture(name='data_dir', scope='module')
def fixture_data_dir(tmp_path_factory):
  manual = tmp_path_factory.mktemp('manual')
  (manual / 'Ready_2_Use').symlink_to(SHARED / 'mtl_aqa/release')
  (manual / 'info').symlink_to(SHARED / 'mtl_aqa/judges')
  (manual / _VIDEO.name).symlink_to(_VIDEO)
  data_dir = tmp_path_factory.mktemp('real_dive')
  prepare.prepare(
    'mtl_aqa/clips_171x128',
    data_dir=str(data_dir),
    manual_dir=str(manual),
    allow_missing=True,
  )
  return data_dir


def test_training_on_a_real_dive(data_dir, tmp_path):
  """The paper's pixels and clips, with a narrower network."""
  info = tfds.builder('mtl_aqa/clips_171x128', data_dir=data_dir).info
  (split,) = (n for n, s in info.splits.items() if s.num_examples)
  workdir = tmp_path / 'workdir'
  changes = {
    'dataset.data_dir': data_dir,
    'dataset.train_split': split,
    'test_splits': (split,),
    # There is no second dive to choose by.
    'validation.fraction': 0.0,
    'batch_size': 1,
    'eval_batch_size': 1,
    'duration': '8 epochs',
    'checkpoint_every': '8 epochs',
    'log_steps': 1,
    'model.width': 4,
    'model.fc6': 32,
    'model.caption_hidden': 16,
    'model.caption_embedding': 16,
    'optimizer.learning_rate': 1e-3,
    'mesh.data': 1,
  }
  done = subprocess.run(
    [
      sys.executable,
      '-m',
      'aqa_jax.main',
      '--config=configs/c3davg.py',
      f'--workdir={workdir}',
      *(f'--config.{name}={value}' for name, value in changes.items()),
    ],
    cwd=ROOT,
    capture_output=True,
    text=True,
    check=False,
    # As a user runs it.
    env=os.environ | {'JAX_DISABLE_MOST_OPTIMIZATIONS': '0', 'XLA_FLAGS': ''},
  )
  assert done.returncode == 0, done.stderr
  lines = (workdir / 'metrics.jsonl').read_text().splitlines()
  losses = [
    json.loads(line)['train/loss'] for line in lines if 'train/loss' in line
  ]
  assert len(losses) == 8
  assert losses[-1] < 0.9 * losses[0]
  evaluation = json.loads((workdir / f'eval_{split}.json').read_text())
  assert evaluation['num_dives'] == 1
  # One dive has no rank correlation.
  assert evaluation['spearman'] is None
