r"""Segment C3D (Li et al., PCM 2018) on MTL-AQA: a reconstruction.

  python -m aqa_jax.main --config=configs/segment_c3d.py \
    --workdir=workdir/segment_c3d --config.init_from=c3d.pickle

Nine segments of a dive, a C3D for each, squared error and a ranking loss. The
authors state 0.8009 on UNLV-Dive. Frames a segment, channels, units, weight and
margin of the ranking loss, batch and learning rate are not public: those here
are assumed.
"""

import ml_collections

from aqa_jax.configs import c3davg


def get_config() -> ml_collections.ConfigDict:
  config = c3davg.get_config().unlock()
  config.tasks = 'ranked_score'
  config.loss_weights.ranked_score = 1.0
  # The pairs of a batch: 28 at most.
  config.batch_size = 8
  # All of the window: nine times 16 frames, of which 5 overlap.
  config.input.frames = 103

  config.network = 'segment_c3d'
  config.model = ml_collections.ConfigDict()
  config.model.segments = 9
  config.model.segment_frames = 16
  config.model.width = 64
  config.model.batch_norm = False
  config.model.channels = 512
  config.model.fc6 = 1024
  config.model.initial_score = 0.0
  config.model.ranking_weight = 1.0
  # In units of 17 points.
  config.model.ranking_margin = 0.1
  return config.lock()
