r"""A toy of Segment C3D on simulated dives, beside the toy of `quickstart.py`.

python -m aqa_jax.main --config=configs/quickstart_segment_c3d.py \
  --workdir=workdir/toy_segment_c3d --config.dataset.data_dir=data
"""

import ml_collections

from aqa_jax.configs import quickstart, segment_c3d


def get_config() -> ml_collections.ConfigDict:
  config = quickstart.get_config().unlock()
  config.tasks = 'ranked_score'
  config.loss_weights.ranked_score = 1.0
  # Nine segments of four frames, to the last frame.
  config.input.frames = 36

  config.network = 'segment_c3d'
  toy = config.model
  config.model = segment_c3d.get_config().model
  config.model.unlock()
  config.model.segment_frames = 4
  config.model.width = 8
  config.model.batch_norm = True
  config.model.channels = 64
  config.model.fc6 = 256
  config.model.initial_score = toy.initial_score
  return config.lock()
