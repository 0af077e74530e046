r"""What a layer of a trunk knows of a dive's score (the paper's tables 9, 10).

python -m aqa_jax.main --config=configs/linear_probe.py --workdir=workdir/c4 \
  --config.dataset.name=simulated_dives/quickstart \
  --config.dataset.data_dir=data \
  --config.features.weights=workdir/toy --config.features.layer=c4

The activations of the last convolution of a group, averaged to about 9200
numbers and over the clips (the scheme of Zhang et al., ECCV 2016; the paper
gives no sizes), and a ridge whose strength is chosen by training dives left
out.
"""

import ml_collections

from aqa_jax.configs import c3d_svr


def get_config() -> ml_collections.ConfigDict:
  config = c3d_svr.get_config().unlock()
  config.features.layer = 'c5'
  config.features.clip_stride = 16
  config.regressor.name = 'ridge'
  config.regressor.scaling = 'standard'
  config.regressor.strength = 0.0
  return config.lock()
