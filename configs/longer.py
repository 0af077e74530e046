r"""The toy of `quickstart.py`, trained for an hour on two CPU cores.

python -m tfds_mtl_aqa.prepare simulated_dives/longer --data_dir=data
python -m aqa_jax.main --config=configs/longer.py --workdir=workdir/longer \
  --config.dataset.data_dir=data
"""

import ml_collections

from aqa_jax.configs import quickstart


def get_config() -> ml_collections.ConfigDict:
  config = quickstart.get_config().unlock()
  config.duration = '3 epochs'
  # Enough dives to learn to name what went wrong.
  config.loss_weights.captions = 0.03
  config.dataset.name = 'simulated_dives/longer'
  config.validation.fraction = 0.03
  config.checkpoint_every = '0.25 epochs'
  return config.lock()
