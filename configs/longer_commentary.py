r"""The small network that judges best here: 1 h 16 min of one CPU core.

  python -m tfds_mtl_aqa.prepare simulated_dives/longer --data_dir=data
  python -m aqa_jax.main --config=configs/longer_commentary.py \
    --workdir=workdir/longer_commentary --config.dataset.data_dir=data

Expect on the 1000 test dives (docs/commentary.md has all figures): Spearman
0.955, of the execution alone 0.933; remarks on faults with an F1 of 0.72.
"""

import ml_collections

from aqa_jax.configs import longer, quickstart_commentary


def get_config() -> ml_collections.ConfigDict:
  config = quickstart_commentary.get_config().unlock()
  of = longer.get_config()
  config.tasks = 'execution,classes,faults,commentary'
  config.model.width = 16
  config.duration = '4 epochs'
  config.dataset.name = of.dataset.name
  config.validation.fraction = of.validation.fraction
  config.checkpoint_every = of.checkpoint_every
  # 2 GiB: no frame is decoded twice.
  config.input.cache = 'memory'
  return config.lock()
