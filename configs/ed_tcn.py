r"""ED-TCN (Lea et al., CVPR 2017) as in S3D: the stages of a dive.

python -m aqa_jax.main --config=configs/ed_tcn.py --workdir=workdir/ed_tcn \
  --config.dataset.name=simulated_dives/quickstart \
  --config.dataset.data_dir=data \
  --config.features.weights=workdir/quickstart

It sees features of each stored frame, by a trunk that is not trained further,
and tells which of five stages the frame belongs to. The dataset has to know
where stages end: simulated_dives, or unlv_dive/clips_151_171x128.
"""

import ml_collections

from aqa_jax.configs import c3davg


def get_config() -> ml_collections.ConfigDict:
  config = c3davg.get_config().unlock()
  config.tasks = 'stages'
  config.loss_weights = {'stages': 1.0}
  config.duration = '30 epochs'
  config.batch_size = 8
  config.eval_batch_size = 32
  # The network is small, and its outputs are to be the same on any device.
  config.compute_dtype = 'float32'

  config.dataset.name = 'simulated_dives/clips_171x128'

  # It sees features instead of videos.
  del config.input
  config.features = ml_collections.ConfigDict()
  config.features.source = 'frames'
  # '' for the model that comes with the installation; 'i3d' for Kinetics-400.
  config.features.weights = ''
  config.features.layer = 'last'
  # The frame is in the middle of a clip of so many.
  config.features.clip_frames = 4
  # (width, height) that frames are brought to, for a trunk that has not learned
  # from dives; (): as the dataset has them.
  config.features.resize = ()
  config.features.cache = ''

  config.network = 'ed_tcn'
  config.model = ml_collections.ConfigDict()
  config.model.nodes = (256, 512)
  config.model.kernel = 10
  config.model.dropout = 0.3

  # Keras's.
  config.optimizer.name = 'rmsprop'
  config.optimizer.learning_rate = 1e-3

  config.evaluators = 'intervals'
  return config.lock()
