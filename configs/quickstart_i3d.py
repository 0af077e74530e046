r"""A toy of I3D on simulated dives, beside the toy of `quickstart.py`.

python -m aqa_jax.main --config=configs/quickstart_i3d.py \
  --workdir=workdir/toy_i3d --config.dataset.data_dir=data
"""

import ml_collections

from aqa_jax.configs import i3d, quickstart


def get_config() -> ml_collections.ConfigDict:
  config = quickstart.get_config().unlock()
  config.tasks = 'execution,classes'
  of = i3d.get_config()
  config.loss_weights = of.loss_weights
  # I3D halves a frame five times.
  config.input.resize = (96, 64)
  config.input.crop = 64

  config.network = 'i3d'
  toy = config.model
  config.model = of.model
  config.model.unlock()
  # At 0, 8 and 16 of the 32 frames.
  config.model.windows = 3
  config.model.window_stride = 8
  config.model.width = 8
  config.model.initial_score = toy.initial_score
  for field in ('length', 'hidden', 'embedding'):
    config.model[f'caption_{field}'] = toy[f'caption_{field}']
  config.optimizer.trunk_factor = 1.0
  return config.lock()
