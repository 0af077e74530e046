"""A toy C3D-AVG-MTL on simulated dives, for two CPU cores and six minutes.

  make quickstart

or, once simulated_dives/quickstart is prepared,

  python -m aqa_jax.main --config=configs/quickstart.py --workdir=workdir/toy
"""

import ml_collections

from aqa_jax.configs import c3davg


def get_config() -> ml_collections.ConfigDict:
  config = c3davg.get_config().unlock()
  config.duration = '1.68 epochs'
  config.batch_size = 8
  config.eval_batch_size = 20

  config.dataset.name = 'simulated_dives/quickstart'
  # 30 events: the intervals of the scores need many to hold.
  config.validation.fraction = 0.15
  config.validation.whole_events = True

  config.input.window_frames = 48
  # The last 2.6 seconds: take-off, flight, entry and splash.
  config.input.frames = 32
  config.input.max_shift = 2
  config.input.crop = 32

  config.model.clips = 2
  config.model.width = 8
  config.model.fc6 = 256
  config.model.batch_norm = True
  # The mean score, 67 points: from zero it takes a tenth of the training.
  config.model.initial_score = 67 / 17
  config.heads.initial_execution = 21.4
  # 30 points times 4.1: no dive gets more.
  config.heads.highest = 123.0
  config.model.caption_length = 50
  config.model.caption_hidden = 96
  config.model.caption_embedding = 64

  # From scratch, Muon needs a fraction of the dives that Adam needs.
  config.optimizer.name = 'muon'
  config.optimizer.learning_rate = 2e-3
  config.optimizer.schedule = 'cosine'
  config.optimizer.warmup = '50 steps'
  config.optimizer.clip_norm = 10.0

  config.checkpoint_every = '1 epochs'
  return config.lock()
