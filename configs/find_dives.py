r"""A small network that finds the dives in a video; half an hour on two cores.

Simulated footage first, then the training:

  python -m tfds_mtl_aqa.prepare simulated_footage/small --data_dir=data
  python -m aqa_jax.main --config=configs/find_dives.py \
    --workdir=workdir/find_dives --config.dataset.data_dir=data
"""

import ml_collections

from aqa_jax.configs import c3davg


def get_config() -> ml_collections.ConfigDict:
  config = c3davg.get_config().unlock()
  config.tasks = 'phases'
  config.duration = '2500 steps'
  config.batch_size = 8
  config.eval_batch_size = 4

  config.dataset = ml_collections.ConfigDict()
  config.dataset.name = 'simulated_footage/small'
  config.dataset.data_dir = ''
  config.dataset.train_split = 'train'
  config.validation = ml_collections.ConfigDict()
  config.validation.split = 'validation'
  config.test_split = 'test'

  config.input = ml_collections.ConfigDict()
  config.input.frames = 96
  # A replay is shown at 0.2 to 0.5 of the speed.
  config.input.min_speed = 0.8
  config.input.max_speed = 1.2
  config.input.min_zoom = 0.6
  config.input.colour = 0.7
  config.input.flip = True

  config.network = 'dive_finder'
  config.model = ml_collections.ConfigDict()
  config.model.width = 8
  config.model.features = 96
  config.model.dropout = 0.3

  config.optimizer.learning_rate = 1e-3
  config.optimizer.schedule = 'cosine'
  config.optimizer.warmup = '100 steps'
  config.optimizer.clip_norm = 1.0
  config.optimizer.weight_decay = 1e-4
  config.checkpoint_every = '300 steps'
  return config.lock()
