r"""A classifier of dives by dilated 3D convolutions (Nibali et al., 2017).

python -m aqa_jax.main --config=configs/dilated_classifier.py \
  --workdir=workdir/dilated_classifier

A reconstruction, details assumed: aqa_jax/systems/dilated_classifier/README.md.
On MTL-AQA the paper states for theirs: position 74.79 % of the test dives,
armstand 98.30, rotation 78.75, somersaults 77.34, twists 79.89 (table 5).
"""

import ml_collections

from aqa_jax.configs import mscadc


def get_config() -> ml_collections.ConfigDict:
  # 16 frames of the whole dive, 180 x 180 pixels.
  config = mscadc.get_config().unlock()
  config.tasks = 'classes'

  config.network = 'dilated_classifier'
  config.model = ml_collections.ConfigDict()
  config.model.width = 32
  config.model.dropout = 0.5
  config.model.initial_score = 0.0
  config.model.statistics_groups = 1
  return config.lock()
