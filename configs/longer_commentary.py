r"""The toy of `quickstart_commentary.py`, trained for an hour on one CPU core.

python -m aqa_jax.main --config=configs/longer_commentary.py \
  --workdir=workdir/longer_commentary --config.dataset.data_dir=data
"""

import ml_collections

from aqa_jax.configs import longer, quickstart_commentary


def get_config() -> ml_collections.ConfigDict:
  config = quickstart_commentary.get_config().unlock()
  of = longer.get_config()
  config.duration = of.duration
  config.dataset.name = of.dataset.name
  config.validation.fraction = of.validation.fraction
  config.checkpoint_every = of.checkpoint_every
  return config.lock()
