r"""Pose+DCT (Pirsiavash et al., ECCV 2014): the paths of the joints.

python -m aqa_jax.main --config=configs/pose_dct.py --workdir=workdir/pose_dct \
  --config.dataset.name=simulated_dives/quickstart \
  --config.dataset.data_dir=data

50 coefficients of the discrete cosine transform of each coordinate, from the
head, and a linear nu-SVR, C 0.001. Simulated dives have the true joints; for
others give files of poses: docs/systems.md.
"""

import ml_collections

from aqa_jax.configs import s3d


def get_config() -> ml_collections.ConfigDict:
  config = s3d.get_config().unlock()
  config.dataset.name = 'mtl_aqa/annotations'

  config.features = ml_collections.ConfigDict()
  config.features.source = 'poses'
  # Such as 'poses/{event:02d}_{sample:02d}.npy'; '' for the dataset's own.
  config.features.path = ''
  config.features.format = 'coco'
  config.features.head = -1
  config.features.coefficients = 50
  config.features.segments = 1

  config.regressor.name = 'nu_svr'
  config.regressor.strength = 1e-3
  return config.lock()
