r"""S3D (Xiang et al., ICIP 2018): a regression on features of P3D, by stages.

python -m tfds_mtl_aqa.prepare unlv_dive/annotations --data_dir=data
python -m aqa_jax.main --config=configs/s3d.py --workdir=workdir/s3d \
  --config.dataset.data_dir=data --config.features.path=s3d_p3d_features.npz

The features are the mean of those of four stages of a dive, by the authors'
networks. `--config.regressor.name=svr --config.regressor.strength=60
--config.regressor.epsilon=13` is the best of the authors' regressions; it was
chosen on the test dives. `--config.regressor.strength=0` chooses the strength
by training dives left out.
"""

import ml_collections


def get_config() -> ml_collections.ConfigDict:
  config = ml_collections.ConfigDict()
  config.seed = 0

  config.dataset = ml_collections.ConfigDict()
  config.dataset.name = 'unlv_dive/annotations'
  config.dataset.data_dir = ''
  config.dataset.train_split = 'train'
  config.test_splits = ('test',)

  config.features = ml_collections.ConfigDict()
  config.features.source = 'file'
  config.features.path = ''
  config.features.name = 'features'
  # The label of the dataset by which the file numbers the dives.
  config.features.id = 'dive_id'
  # Then the regression's errors on training dives give no interval.
  config.features.seen_training_dives = True

  config.regressor = ml_collections.ConfigDict()
  config.regressor.name = 'ridge'
  config.regressor.strength = 1000.0
  config.regressor.kernel = 'linear'
  config.regressor.scaling = 'none'
  config.regressor.epsilon = 0.1
  config.regressor.nu = 0.5
  config.regressor.folds = 5

  config.evaluators = 'baselines,intervals,ceilings,events,confusion,captions'
  config.meteor = False
  return config.lock()
