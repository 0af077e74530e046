r"""C3D-SVR (Parmar & Morris, CVPR workshops 2017) on any trunk of this project.

python -m aqa_jax.main --config=configs/c3d_svr.py --workdir=workdir/c3d_svr \
  --config.dataset.name=simulated_dives/quickstart \
  --config.dataset.data_dir=data \
  --config.features.weights=workdir/toy

The features of clips of 16 frames that begin at every frame, their mean, its
norm 1, and a linear SVR. The trunk is not trained further. The paper's is a C3D
trained on UCF-101: `configs/pretrain_ucf101.py` trains one, and its workdir is
the value of `--config.features.weights`.
"""

import ml_collections

from aqa_jax.configs import s3d


def get_config() -> ml_collections.ConfigDict:
  config = s3d.get_config().unlock()
  config.dataset.name = 'mtl_aqa/clips_171x128'

  config.features = ml_collections.ConfigDict()
  config.features.source = 'network'
  # '' for the model that comes with the installation; 'i3d' for Kinetics-400.
  config.features.weights = ''
  config.features.layer = 'fc6'
  config.features.clip_frames = 16
  config.features.clip_stride = 1
  # (width, height) that frames are brought to; (): as the dataset has them. Not
  # for a network that has learned from dives.
  config.features.resize = ()
  # 'mean' over the clips; 'none' keeps each clip's, for a network on sequences.
  config.features.pool = 'mean'
  config.features.cache = ''

  config.regressor.name = 'svr'
  config.regressor.scaling = 'l2'
  # The authors do not state theirs.
  config.regressor.strength = 0.0
  return config.lock()
