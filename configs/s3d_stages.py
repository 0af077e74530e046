r"""S3D (Xiang et al., ICIP 2018) on any trunk of this project.

python -m aqa_jax.main --config=configs/s3d_stages.py \
  --workdir=workdir/s3d_stages \
  --config.dataset.name=simulated_dives/quickstart \
  --config.dataset.data_dir=data \
  --config.features.weights=workdir/quickstart

The features of a clip in each of four stages of a dive, their mean, and a
ridge. Where the stages end, the dataset says, or a network that was trained
with configs/ed_tcn.py: `--config.features.stages=workdir/ed_tcn`. The authors
train a network for each stage further, on the score; here the trunk is not
trained.
"""

import ml_collections

from aqa_jax.configs import c3d_svr


def get_config() -> ml_collections.ConfigDict:
  config = c3d_svr.get_config().unlock()
  config.dataset.name = 'simulated_dives/clips_171x128'

  config.features = ml_collections.ConfigDict()
  config.features.source = 'stages'
  # '' for the model that comes with the installation; 'i3d' for Kinetics-400.
  config.features.weights = ''
  config.features.layer = 'last'
  config.features.clip_frames = 16
  # The workdir of an ed_tcn; '' for the labels of the dataset.
  config.features.stages = ''
  # Of one stage alone: beginning, jump, drop, entry or ending.
  config.features.stage = ''
  # (width, height) that frames are brought to, for a trunk that has not learned
  # from dives; (): as the dataset has them.
  config.features.resize = ()
  config.features.cache = ''

  config.regressor.name = 'ridge'
  config.regressor.scaling = 'standard'
  # Chosen by training dives left out.
  config.regressor.strength = 0.0
  return config.lock()
