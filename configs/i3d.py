r"""I3D with a score distribution, USDL (Tang et al., CVPR 2020), on MTL-AQA.

  python -m aqa_jax.main --config=configs/i3d.py --workdir=workdir/i3d \
    --config.init_from=i3d --config.init_scope=backbone

Ten windows of 16 frames, 224 x 224 pixels, and the authors' hyperparameters.
They state a Spearman of 0.9066 on the test split, by the epoch that is best on
the test split itself. CoRe (Yu et al., ICCV 2021) is

  --config.tasks=relative_score --config.model.frozen_statistics=True \
  --config.batch_size=2 --config.duration=200epochs \
  --config.optimizer.learning_rate=1e-3 --config.optimizer.trunk_factor=0.1 \
  --config.optimizer.weight_decay=0

with a Spearman of 0.9512. Other heads: docs/heads.md.
"""

import ml_collections

from aqa_jax.configs import c3davg


def get_config() -> ml_collections.ConfigDict:
  config = c3davg.get_config().unlock()
  config.tasks = 'score_distribution'
  config.loss_weights.faults = 1.0
  config.loss_weights.commentary = 0.01
  config.duration = '100 epochs'
  config.batch_size = 4
  config.dataset.name = 'mtl_aqa/clips_640x360'

  # All of the window.
  config.input.frames = 103
  config.input.resize = (455, 256)
  config.input.crop = 224

  config.network = 'i3d'
  config.model = ml_collections.ConfigDict()
  config.model.windows = 10
  config.model.window_frames = 16
  config.model.window_stride = 10
  config.model.width = 64
  # True: BatchNorm keeps the statistics that it begins with. Without weights to
  # begin with it has to be False.
  config.model.frozen_statistics = False
  # As in `mscadc.py`.
  config.model.statistics_groups = 1
  config.model.initial_score = 0.0
  config.model.caption_length = 100
  config.model.caption_hidden = 512
  config.model.caption_embedding = 512
  config.model.caption_dropout = 0.2
  config.model.caption_layers = 2
  config.model.caption_heads = 4
  config.model.caption_beams = 4

  config.optimizer.learning_rate = 1e-4
  # Of the trunk's learning rate, in learning_rate.
  config.optimizer.trunk_factor = 1.0
  config.optimizer.weight_decay = 1e-5
  config.optimizer.reference_batch_size = 4
  return config.lock()
